"""Everything that is measured of ``mini-tagger``: every training on every set of clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.shipped.clips import Clip, fold_clips, mixtures, silence, table_clips
from bench.shipped.detection import confusion, detection
from bench.shipped.figures import ShippedError
from bench.shipped.hearing import hear, open_ear

TABLES: Final = ("held_out", "songs", "unknown", "noise")
"""Of the rendered clips, all but those that it was trained on."""


def tagging(
    checkpoints: Sequence[Path],
    *,
    esc50: Path | None,
    rendered: Path,
    absent: dict[str, str],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Figures of several trainings of one tagger, the first of which is the one that ships.

    Args:
        checkpoints: weights, all with the same classes.
        esc50: folder of ESC-50 or ESC-10; its fold 4 is heard, clip by clip and in mixtures of two.
        rendered: folder of rendered clips.
        absent: is told why a set of clips is left out.
        tell: is told what is being heard.

    Raises:
        ShippedError: weights cannot be loaded, or declare different classes.
    """
    ears = [open_ear(path) for path in checkpoints]
    for path, ear in zip(checkpoints, ears, strict=True):
        if set(ear.classes) != set(ears[0].classes):
            raise ShippedError(f"{path}: declares other classes than {checkpoints[0]}; name trainings of one tagger")
    figures: dict[str, Any] = {
        "checkpoints": [ear.tagger.weights_sha256() for ear in ears],
        "calibrated": [ear.tagger.thresholds() is not None for ear in ears],
        "classes": sorted(ears[0].names),
    }
    for name, clips in _sets(esc50, rendered, absent).items():
        heard = []
        for number, ear in enumerate(ears, 1):
            tell(f"{name}, {len(clips)} clips, training {number} of {len(ears)}")
            heard.append(hear(ear, clips))
        figures[name] = detection(heard, name=name)
        if name == "fold4_single":
            figures["confusion"] = confusion(heard, name=name)
    return figures


def _sets(esc50: Path | None, rendered: Path, absent: dict[str, str]) -> Mapping[str, Sequence[Clip]]:
    """The sets of clips that are there."""
    found: dict[str, Sequence[Clip]] = {}
    if esc50 is None:
        absent["tagger, ESC fold 4"] = "no folder given (--esc50)"
    else:
        try:
            found["fold4_single"] = fold_clips(esc50)
            found["fold4_mixtures"] = mixtures(found["fold4_single"])
        except ShippedError as error:
            absent["tagger, ESC fold 4"] = str(error)
    for table in TABLES:
        try:
            found[table] = table_clips(rendered, table)
        except ShippedError as error:
            absent[f"tagger, {table}"] = str(error)
    return found | {"silence": silence()}
