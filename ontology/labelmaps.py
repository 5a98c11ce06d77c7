"""What the labels of each data set stand for in the ontology.

The maps are data: one JSON file per data set in ``ontology/data``, with its source and with a note on each label that
names no single class of AudioSet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ontology.targets import Target

_FOLDER = Path(__file__).parent / "data"

LABEL_MAPS: Final = ("esc50", "fsdkaggle2018", "general_midi", "musdb18", "slakh2100", "voicebank_demand")
"""The maps there are."""

# Other names of the same labels: SiSEC 2016 scored MUSDB18's targets, DCASE 2018 Task 2 used FSDKaggle2018, and
# scenes of MUSDB18-HQ say so.
_SAME: Final = {"dcase2018": "fsdkaggle2018", "musdb18-hq": "musdb18", "sisec2016": "musdb18"}


@cache
def label_map(name: str) -> Mapping[str, Target]:
    """The targets of a data set by label, in the data set's own order; read-only.

    Args:
        name: one of :data:`LABEL_MAPS`, or ``"dcase2018"``, ``"musdb18-hq"`` or ``"sisec2016"``. ``"slakh2100"`` is
            keyed by ``inst_class``, ``"general_midi"`` by the name of the program (by its number:
            :func:`midi_program`).

    Raises:
        KeyError: there is no such map; the message names those there are.
    """
    file = _SAME.get(name, name)
    if file not in LABEL_MAPS:
        raise KeyError(f"no label map {name!r}; there are {', '.join(sorted({*LABEL_MAPS, *_SAME}))}")
    labels = json.loads((_FOLDER / f"{file}.json").read_text(encoding="utf-8"))["labels"]
    return MappingProxyType({label: Target(label, tuple(classes)) for label, classes in labels.items()})


@cache
def midi_program(number: int) -> Target:
    """The target of a General MIDI program, counted from 0 as MIDI files do; 128 is the percussion channel.

    Raises:
        KeyError: ``number`` is not one of 0 to 128.
    """
    programs = tuple(label_map("general_midi").values())
    if not 0 <= number < len(programs):
        raise KeyError(f"no General MIDI program {number}: they run from 0 to {len(programs) - 1}")
    return programs[number]


@cache
def complement_labels() -> frozenset[str]:
    """Labels that are no class but what other labels leave over, e.g. MUSDB18's "other" and "accompaniment"."""
    return frozenset(label for name in LABEL_MAPS for label, target in label_map(name).items() if not target.mids)
