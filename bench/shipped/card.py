"""Copies figures into model cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from bench.shipped.figures import ShippedError
from bench.shipped.harness import SEPARATOR, TAGGER

DIGITS: Final = 3
PARTS: Final = {
    TAGGER: ("tagger", "speed", "scaling"),
    SEPARATOR: ("separator", "blind", "voicebank", "speed", "scaling"),
}
"""Which parts of ``figures.json`` stand in which card."""
_SPOT: Final = {TAGGER: "tagger", SEPARATOR: "separator"}


def into_card(figures: Mapping[str, Any], card_path: Path) -> None:
    """Write the figures of a card's model into it, under ``figures``, as plain numbers of three digits.

    Parts that were not measured this time stay as they stand there.

    Raises:
        ShippedError: it is no card of one of the two models, or the figures are of other weights than the card.
    """
    content = yaml.safe_load(card_path.read_text(encoding="utf-8"))
    name = content.get("card", {}).get("name") if isinstance(content, dict) else None
    if name not in PARTS:
        raise ShippedError(f"{card_path}: is the card of {name!r}, not of {' or '.join(PARTS)}")
    known = [weights.get("sha256") for weights in content["card"].get("weights", ())]
    measured = figures["made"]["weights"].get(name)
    if measured not in known:
        raise ShippedError(f"{card_path}: is of weights {known}, and the figures are of {measured}; measure these")
    kept = {part: figures[part] for part in PARTS[name] if part in figures}
    if _SPOT[name] in figures.get("spot", {}):
        kept["spot"] = figures["spot"][_SPOT[name]]
    content["figures"] = content.get("figures", {}) | rounded(kept)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    card_path.write_text(text, encoding="utf-8")


def rounded(value: Any) -> Any:
    """The same with every number rounded to three digits behind the point, in plain dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value
