"""The overall table of a data set as files: the rows, order, rounding and marks of its page, in other formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leaderboard import numbers, rankings
from leaderboard.context import Column, Site, count_left_out, read
from reports.published import published_on
from reports.results import Results, ResultsError
from reports.sheet_text import latex, markdown
from reports.sheets import Figure, Head, Line, Reported, Sheet, csv_bytes, json_bytes, parquet_bytes
from reports.tables import Board


@dataclass(frozen=True)
class Format:
    """How a table is written to a file."""

    title: str
    suffix: str
    write: Callable[[Sheet], bytes]


FORMATS: Final = {
    "markdown": Format("Markdown", "md", lambda sheet: markdown(sheet).encode()),
    "latex": Format("LaTeX", "tex", lambda sheet: latex(sheet).encode()),
    "csv": Format("CSV", "csv", csv_bytes),
    "json": Format("JSON", "json", json_bytes),
    "parquet": Format("Parquet", "parquet", parquet_bytes),
}
LINKED: Final = ("csv", "markdown", "latex")
"""Formats that lie beside the page of a data set."""


def table_bytes(results: Path, dataset: str, *, format: str, run: str | None = None) -> bytes:
    """The table of a data set as its page shows it, in one of :data:`FORMATS`.

    Args:
        results: the results folder.
        dataset: the data set's name; where it has several tables, with split and protocol: ``NAME SPLIT PROTOCOL``.
        format: a key of :data:`FORMATS`.
        run: of this run alone; else of the newest result of every separator and scene over all runs.

    Raises:
        ResultsError: the results cannot be read, or have no such run or data set.
    """
    site = read(Results(results), run=run, title=dataset)
    board = find_board(site, dataset)
    return FORMATS[format].write(sheet_of(site, board, rankings.overall(site, board)))


def find_board(site: Site, name: str) -> Board:
    """The board of a data set, by the name that the site gives it.

    Raises:
        ResultsError: there is none, or there are several; the message lists the names.
    """
    names = {site.board_name(board): board for board in site.boards}
    if name in names:
        return names[name]
    several = [full for full, board in names.items() if board.dataset == name]
    if several:
        raise ResultsError(f"data set {name!r} has several tables; name one of {', '.join(map(repr, several))}")
    raise ResultsError(f"no results of data set {name!r}; there are those of {', '.join(map(repr, names)) or 'none'}")


def sheet_of(site: Site, board: Board, table: rankings.Table) -> Sheet:
    """The table that :func:`leaderboard.rankings.overall` gives of ``board``, with all that its page says of it."""
    raw = {(row["separator"], row["column"]): row for row in board.overall.iter_rows(named=True)}
    lines = []
    for group in table.groups:
        for row in group.rows:
            figures = zip(row.cells, _remarks(row), table.columns, strict=True)
            cells = tuple(_figure(cell, said, raw[row.name, column.id]) for cell, said, column in figures)
            lines.append(_line(row, group.heading, cells))
    reported = () if board.blind else published_on(board.dataset)
    return Sheet(
        title=site.board_title(board),
        facts={
            "dataset": board.dataset,
            "split": board.split,
            "protocol": board.protocol,
            "version": board.entry.version,
            "citation": board.entry.citation,
            "licence": board.entry.licence,
            "scenes": len(board.scenes),
            "recordings": board.recordings,
        },
        notes=tuple(_notes(board, table)),
        heads=tuple(_head(column, table) for column in table.columns),
        lines=tuple(lines),
        reported=tuple(Reported(figure, numbers.measure(figure.value, figure.unit)) for figure in reported),
    )


def _head(column: Column, table: rankings.Table) -> Head:
    """What its page writes under the title of a column: what is not the same for the whole table."""
    remarks = []
    if table.words is None and column.words:
        remarks.append(column.words)
    note = table.notes.get(column.id)
    if table.note is None and note:
        remarks.append(note)
    return Head(
        id=column.id,
        metric=column.metric,
        title=column.title,
        unit=column.unit,
        better=column.better,
        aggregation=column.words,
        remark="; ".join(remarks) or None,
    )


def _line(row: rankings.Row, heading: str | None, figures: tuple[Figure, ...]) -> Line:
    facts = row.facts
    measured = facts["pairs"] - facts["failures"] - facts["skips"] - facts["not_run"]
    counts = {
        "pairs": facts["pairs"],
        "measured": measured,
        "failed": facts["failures"],
        "skipped": facts["skips"],
        "not_run": facts["not_run"],
    }
    counts |= {name: facts[name] for name in ("targets_covered", "targets", "scenes_run", "scenes")}
    costs = {name: facts[name] for name in ("real_time_factor", "peak_mb")}
    factor, memory = costs.values()
    text = f"{measured:,} of {facts['pairs']:,}"
    asides = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in ("failed", "skipped", "not_run") if counts[name]]
    if 0 < facts["targets_covered"] < facts["targets"]:
        asides.append(f"{facts['targets_covered']} of {numbers.count(facts['targets'], 'target')}")
    return Line(
        group=heading,
        separator=row.name,
        family=row.family,
        kind=row.kind,
        rank=row.rank,
        figures=figures,
        counts=counts,
        costs=costs,
        measured_text=f"{text} ({', '.join(asides)})" if asides else text,
        cost_texts=(
            None if factor is None else numbers.ratio(factor),
            None if memory is None else numbers.megabytes(memory),
        ),
    )


def _figure(cell: rankings.Cell, remarks: tuple[str, ...], raw: dict[str, float | int | None]) -> Figure:
    low, high = raw["low"], raw["high"]
    return Figure(
        value=cell.value,
        low=low,
        high=high,
        note=cell.note or cell.reason,
        measured=int(raw["measured"] or 0),
        imputed=int(raw["imputed"] or 0),
        dropped=int(raw["dropped"] or 0),
        text=cell.text,
        interval=cell.interval,
        remarks=remarks,
    )


def _remarks(row: rankings.Row) -> list[tuple[str, ...]]:
    """What its page writes beside each figure: nothing that the cell to the left, or the table, says already."""
    if row.nothing:
        return [(row.nothing,), *[()] * (len(row.cells) - 1)]
    found: list[tuple[str, ...]] = []
    before: rankings.Cell | None = None
    for cell in row.cells:
        if cell.value is None:
            said = None if before and before.reason == cell.reason else cell.brief or cell.reason
        else:
            said = None if cell.said or (before and before.note == cell.note) else cell.note
        found.append(((said,) if said else ()) + cell.remarks)
        before = cell
    return found


def _notes(board: Board, table: rankings.Table) -> list[str]:
    counts = [
        numbers.count(len(board.scenes), "scene"),
        numbers.count(board.recordings, "independent recording"),
        numbers.count(len(board.targets), "depth" if board.blind else "target"),
    ]
    notes = [f"{', '.join(counts)}; split {board.split}, protocol {board.protocol}."]
    notes.append(
        f"Figures: {table.words}; 95 % intervals in brackets." if table.words else "In brackets: 95 % intervals."
    )
    if table.note:
        notes.append(f"{table.note[0].upper()}{table.note[1:]}.")
    notes.append(
        "Rank: the best and the worst that the data allow. Measured: pairs of scene and target with a first figure. "
        "RTF: seconds of computing per second of audio, median over cells; memory: its greatest growth in a cell."
    )
    if board.entry.caveat:
        notes.append(board.entry.caveat)
    left_out = [numbers.count(count, f"{kind} target") for kind, count in count_left_out(board).items()]
    if left_out:
        notes.append(f"Left out for all separators: {', '.join(left_out)}.")
    return notes
