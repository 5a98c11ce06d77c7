"""The tables that compare separators, ready to be shown: one row each, a cell per column, a scale per column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from leaderboard import cards, numbers
from leaderboard.context import Column, Site
from leaderboard.lineage import seen_in_training
from leaderboard.statuses import of_any
from reports.figures import LEAST_SPAN, Kind
from reports.tables import Board

_WIDTH, _MARGIN = 104.0, 5.0
ORACLES, TOLD = "Oracles, which know the answer", "Oracles, which are told the answer or a part of it"
BASELINES = "Baselines, which do next to nothing"


@dataclass(frozen=True)
class Bar:
    """An interval drawn to its column's scale: positions in an SVG of 104 x 12 units, rounded for stable bytes."""

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
    said: bool
    """Whether its table or its group says the note already."""
    remarks: tuple[str, ...]
    reason: str | None
    brief: str | None
    """What to show for a reason that is a rule and no event: ``skipped`` or ``not run``."""
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
    seen: str | None
    """The data set among its declared training data that holds recordings of the board's."""
    facets: Mapping[str, tuple[str, ...]]
    """What it can be filtered by: family, licence, training data and contamination."""


@dataclass(frozen=True)
class Group:
    """Rows under a line that says what they are, and whether they may be compared with the rest."""

    heading: str | None
    rows: tuple[Row, ...]
    look: Literal["systems", "reference", "apart"]


@dataclass(frozen=True)
class Table:
    """A table of one board; ``notes`` by column is what most intervals there have to say for themselves."""

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: Mapping[str, str | None]

    @property
    def note(self) -> str | None:
        """What holds for every column; None where they differ."""
        said = {self.notes[column.id] for column in self.columns if column.id in self.notes}
        return said.pop() if len(said) == 1 else None

    @property
    def rows(self) -> list[Row]:
        """All rows, whatever their group."""
        return [row for group in self.groups for row in group.rows]

    @property
    def words(self) -> str | None:
        """How every column is aggregated, where it is the same for all."""
        words = {column.words for column in self.columns}
        return words.pop() if len(words) == 1 else None


def overall(site: Site, board: Board) -> Table:
    """Every separator of a board: references and systems on all of it, then those on a part of it, then the others."""
    columns = tuple(site.column(column) for column in board.columns)
    ranks = board.ranks(columns[0].better, columns[0].unit)
    rows = _rows(site, board, columns, board.overall, board.separators, ranks=ranks)
    return _table(columns, _grouped(board, rows, by_target=False))


def alone(table: Table, row: Row) -> tuple[Table, Row]:
    """One row as a table of its own, which says of it what its group or table said."""
    only = _table(table.columns, (Group(None, (row,), "systems"),))
    return only, only.rows[0]


def shared(site: Site, board: Board) -> list[tuple[tuple[str, ...], tuple[str, ...], Table]]:
    """For each part of the targets and scenes that some separator stops at: all that cover it, on that part alone."""
    everything = (tuple(board.targets), board.runnable)
    parts = {(board.covered[name], board.ran[name]) for name in board.covered if board.covered[name]}
    columns = tuple(site.column(column) for column in board.columns)
    found = []
    for targets, scenes in sorted(parts - {everything}):
        able = [
            name
            for name in board.covered
            if set(targets) <= set(board.covered[name]) and set(scenes) <= set(board.ran[name])
        ]
        figures = board.figures(targets, able, scenes)
        facts = board.separators.filter(pl.col("separator").is_in(able))
        rows = _rows(site, board, columns, figures, facts)
        found.append((targets, scenes, _table(columns, _by_kind(rows))))
    return found


