"""Clips to be tagged: those of a fold of ESC, mixtures of two of them, rendered ones, and silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.audio import EnergyMatched, FileSignal, Mono, Resampled
from bench.datasets.base import DatasetError
from bench.datasets.esc50 import Esc50
from bench.datasets.layout import inside, read_csv
from bench.datasets.pairs import Clip as Named
from bench.datasets.pairs import no_kin
from bench.scene import SceneError, Signal
from bench.shipped.figures import ShippedError
from ontology import Ontology
from taggers.mini.network import SAMPLE_RATE

TEST_FOLD: Final = "fold4"
"""Nothing of it was heard in training, and nothing was chosen by it."""
PARTNERS: Final = 4
"""Mixtures made with each clip as the first of two."""
LEVEL: Final = 0.1
"""Root mean square of each clip of a mixture: -20 dBFS."""
_QUIET_DBFS: Final = (-90.0, -80.0, -70.0)
_QUIET_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Clip:
    """A labelled clip in mono at the tagger's rate, float32 ``(samples,)``."""

    name: str
    mids: tuple[str, ...]
    """What it is labelled; empty where no class of AudioSet is said to sound."""
    recordings: tuple[str, ...]
    """Independent recordings behind it."""
    audio: torch.Tensor


def fold_clips(root: Path, fold: str = TEST_FOLD) -> list[Clip]:
    """The clips of a fold of ESC-50 or ESC-10, each by itself and at its own level.

    Raises:
        ShippedError: the fold is not there, or a clip cannot be read.
    """
    try:
        return [
            Clip(name, source.mids, (source.recording,), _mono(_own(source.signal)))
            for scene in Esc50(root, split=fold).scenes()
            for name, source in zip(scene.id.split("+"), scene.sources, strict=True)
        ]
    except (DatasetError, SceneError) as error:
        raise ShippedError(str(error)) from error


def table_clips(folder: Path, table: str) -> list[Clip]:
    """The clips that ``FOLDER/TABLE.csv`` lists: columns ``path``, ``labels`` (parted by ``;``) and ``recording``.

    Raises:
        ShippedError: the table or a clip cannot be read, or a label is no class of AudioSet.
    """
    path = folder / f"{table}.csv"
    if not path.is_file():
        raise ShippedError(f"{path}: no such table; make the clips anew, or name their folder")
    try:
        return [
            Clip(
                row["path"], _mids(row["labels"], path), (row["recording"],), _mono(FileSignal(_at(folder, row, path)))
            )
            for row in read_csv(path, columns=("path", "labels", "recording"))
        ]
    except (DatasetError, SceneError) as error:
        raise ShippedError(str(error)) from error


def mixtures(clips: Sequence[Clip], *, seed: int = 0) -> list[Clip]:
    """Each clip with :data:`PARTNERS` others at 0 dB, both at -20 dBFS; no pair twice.

    Partners come from other recordings and are of classes neither of which is or lies above the other's. Of two clips
    of different length the shorter one is padded with zeros. A clip finds fewer partners where there are not enough.
    """
    random = np.random.default_rng(seed)
    admissible = no_kin(Ontology.audioset())
    rows = [Named(clip.name, " ".join(clip.mids), clip.mids, clip.recordings[0]) for clip in clips]
    taken: set[frozenset[int]] = set()
    made = []
    for first, row in enumerate(rows):
        found = 0
        for second in random.permutation(len(rows)).tolist():
            pair = frozenset((first, second))
            if found < PARTNERS and pair not in taken and admissible(row, rows[second]):
                taken.add(pair)
                found += 1
                made.append(mixture(clips[first], clips[second]))
    return made


def mixture(first: Clip, second: Clip) -> Clip:
    """Two clips at -20 dBFS each, one beside the other."""
    audio = torch.zeros(max(len(first.audio), len(second.audio)))
    for clip in (first, second):
        audio[: len(clip.audio)] += levelled(clip.audio)
    mids = tuple(dict.fromkeys((*first.mids, *second.mids)))
    return Clip(f"{first.name}+{second.name}", mids, (*first.recordings, *second.recordings), audio)


def levelled(audio: torch.Tensor) -> torch.Tensor:
    """The same at a root mean square of -20 dBFS; silence stays silent."""
    rms = float(audio.double().square().mean().sqrt())
    return audio * (LEVEL / rms) if rms > 0 else audio


def silence() -> list[Clip]:
    """Digital silence, and white noise so faint that it is none: -90, -80 and -70 dBFS, of five seconds each."""
    samples = round(_QUIET_SECONDS * SAMPLE_RATE)
    white = torch.from_numpy(np.random.default_rng(0).standard_normal(samples)).float()
    quiet = [Clip(f"noise at {db:g} dBFS", (), (f"{db:g}",), 10 ** (db / 20) * white) for db in _QUIET_DBFS]
    return [Clip("digital silence", (), ("zeros",), torch.zeros(samples)), *quiet]


def _own(signal: Signal) -> Signal:
    """A source at its own level: in its scene it may be scaled to another one's."""
    return signal.signal if isinstance(signal, EnergyMatched) else signal


def _mono(signal: Signal) -> torch.Tensor:
    return Resampled(Mono(signal), SAMPLE_RATE).read()[0]


def _mids(labels: str, table: Path) -> tuple[str, ...]:
    try:
        return tuple(Ontology.audioset()[name.strip()].mid for name in labels.split(";") if name.strip())
    except KeyError as error:
        raise ShippedError(f"{table}: {error.args[0]}") from error


def _at(folder: Path, row: dict[str, str], table: Path) -> Path:
    return inside(folder, row["path"], source=table)
