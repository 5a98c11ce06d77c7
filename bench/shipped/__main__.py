"""``python -m bench.shipped --esc50 PATH --voicebank PATH --out DIR``: measure what comes along, and write figures.

Writes ``figures.json``, ``figures.md``, ``confusion.svg`` and ``by_class.svg``. Parts without data or weights are left
out, and it is said why.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.analysis.request import AnalysisError
from bench.datasets.rendered import default_folder
from bench.plugins import PluginError
from bench.progress import spinner
from bench.provenance import provenance
from bench.shipped.blind import blind
from bench.shipped.card import into_card
from bench.shipped.clips import fold_clips
from bench.shipped.figures import ShippedError
from bench.shipped.harness import SEPARATOR, TAGGER, Models
from bench.shipped.hearing import open_ear
from bench.shipped.pictures import draw_by_class, draw_confusion
from bench.shipped.scaling import scaling
from bench.shipped.separation import separation
from bench.shipped.speech import speech
from bench.shipped.speed import speed
from bench.shipped.spot import fold_pairs, held_out_pairs, make_clips, spot_separator, spot_tagger
from bench.shipped.tables import markdown
from bench.shipped.tagging import tagging
from separators.base import Unavailable
from separators.uss.mini import MiniUss
from taggers.mini.tagger import WEIGHTS

PARTS: Final = ("tagger", "separator", "blind", "voicebank", "speed", "spot")
"""What ``--only`` takes."""
Tell = Callable[[str], None]


def main() -> None:
    """Measure what was asked for; exits with 2 where nothing could be."""
    asked = _arguments()
    figures = measure(asked)
    for part, reason in figures["absent"].items():
        sys.stderr.write(f"{part}: not measured: {reason}\n")
    if not set(figures) - {"made", "absent"}:
        raise SystemExit(2)
    for path in write(figures, asked.out):
        sys.stdout.write(f"{path}\n")
    try:
        for card in asked.card:
            into_card(figures, card)
            sys.stdout.write(f"{card}\n")
    except (ShippedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Every part that was asked for, and under ``absent`` why others could not be measured."""
    models = Models(asked.tagger[0] if asked.tagger else None, asked.separator)
    absent: dict[str, str] = {}

    def all_of_the_tagger(tell: Tell) -> dict[str, Any]:
        return tagging(asked.tagger or [WEIGHTS], esc50=asked.esc50, rendered=asked.rendered, absent=absent, tell=tell)

    parts: dict[str, Callable[[Tell], Any]] = {
        "tagger": all_of_the_tagger,
        "separator": lambda tell: separation(_given(asked.esc50, "--esc50"), models),
        "blind": lambda tell: blind(_given(asked.esc50, "--esc50"), models),
        "voicebank": lambda tell: speech(_given(asked.voicebank, "--voicebank"), models),
        "speed": lambda tell: speed(fold_clips(_given(asked.esc50, "--esc50")), models),
        "spot": lambda tell: _spot(models, asked.esc50, absent),
    }
    figures: dict[str, Any] = {"made": _made(models)}
    for name in asked.only:
        with spinner(name) as tell:
            try:
                figures[name] = parts[name](tell)
            except (ShippedError, PluginError, AnalysisError, Unavailable) as error:
                absent[name] = str(error)
    if asked.scaling:
        try:
            figures["scaling"] = scaling(asked.scaling)
        except ShippedError as error:
            absent["scaling"] = str(error)
    return figures | {"absent": absent}


def write(figures: dict[str, Any], out: Path) -> list[Path]:
    """Write the figures, their tables and pictures, and return the paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "figures.json", out / "figures.md"]
    written[0].write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    written[1].write_text(markdown(figures), encoding="utf-8")
    if "counts" in figures.get("tagger", {}).get("confusion", {}):
        written.append(out / "confusion.svg")
        draw_confusion(figures["tagger"]["confusion"], written[-1])
    if draw_by_class(figures, out / "by_class.svg"):
        written.append(out / "by_class.svg")
    return written


def _spot(models: Models, esc50: Path | None, absent: dict[str, str]) -> dict[str, Any]:
    """Figures of a few clips that any machine can make, each model's own."""
    models.check(TAGGER)
    with tempfile.TemporaryDirectory() as scratch:
        clips = make_clips(Path(scratch) / "rendered")
    found = {"tagger": spot_tagger(open_ear(models.tagger or WEIGHTS), clips)}
    try:
        models.check(SEPARATOR)
        separator = _separator(models)
        found["separator"] = spot_separator(separator, held_out_pairs(clips))
        found["separator"]["fold4"] = spot_separator(separator, fold_pairs(_given(esc50, "--esc50")))
    except ShippedError as error:
        absent["spot, mini-uss"] = str(error)
    return found


def _separator(models: Models) -> MiniUss:
    try:
        return MiniUss(**models.options(SEPARATOR).get(SEPARATOR, {}), dtype="float32")
    except (OSError, ValueError) as error:
        raise ShippedError(str(error)) from error


def _given(folder: Path | None, option: str) -> Path:
    if folder is None:
        raise ShippedError(f"no folder given ({option})")
    return folder


def _made(models: Models) -> dict[str, Any]:
    made = provenance()
    return {
        "stemtree": made["packages"]["stemtree"],
        "torch": made["packages"]["torch"],
        "python": made["python"],
        "machine": made["cpu"],
        "weights": models.sha256(),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.shipped", description=__doc__)
    parser.add_argument("--esc50", type=Path, help="folder of ESC-50 or ESC-10")
    parser.add_argument("--voicebank", type=Path, help="folder of VoiceBank-DEMAND")
    parser.add_argument(
        "--rendered", type=Path, default=default_folder(),
        help="folder of rendered clips; without it, the one that `stemtree data make rendered` makes",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder that the figures are written to")
    parser.add_argument(
        "--tagger", type=Path, nargs="+", default=[], metavar="CKPT",
        help="weights of several trainings, the shipped one first; without it, those that come with stemtree",
    )  # fmt: skip
    parser.add_argument("--separator", type=Path, metavar="CKPT", help="weights; without it, those that come along")
    parser.add_argument(
        "--only", type=_parts, default=PARTS, metavar="PART,...", help=f"some of {', '.join(PARTS)}; without it, all"
    )
    parser.add_argument(
        "--scaling", type=Path, nargs="+", default=[], metavar="RUN", help="folders of `stemtree train` to compare"
    )
    parser.add_argument(
        "--card", type=Path, nargs="+", default=[], help="cards of these weights, which the figures are copied into"
    )
    return parser.parse_args()


def _parts(given: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in given.split(","))))
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {name!r}; there are {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    main()
