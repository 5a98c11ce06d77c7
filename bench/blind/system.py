"""Blind systems: which there are in a run, what they are made of, and what a plan needs to know of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from bench import plugins
from bench.analysis.dispatch import Named
from bench.analysis.settings import AnalysisSettings
from bench.cells import SeparatorSpec, SystemSpec
from bench.codehash import CodeChangedError, code_hash
from bench.describe import ADAPTER, Description, make_plugin, resolved_options
from bench.truth import DEPTHS
from separators.base import Parser, Separator
from taggers.base import Tagger
from taggers.card import ModelCard

PREFERENCE: Final = ">"
"""Stands between separators in order of preference."""


@dataclass(frozen=True)
class System:
    """A system that is ready to work: ``tagger`` and ``separators`` in order of preference, or ``parser``."""

    tagger: Tagger | None
    separators: tuple[Named, ...]
    parser: Parser | None


def system_specs(
    *,
    taggers: Sequence[str],
    separators: Sequence[str],
    parsers: Sequence[str],
    settings: AnalysisSettings,
    part: Callable[[plugins.Kind, str], SeparatorSpec],
) -> list[SystemSpec]:
    """Every tagger with every entry of ``separators``, then the parsers.

    Args:
        taggers: names, or ``module:object``.
        separators: such names, or several with ``>`` between them, in order of preference.
        parsers: such names.
        settings: of the detection.
        part: makes the spec of one plug-in of a name.
    """
    settings = settings.model_copy(update={"depths": DEPTHS})
    found = []
    for tagger in taggers:
        for entry in separators:
            chain = [part("separators", name) for name in names_in(entry)]
            found.append(SystemSpec(f"{tagger}+{entry}", (part("taggers", tagger), *chain), settings))
    return found + [SystemSpec(name, (part("parsers", name),), settings) for name in parsers]


def names_in(entry: str) -> list[str]:
    """The separators of an entry, in order of preference."""
    return [name.strip() for name in entry.split(PREFERENCE)]


def make_system(spec: SystemSpec, *, code: str = "") -> System:
    """Construct a system's parts.

    Raises:
        PluginError: a part cannot be loaded, or has no such option.
        Unavailable: a part cannot do without something that is absent.
        CodeChangedError: the code is not ``code``, where that is given.
    """
    made = [make_plugin(part) for part in spec.parts]
    if code and _code(made) != code:
        raise CodeChangedError(f"{spec.name}: its code was edited while the run went on; run it again")
    first = made[0]
    if isinstance(first, Parser):
        return System(None, (), first)
    named = zip(spec.parts[1:], made[1:], strict=True)
    return System(cast("Tagger", first), tuple(Named(part.name, cast("Separator", one)) for part, one in named), None)


def describe_system(spec: SystemSpec) -> Description:
    """What a system declares; errors as for :func:`make_system`."""
    made = [make_plugin(part) for part in spec.parts]
    cards = [card for one in made if (card := type(one).card()) is not None]
    weights = [digest for one in made if (digest := one.weights_sha256()) is not None]
    options = {part.name: resolved_options(type(one), part.options) for part, one in zip(spec.parts, made, strict=True)}
    told = any(_is_told(one) for one in made)
    families = [one.family for one in made if not isinstance(one, Tagger)]
    idle = all(family == "baseline" for family in families)
    return Description(
        spec=spec,
        family="baseline" if idle else "oracle" if told else " > ".join(dict.fromkeys(families)),
        oracle=told,
        code=_code(made),
        weights=weights[0] if len(weights) == 1 else _sha256(weights) if weights else None,
        options={**options, "detect": spec.settings.model_dump(mode="json")},
        card=_card(spec, cards) if len(cards) == len(made) else None,
    )


def _is_told(part: Separator | Tagger | Parser) -> bool:
    if isinstance(part, Tagger):
        return part.needs_annotation
    return part.family == "oracle" or "reference" in getattr(part, "needs", ())


def _code(made: Sequence[Separator | Tagger | Parser]) -> str:
    """Hash of the code of all parts, and of what stands around them."""
    # Around a separator stands what does in the query protocol: one class has one hash in a process.
    hashes = [code_hash(type(one), *(ADAPTER if isinstance(one, Separator) else ())) for one in made]
    return _sha256([*hashes, _around(parser=isinstance(made[0], Parser))])


@cache
def _around(*, parser: bool) -> str:
    """Hash of the code that hears, extracts and gates; once per process, as it reaches far."""
    from bench.blind.parsed import ParsedScene  # lazy: they draw on this module
    from bench.blind.tagged import TaggedScene

    return code_hash(ParsedScene if parser else TaggedScene)


def _card(spec: SystemSpec, cards: Sequence[ModelCard]) -> dict[str, Any]:
    """One card of the whole, from those of all parts."""
    if len(cards) == 1:
        return cards[0].model_dump(mode="json")

    def said(field: str) -> str | None:
        return "; ".join(dict.fromkeys(value for card in cards if (value := getattr(card, field)))) or None

    parameters = [card.parameters for card in cards]
    whole = ModelCard(
        name=spec.name,
        family=" > ".join(dict.fromkeys(card.family for card in cards[1:])),
        summary=said("summary") or spec.name,
        paper=said("paper"),
        licence=said("licence") or "unknown",
        parameters=None if None in parameters else sum(count or 0 for count in parameters),
        training_data=tuple(dict.fromkeys(name for card in cards for name in card.training_data)),
        weights=tuple(weights for card in cards for weights in card.weights),
        notes=said("notes"),
    )
    return whole.model_dump(mode="json")


def _sha256(described: object) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