def by_target(site: Site, board: Board, *, hrefs: Mapping[str, str]) -> list[tuple[Column, Table]]:
    """For each headline column, a table with the targets as its columns.

    Their headings lead to ``hrefs``, by target; that of a target without one to the definition of the metric.
    """
    tables = []
    parts = board.by_target.partition_by("column", as_dict=True)
    for column in map(site.column, board.target_columns):
        if board.blind:  # the depths stand in the place of targets
            column = replace(column, words=column.words.removesuffix(" and targets"))
        if (column.id,) not in parts:
            continue
        figures = parts[column.id,].with_columns(column=pl.col("target"))
        heads = tuple(
            Column(target, column.metric, target, column.unit, column.better, "", hrefs.get(target, column.href))
            for target in board.targets
        )
        ordering = next(one for one in board.columns if one.startswith(column.id))
        order = board.overall.filter(pl.col("column") == ordering)
        rows = _rows(site, board, heads, figures, board.separators, order=order)
        tables.append((column, _table(heads, _grouped(board, rows, by_target=True))))
    return tables


def of_parts(
    site: Site, board: Board, columns: Sequence[Column], figures: pl.DataFrame, targets: Sequence[str]
) -> Table:
    """Every separator on parts of the targets, which together are ``targets``; a column of ``figures`` for each."""
    covered = {name: len(set(found) & set(targets)) for name, found in board.covered.items()}
    facts = board.separators.with_columns(
        targets=pl.lit(len(targets)),
        targets_covered=pl.col("separator").replace_strict(covered, return_dtype=pl.Int64),
    )
    rows = _rows(site, board, columns, figures, facts)
    return _table(columns, _grouped(board, rows, by_target=False))


def _grouped(board: Board, rows: Sequence[Row], *, by_target: bool) -> tuple[Group, ...]:
    """Rows that may be compared stand first; ``by_target``, what a separator refuses hurts no other figure."""
    nothing = [row for row in rows if row.facts["targets_covered"] == 0 < row.facts["targets"]]
    able = [row for row in rows if row not in nothing]
    everywhere = [row for row in able if row.facts["scenes_run"] == row.facts["scenes"]]
    whole = [row for row in everywhere if by_target or row.facts["targets_covered"] == row.facts["targets"]]
    groups = list(_by_kind(whole, oracles=TOLD if board.blind else ORACLES))

    def apart(said: str, members: Sequence[Row]) -> None:
        if members:
            others = "the rows above" if groups else "other rows"
            groups.append(Group(f"{said}: not to be compared with {others}", tuple(members), "apart"))

    apart("On the targets they cover only", [row for row in everywhere if row not in whole])
    for scenes in sorted(
        {board.ran[row.name] for row in able if row not in everywhere}, key=lambda ran: (-len(ran), ran)
    ):
        members = [row for row in able if board.ran[row.name] == scenes]
        partial = any(row.facts["targets_covered"] < row.facts["targets"] for row in members) and not by_target
        targets = ", and on the targets they cover" if partial else ""
        apart(f"On {len(scenes)} of {numbers.count(len(board.runnable), 'scene')}{targets}", members)
    waiting = [row for row in nothing if not row.facts["scenes_run"]]
    idle = [row for row in nothing if row not in waiting]
    ends = (Group("Covering none of the targets", tuple(idle), "apart"), Group("Not run yet", tuple(waiting), "apart"))
    return (*groups, *(group for group in ends if group.rows))


def _by_kind(rows: Sequence[Row], oracles: str = ORACLES) -> tuple[Group, ...]:
    """Systems between the references that frame them; without references there is nothing to head."""
    told, systems, baselines = (
        tuple(row for row in rows if row.kind == kind) for kind in ("oracle", "system", "baseline")
    )
    groups = (
        Group(oracles, told, "reference"),
        Group("Systems" if told or baselines else None, systems, "systems"),
        Group(BASELINES, baselines, "reference"),
    )
    return tuple(group for group in groups if group.rows)


