"""Ranks as intervals: from 1 + the number of better separators to the number of all less that of the worse ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from reports.aggregate import Array
from reports.bootstrap import LEVEL

DRAWS: Final = 10_000
PRACTICALLY_EQUAL_DB: Final = 0.1
"""Differences up to this many dB count as none, however certain they are."""


def rank_intervals(values: Array, draws: Array, *, higher_is_better: bool, margin: float) -> list[tuple[int, int]]:
    """The best and the worst rank that each separator may have.

    All pairs are compared at once: with se the bootstrap's standard error of a difference, a pair differs where its
    difference exceeds both ``margin`` and se times the 95 % quantile of the greatest studentised deviation over all
    pairs (the max-|t| bootstrap; Romano and Wolf 2005, doi:10.1198/016214504000000539).

    Args:
        values: (separators,) the figures.
        draws: (separators, draws) the same under draws shared by all separators, finite.
        higher_is_better: the direction.
        margin: the greatest difference that counts as none.
    """
    differences = values[:, None] - values[None, :]
    rows, columns = np.triu_indices(len(values), k=1)
    errors = np.zeros_like(differences)
    greatest = np.zeros(draws.shape[1])
    for row, column in zip(rows, columns, strict=True):  # pair by pair: all at once would not fit in memory
        drawn = draws[row] - draws[column]
        error = drawn.std()
        errors[row, column] = errors[column, row] = error
        if error > 1e-9:  # of rounding alone: a constant difference needs no draw
            np.maximum(greatest, np.abs(drawn - differences[row, column]) / error, out=greatest)
    critical = float(np.quantile(greatest, LEVEL))
    apart = np.abs(differences) > np.maximum(margin, critical * errors)
    lead = differences if higher_is_better else -differences
    worse_than_it, better_than_it = (apart & (lead > 0)).sum(axis=1), (apart & (lead < 0)).sum(axis=1)
    return [
        (1 + int(above), len(values) - int(below)) for above, below in zip(better_than_it, worse_than_it, strict=True)
    ]
