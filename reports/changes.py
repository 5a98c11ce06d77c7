"""Where a series of figures changed its level, and by how much, measured on the scenes that both runs have."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import polars as pl

from reports.aggregate import parse_column
from reports.archive import Archive, Place
from reports.differences import differences
from reports.history import Point, Series
from reports.once import named
from reports.schema import MetricEntry
from reports.steps import fit_steps
from reports.tables import Board


@dataclass(frozen=True)
class Change:
    """A change of level: ``former`` and ``first`` are the points next to it, in the order of the runs.

    ``before`` and ``after`` stand for the levels on both sides: of all their points those nearest to them.
    """

    former: Point
    first: Point
    before: Point
    after: Point
    runs: tuple[int, int]
    """How many runs each level stood for."""


@dataclass(frozen=True)
class Course:
    """A series with its changes of level, and its points that stand alone, which belong to no level."""

    series: Series
    changes: tuple[Change, ...]
    strays: tuple[Point, ...]


def course(series: Series, *, margin: float) -> Course:
    """Find the changes of level by more than ``margin``, in the unit of the series.

    Points in a row of exactly one value are one measurement that stood for as many runs.
    """
    stretches = [list(points) for _, points in itertools.groupby(series.points, key=lambda point: point.value)]
    fit = fit_steps(
        [stretch[0].value for stretch in stretches],
        margin=margin,
        weights=_weights([stretch[0] for stretch in stretches]),
        runs=[len(stretch) for stretch in stretches],
    )
    levels = [
        [point for place in range(start, end) if place not in fit.strays for point in stretches[place]]
        for start, end in itertools.pairwise([*fit.starts, len(stretches)])
    ]
    changes = [
        Change(
            stretches[start - 1][-1],
            stretches[start][0],
            min(reversed(levels[place]), key=lambda point: abs(point.value - fit.levels[place])),
            min(levels[place + 1], key=lambda point: abs(point.value - fit.levels[place + 1])),
            (len(levels[place]), len(levels[place + 1])),
        )
        for place, start in enumerate(fit.starts[1:])
        if levels[place] and levels[place + 1]
    ]
    return Course(series, tuple(changes), tuple(point for place in fit.strays for point in stretches[place]))


def _weights(points: list[Point]) -> list[float] | None:
    """Precisions from the widths of the intervals, no more than that of the middle one; None where any has none."""
    widths = [0.0 if point.low is None or point.high is None else point.high - point.low for point in points]
    if min(widths) <= 0:
        return None
    middle = median(widths)
    return [min(1.0, (middle / width) ** 2) for width in widths]


def paired(
    archive: Archive,
    place: Place,
    column: str,
    base: tuple[str, str],
    head: tuple[str, str],
    metrics: Mapping[str, MetricEntry],
) -> dict[str, Any]:
    """A row of :data:`reports.differences.DIFFERENCES`: the figure of ``head`` less that of ``base``.

    Both are a run and a separator, which need not be the same.
    """

    def work_out() -> dict[str, Any]:
        before, after = (
            _alone(archive.board(run, place), separator, column, name=head[1]) for run, separator in (base, head)
        )
        keys = before.cells.select("separator", "scene", "key").join(
            after.cells.select("separator", "scene", "key", "status"), on=["separator", "scene"], suffix="_head"
        )
        recomputed = keys.filter((pl.col("key") != pl.col("key_head")) & pl.col("status").is_not_null())
        places = dict(zip(("dataset", "split", "protocol"), map(pl.lit, place), strict=True))
        found = differences(
            [before], [after], recomputed.with_columns(**places), metrics=(), definitions=metrics, tolerance=0.0
        )
        return found.row(0, named=True)

    entry = metrics.get(parse_column(column)[0])
    states = [(archive.places(run)[place], separator) for run, separator in (base, head)]
    found: dict[str, Any] = archive.once.value(
        named([states, column, entry.model_dump(mode="json") if entry else None]), work_out
    )
    return found


def _alone(board: Board, separator: str, column: str, *, name: str) -> Board:
    """One separator and column of a board, the separator under another name."""
    own = pl.col("separator") == separator
    return replace(
        board,
        entry=board.entry.model_copy(update={"columns": (column,)}),
        cells=board.cells.filter(own).with_columns(separator=pl.lit(name)),
        outcomes=board.outcomes.filter(own).with_columns(separator=pl.lit(name)),
    )
