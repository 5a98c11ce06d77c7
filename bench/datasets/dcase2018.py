"""DCASE 2018 Task 2 = FSDKaggle2018: 41 classes of single sounds, made into pairs of 2 s at 0 dB as in USS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bench.audio import FileSignal, Fitted, Mono, Resampled
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import audio_file, find_layouts, inside, read_csv
from bench.datasets.pairs import Clip, Pair, faithful, no_kin, pair_scene, repaired
from bench.datasets.soundness import file_problems
from bench.scene import Scene, Signal
from ontology import Ontology
from ontology.labelmaps import label_map

SEGMENT_SECONDS = 2
USS_RATE = 32_000
NATIVE_RATE = 44_100

_META = "FSDKaggle2018.meta"
_TABLES = {"train": "train_post_competition.csv", "test": "test_post_competition_scoring_clips.csv"}


class Dcase2018(Dataset):
    """Pairs of the first 2 s of two clips, mono, a shorter clip repeated to fill them.

    The pair list comes from the metadata, so that all systems are compared on one list: a pair whose clip is absent
    is still a scene, and reading it raises a ``SceneError`` that names the file.

    Args:
        root: holds ``FSDKaggle2018.meta`` and ``FSDKaggle2018.audio_train`` or ``FSDKaggle2018.audio_test``, with wav
            files or flac twins of them.
        split: ``"test"`` (the 1,600 scored clips) or ``"train"`` (9,473 clips).
        pairing: ``"repaired"``, each clip once as target and the partner no kin of it, or ``"faithful"``, the public
            USS list of 100 pairs per class, repeats included; see :mod:`bench.datasets.pairs`.
        sample_rate: Hz of the scenes; USS works at 32 kHz.
    """

    name = "dcase2018"
    info = DatasetInfo(
        title="FSDKaggle2018 (DCASE 2018 Task 2)",
        licence="CC BY 4.0; each clip CC0 or CC BY, as its row says",
        citation=(
            "E. Fonseca et al., General-purpose tagging of Freesound audio with AudioSet labels: task description, "
            "dataset, and baseline, DCASE 2018"
        ),
        url="https://doi.org/10.5281/zenodo.2552860",
        how_to_get=(
            "Unpack FSDKaggle2018.meta.zip, FSDKaggle2018.audio_test.zip and FSDKaggle2018.audio_train.zip of Zenodo "
            "record 2552860 side by side in one folder"
        ),
    )
    splits = ("train", "test")
    example_splits = ("train",)
    example_seconds = float(SEGMENT_SECONDS)
    metrics = ("sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "leakage@1")
    columns = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
    caveat = (
        "About 39 test clips per class. The faithful pairing repeats pairs to reach 100 per class: "
        "its rows are not independent, only its recordings are."
    )

    def __init__(
        self,
        root: Path,
        *,
        split: str | None = None,
        pairing: Literal["repaired", "faithful"] = "repaired",
        sample_rate: int = USS_RATE,
    ) -> None:
        super().__init__(root, split=split)
        if pairing not in ("repaired", "faithful"):
            raise DatasetError(f"{self.name}: no pairing {pairing!r}; it has repaired, faithful")
        if sample_rate <= 0:
            raise DatasetError(f"{self.name}: sample_rate is {sample_rate}; give it in Hz, above 0")
        self.pairing = pairing
        self.sample_rate = sample_rate
        self._targets = label_map("fsdkaggle2018")

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        return find_layouts(root, lambda folder: any((folder / _META / table).is_file() for table in _TABLES.values()))

    def scenes(self) -> Iterator[Scene]:
        clips = self._clips()
        if not any(self._path(clip).is_file() for clip in clips):
            raise DatasetError(f"{self._audio}: not one of the {len(clips)} clips is there. {self.info.how_to_get}")
        yield from self._faithful(clips) if self.pairing == "faithful" else self._repaired(clips)

    def verify(self) -> Iterator[Problem]:
        try:
            clips = self._clips()
        except DatasetError as error:
            yield self.unreadable(self._table, error)
            return
        remedy = f"take it from FSDKaggle2018.audio_{self.split}.zip anew"
        for clip in clips:
            yield from file_problems(self._path(clip), rates=(NATIVE_RATE,), remedy=remedy)

    @property
    def _table(self) -> Path:
        return self.root / _META / _TABLES[self.split]

    @property
    def _audio(self) -> Path:
        return self.root / f"FSDKaggle2018.audio_{self.split}"

    def _clips(self) -> list[Clip]:
        rows = read_csv(self._table, columns=("fname", "label", "freesound_id"))
        unknown = sorted({row["label"] for row in rows} - set(self._targets))
        if unknown:
            raise DatasetError(f"{self._table}: unknown label {', '.join(unknown)}; fetch the published table anew")
        clips = [
            Clip(row["fname"], row["label"], self._targets[row["label"]].mids, f"freesound:{row['freesound_id']}")
            for row in rows
        ]
        for clip in clips:
            self._path(clip)  # refuses a name that leaves the folder, before any scene is made
        return clips

    def _repaired(self, clips: list[Clip]) -> Iterator[Scene]:
        seed = f"{self.name} {self.split} repaired 1"
        for pair in repaired(clips, admissible=no_kin(Ontology.audioset()), seed=seed):
            yield self._scene(pair, "+".join(Path(clip.name).stem for clip in pair.clips))

    def _faithful(self, clips: list[Clip]) -> Iterator[Scene]:
        drawn: dict[str, list[Pair]] = {}
        for pair in faithful(clips):
            earlier = drawn.setdefault(pair.target.label, [])
            id = f"{pair.target.label}-{len(earlier):03d}"
            repeats = f"the same pair as {pair.target.label}-{earlier.index(pair):03d}" if pair in earlier else None
            yield self._scene(pair, id, *([repeats] if repeats else []))
            earlier.append(pair)

    def _scene(self, pair: Pair, id: str, *notes: str) -> Scene:
        first, second = (self._segment(clip) for clip in pair.clips)
        return pair_scene(
            pair,
            (first, second),
            id=id,
            dataset=self.name,
            split=self.split,
            targets=[self._targets[pair.target.label]],
            notes=notes,
        )

    def _segment(self, clip: Clip) -> Signal:
        whole = Resampled(Mono(FileSignal(self._path(clip))), self.sample_rate)
        return Fitted(whole, SEGMENT_SECONDS * self.sample_rate, repeat=True)

    def _path(self, clip: Clip) -> Path:
        named = inside(self._audio, clip.name, source=self._table)
        return audio_file(named.parent, named.stem, suffixes=(named.suffix, ".flac")) or named
