"""Steps in a series of figures, one per run: where its level changed by more than its noise explains.

The fit is piecewise constant: the levels and the places of the steps that minimise the squared distances plus a penalty
for each step, found by dynamic programming (Friedrich, Kempe, Liebscher and Winkler 2008,
doi:10.1198/106186008X285591; airspeed velocity detects its steps so, with absolute distances,
https://github.com/airspeed-velocity/asv/blob/main/asv/step_detect.py). A distance counts for no more than a cap, so
that a value that stands alone moves no level (Fearnhead and Rigaill 2019, doi:10.1080/01621459.2017.1385466).

Sizes are differences in the unit of the series, held against its own noise, never ratios: the same step is found
whatever is added to all values, and however noisy another series may be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reports.aggregate import Array

PENALTY: Final = 3.5
"""What a step costs, in variances of the noise times the logarithm of the number of values.

The Bayesian information criterion asks for 2 where the noise is known and normal. Here it is estimated, and may have
heavy tails: steps are found in less than 5 % of series of normal noise, and in some 5 % where its tails are heavy
(Laplace, or t with 3 degrees of freedom), for 10 to 200 values.
"""
_CAP: Final = 1.5
"""What a value may cost, in penalties: between one, so that a last value alone is a step, and two, so that one amid
others is none."""
_FEW: Final = 10
"""With fewer values nothing tells their noise."""
_DRIFT: Final = 0.5
"""By how many penalties two levels must beat a straight line not to be drift."""
_LAGS: Final = (1, 2)
"""Distances at which noise is estimated: noise that lingers shows more at the greater ones, but so does a step, of
which a short series has few others to outweigh it."""
_UNSURE: Final = 3.0
"""By how much, divided by the number of values, the noise is held for more than its estimate: of few values this is
often too low, and steps would be found in what is noise."""
_NORMAL: Final = 1.4826
"""From the median of absolute deviations to the standard deviation of normal noise."""
_FLOOR: Final = 5.0
"""The noise is held for no less than the margin over this: steps as small as the margin are then found in any
series of up to some thousand values."""


@dataclass(frozen=True)
class Fit:
    """Levels of a series: ``starts`` are the places of their first values, the first of them 0.

    ``strays`` are places of values that stand alone, far from the level around them, and ``noise`` is the standard
    deviation about the levels that the fit reckoned with.
    """

    starts: tuple[int, ...]
    levels: tuple[float, ...]
    noise: float
    strays: tuple[int, ...]


def fit_steps(
    values: Sequence[float] | Array,
    *,
    margin: float,
    weights: Sequence[float] | None = None,
    runs: Sequence[int] | None = None,
) -> Fit:
    """The levels of a series in the order of time.

    A change of level is no step where it is no larger than ``margin``, or where a straight line through both levels
    explains the values better: that is drift. A value that stands alone between others is none either; the first or
    the last may be one, and it is for the caller to say how much such a step is worth.

    Args:
        values: finite, at least one; equal values in a row that are one measurement should come once.
        margin: in the unit of the values; 0 for none.
        weights: relative precisions (1 / variance) of the values, positive; all alike unless given.
        runs: how many runs each value stood for: one that stood for several is not taken for a stray.

    Raises:
        ValueError: there is no value, one is not finite, or ``margin`` is negative.
    """
    data = np.asarray(values, dtype=np.float64)
    if not len(data) or not np.isfinite(data).all() or margin < 0:
        raise ValueError("steps need finite values, one at least, and a margin that is not negative")
    precision = np.ones(len(data)) if weights is None else np.asarray(weights, dtype=np.float64)
    spread = float(np.ptp(data))
    if spread == 0:
        return Fit((0,), (float(data[0]),), 0.0, ())
    noise = max(_noise(data, precision), margin / _FLOOR, 1e-9 * spread)
    penalty = PENALTY * math.log(max(len(data), _FEW))
    caps = _CAP * penalty * (np.ones(len(data)) if runs is None else np.asarray(runs, dtype=np.float64))
    middle = float(np.median(data))
    scaled = _Scaled((data - middle) / noise, precision, caps)
    starts = _without_drift(scaled, _segment(scaled, penalty), penalty)
    starts, levels = _beyond(scaled, starts, margin / noise)
    strays = scaled.strays(starts, levels)
    return Fit(tuple(starts), tuple(level * noise + middle for level in levels), noise, tuple(strays))


@dataclass(frozen=True)
class _Scaled:
    """Values in units of the noise."""

    values: Array
    weights: Array
    caps: Array

    def costs(self, levels: Array | float, part: slice | int) -> Array:
        """What it costs that the values of ``part`` are at ``levels``."""
        return np.asarray(np.minimum(self.weights[part] * (self.values[part] - levels) ** 2, self.caps[part]))

    def level(self, part: slice) -> float:
        """The mean of a segment without its strays, which are told by their distance from the median."""
        values, weights = self.values[part], self.weights[part]
        near = self.costs(float(np.median(values)), part) < self.caps[part]
        if not near.any():
            return float(np.median(values))
        return float(np.average(values[near], weights=weights[near]))

    def strays(self, starts: Sequence[int], levels: Sequence[float]) -> list[int]:
        """Places of values at their cap."""
        found = []
        for part, level in zip(self.parts(starts), levels, strict=True):
            found += [part.start + int(place) for place in np.flatnonzero(self.costs(level, part) >= self.caps[part])]
        return found

    def parts(self, starts: Sequence[int]) -> list[slice]:
        """The segments that begin at ``starts``."""
        return [slice(*ends) for ends in itertools.pairwise([*starts, len(self.values)])]


def _noise(values: Array, weights: Array) -> float:
    """The standard deviation of a value of weight 1, from differences, which steps and strays hardly touch; or 0."""
    if len(values) < _FEW:
        return 0.0
    found = []
    for lag in (lag for lag in _LAGS if len(values) >= lag * _FEW):
        scale = np.sqrt(1 / weights[lag:] + 1 / weights[:-lag])
        found.append(_NORMAL * float(np.median(np.abs(values[lag:] - values[:-lag]) / scale)))
    return max(found) * (1 + _UNSURE / len(values))


def _segment(scaled: _Scaled, penalty: float) -> list[int]:
    """Where the levels of the cheapest fit begin.

    The levels tried are means of 1, 2, 4, ... values in a row. Those of the best fit lie so close to some of them that
    it costs less than one variance more.
    """
    values = scaled.values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    widths = [1 << power for power in range(len(values).bit_length())]
    tried = np.unique(np.concatenate([(sums[width:] - sums[:-width]) / width for width in widths]))
    cost = scaled.costs(tried, 0)
    came_from = np.zeros(len(values), dtype=np.int64)
    switched = np.zeros((len(values), len(tried)), dtype=bool)
    for place in range(1, len(values)):
        came_from[place] = int(np.argmin(cost))
        changed = cost[came_from[place]] + penalty
        switched[place] = changed < cost
        cost = np.minimum(cost, changed) + scaled.costs(tried, place)
    starts, level = [], int(np.argmin(cost))
    for place in range(len(values) - 1, 0, -1):
        if switched[place, level]:
            starts.append(place)
            level = int(came_from[place])
    return [0, *reversed(starts)]


def _without_drift(scaled: _Scaled, starts: list[int], penalty: float) -> list[int]:
    """``starts`` less those at which the levels on both sides do not clearly beat a straight line.

    A line goes through any two values: between them nothing speaks of drift.
    """
    kept = [0]
    for first, second in itertools.pairwise(scaled.parts(starts)):
        both = slice(first.start, second.stop)
        levels = np.repeat([scaled.level(first), scaled.level(second)], [_length(first), _length(second)])
        stepped = scaled.costs(levels, both)
        near = stepped < scaled.caps[both]
        times = np.arange(float(_length(both)))
        slope, middle = np.polyfit(times[near], scaled.values[both][near], 1, w=np.sqrt(scaled.weights[both][near]))
        drifted = scaled.costs(float(middle) + float(slope) * times, both)
        if _length(both) == 2 or drifted.sum() > stepped.sum() + _DRIFT * penalty:
            kept.append(second.start)
    return kept


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _beyond(scaled: _Scaled, starts: list[int], margin: float) -> tuple[list[int], list[float]]:
    """Join neighbours that differ by no more than ``margin``, the closest first; returns starts and levels."""
    levels = [scaled.level(part) for part in scaled.parts(starts)]
    while len(levels) > 1:
        sizes = np.abs(np.diff(levels))
        closest = int(np.argmin(sizes))
        if sizes[closest] > margin:
            break
        starts = starts[: closest + 1] + starts[closest + 2 :]
        levels = [scaled.level(part) for part in scaled.parts(starts)]
    return starts, levels
