"""When each class is active: scores on one grid of steps, and the spans in which a class is on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from bench.analysis.settings import AnalysisSettings
from taggers.timeline import Timeline


@dataclass(frozen=True)
class Steps:
    """Scores on an even grid: float32 ``(steps, classes)`` in walking order, NaN where nobody can tell.

    Step ``t`` covers ``step_seconds`` from ``t * step_seconds``; the last one may end after the recording does.
    """

    seconds: float
    step_seconds: float
    scores: np.ndarray


def steps(timeline: Timeline, *, step_seconds: float) -> Steps:
    """The scores of a timeline on one grid.

    Of a tagger with frames, the mean of as many frames as come nearest to ``step_seconds``. Of any other, a step is as
    long as the hop between segments, and its score is the mean over the segments that cover it whole: a sound shows
    in each of them wherever it lies within, while what only one of them holds is weakened beside it.
    """
    if timeline.frames is not None and timeline.frame_seconds is not None:
        several = max(round(step_seconds / timeline.frame_seconds), 1)
        return Steps(timeline.seconds, several * timeline.frame_seconds, _mean_of(timeline.frames, several))
    hop, segments = timeline.hop_seconds, timeline.probabilities
    count = max(math.ceil(timeline.seconds / hop - 1e-9), 1)
    covering = max(int(timeline.segment_seconds / hop + 1e-9), 1)
    rows = []
    for step in range(count):
        last = min(step, len(segments) - 1)
        rows.append(segments[min(max(step - covering + 1, 0), last) : last + 1].mean(dim=0))
    return Steps(timeline.seconds, hop, torch.stack(rows).numpy())


def _mean_of(frames: torch.Tensor, several: int) -> np.ndarray:
    whole = len(frames) // several * several
    means = frames[:whole].unflatten(0, (-1, several)).mean(dim=1)
    if whole < len(frames):
        means = torch.cat([means, frames[whole:].mean(dim=0, keepdim=True)])
    return means.numpy()


def active_steps(scores: np.ndarray, on: float, *, settings: AnalysisSettings, step_seconds: float) -> np.ndarray:
    """In which steps a class is active, bool ``(steps,)``.

    It goes on where its score reaches ``on``, and off where it falls below the off threshold (which lies as far below
    ``on`` as the settings' two thresholds are apart, in proportion) or is NaN. Then gaps of up to
    ``close_gap_seconds`` are closed, and what is shorter than ``min_seconds`` is dropped, unless the whole recording
    is.

    Args:
        scores: ``(steps,)``, 0 to 1, NaN where nobody can tell.
        on: threshold of this class.
        settings: the other thresholds and durations.
        step_seconds: length of a step.
    """
    goes_on = scores >= on
    decided = goes_on | ~(scores >= settings.off_below(on))
    latest = np.maximum.accumulate(np.where(decided, np.arange(len(scores)), -1))
    active = (latest >= 0) & goes_on[latest]
    # Durations are compared with some slack: three steps of 0.1 s are 0.3 s, whatever floating point makes of them.
    close, least = settings.close_gap_seconds / step_seconds + 1e-6, settings.min_seconds / step_seconds - 1e-6
    least = min(least, len(scores))
    ranges = runs(active)
    for (_, end), (start, _) in pairwise(ranges):
        if start - end <= close:
            active[end:start] = True
    for start, end in runs(active):
        if end - start < least:
            active[start:end] = False
    return active


def runs(active: np.ndarray) -> list[tuple[int, int]]:
    """The stretches (first step, one past the last) in which ``active`` (steps,) is True."""
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def spans_of(active: np.ndarray, *, step_seconds: float, seconds: float) -> tuple[tuple[float, float], ...]:
    """The stretches of ``active`` (steps,) in seconds, cut at the end of the recording."""
    return tuple(
        (start * step_seconds, min(end * step_seconds, seconds))
        for start, end in runs(active)
        if start * step_seconds < seconds
    )
