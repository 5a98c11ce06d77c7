"""A page per scene of each data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from leaderboard import details
from leaderboard.listening import listening
from leaderboard.listening_files import listening_files
from leaderboard.page import Page, Studio
from reports.tables import Board


def pages(studio: Studio) -> Iterator[Page]:
    """One page per scene, and the sounds of those that can be listened to."""
    for board in studio.site.boards:
        yield from _of_board(studio, board)
        yield from listening_files(studio.site, board)


def _of_board(studio: Studio, board: Board) -> Iterator[Page]:
    names = list(board.scenes["scene"])
    for place, (scene, targets) in enumerate(details.scene_tables(studio.site, board)):

        def values(
            place: int = place, scene: dict[str, Any] = scene, targets: list[details.TargetTable] = targets
        ) -> dict[str, Any]:
            return {
                "board": board,
                "scene": scene,
                "targets": targets,
                "listening": listening(studio.site, board, scene),
                "former": names[place - 1] if place else None,
                "following": names[place + 1] if place + 1 < len(names) else None,
            }

        yield studio.page(studio.site.scene_href(board, scene["scene"]), "scene.html", values, of=[board])
