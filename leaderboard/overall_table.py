"""The overall table: one row per separator, and for each data set its rank and figures there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from leaderboard import numbers
from leaderboard.context import Column, Site
from leaderboard.rankings import BASELINES, ORACLES, TOLD, Cell, Row, Table, facets
from reports.figures import Kind
from reports.schema import REAL_TIME_FACTOR
from reports.tables import Board

FIGURES: Final = 6
"""Columns of a data set that the overall table can show, the ranking one first; the others stand on its own page. Of
all data sets together as many are shown at first, and of each the one that ranks."""


@dataclass(frozen=True)
class Head:
    """One data set: its address, the name of its columns in addresses, and its columns of figures."""

    board: Board
    title: str
    href: str
    key: str
    columns: tuple[Column, ...]
    shown: int
    """How many of the columns are shown before anybody has chosen."""
    note: str | None
    """What most of its intervals have to say for themselves."""


@dataclass(frozen=True)
class Entry:
    """What one separator has on one data set."""

    rank: tuple[int, int] | str
    cells: tuple[Cell, ...]
    part: str | None
    """On which part of the data set it stands, where it must not be compared with those that stand on all of it."""
    seen: str | None
    """The data set among its declared training data that holds recordings of this one."""


@dataclass(frozen=True)
class Line:
    """One separator, with an entry per data set."""

    name: str
    href: str
    family: str
    kind: Kind
    entries: tuple[Entry, ...]
    facets: Mapping[str, tuple[str, ...]]
    real_time_factor: float | None
    peak_mb: float | None
    nothing: str | None
    """Why it has no figure at all, where one reason holds for all data sets that it was run on."""


@dataclass(frozen=True)
class Section:
    """The data sets of one protocol. Separators are told what to extract or not: none stands in both."""

    blind: bool
    heads: tuple[Head, ...]
    groups: tuple[tuple[Kind, str, tuple[Line, ...]], ...]
    """Kind, heading and lines; oracles and baselines frame the systems."""

    @property
    def count(self) -> int:
        """Number of columns, those that are not shown at first too."""
        return 3 + sum(1 + len(head.columns) for head in self.heads)

    @property
    def shown(self) -> int:
        """Number of columns that are shown at first."""
        return 3 + sum(1 + head.shown for head in self.heads)

    @property
    def words(self) -> str | None:
        """How every column that is shown at first is aggregated, where it is the same for all."""
        words = {column.words for head in self.heads for column in head.columns[: head.shown]}
        return words.pop() if len(words) == 1 else None

    @property
    def entries(self) -> list[Entry]:
        """Every separator on every data set."""
        return [entry for _, _, lines in self.groups for line in lines for entry in line.entries]


def sections(site: Site, tables: Sequence[tuple[Board, Table]]) -> list[Section]:
    """The overall table, in two where some data sets are of blind scenes; ``tables`` are those of each data set."""
    parts = [[one for one in tables if one[0].blind is None], [one for one in tables if one[0].blind is not None]]
    return [_section(site, part) for part in parts if part]


def _section(site: Site, tables: Sequence[tuple[Board, Table]]) -> Section:
    shown = max(1, FIGURES // len(tables))
    heads = tuple(_head(site, board, table, shown) for board, table in tables)
    rows = [{row.name: row for row in table.rows} for _, table in tables]
    costs = _costs(board for board, _ in tables)
    lines = [
        _line(site, name, heads, [found.get(name) for found in rows], costs[name])
        for name in sorted({name for found in rows for name in found})
    ]
    blind = tables[0][0].blind is not None
    headings: tuple[tuple[Kind, str], ...] = (
        ("oracle", TOLD if blind else ORACLES),
        ("system", "Systems"),
        ("baseline", BASELINES),
    )
    groups = []
    for kind, heading in headings:
        members = [line for line in lines if line.kind == kind]
        if members:
            groups.append((kind, heading, tuple(sorted(members, key=lambda line: _order(line, heads)))))
    return Section(blind, heads, tuple(groups))


def _head(site: Site, board: Board, table: Table, shown: int) -> Head:
    return Head(
        board=board,
        title=site.board_title(board),
        href=site.board_href(board),
        key=site.board_href(board).removeprefix("datasets/").removesuffix(".html"),
        columns=table.columns[:FIGURES],
        shown=min(shown, len(table.columns)),
        note=table.notes.get(table.columns[0].id),
    )


def _line(
    site: Site, name: str, heads: Sequence[Head], rows: Sequence[Row | None], cost: tuple[float | None, float | None]
) -> Line:
    entries = tuple(_entry(row, head) for row, head in zip(rows, heads, strict=True))
    reasons = {cell.reason for row in rows if row is not None for cell in row.cells}
    family = site.families[name]
    return Line(
        name=name,
        href=site.separator_href(name),
        family=family,
        kind=site.kind(name),
        entries=entries,
        facets=facets(family, site.card(name), seen=any(entry.seen for entry in entries)),
        real_time_factor=cost[0],
        peak_mb=cost[1],
        nothing=reasons.pop() if len(reasons) == 1 else None,
    )


def _entry(row: Row | None, head: Head) -> Entry:
    if row is None:
        reason = "no run has it on this data set"
        absent = Cell(None, None, None, None, False, (), reason, "not run", None)
        return Entry(reason, (absent,) * len(head.columns), None, None)
    return Entry(row.rank, row.cells[: len(head.columns)], _part(row.facts), row.seen)


def _part(facts: Mapping[str, Any]) -> str | None:
    if not facts["targets_covered"]:
        return None  # there is no figure that could be compared
    part = []
    if facts["scenes_run"] < facts["scenes"]:
        part.append(f"{facts['scenes_run']} of {numbers.count(facts['scenes'], 'scene')}")
    if facts["targets_covered"] < facts["targets"]:
        part.append(f"{facts['targets_covered']} of {numbers.count(facts['targets'], 'target')}")
    return "on " + ", ".join(part) if part else None


def _order(line: Line, heads: Sequence[Head]) -> tuple[Any, ...]:
    """The best in the first data set comes first; then who stands on a part of it; then by the next data set."""
    keys: list[tuple[int, float]] = []
    for entry, head in zip(line.entries, heads, strict=True):
        value = entry.cells[0].value
        sign = 1 if head.columns[0].better == "lower" else -1
        keys.append((2, 0.0) if value is None else (int(entry.part is not None), sign * value))
    return (keys, line.name)


def _costs(boards: Iterable[Board]) -> dict[str, tuple[float | None, float | None]]:
    """Real-time factor (median) and growth of memory in MB (greatest) by separator, over all computed cells."""
    columns = ("separator", "seconds", "audio_seconds", "peak_mb")
    cells = pl.concat([board.cells.select(columns) for board in boards])
    found = cells.group_by("separator").agg(REAL_TIME_FACTOR.median().alias("factor"), pl.col("peak_mb").max())
    return {name: (factor, peak) for name, factor, peak in found.iter_rows()}
