"""Framewise tags of overlapping segments, gathered on one grid over the recording."""

from __future__ import annotations

import math
from typing import Final

import torch

from taggers.base import CLASSES

FRAME_SECONDS: Final = 0.1
"""Step of the grid."""
_ROUNDING: Final = 1e-6
"""Part of a frame that is rounding, not overlap."""


class Frames:
    """Gathers frames: the highest of a segment within a frame, the mean of segments that overlap.

    Unknown (NaN) values play no part; a frame that nobody could tell stays unknown. Beside the result, sums are kept
    only of frames that segments still to come may reach.
    """

    def __init__(self, seconds: float) -> None:
        """Prepare for a recording of ``seconds``."""
        self._total = max(1, math.ceil(seconds / FRAME_SECONDS - _ROUNDING))
        self._means = torch.empty((self._total, CLASSES))
        self._done = 0
        self._sums = torch.zeros((0, CLASSES))
        self._counts = torch.zeros((0, CLASSES))

    def add(self, starts: tuple[float, ...], framewise: torch.Tensor, *, seconds: float, heard: float) -> None:
        """Take a batch of segments that start later than those before.

        Args:
            starts: start of each segment in seconds, in order.
            framewise: float32 ``(segments, frames, 632)`` on an even grid.
            seconds: length of the segments.
            heard: length of what is not padding, from their starts.
        """
        step = seconds / framewise.shape[1]
        usable = max(1, math.ceil(heard / step - _ROUNDING))
        values = framewise[:, :usable].nan_to_num(nan=-math.inf)
        self._settle(_first(starts[0]))
        self._reach(min(self._total, _last(starts[-1] + heard)))
        for start, segment in zip(starts, values, strict=True):
            begin, end = _first(start), min(self._total, _last(start + heard))
            highest = torch.stack(
                [_highest(segment, frame * FRAME_SECONDS - start, step) for frame in range(begin, end)]
            )
            known = highest > -math.inf
            place = slice(begin - self._done, end - self._done)
            self._sums[place] += highest.where(known, 0)
            self._counts[place] += known

    def finish(self) -> torch.Tensor:
        """The grid: float32 ``(frames, 632)``."""
        self._reach(self._total)
        self._settle(self._total)
        return self._means

    def _reach(self, end: int) -> None:
        """Make room for sums up to frame ``end``."""
        more = torch.zeros((max(0, end - self._done - len(self._sums)), CLASSES))
        self._sums, self._counts = torch.cat([self._sums, more]), torch.cat([self._counts, more])

    def _settle(self, end: int) -> None:
        """Turn the sums of all frames before ``end`` into means; 0 / 0 is NaN."""
        settled = end - self._done
        self._means[self._done : end] = self._sums[:settled] / self._counts[:settled]
        self._sums, self._counts = self._sums[settled:], self._counts[settled:]
        self._done = end


def _first(seconds: float) -> int:
    """The frame that begins at or before a moment."""
    return math.floor(seconds / FRAME_SECONDS + _ROUNDING)


def _last(seconds: float) -> int:
    """One past the last frame that begins before a moment."""
    return math.ceil(seconds / FRAME_SECONDS - _ROUNDING)


def _highest(segment: torch.Tensor, offset: float, step: float) -> torch.Tensor:
    """By class, the highest of the segment's frames that meet the frame ``offset`` seconds after its start."""
    begin = max(0, math.floor(offset / step + _ROUNDING))
    end = min(len(segment), max(begin + 1, math.ceil((offset + FRAME_SECONDS) / step - _ROUNDING)))
    return segment[min(begin, len(segment) - 1) : end].amax(dim=0)
