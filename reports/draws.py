"""Figures of many sets of rows at once, under bootstrap weights that they share.

What :mod:`reports.aggregate` says of one set, told of all separators of a table together: the weights of a scene in all
draws lie side by side, and each step takes one scene of every set. Weights are whole numbers, so that medians are exact
and equal those of :func:`reports.aggregate.weighted_median` to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from reports.aggregate import Aggregation, Array, Codes, weighted_mean

Counts = npt.NDArray[Any]
"""Weights of scenes, whole numbers: (scenes, draws)."""
_AT_ONCE: Final = 60_000
"""Sets times draws worked on at once: as many as stay in a processor's cache."""
_PER_CLASS: Final = 4_000_000
"""Sets times draws times classes held at once, which bounds the memory."""
_STEPS: Final = 16
"""Rows added up between two looks at where the middle is."""


@dataclass(frozen=True)
class Rows:
    """One set of rows: finite values, and class and scene of each, as arrays of one length."""

    values: Array
    classes: Codes
    scenes: Codes


def aggregate(sets: Sequence[Rows], rule: Aggregation, weights: Counts) -> Array:
    """The figure of each set under each draw: (sets, draws), NaN where nothing has weight.

    Args:
        sets: their scenes are rows of ``weights``.
        rule: how rows become one figure.
        weights: (scenes, draws) whole numbers, not negative.
    """
    if not rule.by_class:
        return _within(sets, rule, weights)
    classes = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(one.classes for one in sets)]))
    step = max(1, _PER_CLASS // max(1, weights.shape[1] * len(classes)))
    parts = [_mean_over_classes(sets[start : start + step], classes, rule, weights)
             for start in range(0, len(sets), step)]  # fmt: skip
    return np.concatenate([np.empty((0, weights.shape[1])), *parts])


def _mean_over_classes(sets: Sequence[Rows], classes: Codes, rule: Aggregation, weights: Counts) -> Array:
    found = np.full((len(sets), weights.shape[1], len(classes)), np.nan)
    for place, code in enumerate(classes):
        inside = [one.classes == code for one in sets]
        having = [number for number, members in enumerate(inside) if members.any()]
        parts = [Rows(sets[n].values[inside[n]], sets[n].classes[inside[n]], sets[n].scenes[inside[n]]) for n in having]
        found[having, :, place] = _within(parts, rule, weights)
    figures = np.empty(found.shape[:2])
    for number, one in enumerate(sets):
        own = np.ascontiguousarray(found[number][:, np.isin(classes, one.classes)])
        figures[number] = weighted_mean(own, (~np.isnan(own)).astype(np.float64))
    return figures


def _kind(rule: Aggregation, weights: npt.NDArray, *, rows: int) -> type[np.generic]:
    """The smallest type of number that holds doubled sums of weights, or the one for sums of values."""
    if rule.within == "mean" or not np.issubdtype(weights.dtype, np.integer):
        return np.float64
    bound = 2 * int(weights.max(initial=0)) * max(rows, 1)
    return np.int16 if bound < 2**15 else np.int32 if bound < 2**31 else np.int64


def _within(sets: Sequence[Rows], rule: Aggregation, weights: Counts) -> Array:
    """The mean or median of each set over its rows, whatever their class: (sets, draws)."""
    draws = weights.shape[1]
    if not sets:
        return np.empty((0, draws))
    longest = max(len(one.values) for one in sets)
    there, codes = np.unique(np.concatenate([one.scenes for one in sets]), return_inverse=True)
    taken = weights[there]
    # One more scene, without weight, stands where a set has fewer rows than another.
    own = np.zeros((len(there) + 1, draws), _kind(rule, taken, rows=longest))
    own[:-1] = taken
    values = np.full((len(sets), longest), np.nan)
    scenes = np.full((len(sets), longest), len(there))
    start = 0
    for number, one in enumerate(sets):
        end = start + len(one.values)
        values[number, : end - start], scenes[number, : end - start] = one.values, codes[start:end]
        start = end
    figures = np.empty((len(sets), draws))
    step = max(1, _AT_ONCE // max(1, draws))
    for start in range(0, len(sets), step):
        some = slice(start, start + step)
        figures[some] = (_medians if rule.within == "median" else _means)(values[some], scenes[some], own)
    return figures


def _means(values: Array, scenes: Codes, weights: Counts) -> Array:
    sums, totals = np.zeros((2, len(values), weights.shape[1]))
    counted = np.nan_to_num(values)
    for row in range(values.shape[1]):
        taken = weights[scenes[:, row]]
        totals += taken
        taken *= counted[:, row, None]
        sums += taken
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / totals)


def _medians(values: Array, scenes: Codes, weights: Counts) -> Array:
    """Midway between the values at which half of the weight is reached and exceeded; see ``weighted_median``."""
    order = np.argsort(values, axis=1, kind="stable")  # what is NaN comes last
    ranked, steps = np.take_along_axis(values, order, axis=1), np.take_along_axis(scenes, order, axis=1).T
    total = _totals(scenes, weights)
    below, upto = _counts(np.ascontiguousarray(steps), weights, total)
    last = max(len(steps) - 1, 0)
    if not len(steps):
        return np.full(total.shape, np.nan)
    lower = np.take_along_axis(ranked, np.minimum(below, last), axis=1)
    upper = np.take_along_axis(ranked, np.minimum(upto, last), axis=1)
    return np.where(total > 0, (lower + upper) / 2, np.nan)


def _totals(scenes: Codes, weights: Counts) -> Counts:
    """Sum of the weights of each set (sets, draws), worked out once for sets of the same scenes."""
    alike, which = np.unique(np.sort(scenes, axis=1), axis=0, return_inverse=True)
    totals = np.zeros((len(alike), weights.shape[1]), weights.dtype)
    for column in alike.T:
        totals += weights[column]
    return np.asarray(totals[which.reshape(-1)])


def _counts(steps: Codes, weights: npt.NDArray, total: Counts) -> tuple[Codes, Codes]:
    """At how many steps the weight so far lies below half of the total, and at how many below or at half.

    Far from the middle, where no draw has come to its half yet, nothing is compared; nor where all are past it.
    """
    so_far = np.zeros_like(total)
    start = 0
    while start < len(steps):
        before = so_far.copy()
        for step in steps[start : start + _STEPS]:
            so_far += weights[step]
        if (2 * so_far >= total).any():
            so_far = before
            break
        start += _STEPS
    below, upto = np.full((2, *total.shape), min(start, len(steps)))
    is_below, is_upto = np.empty((2, *total.shape), dtype=bool)
    while start < len(steps):
        few_below, few_upto = np.zeros((2, *total.shape), dtype=np.uint8)
        for step in steps[start : start + _STEPS]:
            so_far += weights[step]
            doubled = so_far + so_far
            np.less(doubled, total, out=is_below)
            few_below += is_below.view(np.uint8)
            np.less_equal(doubled, total, out=is_upto)
            few_upto += is_upto.view(np.uint8)
        below += few_below
        upto += few_upto
        start += _STEPS
        if not is_upto.any():
            break
    return below, upto
