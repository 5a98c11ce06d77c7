"""Slakh2100: 2100 MIDI songs rendered with sampled instruments, one stem per instrument, and its smaller versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from bench.audio import FileSignal, Resampled, Unusable
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import audio_file, find_layouts, subfolders
from bench.datasets.slakh_tables import Submix, load_submix, midi_group, split_of
from bench.datasets.slakh_tracks import SUFFIXES, Stem, read_stems
from bench.datasets.verify import scene_problems
from bench.scene import Scene, SceneTarget, Signal, Source
from bench.stems import beside
from ontology.labelmaps import label_map
from ontology.targets import Target

_SPLIT_FOLDERS: Final = ("train", "validation", "test", "omitted")
_TRACK: Final = re.compile(r"Track\d{5}")
# The names that the authors of slakh-utils ask papers to use.
_PUBLISHED_NAME: Final = {
    "redux": "slakh2100-redux", "v2": "slakh2100-split2", "original": "slakh2100-orig", "none": "slakh2100",
}  # fmt: skip
_LEAK: Final = "the original split has songs made from one MIDI file in both training and test: it leaks"


class Slakh2100(Dataset):
    """Slakh2100 (flac or wav), BabySlakh, or any folder of ``TrackNNNNN`` in their layout.

    Which split a track belongs to is told by its number and the published lists, not by the folder it lies in, so
    that one download serves every version. Scenes say ``slakh2100-redux``, ``slakh2100-split2``,
    ``slakh2100-orig``, or ``slakh2100`` where tracks have no split.

    A stem that was not rendered is left out and noted. Where a rendered stem has no file, the targets it belongs to
    are left out and noted: their reference would be wrong. Silent stems stay. A track whose metadata cannot be read
    is a scene that raises when it is used.

    Args:
        root: the folder with ``train``, ``validation`` and ``test``, or with the tracks themselves.
        split: ``train``, ``validation``, ``test`` or ``all``; by default ``test``, or ``all`` without a version.
        split_version: ``redux`` (each MIDI file once), ``v2`` (all tracks, no MIDI file in two splits), ``original``
            (leaks), or ``none`` for tracks without a split; by default ``redux``, or ``none`` for a plain folder of
            tracks, such as BabySlakh, of which no split is asked.
        targets: ``inst_class`` (the stems of one instrument class summed), ``stem`` (each stem by itself: no figure
            by class), or ``submix:NAME`` with an example of slakh-utils (``band``, ``bass``, ``drums``, ``guitar``,
            ``piano``) or the path of a .yaml file in its format. A sub-mix without stems is silent, as there.
        sample_rate: resample everything to this rate in Hz, as the resampling script of slakh-utils does (librosa's
            present filter, no rescaling); by default the rate stays as it is.
    """

    name = "slakh2100"
    info = DatasetInfo(
        title="Slakh2100",
        licence="CC BY 4.0",
        citation=(
            "E. Manilow, G. Wichern, P. Seetharaman, J. Le Roux: Cutting Music Source Separation Some Slakh: A Dataset "
            "to Study the Impact of Training Data Quality and Quantity, WASPAA 2019, arXiv:1909.08494"
        ),
        url="http://www.slakh.com/",
        how_to_get=(
            "Download slakh2100_flac_redux or BabySlakh (www.slakh.com; zenodo.org/record/4599666 and 4603870) and "
            "unpack it to ROOT/train, ROOT/validation, ROOT/test, or tracks to ROOT/TrackNNNNN"
        ),
    )
    splits = ("train", "validation", "test", "all")
    example_splits = ("train",)
    metrics = ("sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "leakage@1")
    columns = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
    caveat: ClassVar[str | None] = (
        "Intervals resample MIDI files, not tracks: several tracks can be made from one file. "
        "In the original split (slakh2100-orig) such tracks lie in training and test alike, so it leaks."
    )

    def __init__(
        self,
        root: Path,
        *,
        split: str | None = None,
        split_version: Literal["redux", "v2", "original", "none"] | None = None,
        targets: str = "inst_class",
        sample_rate: int | None = None,
    ) -> None:
        if split_version not in (None, *_PUBLISHED_NAME):
            raise DatasetError(f"slakh2100: no split_version {split_version!r}; it is redux, v2, original or none")
        if split_version is None:
            plain = split in (None, "all") and not any(_tracks_in(Path(root) / folder) for folder in _SPLIT_FOLDERS)
            split_version = "none" if plain else "redux"
        super().__init__(root, split=split or ("all" if split_version == "none" else "test"))
        if split_version == "none" and self.split != "all":
            raise DatasetError(f"slakh2100: split_version none has no split {self.split!r}; ask for split all")
        if sample_rate is not None and sample_rate <= 0:
            raise DatasetError(f"slakh2100: sample_rate is {sample_rate}; it is a rate in Hz, e.g. 16000")
        kind, _, submix = targets.partition(":")
        if kind not in ("inst_class", "stem", "submix") or (kind == "submix") != bool(submix):
            raise DatasetError(f"slakh2100: no targets {targets!r}; they are inst_class, stem or submix:NAME")
        self.split_version = split_version
        self.sample_rate = sample_rate
        self.targets = targets
        self._submix: Submix | None = load_submix(submix) if submix else None

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        return find_layouts(root, lambda folder: bool(_tracks(folder)))

    def scenes(self) -> Iterator[Scene]:
        """The tracks by number. Metadata and headers are read, no audio; a broken track raises when it is used."""
        tracks = _tracks(self.root)
        chosen = [track for track in tracks if self._has(track)]
        if not chosen:
            raise DatasetError(f"slakh2100: {self._nothing(tracks)}. {self.info.how_to_get}")
        for track in chosen:
            yield self._scene(tracks[track])

    def verify(self) -> Iterator[Problem]:
        tracks = _tracks(self.root)
        if not tracks:
            yield Problem(self.root, "holds no folder TrackNNNNN", self.info.how_to_get)
        if self.split_version != "none":
            published = [f"Track{number:05d}" for number in range(1, 2101)]
            wanted = [track for track in published if self._has(track)]
            missing = [track for track in wanted if track not in tracks]
            if missing:
                what = f"{len(missing)} of {len(wanted)} tracks of {self.split!r} are missing: {_ranges(missing)}"
                yield Problem(self.root, what, self.info.how_to_get)
        for track, folder in tracks.items():
            if self._has(track):
                scene = self._scene(folder)
                yield from scene_problems([scene])
                if scene.sources:
                    yield from _lost_stems(folder)

    def _has(self, track: str) -> bool:
        if self.split_version == "none":
            return True
        split = split_of(track, self.split_version)
        return split is not None and self.split in (split, "all")

    def _nothing(self, tracks: dict[str, Path]) -> str:
        asked = f"no track of split {self.split!r} ({self.split_version}) under {self.root}"
        if not tracks or self.split_version == "none":
            return asked
        others = [split_of(track, self.split_version) or "omitted" for track in tracks]
        return asked + "; there are " + ", ".join(f"{others.count(name)} of {name}" for name in sorted(set(others)))

    def _scene(self, folder: Path) -> Scene:
        # What statistics resample: the MIDI file behind the track, by the first track made from it.
        recording = f"slakh2100/{midi_group(folder.name)}"
        notes = [_LEAK] if self.split_version == "original" else []
        sources: tuple[Source, ...] = ()
        targets: tuple[SceneTarget, ...] = ()
        mixture: Signal
        try:
            stems = read_stems(folder)
        except DatasetError as error:
            what, _, remedy = str(error).removeprefix(f"{folder / 'metadata.yaml'}: ").rpartition("; ")
            mixture = Unusable(folder / "metadata.yaml", what, remedy)
        else:
            path = audio_file(folder, "mix", suffixes=SUFFIXES) or folder / f"mix{SUFFIXES[0]}"
            mixture = FileSignal(path)
            sources, done = self._sources(stems, mixture, mixture_path=path, recording=recording)
            targets, left_out = self._targets(stems)
            notes += [*done, *left_out]
        return Scene(
            id=folder.name,
            dataset=_PUBLISHED_NAME[self.split_version],
            split=self._split_name(folder.name),
            mixture=self._at_rate(mixture),
            sources=sources,
            targets=targets,
            recordings=(recording,),
            notes=tuple(notes),
        )

    def _split_name(self, track: str) -> str:
        return "all" if self.split_version == "none" else split_of(track, self.split_version) or "omitted"

    def _sources(
        self, stems: list[Stem], mixture: Signal, *, mixture_path: Path, recording: str
    ) -> tuple[tuple[Source, ...], list[str]]:
        sources: list[Source] = []
        notes: list[str] = []
        for stem in stems:
            if stem.path is None:
                continue
            signal, done = beside(mixture, FileSignal(stem.path), mixture_path=mixture_path, stem_path=stem.path)
            notes += done
            sources.append(Source(stem.label, stem.instrument.mids, self._at_rate(signal), recording=recording))
        return tuple(sources), notes

    def _targets(self, stems: list[Stem]) -> tuple[tuple[SceneTarget, ...], list[str]]:
        """The targets of a track, and notes on stems and targets that are left out."""
        with_audio = [stem for stem in stems if stem.path is not None]
        members: dict[Target, list[int]] = {}
        if self._submix:
            members = {_class_target(name): [] for name in self._submix.names}
        for index, stem in enumerate(with_audio):
            members.setdefault(self._target_of(stem), []).append(index)
        notes: list[str] = []
        for stem in stems:
            if stem.path is None and not stem.rendered:
                notes.append(f"{stem.label}: not rendered, left out")
            elif stem.path is None:
                target = self._target_of(stem)
                members.pop(target, None)
                notes.append(f"{stem.label}: its file is missing, so {target.label!r} is not scored")
        return tuple(SceneTarget(target, tuple(indices)) for target, indices in members.items()), notes

    def _target_of(self, stem: Stem) -> Target:
        if self._submix:
            return _class_target(self._submix.name_of(stem.metadata))
        if self.targets == "stem":
            return Target(stem.label, stem.instrument.mids)
        return _class_target(stem.inst_class)

    def _at_rate(self, signal: Signal) -> Signal:
        return signal if self.sample_rate is None else Resampled(signal, self.sample_rate)


def _class_target(name: str) -> Target:
    return label_map("slakh2100").get(name, Target(name))


def _tracks(root: Path) -> dict[str, Path]:
    """Track folders by name, at ``root`` and in its split folders; sorted, each name once."""
    found: dict[str, Path] = {}
    for folder in (root, *(root / name for name in _SPLIT_FOLDERS)):
        for track in _tracks_in(folder):
            found.setdefault(track.name, track)
    return dict(sorted(found.items()))


def _tracks_in(folder: Path) -> list[Path]:
    return [child for child in subfolders(folder) if _TRACK.fullmatch(child.name)]


def _lost_stems(folder: Path) -> Iterator[Problem]:
    for stem in read_stems(folder):
        if stem.path is None and stem.rendered:
            path = folder / "stems" / f"{stem.key}{SUFFIXES[0]}"
            yield Problem(path, f"{stem.label}: rendered by its metadata, but there is no file", "fetch it anew")


def _ranges(tracks: list[str]) -> str:
    """Track names as ``Track00001 to Track00020, Track00022``."""
    numbers = [int(track.removeprefix("Track")) for track in tracks]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join(" to ".join(f"Track{number:05d}" for number in run) for run in runs)
