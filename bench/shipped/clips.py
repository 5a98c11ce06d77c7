"""Clips to be tagged: those of a fold of ESC, mixtures of two of them, rendered ones, and silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.audio import Mono, Resampled
from bench.datasets.base import DatasetError
from bench.datasets.esc50 import Esc50
from bench.datasets.pairs import Clip as Row
from bench.scene import SceneError
from bench.shipped.figures import ShippedError
from bench.training.clips import TrainingClip, sources, tabled
from bench.training.errors import TrainError
from bench.training.mixer import at_level
from bench.training.tagging.listening import LEVEL_DB, meetings
from taggers.mini.network import SAMPLE_RATE

TEST_FOLD: Final = "fold4"
"""Nothing of it was heard in training, and nothing was chosen by it."""
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


def fold_clips(root: Path) -> list[Clip]:
    """The clips of the test fold of ESC-50 or ESC-10, each by itself and at its own level.

    Raises:
        ShippedError: the fold is not there, or a clip cannot be read.
    """
    try:
        return [_heard(clip) for clip in sources(Esc50(root, split=TEST_FOLD).scenes(), root)]
    except (DatasetError, SceneError) as error:
        raise ShippedError(str(error)) from error


def table_clips(folder: Path, table: str) -> list[Clip]:
    """The clips that ``FOLDER/TABLE.csv`` lists, a table of rendered clips.

    Raises:
        ShippedError: the table or a clip cannot be read, or a label is no class of AudioSet.
    """
    path = folder / f"{table}.csv"
    if not path.is_file():
        raise ShippedError(f"{path}: no such table; make it with `stemtree data make rendered`, or name its folder")
    try:
        return [_heard(clip) for clip in tabled(path, unlabelled=True)]
    except (DatasetError, SceneError, TrainError) as error:
        raise ShippedError(str(error)) from error


def mixtures(clips: Sequence[Clip]) -> list[Clip]:
    """Clips of one length two by two at 0 dB, both at -20 dBFS: those mixtures that a run is tested on, too."""
    rows = [Row(clip.name, "", clip.mids, clip.recordings[0]) for clip in clips]
    return [_mixture(clips[first], clips[second]) for first, second in meetings(rows)]


def levelled(audio: torch.Tensor) -> torch.Tensor:
    """The same at a root mean square of -20 dBFS."""
    return at_level(audio, LEVEL_DB)


def silence() -> list[Clip]:
    """Digital silence, and white noise so faint that it is none: -90, -80 and -70 dBFS, of five seconds each."""
    samples = round(_QUIET_SECONDS * SAMPLE_RATE)
    white = torch.from_numpy(np.random.default_rng(0).standard_normal(samples)).float()
    quiet = [Clip(f"noise at {db:g} dBFS", (), (f"{db:g}",), 10 ** (db / 20) * white) for db in _QUIET_DBFS]
    return [Clip("digital silence", (), ("zeros",), torch.zeros(samples)), *quiet]


def _mixture(first: Clip, second: Clip) -> Clip:
    return Clip(
        f"{first.name}+{second.name}",
        (*first.mids, *second.mids),
        (*first.recordings, *second.recordings),
        levelled(first.audio) + levelled(second.audio),
    )


def _heard(clip: TrainingClip) -> Clip:
    audio = Resampled(Mono(clip.signal), SAMPLE_RATE).read()[0]
    return Clip(clip.name, clip.mids, (clip.recording,), audio)
