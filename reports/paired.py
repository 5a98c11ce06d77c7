"""Two separators held against each other on what both have done, and what it would take to tell them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reports.aggregate import Array, column_depth, parse_column
from reports.bootstrap import interval_of
from reports.power import Superiority, recordings_needed, superiority
from reports.results import ResultsError
from reports.sides import Rows, Sides
from reports.tables import Board

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Comparison:
    """Two separators in one column, in its unit. What is None has its reason in ``note``."""

    first: str
    second: str
    column: str
    pairs: int
    """Pairs of scene and target that both have done."""
    imputed: int
    """Of these, where either failed and counts with the score of the mixture."""
    unpaired: int
    """Pairs that one alone has, which are left out."""
    scenes: int
    recordings: int
    difference: float | None = None
    """Figure of the first less that of the second."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval of the difference."""
    deviation: float | None = None
    """Standard deviation of the difference on one recording."""
    needed: int | None = None
    """Recordings that tell them apart, were the difference as it was found; None too where it is zero."""
    needed_low: int | None = None
    needed_high: int | None = None
    """The same at the two ends of the interval of the difference; None too where zero lies within it."""
    superiority: Superiority | None = None
    """How often the first is better; None too where the metric has no better and worse."""
    note: str | None = None


def column_of(board: Board, metric: str | None) -> str:
    """The column meant by the id of a metric, by ``metric/aggregation``, or by None: the one that ranks.

    Raises:
        ResultsError: there is no such column; the message says which there are.
    """
    if metric is None:
        return board.columns[0]
    if "/" not in metric:
        found = [column for column in board.columns if parse_column(column)[0] == metric]
        if not found:
            raise ResultsError(f"metric {metric!r} is in no column of {board.dataset}: {', '.join(board.columns)}")
        return found[0]
    try:
        parse_column(metric)
    except ValueError as error:
        raise ResultsError(str(error)) from error
    if board.blind and column_depth(metric) is None:
        raise ResultsError(f"column {metric!r}: scores of blind scenes stand by depth; add /d1 to /d6")
    return metric


def compare(board: Board, first: str, second: str, *, column: str, better: Better) -> Comparison:
    """Hold two separators of a board against each other in a column such as ``sdri@1/class-median-mean``.

    Raises:
        ResultsError: a separator is not on the board, both are one, or the column has no results.
    """
    sides = board.sides(column)
    _check(board, sides, first, second, column)
    return comparison(sides, first, second, column=column, better=better)


def comparison(sides: Sides, first: str, second: str, *, column: str, better: Better) -> Comparison:
    """Two of ``sides``, which are those of ``column``, on the rows that both have done.

    The difference is that of the column's own figures, medians and means over classes included, and its interval that
    of the bootstrap draws that all pairs of the board share. The standard deviation over these draws times
    n / sqrt(n - 1), with n recordings, is the deviation on one recording: exactly for a mean, else to first order.
    :func:`reports.power.recordings_needed` turns it into a number, which may be too small for medians over few
    recordings. This assumes that further recordings are like these, with as many scenes and classes to each, and that
    the difference that was found is the true one: the number is as uncertain as the difference, which the ends of its
    interval show (Hoenig and Heisey 2001, doi:10.1198/000313001300339897). It is of these two alone: ranks, which hold
    for all pairs at once, ask for more.

    A recording's own difference, of which the superiority speaks, is that of the means over the pairs of scene and
    target that it is in. Where a scene has several recordings, as many of them count as one for the interval of the
    superiority.
    """
    one, other = sides.names.index(first), sides.names.index(second)
    rows = sides.shared(one, other)
    found = Comparison(
        first,
        second,
        column,
        pairs=int(rows.mask.sum()),
        imputed=int((rows.mask & (sides.failed[one] | sides.failed[other])).sum()),
        unpaired=int((sides.done[one] ^ sides.done[other]).sum()),
        scenes=rows.scene_count,
        recordings=rows.recordings,
    )
    if not found.pairs:
        return replace(found, note="they have no pair of scene and target in common")
    difference, drawn = sides.difference(one, other)
    if math.isnan(difference):
        return replace(found, note="one of them has no score in what both have done")
    lead = sides.side(one, rows).means - sides.side(other, rows).means
    found = replace(found, difference=difference, superiority=_superior(lead, rows, better))
    if rows.recordings < 2:
        return replace(found, note="one recording: nothing tells how much others differ")
    interval = interval_of(drawn, rows.recordings)
    if interval.low is None or interval.high is None:
        return replace(found, note=interval.note)
    deviation = float(np.nanstd(drawn)) * rows.recordings / math.sqrt(rows.recordings - 1)
    near, far = sorted((interval.low, interval.high), key=abs)
    return replace(
        found,
        low=interval.low,
        high=interval.high,
        deviation=deviation,
        needed=recordings_needed(difference, deviation),
        needed_low=recordings_needed(far, deviation),
        needed_high=recordings_needed(near, deviation) if near * far > 0 else None,
        note=interval.note,
    )


def _superior(lead: Array, rows: Rows, better: Better) -> Superiority | None:
    present = lead[~np.isnan(lead)]
    if better == "neither" or not len(present):
        return None
    return superiority(-present if better == "lower" else present, units=max(1, len(present) // rows.units))


def _check(board: Board, sides: Sides, first: str, second: str, column: str) -> None:
    known = sorted(board.covered)
    for name in (first, second):
        if name not in known:
            raise ResultsError(f"no separator {name!r} on {board.dataset}; there are {', '.join(known)}")
    if first == second:
        raise ResultsError(f"{first!r} twice: name two separators")
    if not sides.names:
        there = ", ".join(sorted(board.outcomes["metric"].unique()))
        raise ResultsError(f"column {column!r} has no results on {board.dataset}; there are metrics {there}")
