"""The overall page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from leaderboard.folder import SCENE
from leaderboard.page import Page, Studio

_FIRST_COLUMNS: Final = 6
"""Figures that the overview shows of a data set: as many as stand side by side on a screen 1,280 px wide."""


def pages(studio: Studio) -> Iterator[Page]:
    """The index."""

    def values() -> dict[str, Any]:
        scene = f"{SCENE}/index.html"
        return {
            "overall": [(board, studio.table(board).first(_FIRST_COLUMNS)) for board in studio.site.boards],
            "scene": scene if (studio.folder / scene).is_file() else None,
        }

    yield studio.page("index.html", "index.html", values, of=None)
