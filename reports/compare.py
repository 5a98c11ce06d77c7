"""Two states of results, BASE and HEAD: scores that changed under an unchanged key, statuses, and paired differences.

A key names everything that a cell's scores depend on, so that equal keys must give equal scores: a difference there is
a defect, of whatever size. Where the key changed, a difference of the headline figures is an estimate, and has an
interval; see :mod:`reports.differences`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import polars as pl

from reports.differences import differences
from reports.results import Results, ResultsError
from reports.tables import boards

CELL: Final = ("separator", "dataset", "split", "protocol", "scene")
"""What names a cell on both sides."""
CHANGED_SCORES: Final = (
    *CELL, "target", "metric", "threshold", "base", "head", "difference", "base_status", "head_status", "key",
)  # fmt: skip
STATUS_CHANGES: Final = (*CELL, "base", "head", "change", "reason")

_SCORE: Final = ["key", "index", "metric", "threshold"]
_JUDGED: Final = ("ok", "unscored", "nan")
"""Statuses of cells that have scores."""
_RANK: Final = {"ok": 2, "skip": 1, "unscored": 1}
"""How good a status is; every other is a failure, 0."""


@dataclass(frozen=True)
class State:
    """A run as it left its folder, or, where ``run`` is None, the newest state of a folder."""

    results: Results
    run: str | None = None

    @property
    def name(self) -> str:
        """What a reader knows it by."""
        return self.run or str(self.results.folder)


@dataclass(frozen=True)
class Comparison:
    """What differs between two states.

    ``changed_scores`` has the columns of :data:`CHANGED_SCORES`: ``base`` and ``head`` are null where there is no
    finite value. ``status_changes`` has those of :data:`STATUS_CHANGES`: ``base`` and ``head`` are statuses of cells,
    besides ``pending`` (planned, not run) and ``unscored`` (ok, but for a metric that could not be computed), null
    where the cell is not there; ``change`` is worse, better, other, new or gone. ``figures`` has those of
    :data:`reports.differences.DIFFERENCES`; its ``verdict`` is

    * ``not recomputed``: every key is the same on both sides; a difference is one of :attr:`changed_scores`;
    * ``better`` or ``worse``: the 95 % interval of the difference excludes 0;
    * ``differs``: it does, and the metric has no better or worse, or no definition of it is there;
    * ``no difference told apart``: it does not, or the difference is within the tolerance;
    * ``no interval``: as with a single recording;
    * ``nothing in both``: no pair to compare.
    """

    base: State
    head: State
    tolerance: float
    cells_in_both: int
    unchanged_keys: int
    """Of the cells in both, those whose key is the same."""
    recomputed: int
    """Those that HEAD has done under another key."""
    scores_compared: int
    changed_scores: pl.DataFrame
    status_changes: pl.DataFrame
    figures: pl.DataFrame

    @property
    def regressed(self) -> bool:
        """Whether a score changed under its key, or the status of a cell or a figure is worse."""
        worse = (self.status_changes["change"] == "worse").any() or (self.figures["verdict"] == "worse").any()
        return bool(worse) or not self.changed_scores.is_empty()

    @cached_property
    def status_counts(self) -> dict[str, int]:
        """Cells by change of status, such as ``ok -> error``, ``new`` or ``gone``; the commonest first."""
        return dict(Counter(words_of(row) for row in self.status_changes.iter_rows(named=True)).most_common())

    @cached_property
    def verdict_counts(self) -> dict[str, int]:
        """Figures by verdict."""
        return dict(Counter(self.figures["verdict"]).most_common())

    def described(self) -> dict[str, Any]:
        """All of it as JSON: every value a number, a string, a boolean or null, lists sorted by their first fields.

        ::

            {"base": {"folder": str, "run": str | null}, "head": likewise,
             "tolerance": float, "regressed": bool,
             "counts": {"cells_in_both": int, "unchanged_keys": int, "recomputed": int, "scores_compared": int,
                        "changed_scores": int, "statuses": {"ok -> error": int, ...}, "verdicts": {"worse": int, ...}},
             "changed_scores": [{the columns of CHANGED_SCORES}], "status_changes": [{those of STATUS_CHANGES}],
             "figures": [{those of DIFFERENCES}]}
        """
        return {
            **{
                side: {"folder": str(state.results.folder), "run": state.run}
                for side, state in (("base", self.base), ("head", self.head))
            },
            "tolerance": self.tolerance,
            "regressed": self.regressed,
            "counts": {
                "cells_in_both": self.cells_in_both,
                "unchanged_keys": self.unchanged_keys,
                "recomputed": self.recomputed,
                "scores_compared": self.scores_compared,
                "changed_scores": len(self.changed_scores),
                "statuses": self.status_counts,
                "verdicts": self.verdict_counts,
            },
            "changed_scores": self.changed_scores.to_dicts(),
            "status_changes": self.status_changes.to_dicts(),
            "figures": self.figures.to_dicts(),
        }


def words_of(row: Mapping[str, Any]) -> str:
    """A row of ``status_changes`` in a word or two: ``ok -> error``, ``new`` or ``gone``."""
    return str(row["change"]) if row["change"] in ("new", "gone") else f"{row['base']} -> {row['head']}"


def compare(base: State, head: State, *, metrics: Sequence[str] = (), tolerance: float) -> Comparison:
    """What differs between ``base`` and ``head``.

    Args:
        base: the older state.
        head: the newer state.
        metrics: ids of the metrics to look at; all scores and the headline columns unless given. One that is no
            headline metric of a data set is aggregated by the first rule that it declares.
        tolerance: greatest difference of a score, in its metric's unit, that counts as rounding.

    Raises:
        ResultsError: a run is not there, the two have no cell in common, or neither knows one of ``metrics``.
    """
    definitions = base.results.metrics() | head.results.metrics()
    unknown = [metric for metric in metrics if metric not in definitions]
    if unknown:
        raise ResultsError(f"no metric {unknown[0]!r} in either; there are {', '.join(sorted(definitions)) or 'none'}")
    cells = _cells(base, metrics).join(_cells(head, metrics), on=CELL, how="full", coalesce=True, suffix="_head")
    shared = cells.drop_nulls(["key", "key_head"])
    if shared.is_empty():
        raise ResultsError(f"{base.name} and {head.name} have no cell in common: nothing to compare")
    same = shared.filter(pl.col("key") == pl.col("key_head"))
    recomputed = shared.filter((pl.col("key") != pl.col("key_head")) & (pl.col("label_head") != "pending"))
    pairs = _score_pairs(base, head, same, metrics)
    return Comparison(
        base=base,
        head=head,
        tolerance=tolerance,
        cells_in_both=len(shared),
        unchanged_keys=len(same),
        recomputed=len(recomputed),
        scores_compared=len(pairs),
        changed_scores=_changed(pairs, tolerance),
        status_changes=_status_changes(cells),
        figures=differences(
            boards(base.results, base.run),
            boards(head.results, head.run),
            recomputed,
            metrics=metrics,
            definitions=definitions,
            tolerance=tolerance,
        ),
    )


def _cells(state: State, metrics: Sequence[str]) -> pl.DataFrame:
    """The cells of a state, each with its ``label``: its status as it is compared."""
    cells = state.results.run_cells(state.run)
    failed = pl.col("failed_metrics")
    if metrics:
        failed = failed.list.set_intersection(list(metrics))
    unscored = (pl.col("status") == "ok") & (failed.list.len() > 0)
    label = pl.when(unscored).then(pl.lit("unscored")).otherwise(pl.col("status").fill_null("pending"))
    said = pl.when(unscored).then(pl.format("no {}", failed.list.join(", "))).otherwise("reason")
    return cells.select(*CELL, "key", "metrics", "failed_metrics", label=label, reason=said)


def _score_pairs(base: State, head: State, same: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Scores under a key that did not change, one row per cell and score that both sides computed.

    A metric that could not be computed is no number: its cell is ``unscored``.
    """
    columns = [f"{name}{side}" for name in ("metrics", "failed_metrics") for side in ("", "_head")]
    same = same.filter(pl.col("label").is_in(_JUDGED) & pl.col("label_head").is_in(_JUDGED))
    keys = same.select("key", *columns).unique("key")
    of_base, of_head = (_scores(state, keys, metrics) for state in (base, head))
    both = of_base.join(of_head, on=_SCORE, how="full", coalesce=True, nulls_equal=True, suffix="_head")
    # A score that one side lacks is compared where that side computed its metric; what refuses a target has no metric.
    compared = pl.lit(True)
    for side in ("", "_head"):
        there = pl.col(f"status{side}").is_not_null() | pl.col("metric").is_null() | _among(f"metrics{side}")
        compared &= there & ~_among(f"failed_metrics{side}")
    return (
        both.join(keys, on="key")
        .filter(compared)
        .join(same.select(*CELL, "key"), on="key")
        .with_columns(pl.coalesce("target", "target_head").alias("target"))
    )


