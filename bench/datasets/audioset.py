"""AudioSet as pairs at 0 dB: the 2 s pairs that the public USS code writes, or raw clips and their segment lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from bench.audio import Derived, FileSignal, Fitted, Mono, Resampled, digest
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import AUDIO_SUFFIXES, find_layouts
from bench.datasets.pairs import Clip, list_hash, no_kin, pair_scene, repaired
from bench.datasets.soundness import file_problems
from bench.datasets.uss_pairs import USS_RATE, clip_id, pair_problems, pair_scenes, read_lines
from bench.scene import Scene, Signal
from ontology import Ontology, Target

SEGMENT_SECONDS = 2
_HOP = USS_RATE // 100  # USS looks at 100 frames a second
_PAIR_FOLDERS = {
    "eval": ("2s_segments_test", "2s_segments_balanced_test"),
    "balanced_train": ("2s_segments_balanced_train", "2s_segments_train"),
}


@dataclass(frozen=True)
class Loudest(Derived):
    """The ``length`` samples of a signal that hold most energy, from a multiple of ``hop`` on; a shorter one whole."""

    length: int
    hop: int

    @property
    def samples(self) -> int:
        return min(self.length, self.signal.samples)

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        if audio.shape[1] <= self.length:
            return audio
        energy = torch.nn.functional.pad(audio.double().square().sum(dim=0).cumsum(dim=0), (1, 0))
        starts = torch.arange(0, audio.shape[1] - self.length + 1, self.hop)
        start = int(starts[torch.argmax(energy[starts + self.length] - energy[starts])])
        return audio[:, start : start + self.length]

    def fingerprint(self) -> str:
        return digest("loudest", self.signal.fingerprint(), self.length, self.hop)


class AudioSet(Dataset):
    """Pairs of 2 s segments, 32 kHz mono, each with one target class.

    ``material="pairs"``: the folders that the public USS code writes, ``2s_segments_test`` and
    ``2s_segments_balanced_train``; see :mod:`bench.datasets.uss_pairs`. They are scored as stored: their 16-bit
    mixtures clip, the interferer may contain the target class, and classes of few clips repeat them.

    ``material="clips"``: ``eval_segments.csv`` or ``balanced_train_segments.csv`` (at the root or in ``metadata``) and
    clips named ``ID``, ``YID`` or ``ID_START_END`` (wav, flac or ogg) in a folder such as ``audios/eval_segments``. The
    pair list is made from the whole table and so is the same for everybody: each clip is once the target for one
    of its classes, with an interferer no class of which is, or lies above or below, one of the target's. Clips
    vanish from the source; pairs that lack one are left out, and systems compare on the pairs they share. Each clip
    gives its loudest 2 s. That is not USS's anchor mining, which asks a tagger where the class sounds.

    ``material`` None takes what is there, and raises where both are.
    """

    name = "audioset"
    info = DatasetInfo(
        title="AudioSet",
        licence="CC BY 4.0 (labels); the clips belong to their makers",
        citation="J. F. Gemmeke et al., Audio Set: an ontology and human-labeled dataset for audio events, ICASSP 2017",
        url="https://research.google.com/audioset/download.html",
        how_to_get=(
            "Put eval_segments.csv and the clips in one folder, the clips in audios/eval_segments as YID.wav (likewise "
            "balanced_train), or the folder 2s_segments_test that the public USS code writes"
        ),
    )
    splits = ("eval", "balanced_train")
    default_split = "eval"
    example_splits = ("balanced_train",)
    example_seconds = float(SEGMENT_SECONDS)
    metrics = ("sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "leakage@1")
    columns = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
    weakly_labelled = True
    caveat = "Clips are weakly labelled: a class that is not listed may sound in them all the same."

    def __init__(
        self, root: Path, *, split: str | None = None, material: Literal["pairs", "clips"] | None = None
    ) -> None:
        super().__init__(root, split=split)
        if material not in ("pairs", "clips", None):
            raise DatasetError(f"{self.name}: no material {material!r}; it has pairs, clips")
        self.material = material
        self._found()

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        def holds(folder: Path) -> bool:
            return any(_pair_folder(folder, split) or _segment_table(folder, split) for split in cls.splits)

        return find_layouts(root, holds)

    def scenes(self) -> Iterator[Scene]:
        found = self._found()
        if found.is_dir():
            yield from pair_scenes(found, dataset=self.name, split=self.split)
        else:
            yield from self._clip_scenes(found)

    def verify(self) -> Iterator[Problem]:
        found = self._found()
        try:
            yield from pair_problems(found) if found.is_dir() else self._clip_problems(found)
        except DatasetError as error:
            yield self.unreadable(found, error)

    def _found(self) -> Path:
        """The folder of pairs, or the segment list of raw clips."""
        pairs = _pair_folder(self.root, self.split) if self.material != "clips" else None
        table = _segment_table(self.root, self.split) if self.material != "pairs" else None
        if pairs and table:
            raise DatasetError(
                f"{self.root}: holds both {pairs.name} and {table.name}; say material=pairs or material=clips"
            )
        found = pairs or table
        if found is None:
            asked = f" {self.material} of" if self.material else ""
            raise DatasetError(f"{self.root}: no{asked} AudioSet {self.split} is there. {self.info.how_to_get}")
        return found

    def _clip_scenes(self, table: Path) -> Iterator[Scene]:
        here = self._clip_files()
        if not here:
            raise DatasetError(f"{self.root}: {table.name} is there, but no clip of it. {self.info.how_to_get}")
        ontology = Ontology.audioset()
        listed = repaired(_clips(table), admissible=no_kin(ontology), seed=f"{self.name} {self.split} 1")
        readable = [pair for pair in listed if all(clip.name in here for clip in pair.clips)]
        if not readable:
            raise DatasetError(
                f"{self.root}: {len(here)} clips are there, but both clips of none of the {len(listed)} pairs. "
                "Fetch more of them"
            )
        notes = (
            f"pair list {list_hash(listed)[:12]} of {table.name}: {len(readable)} of {len(listed)} pairs can be read; "
            "compare systems on the pairs they share",
            "the loudest 2 s of each clip, which is not the paper's anchor mining",
            "weakly labelled: classes that are not listed may sound",
        )
        for pair in readable:
            first, second = (_segment(here[clip.name]) for clip in pair.clips)
            yield pair_scene(
                pair,
                (first, second),
                id="+".join(clip.name for clip in pair.clips),
                dataset=self.name,
                split=self.split,
                targets=[Target(pair.target.label, (ontology[pair.target.label].mid,))],
                notes=notes,
            )

    def _clip_problems(self, table: Path) -> Iterator[Problem]:
        here = self._clip_files()
        for clip in _clips(table):
            path = here.get(clip.name)
            if path is None:
                remedy = "fetch it if it still exists; pairs with it are left out"
                yield Problem(self.root / f"Y{clip.name}.wav", f"no file of this clip of {table.name}", remedy)
            else:
                yield from file_problems(path, remedy="fetch the clip anew, or remove the file")

    def _clip_files(self) -> dict[str, Path]:
        """The clips in the first folder that has any, by their id."""
        named = f"{self.split}_segments"
        for folder in (f"audios/{named}", f"audio/{named}", named, self.split, "audios", "audio", "clips", "."):
            files: dict[str, Path] = {}
            for path in sorted((self.root / folder).glob("*")):
                clip = clip_id(path.stem)
                if clip and path.suffix in AUDIO_SUFFIXES:
                    files.setdefault(clip, path)
            if files:
                return files
        return {}


def _segment(path: Path) -> Signal:
    length = SEGMENT_SECONDS * USS_RATE
    return Fitted(Loudest(Resampled(Mono(FileSignal(path)), USS_RATE), length, _HOP), length, repeat=True)


def _pair_folder(root: Path, split: str) -> Path | None:
    return next((root / name for name in _PAIR_FOLDERS[split] if (root / name).is_dir()), None)


def _segment_table(root: Path, split: str) -> Path | None:
    tables = (root / folder / f"{split}_segments.csv" for folder in (".", "metadata"))
    return next((table for table in tables if table.is_file()), None)


def _clips(table: Path) -> list[Clip]:
    """The clips of a segment list by id, each with all its classes and named for the one it is the target of.

    That is, clip by clip, the class that has fewest targets so far, of equals the rarest: always taking the rarest
    would leave a class that seldom stands without a rarer one (Strum, Chime) with hardly a target.
    """
    rows: dict[str, tuple[str, ...]] = {}
    for row in read_lines(table):
        if len(row) != 4 or not row[3]:
            raise DatasetError(f'{table}: {",".join(row)!r} is not ID, start, end, "mid,mid"; fetch it anew')
        if row[0] in rows:
            raise DatasetError(f"{table}: clip {row[0]} stands in it twice; fetch it anew")
        rows[row[0]] = tuple(sorted(set(row[3].split(","))))
    ontology = Ontology.audioset()
    frequency = Counter(mid for mids in rows.values() for mid in mids)
    unknown = sorted(mid for mid in frequency if mid not in ontology)
    if unknown:
        raise DatasetError(f"{table}: AudioSet has no class {', '.join(unknown)}; fetch it anew")
    targets: Counter[str] = Counter()
    clips = []
    for id, mids in sorted(rows.items()):
        target = min(mids, key=lambda mid: (targets[mid], frequency[mid], mid))
        targets[target] += 1
        clips.append(Clip(id, ontology[target].name, mids, recording=id))
    return clips
