"""All pairs of separators at once, and ranks as intervals: from 1 + the number of better ones to all less the worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from reports.aggregate import Array
from reports.bootstrap import LEVEL, reach_of, why_no_interval
from reports.sides import Sides

DRAWS: Final = 10_000
PRACTICALLY_EQUAL_DB: Final = 0.1
"""Differences up to this many dB count as none, however certain they are."""

_ROUNDING: Final = 1e-9
"""Deviations up to this are those of rounding, and so are shares of a critical value."""


def margin_of(unit: str) -> float:
    """The greatest difference that counts as none in a column of this unit."""
    return PRACTICALLY_EQUAL_DB if unit == "dB" else 0.0


Drawn = Iterable[tuple[int, int, int, float, Array]]
"""Pairs of separators, each once: row, column, recordings, difference, and its draws (draws,).

The recordings are the independent ones that the pair shares, two at least; a draw that leaves nothing is NaN.
"""


@dataclass(frozen=True)
class AllPairs:
    """Separators against each other; arrays are (separators, separators), NaN where two are not compared.

    With se the deviation of a difference over the bootstrap's draws, all differences lie within their ``critical``
    times se of the truth at once, in 95 % of samples. It starts from the 95 % quantile, over draws, of the greatest
    studentised deviation of any pair (the max-|t| bootstrap; Romano and Wolf 2005,
    doi:10.1198/016214504000000539). This is the single step of their procedure. The steps after it would tell a few
    more pairs apart, but have no intervals, so that a pair might stand as different beside an interval with zero in it.

    Of few recordings that is too little, for the reasons that :mod:`reports.bootstrap` tells. There a quantile of
    Student's t takes the place of a normal one, and so it does here, at the level that is left to a single pair: 5 %
    times the share of pairs beyond the quantile in the draws in which any is. The quantile is made longer as
    :func:`reports.bootstrap.reach_of` at this level is longer than the normal quantile, pair by pair. To read the
    quantile itself as one of the normal distribution would take the lumps in draws of medians for further pairs.

    In simulations of five separators with normal scores, all ten differences of means lie in their intervals in 94 % of
    samples of 50 and of 20 recordings, 93 % of 10, 91 % of 6 and 90 % of 5 (without the second step: 92, 88, 78, 64 and
    51 %). Those of medians err on the wide side, since the bootstrap sees the errors of their differences as too large:
    they hold in 98 % or more, being 1.2 times as wide as they need be with 50 recordings, 1.6 times with 10 and 2.7
    times with 5. Many separators ask for more recordings: those of means of 24 hold all 276 differences in 93 % of
    samples of 50, 91 % of 20, 82 % of 10 and 38 % of 5.
    """

    differences: Array
    """Figure of the row less that of the column."""
    errors: Array
    critical: Array

    @classmethod
    def of(cls, separators: int, drawn: Callable[[], Drawn]) -> AllPairs:
        """Compare so many separators; ``drawn`` is called twice, since all draws at once would not fit in memory."""
        differences, errors, critical = np.full((3, separators, separators), np.nan)
        greatest = np.zeros(1)
        for row, column, _, difference, draws in drawn():
            error = float(np.nanstd(draws))
            differences[row, column], differences[column, row] = difference, -difference
            errors[row, column] = errors[column, row] = error
            if error > _ROUNDING:
                greatest = np.fmax(greatest, np.abs(draws - difference) / error)
        quantile = float(np.quantile(greatest, LEVEL))
        beyond, shares, recordings = greatest >= quantile, [], {}
        for row, column, shared, difference, draws in drawn():
            recordings[row, column] = shared
            if errors[row, column] > _ROUNDING:
                deviations = np.abs(draws[beyond] - difference) / errors[row, column]
                shares.append(float(np.mean(deviations >= quantile * (1 - _ROUNDING))))
        tail = (1 - LEVEL) / 2 * (float(np.mean(shares)) if shares else 1.0)
        longer = {n: reach_of(n, tail) / NormalDist().inv_cdf(1 - tail) for n in set(recordings.values())}
        for (row, column), shared in recordings.items():
            critical[row, column] = critical[column, row] = quantile * longer[shared]
        return cls(differences, errors, critical)

    @property
    def reach(self) -> Array:
        """Half the width of each pair's simultaneous 95 % interval, which has the difference in its middle."""
        return self.critical * self.errors

    def apart(self, margin: float) -> npt.NDArray[np.bool_]:
        """Pairs whose interval leaves out zero, and whose difference exceeds ``margin``."""
        return np.asarray(np.abs(self.differences) > np.maximum(margin, self.reach))

    def rank_intervals(self, among: Sequence[int], *, higher_is_better: bool, margin: float) -> list[tuple[int, int]]:
        """The best and the worst rank that each of ``among`` may have, of all of these."""
        chosen = np.ix_(among, among)
        apart, lead = self.apart(margin)[chosen], self.differences[chosen] * (1 if higher_is_better else -1)
        above, below = (apart & (lead < 0)).sum(axis=1), (apart & (lead > 0)).sum(axis=1)
        return [(1 + int(better), len(among) - int(worse)) for better, worse in zip(above, below, strict=True)]


@dataclass(frozen=True)
class Contest:
    """The separators whose figures in a column stand for all of a board, against each other.

    ``names`` are in the order of ``pairs``; ``sides`` knows the other separators too.
    """

    names: tuple[str, ...]
    sides: Sides
    pairs: AllPairs

    @classmethod
    def of(cls, names: Sequence[str], sides: Sides) -> Contest:
        """All pairs of ``names``, each on what both have done."""
        places = [sides.names.index(name) for name in names]
        sides.prepare(combinations(places, 2))
        able = []
        for row, column in combinations(range(len(names)), 2):
            recordings = sides.shared(places[row], places[column]).recordings
            if why_no_interval(sides.difference(places[row], places[column])[1], recordings) is None:
                able.append((row, column, recordings))

        def drawn() -> Drawn:
            for row, column, recordings in able:
                yield row, column, recordings, *sides.difference(places[row], places[column])

        return cls(tuple(names), sides, AllPairs.of(len(names), drawn))
