"""When a recording sounds, and how loud it is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch

FRAME_SECONDS: Final = 0.02
QUIET_DB: Final = 40.0
"""A frame this far below the loudest one is silence."""
FLOOR_DBFS: Final = -60.0
"""And so is every frame below this level."""
GAP_SECONDS: Final = 0.5
"""Shorter silence belongs to the sound around it."""


@dataclass(frozen=True)
class Activity:
    """When a recording sounds: spans in samples (start, end), at least one; RMS over them and greatest peak in dBFS."""

    spans: tuple[tuple[int, int], ...]
    level_db: float
    peak_db: float

    @property
    def samples(self) -> int:
        """Samples in all spans."""
        return sum(end - start for start, end in self.spans)


def activity(audio: torch.Tensor, sample_rate: int) -> Activity | None:
    """Where mono ``audio`` ``(1, samples)`` sounds, in frames of 20 ms; None where it is silent throughout."""
    square = audio[0].double().square()
    spans = _spans(square, sample_rate)
    if not spans:
        return None
    energy = math.fsum(float(square[start:end].sum()) for start, end in spans)
    level = 10 * math.log10(energy / sum(end - start for start, end in spans))
    return Activity(spans, level, 10 * math.log10(float(square.max())))


def _spans(square: torch.Tensor, sample_rate: int) -> tuple[tuple[int, int], ...]:
    size = max(1, round(FRAME_SECONDS * sample_rate))
    samples = len(square)
    frames = torch.nn.functional.pad(square, (0, -samples % size)).reshape(-1, size).mean(dim=1)
    if not len(frames):
        return ()
    threshold = max(float(frames.max()) * 10 ** (-QUIET_DB / 10), 10 ** (FLOOR_DBFS / 10))
    spans: list[tuple[int, int]] = []
    for frame in (frames > threshold).nonzero()[:, 0].tolist():
        start, end = frame * size, min((frame + 1) * size, samples)
        if spans and start - spans[-1][1] < GAP_SECONDS * sample_rate:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return tuple(spans)
