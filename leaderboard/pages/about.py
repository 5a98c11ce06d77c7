"""What the site is, how to cite it, how its figures are made, and under which licences."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from leaderboard import citation, rerun
from leaderboard.page import Page, Studio
from reports import bootstrap, ranks, tables
from reports.aggregate import parse_column


def pages(studio: Studio) -> Iterator[Page]:
    """The page, and its bibliography as a file."""
    yield studio.page("about.html", "about.html", partial(_about, studio), of=None)
    yield Page("citation.bib", partial(citation.bib_file, studio.site), None)


def _about(studio: Studio) -> dict[str, Any]:
    site = studio.site
    headline: dict[str, dict[str, None]] = {}
    for board in site.boards:
        for column in board.columns:
            headline.setdefault(parse_column(column)[0], {})[site.board_title(board)] = None
    return {
        "bibliography": citation.bibliography(site),
        "software": rerun.software(site.newest),
        "headline": [(name, list(titles)) for name, titles in headline.items()],
        "level": round(100 * bootstrap.LEVEL),
        "draws": bootstrap.DRAWS,
        "coverage": round(100 * tables.RANKED_COVERAGE),
        "equal": ranks.PRACTICALLY_EQUAL_DB,
    }
