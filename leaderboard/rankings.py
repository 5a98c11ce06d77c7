"""The tables that compare separators, ready to be shown: one row each, a cell per column, a scale per column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from leaderboard import numbers
from leaderboard.context import Column, Site
from reports.figures import Kind
from reports.tables import Board

_WIDTH, _MARGIN = 112.0, 5.0


@dataclass(frozen=True)
class Bar:
    """An interval drawn to its column's scale: positions in an SVG of 112 x 12 units, rounded for stable bytes."""

    value: float
    low: float | None
    high: float | None
    zero: float


@dataclass(frozen=True)
class Cell:
    """One figure: its text, its interval as text and bar, and everything that a reader must know of it."""

    value: float | None
    text: str | None
    interval: str | None
    note: str | None
    """Why there is no interval, or only a weak one."""
    remarks: tuple[str, ...]
    reason: str | None
    bar: Bar | None


@dataclass(frozen=True)
class Row:
    """One separator."""

    name: str
    href: str
    family: str
    kind: Kind
    cells: tuple[Cell, ...]
    facts: dict[str, Any]
    nothing: str | None
    """Why none of its cells has a value, where one reason holds for all of them."""
    rank: tuple[int, int] | str
    """Best and worst rank, or why there is none."""


@dataclass(frozen=True)
class Group:
    """Rows that may be compared with each other, under a line that says how."""

    heading: str | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table of one board."""

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def rows(self) -> list[Row]:
        """All rows, whatever their group."""
        return [row for group in self.groups for row in group.rows]


def overall(site: Site, board: Board) -> Table:
    """Every separator of a board, in three groups: all targets, a part of them, none."""
    columns = tuple(site.column(column) for column in board.columns)
    ranks = board.ranks(columns[0].better, columns[0].unit)
    rows = _rows(site, columns, board.overall, board.separators, ranks=ranks)
    whole = [row for row in rows if _covered(row) == len(board.targets)]
    partial = [row for row in rows if 0 < _covered(row) < len(board.targets)]
    nothing = [row for row in rows if _covered(row) == 0 < len(board.targets)]
    groups = (
        Group(None, tuple(whole)),
        Group("On the targets they cover only: not to be compared with the rows above", tuple(partial)),
        Group("Covering none of the targets", tuple(nothing)),
    )
    return Table(columns, tuple(group for group in groups if group.rows))


def shared(site: Site, board: Board) -> list[tuple[tuple[str, ...], Table]]:
    """For each set of targets that some separator stops at: all separators that cover it, on those targets alone."""
    everything = tuple(board.targets)
    parts = sorted({covered for covered in board.covered.values() if covered and covered != everything})
    columns = tuple(site.column(column) for column in board.columns)
    found = []
    for part in parts:
        able = [name for name, covered in board.covered.items() if set(part) <= set(covered)]
        figures = board.figures(part, able)
        facts = board.separators.filter(pl.col("separator").is_in(able))
        found.append((part, Table(columns, (Group(None, tuple(_rows(site, columns, figures, facts))),))))
    return found


def by_target(site: Site, board: Board) -> list[tuple[Column, Table]]:
    """For each headline column, a table with the targets as its columns."""
    tables = []
    parts = board.by_target.partition_by("column", as_dict=True)
    for column in map(site.column, board.columns):
        if (column.id,) not in parts:
            continue
        figures = parts[column.id,].with_columns(column=pl.col("target"))
        heads = tuple(
            Column(target, column.metric, target, column.unit, column.better, "", column.href)
            for target in board.targets
        )
        rows = _rows(site, heads, figures, board.separators, order=board.overall.filter(pl.col("column") == column.id))
        tables.append((column, Table(heads, (Group(None, tuple(rows)),))))
    return tables


def _covered(row: Row) -> int:
    return int(row.facts["targets_covered"])


def _rows(
    site: Site,
    columns: Sequence[Column],
    figures: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    order: pl.DataFrame | None = None,
    ranks: Mapping[str, tuple[int, int] | str] | None = None,
) -> list[Row]:
    """Rows by the value in the first column, the best first, or by the values in ``order``."""
    scales = {column.id: _scale(figures.filter(pl.col("column") == column.id)) for column in columns}
    by_place = {(row["separator"], row["column"]): row for row in figures.iter_rows(named=True)}
    described = {row["separator"]: row for row in facts.iter_rows(named=True)}
    ordering = order if order is not None else figures.filter(pl.col("column") == columns[0].id)
    sign = 1 if columns[0].better == "lower" else -1
    names = [
        row["separator"]
        for row in sorted(
            ordering.iter_rows(named=True),
            key=lambda row: (row["value"] is None, sign * (row["value"] or 0.0), row["separator"]),
        )
    ]
    rows = []
    for name in names:
        cells = tuple(figure_cell(by_place[name, column.id], column.unit, scales[column.id]) for column in columns)
        reasons = {cell.reason for cell in cells}
        rows.append(
            Row(
                name=name,
                href=site.separator_href(name),
                family=str(described[name]["family"]),
                kind=site.kind(name),
                cells=cells,
                facts=described[name],
                nothing=reasons.pop() if len(reasons) == 1 else None,
                rank=ranks[name] if ranks else "ranks stand in the overall table",
            )
        )
    return rows


def _scale(figures: pl.DataFrame) -> tuple[float, float]:
    """The least and the greatest of the values and interval ends of a column, with zero between them."""
    ends = pl.concat([figures["value"], figures["low"], figures["high"], pl.Series([0.0])]).drop_nulls()
    low, high = float(ends.min()), float(ends.max())  # type: ignore[arg-type]
    return (low, high) if high > low else (low - 1, high + 1)


def figure_cell(figure: dict[str, Any], unit: str, scale: tuple[float, float]) -> Cell:
    """The cell of one row of :data:`reports.tables.FIGURES`."""
    if figure["value"] is None:
        return Cell(value=None, text=None, interval=None, note=None, remarks=(), reason=figure["note"], bar=None)

    def place(value: float) -> float:
        low, high = scale
        return round(_MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN), 1)

    value, low, high = figure["value"], figure["low"], figure["high"]
    has_interval = low is not None and high is not None
    return Cell(
        value=value,
        text=numbers.measure(value, unit),
        interval=numbers.interval(low, high, unit) if has_interval else None,
        note=figure["note"],
        remarks=_remarks(figure),
        reason=None,
        bar=Bar(place(value), place(low) if has_interval else None, place(high) if has_interval else None, place(0.0)),
    )


def _remarks(figure: dict[str, Any]) -> tuple[str, ...]:
    remarks = []
    if figure["imputed"]:
        remarks.append(f"{figure['imputed']} of {figure['due']} imputed")
    if figure["dropped"]:
        remarks.append(f"{figure['dropped']} of {figure['due']} left out")
    return tuple(remarks)
