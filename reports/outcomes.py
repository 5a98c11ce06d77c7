"""What became of every scene, target and metric for every separator: measured, skipped, failed or not run, and why.

The rules of the statistics start here. A target that is absent from a scene, or trivial in it, is left out for all
separators. What a separator does not cover is skipped. What nobody has asked of it yet is not run. All else that has
no finite value has failed, and is imputed with the score of the ``mixture`` separator on the same scene and target: a
failure never scores better than doing nothing.

In a blind scene the depth of the cut stands in the place of the target. Where nothing sounds and a system found nothing
its scores are empty: they have no value by their own rules, which is no failure.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

_LOG: Final = logging.getLogger("stemtree")
FALLBACK: Final = "mixture"
"""The separator whose score stands in for a failed one."""
BLIND_FALLBACK: Final = "labels+mixture"
"""The system that does so in blind scenes."""
DEPTHS: Final = (1, 2, 3, 4, 5, 6)
"""At which blind scenes are scored."""
EMPTY: Final = "empty"
"""Status of a score that has no value by its own rules."""
NO_REASON: Final = "no reason was recorded"
"""Said where a failure does not say why."""

STATES: Final = ("measured", "skipped", "failed", "not run", "empty")
"""What a pair of scene and target may be for a separator."""
NOT_RUN: Final = ("not run", "pending", "not scored")
"""Statuses of what nobody asked a separator for: no entry, a cell still to come, a metric not computed there."""

_ABSENT_OR_TRIVIAL = r"^(absent|trivial)\b"
_PAIR = ["scene", "index"]

OUTCOMES: Final = pl.Schema(
    {
        "separator": pl.String(),
        "scene": pl.String(),
        "index": pl.Int32(),
        "target": pl.String(),
        "metric": pl.String(),
        "state": pl.Enum(STATES),
        "status": pl.String(),  # that of the results folder, or "pending", "not run", "not scored", "empty"
        "value": pl.Float64(),  # as measured
        "used": pl.Float64(),  # what enters a figure: the value, or for a failure that of the mixture
        "reason": pl.String(),
    }
)


def is_done(used: str = "used", state: str = "state") -> pl.Expr:
    """Whether a figure is over a pair: it has a score, be it the mixture's, or has none by its metric's own rules."""
    return (pl.col(used).is_not_null() | (pl.col(state) == "empty")).fill_null(False)


def score_rows(cells: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of ``cells``, with the separator and scene of each, and ``left_out``: absent, trivial or null."""
    named = scores.join(cells.select("key", "separator", "scene"), on="key", how="inner")
    left_out = pl.when(pl.col("status") == "skip").then(pl.col("reason").str.extract(_ABSENT_OR_TRIVIAL))
    return named.with_columns(left_out=left_out)


def with_target(rows: pl.DataFrame, *, scores: Path) -> pl.DataFrame:
    """Rows that are of a target, as all but those of blind scenes are; ``scores`` is what a warning of others names."""
    of_none = rows.filter(pl.col("target").is_null())
    for row in of_none.head(1).iter_rows(named=True):
        said = "%s: the score of key %s, index %s, names no target, nor do %d others; they are left out"
        _LOG.warning(said, scores, row["key"], row["index"], len(of_none) - 1)
    return rows.drop_nulls("target")


def left_out_pairs(rows: pl.DataFrame, *elsewhere: pl.DataFrame) -> pl.DataFrame:
    """Pairs of scene and target that no separator is judged on: ``scene, index, target, left_out, reason``.

    Absent and trivial are properties of the scene, so that any separator's word will do. Rows from ``elsewhere``, of
    the same scenes in other runs, are asked about the pairs of which ``rows`` themselves tell neither by such a word
    nor by a value.
    """
    found = [_marked(rows)]
    told = rows.filter(pl.col("left_out").is_not_null() | (pl.col("status") == "ok"))
    found += [_marked(other).join(told, on=_PAIR, how="anti") for other in elsewhere]
    return pl.concat(found).unique(_PAIR, keep="first", maintain_order=True).sort(_PAIR)


