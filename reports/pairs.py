"""All pairs of separators of a board in one column: who is better than whom, and who cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Final, Literal

import numpy as np
import polars as pl

from reports import bootstrap
from reports.paired import Better, Comparison, comparison
from reports.power import Superiority
from reports.ranks import AllPairs, Drawn, margin_of
from reports.sides import Sides
from reports.tables import Board

Verdict = Literal["better", "worse", "differs", "tied"]
"""Of the first against the second; ``differs`` where the column has no better and worse."""
_TURNED: Final[Mapping[Verdict, Verdict]] = {
    "better": "worse", "worse": "better", "differs": "differs", "tied": "tied",
}  # fmt: skip
_ROUNDING: Final = 1e-9
"""Deviations up to this are those of rounding."""


@dataclass(frozen=True)
class Extreme:
    """A scene, and the mean difference over its targets."""

    scene: str
    difference: float


@dataclass(frozen=True)
class Pair:
    """Two separators against each other; differences are of the first less the second, in the column's unit."""

    own: Comparison
    """The two alone, with the interval that holds for this pair and no other."""
    low: float | None
    high: float | None
    """The interval that holds for all pairs of its family at once."""
    verdict: Verdict | None
    """None where there is no such interval."""
    equal: bool
    """Whether this interval has only differences too small to matter in it."""
    standardised: float | None
    """Difference by its standard deviation on one recording; None where there is no such deviation."""
    note: str | None
    """Why there is no difference, no interval or no verdict, or only a weak one."""
    scenes: tuple[Extreme, Extreme] | None
    """Where the first is furthest ahead of the second, and where it is least so; None with less than two scenes."""

    @property
    def turned(self) -> Pair:
        """The same pair from the other side."""
        own = self.own
        return replace(
            self,
            own=replace(
                own,
                first=own.second,
                second=own.first,
                difference=_negative(own.difference),
                low=_negative(own.high),
                high=_negative(own.low),
                superiority=own.superiority and _turned(own.superiority),
            ),
            low=_negative(self.high),
            high=_negative(self.low),
            verdict=self.verdict and _TURNED[self.verdict],
            standardised=_negative(self.standardised),
            scenes=self.scenes and (_opposite(self.scenes[1]), _opposite(self.scenes[0])),
        )


@dataclass(frozen=True)
class Pairs:
    """All pairs in a column. Names stand with the best figure first.

    ``whole`` have figures that stand for all of the board; ``part`` have not, and are compared with each other, and
    with ``whole``, on what both have done. The pairs among ``whole`` are one family, whose intervals hold at once, and
    all others are a second one.
    """

    column: str
    whole: tuple[str, ...]
    part: tuple[str, ...]
    pairs: Mapping[tuple[str, str], Pair]
    """Each pair once, the first being the one that stands first."""

    def of(self, first: str, second: str) -> Pair:
        """A pair from the side of ``first``."""
        return self.pairs[first, second] if (first, second) in self.pairs else self.pairs[second, first].turned

    def intransitive(self) -> list[tuple[str, str, str]]:
        """Triples of ``whole`` in which the first and the last are tied with the middle one, but not with each other.

        Of the first and the last, the one that stands first comes first.
        """
        tied = {pair for pair in permutations(self.whole, 2) if self._verdict(pair) == "tied"}
        return [
            (first, middle, last)
            for first, last in combinations(self.whole, 2)
            if self._verdict((first, last)) in ("better", "worse", "differs")
            for middle in self.whole
            if (first, middle) in tied and (middle, last) in tied
        ]

    def _verdict(self, pair: tuple[str, str]) -> Verdict | None:
        return self.pairs[pair if pair in self.pairs else pair[::-1]].verdict


