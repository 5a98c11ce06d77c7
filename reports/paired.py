"""Two separators held against each other on what both have done, and what it would take to tell them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from reports.aggregate import Aggregation, Array, Codes, column_depth, parse_column
from reports.bootstrap import Resampler
from reports.power import Superiority, recordings_needed, superiority
from reports.ranks import DRAWS
from reports.results import ResultsError
from reports.tables import Board

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Comparison:
    """Two separators in one column, in its unit. What is None has its reason in ``note``."""

    first: str
    second: str
    column: str
    pairs: int
    """Pairs of scene and target that both have."""
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


@dataclass(frozen=True)
class _Rows:
    """Scores of both on the same pairs of scene and target, as arrays of one length."""

    first: Array
    second: Array
    classes: Codes
    scenes: Codes

    def difference(self, rule: Aggregation, weights: Array) -> Array:
        """First less second under each row of ``weights`` (draws, rows)."""
        return rule(self.first, self.classes, weights) - rule(self.second, self.classes, weights)


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

    The difference is that of the column's own figures, medians and means over classes included, and its interval that
    of bootstrap draws of recordings which both share (:class:`reports.bootstrap.Resampler`). The standard deviation
    over these draws times n / sqrt(n - 1), with n recordings, is the deviation on one recording: exactly for a mean,
    else to first order. :func:`reports.power.recordings_needed` turns it into a number by the normal approximation,
    which may fall short for medians over few recordings. This assumes that further recordings are like these, with as
    many scenes and classes to each, and that the difference that was found is the true one: the number is as uncertain
    as the difference, which the ends of its interval show (Hoenig and Heisey 2001,
    doi:10.1198/000313001300339897). It is of these two alone: ranks, which hold for all pairs at once, ask for more.

    A recording's own difference, of which the superiority speaks, is the mean over the pairs of scene and target that
    it is in. Where a scene has several recordings, as many of them count as one for the interval of the superiority.

    Raises:
        ResultsError: a separator is not on the board, both are one, or the column has no results.
    """
    (metric, rule), depth = parse_column(column), column_depth(column)
    outcomes = board.outcomes.filter(pl.col("metric") == metric)
    if depth is not None:
        outcomes = outcomes.filter(pl.col("index") == depth)
    _check(board, outcomes, first, second, column)
    either = _both(outcomes, first, second)
    shared = either.drop_nulls(["first", "second"])
    found = Comparison(
        first,
        second,
        column,
        pairs=len(shared),
        imputed=int(shared["failed"].sum()),
        unpaired=len(either) - len(shared),
        scenes=shared["scene"].n_unique(),
        recordings=0,
    )
    if shared.is_empty():
        return replace(found, note="they have no pair of scene and target in common")
    names = ("power", board.dataset, board.split, board.protocol)
    recordings = [list(recordings) for recordings in board.scenes["recordings"]]
    rows = _rows(shared, list(board.scenes["scene"]))
    return _judged(found, rows, rule, Resampler.of(recordings, names=names, draws=DRAWS), better)


def _judged(found: Comparison, rows: _Rows, rule: Aggregation, resampler: Resampler, better: Better) -> Comparison:
    count = resampler.recordings(rows.scenes)
    difference = float(rows.difference(rule, np.ones((1, len(rows.first))))[0])
    found = replace(found, recordings=count, difference=difference, superiority=_superior(rows, resampler, better))
    if count < 2:
        return replace(found, note="one recording: nothing tells how much others differ")
    drawn = resampler.draws(rows.first, rows.classes, rows.scenes, rule)
    drawn -= resampler.draws(rows.second, rows.classes, rows.scenes, rule)
    interval = resampler.interval_of(drawn, rows.scenes)
    if interval.low is None or interval.high is None:
        return replace(found, note=interval.note)
    deviation = float(np.nanstd(drawn)) * count / math.sqrt(count - 1)
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


def _superior(rows: _Rows, resampler: Resampler, better: Better) -> Superiority | None:
    if better == "neither":
        return None
    lead = rows.second - rows.first if better == "lower" else rows.first - rows.second
    scenes = len(resampler.incidence)
    sums, counts = np.bincount(rows.scenes, lead, minlength=scenes), np.bincount(rows.scenes, minlength=scenes)
    incidence = resampler.incidence.astype(np.float64)
    present = counts @ incidence > 0
    differences = (sums @ incidence)[present] / (counts @ incidence)[present]
    most = int(resampler.incidence[counts > 0].sum(axis=1).max())
    return superiority(differences, units=max(1, len(differences) // most))


def _check(board: Board, outcomes: pl.DataFrame, first: str, second: str, column: str) -> None:
    known = sorted(board.covered)
    for name in (first, second):
        if name not in known:
            raise ResultsError(f"no separator {name!r} on {board.dataset}; there are {', '.join(known)}")
    if first == second:
        raise ResultsError(f"{first!r} twice: name two separators")
    if outcomes.is_empty():
        there = ", ".join(sorted(board.outcomes["metric"].unique()))
        raise ResultsError(f"column {column!r} has no results on {board.dataset}; there are metrics {there}")


def _both(outcomes: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    """Pairs of scene and target that either has: ``scene, target, first, second, failed``."""
    place = ["scene", "index", "target"]

    def of(separator: str, name: str) -> pl.DataFrame:
        own = outcomes.filter((pl.col("separator") == separator) & pl.col("used").is_not_null())
        return own.select(*place, pl.col("used").alias(name), (pl.col("state") == "failed").alias(f"{name}_failed"))

    both = of(first, "first").join(of(second, "second"), on=place, how="full", coalesce=True).sort(place)
    return both.with_columns(failed=pl.any_horizontal("first_failed", "second_failed"))


def _rows(shared: pl.DataFrame, scenes: list[str]) -> _Rows:
    classes = {target: code for code, target in enumerate(sorted(shared["target"].unique()))}
    places = {scene: code for code, scene in enumerate(scenes)}
    return _Rows(
        shared["first"].to_numpy(),
        shared["second"].to_numpy(),
        np.array([classes[target] for target in shared["target"]], dtype=np.int64),
        np.array([places[scene] for scene in shared["scene"]], dtype=np.int64),
    )