def _rows(
    site: Site,
    board: Board,
    columns: Sequence[Column],
    figures: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    order: pl.DataFrame | None = None,
    ranks: Mapping[str, tuple[int, int] | str] | None = None,
) -> list[Row]:
    """Rows by the value in the first column, the best first, or by the values in ``order``."""
    scales = {column.id: scale_of(figures.filter(pl.col("column") == column.id)) for column in columns}
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
        nothing = reasons.pop() if len(reasons) == 1 else None
        if nothing and described[name]["targets"] > 1 and not described[name]["targets_covered"]:
            nothing = of_any(nothing, board.targets)
        family, card = str(described[name]["family"]), site.card(name)
        seen = (
            None
            if card is None
            else seen_in_training(card.training_data, dataset=board.dataset, title=board.entry.title)
        )
        rows.append(
            Row(
                name=name,
                href=site.separator_href(name),
                family=family,
                kind=site.kind(name),
                cells=cells,
                facts=described[name],
                nothing=nothing,
                rank=ranks[name] if ranks else "ranks stand in the overall table",
                seen=seen,
                facets=facets(family, card, seen=seen is not None),
            )
        )
    return rows


def facets(family: str, card: cards.Card | None, *, seen: bool) -> dict[str, tuple[str, ...]]:
    """What a separator can be filtered by; ``seen`` says whether it was trained on a data set that is shown."""
    told = "trained on a data set shown here" if seen else "trained on none of those shown here"
    return {
        "family": (family,),
        "licence": cards.licences(card),
        "training": cards.training_data(card),
        "seen": ("training data not declared" if card is None else told,),
    }


def _table(columns: Sequence[Column], groups: Sequence[Group]) -> Table:
    """The table of these groups: what most of its intervals lack is said once, of the table or of a group."""
    comparable = [row for group in groups if group.look != "apart" for row in group.rows]
    notes = _common_notes(columns, comparable or [row for group in groups for row in group.rows])
    told = []
    for group in groups:
        own = set(_common_notes(columns, group.rows).values())
        said = own.pop() if group.look == "apart" and len(own) == 1 else None
        rows = []
        for row in group.rows:
            cells = zip(row.cells, columns, strict=True)
            marked = (replace(cell, said=cell.note in (said, notes.get(column.id))) for cell, column in cells)
            rows.append(replace(row, cells=tuple(marked)))
        heading = group.heading if said is None or {said} == set(notes.values()) else f"{group.heading}; {said}"
        told.append(replace(group, heading=heading, rows=tuple(rows)))
    return Table(tuple(columns), tuple(told), notes)


def _common_notes(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, str | None]:
    """By column that has a value, what at least half of the figures there say of their intervals."""
    found: dict[str, str | None] = {}
    for place, column in enumerate(columns):
        notes = [row.cells[place].note for row in rows if row.cells[place].value is not None]
        said = Counter(note for note in notes if note is not None).most_common(1)
        if notes:
            found[column.id] = said[0][0] if said and 2 * said[0][1] >= len(notes) else None
    return found


def scale_of(figures: pl.DataFrame) -> tuple[float, float]:
    """The least and the greatest of the values and interval ends of a column, with zero between them."""
    ends = pl.concat([figures["value"], figures["low"], figures["high"], pl.Series([0.0])]).drop_nulls()
    low, high = float(ends.min()), float(ends.max())  # type: ignore[arg-type]
    return (low, high) if high - low >= LEAST_SPAN else (low - 0.5, high + 0.5)


def figure_cell(figure: dict[str, Any], unit: str, scale: tuple[float, float]) -> Cell:
    """The cell of one row of :data:`reports.tables.FIGURES`."""
    if figure["value"] is None:
        brief = None if figure["due"] else "skipped" if figure["skipped"] else "not run" if figure["not_run"] else None
        reason = figure["note"].strip().partition("\n")[0]  # all lines stand on the page of the separator
        return Cell(
            value=None,
            text=None,
            interval=None,
            note=None,
            said=False,
            remarks=(),
            reason=reason,
            brief=brief,
            bar=None,
        )

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
        said=False,
        remarks=_remarks(figure),
        reason=None,
        brief=None,
        bar=Bar(place(value), place(low) if has_interval else None, place(high) if has_interval else None, place(0.0)),
    )


def _remarks(figure: dict[str, Any]) -> tuple[str, ...]:
    remarks = []
    if figure["imputed"]:
        remarks.append(f"{figure['imputed']} of {figure['due']} imputed")
    if figure["dropped"]:
        remarks.append(f"{figure['dropped']} of {figure['due']} left out")
    return tuple(remarks)
