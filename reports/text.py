"""The tables of a results folder as plain text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from reports.aggregate import column_depth, parse_column
from reports.blind_text import blind_lines
from reports.outcomes import NO_REASON
from reports.results import Results
from reports.schema import MetricEntry
from reports.tables import Board, boards
from reports.terminal import lines_of, number
from reports.unseen import seen

_FIGURE_WIDTH: Final = 24
"""Columns that a figure with its interval takes."""
_OTHER_WIDTH: Final = 56
_REASONS: Final = 8
"""Reasons of failures that are shown; the leaderboard and ``results show --json`` have all."""


def summary(results: Results, run: str | None = None, *, width: int = 160) -> str:
    """One table per data set, the best separator first, with 95 % intervals; then why cells failed, by reason.

    As many headline figures are shown as ``width`` columns hold.

    Raises:
        ResultsError: there is no run.
    """
    metrics = results.metrics()
    tables = [_table(board, metrics, width) for board in boards(results, run)]
    return seen("\n".join([*tables, *_failures(results.run_cells(run))]))


def _table(board: Board, metrics: Mapping[str, MetricEntry], width: int) -> str:
    from rich.table import Table

    fit = max(1, (width - _OTHER_WIDTH) // _FIGURE_WIDTH)
    shown = board.columns[:fit]
    table = Table(title=f"{board.dataset} ({board.split}, {board.protocol} protocol)", title_justify="left", box=None)
    table.add_column("separator", no_wrap=True)
    for column in shown:
        metric, aggregation = parse_column(column)
        entry = metrics.get(metric)
        title = f"{entry.title} ({entry.unit})" if entry and entry.unit else entry.title if entry else metric
        depth = column_depth(column)
        words = aggregation.words if depth is None else f"{aggregation.within} over scenes, depth {depth}"
        table.add_column(f"{title}\n{words}", justify="right", max_width=_FIGURE_WIDTH)
    table.add_column("targets" if board.blind is None else "depths", justify="right", no_wrap=True)
    table.add_column("scenes", justify="right", no_wrap=True)
    table.add_column("failed", justify="right", no_wrap=True)
    figures = {
        (row["separator"], row["column"]): row for row in board.overall.filter(pl.col("column").is_in(shown)).to_dicts()
    }
    first = metrics.get(parse_column(shown[0])[0])
    sign = 1 if first and first.better == "lower" else -1
    ranked = sorted(
        board.separators.to_dicts(), key=lambda row: _order(figures.get((row["separator"], shown[0])), sign=sign)
    )
    for row in ranked:
        cells = [_figure(figures.get((row["separator"], column))) for column in shown]
        covered = f"{row['targets_covered']} of {row['targets']}"
        scenes = f"{row['scenes_run']} of {row['scenes']}"
        table.add_row(row["separator"], *cells, covered, scenes, str(row["failures"]))
    remarks = _remarks(board, left_out=len(board.columns) - len(shown))
    more = blind_lines(board.blind, width) if board.blind else []
    return "\n".join([*lines_of(table, width=width), *remarks, *more]) + "\n"


def _order(figure: Mapping[str, Any] | None, *, sign: int) -> tuple[bool, float]:
    value = figure["value"] if figure else None
    return (value is None, sign * (value or 0.0))


def _figure(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["low"] is None:
        return number(figure["value"] if figure else None, 2)
    value, low, high = (number(figure[name], 2) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _remarks(board: Board, *, left_out: int) -> list[str]:
    """What a reader must know of these figures: why intervals are missing, and what was left out."""
    notes = board.overall.filter(pl.col("value").is_not_null())["note"].drop_nulls().unique().sort().to_list()
    for rule, count in board.left_out.group_by("left_out").len().sort("left_out").iter_rows():
        notes.append(f"{count} pair{'s' if count > 1 else ''} of scene and target left out by rule: {rule}")
    if left_out:
        notes.append(f"{left_out} more figure{'s' if left_out > 1 else ''}: in a wider terminal, or on the leaderboard")
    return [f"  {note}" for note in [*notes, *([board.entry.caveat] if board.entry.caveat else [])]]


def _failures(cells: pl.DataFrame) -> list[str]:
    """One line for each separator, status and reason of failure, the commonest first."""
    failed = cells.filter(pl.col("status").is_in(["error", "timeout", "oom", "nan"]))
    if failed.is_empty():
        return []
    counted = (
        failed.group_by("separator", "status", "reason")
        .agg(pl.len().alias("cells"), pl.col("dataset").unique().sort(), pl.col("scene").first())
        .sort("cells", "separator", "status", "reason", descending=[True, False, False, False])
    )
    lines = []
    for row in counted.head(_REASONS).to_dicts():
        where = row["scene"] if row["cells"] == 1 else f"{row['cells']} cells"
        reason = " ".join((row["reason"] or NO_REASON).split())
        lines.append(f"{row['status']}: {row['separator']} on {', '.join(row['dataset'])}, {where}: {reason}")
    if len(counted) > _REASONS:
        lines.append(f"... and {len(counted) - _REASONS} more reasons; `stemtree results show --json` has them all")
    return [*lines, ""]