def _marked(rows: pl.DataFrame) -> pl.DataFrame:
    marked = rows.filter(pl.col("left_out").is_not_null()).sort("metric", "separator", nulls_last=True)
    return marked.unique(_PAIR, keep="first", maintain_order=True).select(*_PAIR, "target", "left_out", "reason")


def sounding_pairs(rows: pl.DataFrame, scenes: pl.DataFrame, left_out: pl.DataFrame) -> pl.DataFrame:
    """Pairs of scene and target that every separator is judged on: ``scene, index, target``.

    They are those that have any score row, and, in scenes where nothing was scored, all that the scene lists, less
    those that are ``left_out``.
    """
    scored = rows.select(*_PAIR, "target").unique(_PAIR, keep="first")
    untouched = scenes.join(scored, on="scene", how="anti").select("scene", target="targets")
    listed = (
        untouched.with_columns(index=pl.int_ranges(pl.col("target").list.len(), dtype=pl.Int32))
        .explode("index", "target")
        .drop_nulls("target")
        .select(scored.columns)
    )
    return pl.concat([scored, listed]).join(left_out, on=_PAIR, how="anti").sort(_PAIR)


def outcomes(
    cells: pl.DataFrame, rows: pl.DataFrame, scenes: pl.DataFrame, left_out: pl.DataFrame, *, headline: Sequence[str]
) -> pl.DataFrame:
    """One row per separator, scene, target and metric that applies to it, with the columns of :data:`OUTCOMES`.

    Args:
        cells: those of one data set, split and protocol, as :meth:`Results.run_cells` gives them.
        rows: their scores, as :func:`score_rows` gives them.
        scenes: what is known of the scenes.
        left_out: pairs that no separator is judged on, as :func:`left_out_pairs` gives them.
        headline: metrics that are due on every sounding pair, whether or not any was scored.
    """
    sounding = sounding_pairs(rows, scenes, left_out)
    return _outcomes(cells, rows, sounding, headline=headline, fallback=FALLBACK)


def blind_outcomes(
    cells: pl.DataFrame, scores: pl.DataFrame, scenes: pl.DataFrame, *, headline: Sequence[str], imputed: Sequence[str]
) -> pl.DataFrame:
    """As :func:`outcomes` for blind scenes, of scores of scenes as a whole: ``target`` is ``depth N``, ``index`` is N.

    Args:
        cells: those of one data set, split and protocol.
        scores: all scores.
        scenes: what is known of the scenes.
        headline: metrics that are due on every scene at each depth.
        imputed: those in which a failed cell is counted with the score of :data:`BLIND_FALLBACK`.
    """
    rows = score_rows(cells, scores).filter(pl.col("target").is_null() & pl.col("metric").is_not_null())
    skipped = (pl.col("status") == "skip") & pl.col("value").is_null()
    rows = rows.with_columns(
        target=pl.format("depth {}", "depth"),
        status=pl.when(skipped).then(pl.lit(EMPTY)).otherwise("status"),
        left_out=pl.lit(None, pl.String),
    )
    depths = pl.DataFrame({"index": DEPTHS, "target": [f"depth {depth}" for depth in DEPTHS]})
    depths = depths.cast({"index": pl.Int32})
    sounding = scenes.select("scene").join(depths, how="cross").select(*_PAIR, "target")
    return _outcomes(cells, rows, sounding, headline=headline, fallback=BLIND_FALLBACK, imputed=imputed)


