"""A page per separator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from leaderboard import details, rankings, rerun
from leaderboard.page import Page, Studio
from reports.tables import Board

_Groups = list[tuple[Board, dict[str, list[details.Group]]]]


def pages(studio: Studio) -> Iterator[Page]:
    """One page per separator, with its figures on all data sets, and what failed, was skipped or has not run."""
    site = studio.site

    @cache
    def groups() -> tuple[_Groups, _Groups, _Groups]:
        failures = [(board, details.failures(site, board)) for board in site.boards]
        skips = [(board, details.skips(site, board)) for board in site.boards]
        return failures, skips, [(board, details.not_run(site, board)) for board in site.boards]

    @cache
    def rows() -> list[tuple[Board, rankings.Table, dict[str, rankings.Row]]]:
        tables = [(board, studio.table(board)) for board in site.boards]
        return [(board, table, {row.name: row for row in table.rows}) for board, table in tables]

    def values(name: str) -> dict[str, Any]:
        failures, skips, waiting = groups()
        results = [
            (board, *rankings.alone(table, by_name[name])) for board, table, by_name in rows() if name in by_name
        ]
        return {
            "name": name,
            "card": site.card(name),
            "variants": site.variants(name),
            "reruns": rerun.of_separator(site, name),
            "results": [result for result in results if any(cell.text for cell in result[2].cells)],
            "without": [result for result in results if not any(cell.text for cell in result[2].cells)],
            "failures": [(board, groups[name]) for board, groups in failures if name in groups],
            "skips": [(board, groups[name]) for board, groups in skips if name in groups],
            "waiting": [(board, groups[name]) for board, groups in waiting if name in groups],
        }

    for name in sorted(site.families):
        of = [board for board in site.boards if name in board.covered]
        yield studio.page(site.separator_href(name), "separator.html", partial(values, name), of=of, runs=True)
