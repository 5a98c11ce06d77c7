"""MUSDB18: 150 songs with the stems vocals, drums, bass and other, as .stem.mp4 (AAC) or uncompressed (HQ)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Final, Literal

from bench.audio import FileSignal
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import audio_file, find_layouts, subfolders
from bench.datasets.verify import scene_problems
from bench.scene import Scene, SceneTarget, Signal, Source
from bench.stem_mp4 import FFMPEG_REMEDY, StemSignal, missing_tool
from bench.stems import beside
from ontology.labelmaps import label_map

STEMS: Final = ("vocals", "drums", "bass", "other")
"""The stems, in the order in which their figures are usually printed."""
MEMBERS: Final = {**{stem: (stem,) for stem in STEMS}, "accompaniment": ("drums", "bass", "other")}
"""Which stems make up the reference of each target that can be asked for."""
_STREAMS: Final = {"mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}
_HQ_SUFFIXES: Final = (".wav", ".flac")
_STEM_SUFFIX: Final = ".stem.mp4"
_COUNTS: Final = {"train": 86, "valid": 14, "test": 50}


class Musdb18(Dataset):
    """MUSDB18 or MUSDB18-HQ, two data sets that are never mixed: scenes say ``musdb18`` (AAC) or ``musdb18-hq``.

    ``train`` holds the 86 training songs that are left when the 14 of ``valid`` are set aside. Songs keep their own
    rate and channels. The mixture is read from its file: it is not assumed to be the sum of the stems.

    Args:
        root: the folder with ``train`` and ``test``.
        split: ``train``, ``valid`` or ``test``.
        variant: ``hq`` (wav or flac), ``aac`` (.stem.mp4, needs ffmpeg), or ``auto``: HQ where there is any.
        targets: one or several of ``vocals``, ``drums``, ``bass``, ``other`` and ``accompaniment``: drums, bass
            and other.
    """

    name = "musdb18"
    info = DatasetInfo(
        title="MUSDB18",
        licence="for academic use; the tracks have licences of their own (46 CC BY-NC-SA 4.0, 2 CC BY-NC-SA 3.0)",
        citation=(
            "Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis, R. Bittner: The MUSDB18 corpus for music separation, "
            "2017, doi:10.5281/zenodo.1117372 (HQ: 2019, doi:10.5281/zenodo.3338373)"
        ),
        url="https://sigsep.github.io/datasets/musdb.html",
        how_to_get=(
            "Download MUSDB18-HQ (zenodo.org/record/3338373) and unpack it to ROOT/train and ROOT/test, "
            "or MUSDB18 (zenodo.org/record/1117372) where ffmpeg is installed"
        ),
    )
    splits = ("train", "valid", "test")
    example_splits = ("train",)
    loud_examples = True
    metrics = (
        "sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "sdr_sdx@1", "sdr_bsseval_v4@1", "leakage@1",
    )  # fmt: skip
    columns = (
        "sdri@1/class-median-mean",
        "sdrg@1/class-median-mean",
        "si_sdri@1/class-median-mean",
        "sdr_sdx@1/class-mean-mean",
        "sdr_bsseval_v4@1/class-median-mean",
    )
    caveat: ClassVar[str | None] = "MUSDB18 (AAC) and MUSDB18-HQ are two data sets; some tracks have published errata."

    def __init__(
        self,
        root: Path,
        *,
        split: str | None = None,
        variant: Literal["auto", "hq", "aac"] = "auto",
        targets: str | Sequence[str] = STEMS,
    ) -> None:
        super().__init__(root, split=split)
        targets = (targets,) if isinstance(targets, str) else tuple(targets)
        if variant not in ("auto", "hq", "aac"):
            raise DatasetError(f"musdb18: no variant {variant!r}; it is auto, hq or aac")
        unknown = [target for target in targets if target not in MEMBERS]
        if unknown or not targets or len(set(targets)) < len(targets):
            asked = ", ".join(targets) or "none"
            raise DatasetError(f"musdb18: targets are {', '.join(MEMBERS)}, each at most once; asked for: {asked}")
        self.targets = targets
        if variant == "auto":
            variant = "hq" if _holds(self.root, "hq") else "aac"
        self.variant: Literal["hq", "aac"] = variant

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        hq = find_layouts(root, lambda folder: _holds(folder, "hq"))
        return hq + [folder for folder in find_layouts(root, lambda folder: _holds(folder, "aac")) if folder not in hq]

    @classmethod
    def prefer(cls, found: list[Path]) -> list[Path]:
        """HQ where there is any, as ``variant=auto`` has it."""
        return [folder for folder in found if _holds(folder, "hq")] or found

    def scenes(self) -> Iterator[Scene]:
        """The songs by name. Only headers are read; what is broken raises when its scene is used."""
        tracks = self._tracks()
        if not tracks:
            what = f"no track of {self.split!r} under {self.root} (variant {self.variant})"
            raise DatasetError(f"musdb18: {what}. {self.info.how_to_get}")
        tool = missing_tool() if self.variant == "aac" else None
        if tool:
            raise DatasetError(
                f"musdb18: {self.root} holds .stem.mp4 files, but {tool} is not on PATH; "
                f"{FFMPEG_REMEDY}, or use MUSDB18-HQ"
            )
        for track in tracks:
            yield self._scene(track)

    def verify(self) -> Iterator[Problem]:
        found, wanted = len(self._tracks()), _COUNTS[self.split]
        if found < wanted:
            what = f"{wanted - found} of the {wanted} tracks of {self.split!r} are missing"
            yield Problem(self.root / _side(self.split), what, self.info.how_to_get)
        if found:
            yield from scene_problems(self.scenes())

    def _tracks(self) -> list[Path]:
        set_aside = _validation_tracks()
        tracks = _tracks_of(self.root / _side(self.split), self.variant)
        if self.split == "test":
            return tracks
        return [track for track in tracks if (_name(track) in set_aside) == (self.split == "valid")]

    def _scene(self, track: Path) -> Scene:
        name = _name(track)
        signals = {stem: _signal(track, stem) for stem in _STREAMS}
        mixture, mixture_path = signals["mixture"]
        labels = label_map("musdb18")
        sources, notes = [], [*_errata().get(name, ())]
        for stem in STEMS:
            signal, path = signals[stem]
            fitted, done = beside(mixture, signal, mixture_path=mixture_path, stem_path=path)
            sources.append(Source(stem, labels[stem].mids, fitted, recording=name))
            notes += done
        return Scene(
            id=name,
            dataset="musdb18-hq" if self.variant == "hq" else "musdb18",
            split=self.split,
            mixture=mixture,
            sources=tuple(sources),
            targets=tuple(
                SceneTarget(labels[target], tuple(STEMS.index(stem) for stem in MEMBERS[target]))
                for target in self.targets
            ),
            recordings=(name,),
            notes=tuple(notes),
        )


def _side(split: str) -> str:
    return "test" if split == "test" else "train"


def _holds(folder: Path, variant: Literal["hq", "aac"]) -> bool:
    return any(_tracks_of(folder / side, variant) for side in ("train", "test"))


def _tracks_of(folder: Path, variant: Literal["hq", "aac"]) -> list[Path]:
    """Track folders (HQ) or .stem.mp4 files (AAC) directly in ``folder``, by name."""
    if variant == "aac":
        paths = folder.glob(f"*{_STEM_SUFFIX}")
        return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))
    return [
        track
        for track in subfolders(folder)
        if any(audio_file(track, stem, suffixes=_HQ_SUFFIXES) for stem in _STREAMS)
    ]


def _name(track: Path) -> str:
    return track.name.removesuffix(_STEM_SUFFIX)


def _signal(track: Path, stem: str) -> tuple[Signal, Path]:
    """The signal of one stem or the mixture, and the file it lies in."""
    if track.name.endswith(_STEM_SUFFIX):
        return StemSignal(track, _STREAMS[stem]), track
    path = audio_file(track, stem, suffixes=_HQ_SUFFIXES) or track / f"{stem}{_HQ_SUFFIXES[0]}"
    return FileSignal(path), path


@cache
def _validation_tracks() -> frozenset[str]:
    text = files("bench.datasets").joinpath("data/musdb18_validation.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())


@cache
def _errata() -> dict[str, list[str]]:
    text = files("bench.datasets").joinpath("data/musdb18_errata.json").read_text(encoding="utf-8")
    published = json.loads(text)
    notes: dict[str, list[str]] = {}
    for erratum in published["errata"]:
        where = f" at {erratum['position']}" if erratum["position"] else ""
        said = f"erratum of {published['version']} ({', '.join(erratum['stems'])}): {erratum['error']}{where}"
        notes.setdefault(erratum["track"], []).append(said)
    return notes