def _outcomes(
    cells: pl.DataFrame,
    rows: pl.DataFrame,
    sounding: pl.DataFrame,
    *,
    headline: Sequence[str],
    fallback: str,
    imputed: Sequence[str] | None = None,
) -> pl.DataFrame:
    scored = rows.filter(pl.col("metric").is_not_null() & pl.col("left_out").is_null())
    seen = scored.join(sounding, on=_PAIR, how="semi")["metric"].unique()
    present = pl.DataFrame({"metric": sorted({*seen, *headline})}, schema={"metric": pl.String()})
    # Metrics of absent targets have rows nowhere else; a broken estimate has rows of every metric everywhere.
    of_the_present = {*present["metric"], *rows.filter(pl.col("left_out").is_not_null())["metric"].drop_nulls()}
    leakage = (
        scored.join(sounding, on=_PAIR, how="anti")
        .filter(~pl.col("metric").is_in(sorted(of_the_present)))
        .unique([*_PAIR, "metric"], keep="first")
    )
    due = pl.concat(
        [
            sounding.join(present, how="cross").select(*_PAIR, "target", "metric"),
            leakage.select(*_PAIR, "target", "metric"),
        ]
    )
    separators = cells.select("separator").unique().sort("separator")
    status = cells.select("separator", "scene", cell_status=pl.col("status").fill_null("pending"), cell_reason="reason")
    # Scenes of equal content share a key, so a score belongs to its separator and scene, not to its key.
    own = scored.select("separator", *_PAIR, "metric", "value", score_status="status", score_reason="reason")
    refused = rows.filter(pl.col("metric").is_null() & pl.col("left_out").is_null()).select(
        "separator", *_PAIR, target_status="status", target_reason="reason"
    )
    grid = (
        separators.join(due, how="cross")
        .join(status, on=["separator", "scene"], how="left")
        .join(own, on=["separator", *_PAIR, "metric"], how="left")
        .join(refused, on=["separator", *_PAIR], how="left")
        .with_columns(**_verdict())
    )
    return _impute(grid, fallback, imputed).select(list(OUTCOMES)).cast(OUTCOMES).sort("separator", *_PAIR, "metric")


def _verdict() -> dict[str, pl.Expr]:
    finite = pl.col("value").is_finite().fill_null(False)
    score, target, cell = pl.col("score_status"), pl.col("target_status"), pl.col("cell_status")
    status = (
        pl.when(score.is_not_null())
        .then(pl.when((score == "ok") & ~finite).then(pl.lit("nan")).otherwise(score))
        .when(target.is_not_null())
        .then(target)
        .when(cell.is_null())
        .then(pl.lit("not run"))
        .when(cell == "ok")
        .then(pl.lit("not scored"))
        .otherwise(cell)
    )
    said = pl.coalesce("score_reason", "target_reason", "cell_reason")
    default = (
        pl.when(score == "ok")
        .then(pl.when(~finite).then(pl.lit("the stored value is not finite, or too large for a score")))
        .when(cell.is_null())
        .then(pl.lit("this scene was not in the separator's run"))
        .when(cell == "pending")
        .then(pl.lit("the run has not come to this cell"))
        .when(cell == "ok")
        .then(pl.lit("this metric was not computed for the cell"))
        .otherwise(pl.lit(NO_REASON))
    )
    return {
        "status": status,
        "value": pl.when(finite & (score == "ok")).then(pl.col("value")),
        "reason": pl.when(~((score == "ok") & finite).fill_null(False)).then(pl.coalesce(said, default)),
    }


def _impute(grid: pl.DataFrame, fallback: str, imputed: Sequence[str] | None) -> pl.DataFrame:
    """What enters a figure: for a failure in one of ``imputed`` metrics (None for all) the score of ``fallback``."""
    state = (
        pl.when(pl.col("value").is_not_null())
        .then(pl.lit("measured"))
        .when(pl.col("status") == EMPTY)
        .then(pl.lit("empty"))
        .when(pl.col("status") == "skip")
        .then(pl.lit("skipped"))
        .when(pl.col("status").is_in(NOT_RUN))
        .then(pl.lit("not run"))
        .otherwise(pl.lit("failed"))
    )
    grid = grid.with_columns(state=state)
    there = grid.filter((pl.col("separator") == fallback) & pl.col("value").is_not_null())
    if imputed is not None:
        there = there.filter(pl.col("metric").is_in(list(imputed)))
    there = there.select(*_PAIR, "metric", fallback="value")
    used = pl.when(pl.col("state") == "failed").then(pl.col("fallback")).otherwise(pl.col("value"))
    return grid.join(there, on=[*_PAIR, "metric"], how="left").with_columns(used=used)