def _among(metrics: str) -> pl.Expr:
    return pl.col(metrics).list.contains(pl.col("metric")).fill_null(False)


def _scores(state: State, keys: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    rows = pl.concat([state.results.scores(), state.results.swept()]).join(keys, on="key", how="semi")
    if metrics:
        rows = rows.filter(pl.col("metric").is_null() | pl.col("metric").is_in(list(metrics)))
    target = pl.coalesce("target", pl.format("depth {}", "depth"))
    return rows.select(*_SCORE, "value", "status", target=target)


def _changed(pairs: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    value, other = pl.col("value"), pl.col("value_head")
    close = ((other - value).abs() <= tolerance).fill_null(False) | value.eq_missing(other)
    there = pl.col("status").is_not_null() & pl.col("status_head").is_not_null()
    finite = {name: pl.when(column.is_finite()).then(column) for name, column in (("base", value), ("head", other))}
    return (
        pairs.filter(~(there & close))
        .with_columns(**finite, base_status="status", head_status="status_head")
        .with_columns(difference=pl.col("head") - pl.col("base"))
        .sort(*CELL, "index", "metric", "threshold", nulls_last=False)
        .select(list(CHANGED_SCORES))
    )


def _status_changes(cells: pl.DataFrame) -> pl.DataFrame:
    rank, rank_head = (
        pl.col(name).replace_strict(_RANK, default=0, return_dtype=pl.Int8) for name in ("label", "label_head")
    )
    change = (
        pl.when(pl.col("label").is_null())
        .then(pl.lit("new"))
        .when(pl.col("label_head").is_null())
        .then(pl.lit("gone"))
        .when(rank_head < rank)
        .then(pl.lit("worse"))
        .when(rank_head > rank)
        .then(pl.lit("better"))
        .otherwise(pl.lit("other"))
    )
    return (
        cells.filter(pl.col("label").ne_missing(pl.col("label_head")))
        .with_columns(change=change, base="label", head="label_head", reason="reason_head")
        .sort(*CELL)
        .select(list(STATUS_CHANGES))
    )
