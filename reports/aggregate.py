"""How the rows of one separator become one figure, with or without weights on the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
_DEPTH: Final = re.compile(r"d[1-6]")


@dataclass(frozen=True)
class Aggregation:
    """A rule from rows (one per scene and target) to one figure.

    ``within`` is taken over rows: all of them, or those of one class where ``by_class``, followed by the mean over
    classes, each class counting once however many rows it has.
    """

    name: str
    within: Literal["mean", "median"]
    by_class: bool
    words: str

    def __call__(self, values: Array, classes: Codes, weights: Array) -> Array:
        """Aggregate ``values`` (rows,) of ``classes`` (rows,) under each row of ``weights`` (draws, rows).

        Values are finite, weights not negative. A class without weight in a draw is left out of that draw. Returns
        (draws,), NaN where nothing has weight.
        """
        if not self.by_class:
            return self._inner(values, weights)
        codes = np.unique(classes)
        if not len(codes):
            return np.full(len(weights), np.nan)
        per_class = np.empty((len(weights), len(codes)))
        present = np.empty_like(per_class)
        for place, code in enumerate(codes):
            members = classes == code
            per_class[:, place] = self._inner(values[members], weights[:, members])
            present[:, place] = weights[:, members].any(axis=1)
        return weighted_mean(per_class, present)

    def unweighted(self, values: Array, classes: Codes) -> float:
        """Aggregate ``values`` (rows,) of ``classes`` (rows,), each counting once; NaN where there are none."""
        return float(self(values, classes, np.ones((1, len(values))))[0])

    def _inner(self, values: Array, weights: Array) -> Array:
        """The mean or median taken over rows, under each row of ``weights`` (draws, rows); returns (draws,)."""
        return (weighted_median if self.within == "median" else weighted_mean)(values, weights)


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of ``values`` (rows,) or (draws, rows) under ``weights`` (draws, rows); returns (draws,)."""
    counted = np.where(weights > 0, values, 0.0)  # what has no weight may be NaN
    with np.errstate(invalid="ignore"):
        return np.asarray((counted * weights).sum(axis=1) / weights.sum(axis=1))


def weighted_median(values: Array, weights: Array) -> Array:
    """Median of ``values`` (rows,) under ``weights`` (draws, rows); returns (draws,).

    With W the sum of the weights: midway between the least value whose cumulative weight reaches W/2 and the least
    whose cumulative weight exceeds it. Under whole-number weights this is the ordinary median of the sample in which
    each value stands as often as its weight says.
    """
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    ranked, cumulative = values[order], np.cumsum(weights[:, order], axis=1)
    half = cumulative[:, -1:] / 2
    lower = ranked[np.argmax(cumulative >= half, axis=1)]
    upper = ranked[np.argmax(cumulative > half, axis=1)]
    return np.where(half[:, 0] > 0, (lower + upper) / 2, np.nan)


AGGREGATIONS: Final = {
    rule.name: rule
    for rule in (
        Aggregation("mean", "mean", False, "mean over scenes and targets"),
        Aggregation("median", "median", False, "median over scenes and targets"),
        Aggregation("class-median-mean", "median", True, "median in a class, mean over classes"),
        Aggregation("class-mean-mean", "mean", True, "mean in a class, mean over classes"),
    )
}


def parse_column(column: str) -> tuple[str, Aggregation]:
    """The metric's id and the aggregation of a column such as ``sdri@1/class-median-mean``.

    Columns of blind scenes may name a depth besides, as in ``capi_sdri@dcase2026/mean/d2``; see :func:`column_depth`.

    Raises:
        ValueError: there is no such aggregation, or the third part is no depth.
    """
    metric, slash, rest = column.partition("/")
    name, _, depth = rest.partition("/")
    if not slash or name not in AGGREGATIONS:
        raise ValueError(f"column {column!r}: write metric@version/aggregation, with one of {', '.join(AGGREGATIONS)}")
    if depth and not _DEPTH.fullmatch(depth):
        raise ValueError(f"column {column!r}: its third part is a depth, d1 to d6")
    return metric, AGGREGATIONS[name]


def column_depth(column: str) -> int | None:
    """The depth that a column is of; None where it is of no one depth."""
    named = column.split("/")[2:]
    return int(named[0][1:]) if named else None
