"""Thresholds of a tagger: for each class the one with the highest F1 on clips that it was not trained on.

A tagger is heard in two ways: on whole clips, and, where a recording is walked through, on segments of 2 s that start
every second. Short segments are surer of what fills them and miss what does not, so that a threshold that is right for
one is not for the other; both are heard here, and all of them count alike. A clip's label does not say when in it the
class sounds: where a segment holds little of the clip's sound, its truth is left open, and it does not count for that
class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import torch

from bench.training.clips import TrainingClip
from bench.training.store import ClipStore
from bench.training.tagging.labels import Truth
from bench.training.tagging.listening import Item, pairs, singles
from bench.training.tagging.training import TaggerTraining

SEGMENT_SECONDS: Final = 2.0
STEP_SECONDS: Final = 1.0
LOWEST, HIGHEST = 0.05, 0.95
DEFAULT: Final = 0.5
"""The threshold of a class that no held-out clip holds."""
_SOUNDS: Final = 0.1
"""A clip's class is taken to sound in those of its segments with at least this share of the energy of its loudest
segment (-10 dB)."""
_SILENT: Final = 1e-4
"""And not to sound in those with at most this share (-40 dB); in between nobody can tell."""


def calibrated(
    trainable: TaggerTraining,
    clips: Sequence[TrainingClip],
    *,
    memory_bytes: float,
    tell: Callable[[str], None],
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Thresholds by mid, chosen on ``clips`` alone and two at once, and the mids of which no clip tells anything.

    Args:
        trainable: trained without ``clips``.
        clips: what it is judged on.
        memory_bytes: for decoded clips.
        tell: is told how far it is.
    """
    rate = trainable.sample_rate
    store = ClipStore(clips, sample_rate=rate, memory_bytes=memory_bytes)
    truths: list[np.ndarray] = []
    found: list[np.ndarray] = []
    truth = Truth(trainable.description.classes)
    for items in (singles(clips, store), pairs(clips, store)):
        for item in items:
            whole = item.waveform
            found.append(trainable.probabilities(whole[None]).numpy())
            truths.append(truth.of([mid for mids in item.mids for mid in mids])[None])
            windows = list(_windows(len(whole), rate))
            found.append(trainable.probabilities(torch.stack([whole[window] for window in windows])).numpy())
            truths.append(_truths(item, windows, truth))
            tell(f"calibration: {len(found) // 2} clips and mixtures heard")
    if not found:
        return dict.fromkeys(trainable.description.classes, DEFAULT), trainable.description.classes
    known, heard = np.concatenate(truths), np.concatenate(found)
    chosen: dict[str, float] = {}
    absent = []
    for place, mid in enumerate(trainable.description.classes):
        told = np.isfinite(known[:, place])
        if known[told, place].any():
            chosen[mid] = best_threshold(known[told, place], heard[told, place])
        else:
            chosen[mid] = DEFAULT
            absent.append(mid)
    return chosen, tuple(absent)


def best_threshold(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold from 0.05 to 0.95 with the highest F1, where what is above it counts as sounding.

    F1 only changes where the threshold passes a score. Of the intervals between scores on which it is highest, those
    that touch are joined, and the middle of the widest is taken.

    Args:
        truth: ``(items,)``, 0 or 1, with at least one 1.
        scores: ``(items,)``, probabilities.

    >>> best_threshold(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.6, 0.9]))
    0.4
    """
    inner = np.unique(scores[(scores > LOWEST) & (scores < HIGHEST)].astype(np.float64))
    edges = np.concatenate([[LOWEST], inner, [HIGHEST]])
    order = np.sort(scores.astype(np.float64))
    positive = np.sort(scores[truth > 0].astype(np.float64))
    # Anywhere in the stretch that an edge begins, what is above the edge counts as sounding.
    claimed = len(order) - np.searchsorted(order, edges[:-1], side="right")
    right = len(positive) - np.searchsorted(positive, edges[:-1], side="right")
    f1 = 2 * right / (claimed + len(positive))
    best = np.concatenate([[False], f1 == f1.max(), [False]])
    changes = np.flatnonzero(best[1:] != best[:-1])
    lows, highs = edges[changes[::2]], edges[changes[1::2]]
    widest = int(np.argmax(highs - lows))
    return round(float(lows[widest] + highs[widest]) / 2, 6)


def _windows(samples: int, rate: int) -> Iterator[slice]:
    length, step = round(SEGMENT_SECONDS * rate), round(STEP_SECONDS * rate)
    for start in range(0, max(samples - length, 0) + 1, step):
        yield slice(start, start + length)


def _truths(item: Item, windows: Sequence[slice], truth: Truth) -> np.ndarray:
    """Which classes sound in each window, ``(windows, classes)``: 1, 0, or NaN where that is open."""
    rows = np.zeros((len(windows), len(truth.of(()))), dtype=np.float32)
    for part, mids in zip(item.parts, item.mids, strict=True):
        energies = np.array([float(part[window].square().sum()) for window in windows])
        shares = energies / max(energies.max(), np.finfo(np.float64).tiny)
        held = truth.of(mids) > 0
        for row, share in zip(rows, shares, strict=True):
            if share >= _SOUNDS:
                row[held] = 1
            elif share > _SILENT:
                row[held & (row != 1)] = np.nan
    return rows
