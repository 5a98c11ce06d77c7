"""A page per data set, and its table as files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl

from leaderboard import rankings
from leaderboard.blind_board import blind_sections
from leaderboard.context import Site, count_left_out
from leaderboard.downloads import FORMATS, LINKED, Format, sheet_of
from leaderboard.page import Page, Studio
from reports.aggregate import parse_column
from reports.figures import Dot, interval_plot
from reports.published import published_on
from reports.tables import Board


def pages(studio: Studio) -> Iterator[Page]:
    """One page per board, and a file per format of its table."""
    for board in studio.site.boards:
        path = studio.site.board_href(board)
        files = [(FORMATS[name], f"{path.removesuffix('.html')}.{FORMATS[name].suffix}") for name in LINKED]
        yield studio.page(path, "dataset.html", partial(_values, studio, board, files), of=[board])
        for format, address in files:
            yield Page(address, partial(_file, studio, board, format), (board,))


def _file(studio: Studio, board: Board, format: Format) -> bytes:
    return format.write(sheet_of(studio.site, board, studio.table(board)))


def _values(studio: Studio, board: Board, files: list[tuple[Format, str]]) -> dict[str, Any]:
    site, table = studio.site, studio.table(board)
    return {
        "board": board,
        "table": table,
        "shared": rankings.shared(site, board),
        "by_target": rankings.by_target(site, board),
        "left_out": count_left_out(board),
        "figure": _figure(site, board, table),
        "blind": blind_sections(site, board) if board.blind else None,
        "reported": () if board.blind else published_on(board.dataset),
        "scenes": _scene_list(board),
        "downloads": [(format.title, address) for format, address in files],
    }


def _scene_list(board: Board) -> list[dict[str, Any]]:
    """The scenes of a board with what is counted in each."""
    ranking = board.outcomes.filter(pl.col("metric") == parse_column(board.columns[0])[0])
    counts = ranking.group_by("scene").agg(
        measured=(pl.col("state") == "measured").sum(),
        failures=(pl.col("state") == "failed").sum(),
        skips=(pl.col("state") == "skipped").sum(),
        not_run=(pl.col("state") == "not run").sum(),
    )
    left_out = board.left_out.group_by("scene").agg(left_out=pl.len())
    listed = board.scenes.join(counts, on="scene", how="left").join(left_out, on="scene", how="left")
    return (
        listed.with_columns(pl.col("measured", "failures", "skips", "not_run", "left_out").fill_null(0))
        .sort("scene")
        .to_dicts()
    )


def _figure(site: Site, board: Board, table: rankings.Table) -> str | None:
    """The interval plot of the first column; None where no separator covers all targets and scenes."""
    first = board.overall.filter(pl.col("column") == board.columns[0])
    by_name = {row["separator"]: row for row in first.iter_rows(named=True)}
    comparable = [row for group in table.groups if group.look != "apart" for row in group.rows]
    rows = [row for row in comparable if row.cells[0].value is not None]
    if not rows:
        return None
    column = table.columns[0]
    dots = [
        Dot(row.name, by_name[row.name]["value"], by_name[row.name]["low"], by_name[row.name]["high"], row.kind)
        for row in rows
    ]
    said = "; ".join(f"{row.name} {row.cells[0].text} {row.cells[0].interval or 'without interval'}" for row in rows)
    unit = f" in {column.unit}" if column.unit else ""
    return interval_plot(
        dots,
        axis=f"{column.title}{unit}, {column.words}",
        title=f"{column.title} on {site.board_title(board)}, separator by separator",
        description=f"{column.title}{unit}: {said}.",
    )
