"""One track of Slakh2100: what its metadata.yaml says of the stems, and which of them lie on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.datasets.base import DatasetError
from bench.datasets.layout import audio_file, inside, read_yaml
from ontology.labelmaps import midi_program
from ontology.targets import Target

SUFFIXES: Final = (".flac", ".wav")
PERCUSSION: Final = 128
"""The program number that Slakh2100 gives to drums, beyond the 128 of General MIDI."""
_FIELDS: Final = {"inst_class": str, "program_num": int, "is_drum": bool, "midi_program_name": str}


@dataclass(frozen=True)
class Stem:
    """One instrument of a track. ``path`` is None where it has no sound file."""

    key: str
    path: Path | None
    metadata: Mapping[str, Any]

    @property
    def inst_class(self) -> str:
        """Slakh's instrument class, e.g. ``"Guitar"``."""
        return str(self.metadata["inst_class"])

    @property
    def instrument(self) -> Target:
        """The finest that the metadata says of it: its General MIDI program, or the percussion channel."""
        return midi_program(PERCUSSION if self.metadata["is_drum"] else self.metadata["program_num"])

    @property
    def label(self) -> str:
        """Key and program name, e.g. ``"S00 Distortion Guitar"``: unique in its track."""
        return f"{self.key} {self.metadata['midi_program_name']}"

    @property
    def rendered(self) -> bool:
        """Whether the metadata says that it was rendered."""
        return bool(self.metadata.get("audio_rendered", True))


def read_stems(folder: Path) -> list[Stem]:
    """The stems that ``folder/metadata.yaml`` lists, by key; a file that is there counts, whatever the metadata says.

    Raises:
        DatasetError: the metadata is missing or malformed; names the file and the field.
    """
    source = folder / "metadata.yaml"
    stems = read_yaml(source).get("stems")
    if not isinstance(stems, dict) or not stems:
        raise DatasetError(f"{source}: field 'stems' is not a mapping of stems; fetch it anew")
    return [_stem(folder, source, str(key), entry) for key, entry in sorted(stems.items(), key=lambda kv: str(kv[0]))]


def _stem(folder: Path, source: Path, key: str, entry: object) -> Stem:
    if not isinstance(entry, dict):
        raise DatasetError(f"{source}: stem {key!r} is not a mapping; fetch it anew")
    for field, kind in _FIELDS.items():
        if not isinstance(entry.get(field), kind):
            raise DatasetError(f"{source}: field {field!r} of stem {key!r} is {entry.get(field)!r}; fetch it anew")
    if not entry["is_drum"] and not 0 <= entry["program_num"] <= 127:
        number = entry["program_num"]
        raise DatasetError(f"{source}: field 'program_num' of stem {key!r} is {number}; General MIDI has 0 to 127")
    base = inside(folder / "stems", key, source=source)
    return Stem(key, audio_file(base.parent, base.name, suffixes=SUFFIXES), entry)
