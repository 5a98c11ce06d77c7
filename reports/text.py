"""The tables of a results folder as plain text, for a terminal or a log."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import polars as pl

from reports.aggregate import parse_column
from reports.results import Results
from reports.schema import MetricEntry
from reports.tables import Board, boards


def summary(results: Results, run: str | None = None) -> str:
    """One table per data set: a row per separator, a column per headline figure with its 95 % interval.

    Raises:
        ResultsError: there is no run, or its files cannot be read.
    """
    metrics = results.metrics()
    return "\n".join(_table(board, metrics) for board in boards(results, run))


def _table(board: Board, metrics: Mapping[str, MetricEntry]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{board.dataset} ({board.split}, {board.protocol} protocol)", title_justify="left", box=None)
    table.add_column("separator", no_wrap=True)
    for column in board.columns:
        metric, aggregation = parse_column(column)
        entry = metrics.get(metric)
        title = f"{entry.title} ({entry.unit})" if entry else metric
        table.add_column(f"{title}\n{aggregation.words}", justify="right")
    table.add_column("targets", justify="right")
    table.add_column("failed", justify="right")
    figures = board.overall.partition_by("separator", as_dict=True)
    for row in board.separators.sort("separator").to_dicts():
        cells = [_figure(figure) for figure in figures[(row["separator"],)].to_dicts()]
        covered = f"{row['targets_covered']} of {row['targets']}"
        table.add_row(row["separator"], *cells, covered, str(row["failures"]))
    stream = io.StringIO()
    Console(file=stream, width=160, color_system=None).print(table)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    return "\n".join([*lines, *_remarks(board)]) + "\n"


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "–"
    if figure["low"] is None:
        return _decibels(figure["value"])
    return f"{_decibels(figure['value'])} [{_decibels(figure['low'])}, {_decibels(figure['high'])}]"


def _decibels(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # adding zero drops the sign of a negative zero


def _remarks(board: Board) -> list[str]:
    """What a reader must know of these figures: why intervals are missing, and what was left out by rule."""
    notes = board.overall.filter(pl.col("value").is_not_null())["note"].drop_nulls().unique().sort().to_list()
    return [f"  {note}" for note in [*notes, *([board.entry.caveat] if board.entry.caveat else [])]]