def all_pairs(board: Board, *, column: str, better: Better, unit: str) -> Pairs:
    """Hold all separators of a board that have a figure in a headline column against each other.

    A pair's difference is that of the figures on the pairs of scene and target that both have done (see
    :mod:`reports.sides`), and its own interval that of :func:`reports.paired.comparison`. The simultaneous intervals
    and the verdicts are those of :class:`reports.ranks.AllPairs`, and for pairs of whole separators the very ones that
    ranks rest on. Where one has done a part of the board only, there are fewer draws (:data:`reports.bootstrap.DRAWS`),
    and no verdict under :data:`reports.bootstrap.FEW` recordings, unless the board itself has no more: one thin pair
    would widen the intervals of all.
    """
    contest = board.ranking if column == board.columns[0] else board.contest(column)
    figures = board.overall.filter((pl.col("column") == column) & pl.col("value").is_not_null())
    standing = figures.sort("value", "separator", descending=[better != "lower", False])["separator"].to_list()
    whole = [name for name in standing if name in contest.names]
    part = [name for name in standing if name not in contest.names]
    margin = margin_of(unit)

    def compared(pairs: Sequence[tuple[str, str]], sides: Sides) -> list[Comparison]:
        sides.prepare((sides.names.index(first), sides.names.index(second)) for first, second in pairs)
        return [comparison(sides, first, second, column=column, better=better) for first, second in pairs]

    among = compared(list(combinations(whole, 2)), contest.sides)
    found = _judged(among, contest.sides, contest.names, contest.pairs, better=better, margin=margin)
    if part:
        fewer, names = contest.sides.with_draws(bootstrap.DRAWS), [*whole, *part]
        others = compared([pair for pair in combinations(names, 2) if pair[1] in part], fewer)
        family = _family(others, names, fewer, least=min(bootstrap.FEW, board.recordings))
        found |= _judged(others, fewer, names, family, better=better, margin=margin)
    return Pairs(column, tuple(whole), tuple(part), found)


def _family(pairs: Sequence[Comparison], names: Sequence[str], sides: Sides, *, least: int) -> AllPairs:
    places = {name: place for place, name in enumerate(names)}

    def drawn() -> Drawn:
        for own in pairs:
            if own.low is not None and own.recordings >= least:
                compared = sides.difference(sides.names.index(own.first), sides.names.index(own.second))
                yield places[own.first], places[own.second], own.recordings, *compared

    return AllPairs.of(len(names), drawn)


def _judged(
    pairs: Sequence[Comparison],
    sides: Sides,
    names: Sequence[str],
    family: AllPairs,
    *,
    better: Better,
    margin: float,
) -> dict[tuple[str, str], Pair]:
    """Each pair with the interval and the verdict of its family, whose order ``names`` give."""
    places = {name: place for place, name in enumerate(names)}
    apart, reach = family.apart(margin), family.reach
    found = {}
    for own in pairs:
        at = places[own.first], places[own.second]
        pair = Pair(own, None, None, None, False, _standardised(own), own.note, _extremes(own, sides, better))
        if own.difference is not None and not math.isnan(reach[at]):
            verdict = _verdict(own.difference, better) if apart[at] else "tied"
            low, high = own.difference - reach[at], own.difference + reach[at]
            equal = -margin <= low <= high <= margin
            pair = replace(pair, low=float(low), high=float(high), verdict=verdict, equal=bool(equal))
        found[own.first, own.second] = pair
    return found


def _verdict(difference: float, better: Better) -> Verdict:
    if better == "neither":
        return "differs"
    return "better" if (difference > 0) == (better == "higher") else "worse"


def _extremes(own: Comparison, sides: Sides, better: Better) -> tuple[Extreme, Extreme] | None:
    if own.difference is None or own.scenes < 2:
        return None
    first, second = sides.names.index(own.first), sides.names.index(own.second)
    rows = sides.shared(first, second)
    differences = sides.side(first, rows).by_scene - sides.side(second, rows).by_scene
    if np.isnan(differences).all():
        return None
    least, most = (
        Extreme(sides.scene_names[place], float(differences[place]))
        for place in (int(np.nanargmin(differences)), int(np.nanargmax(differences)))
    )
    return (least, most) if better == "lower" else (most, least)


def _standardised(own: Comparison) -> float | None:
    if own.difference is None or own.deviation is None or own.deviation < _ROUNDING:
        return None
    return own.difference / own.deviation


def _negative(number: float | None) -> float | None:
    return None if number is None else -number


def _opposite(of_first: Extreme) -> Extreme:
    return replace(of_first, difference=-of_first.difference)


def _turned(of_first: Superiority) -> Superiority:
    return replace(of_first, share=1 - of_first.share, low=1 - of_first.high, high=1 - of_first.low)
