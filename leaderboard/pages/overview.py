"""The overall page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from leaderboard.folder import SCENE
from leaderboard.overall_table import sections
from leaderboard.page import Page, Studio


def pages(studio: Studio) -> Iterator[Page]:
    """The index."""

    def values() -> dict[str, Any]:
        scene = f"{SCENE}/index.html"
        return {
            "sections": sections(studio.site, [(board, studio.table(board)) for board in studio.site.boards]),
            "scene": scene if (studio.folder / scene).is_file() else None,
        }

    yield studio.page("index.html", "index.html", values, of=None)
