"""A page per scene of each data set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from markupsafe import Markup

from leaderboard import details
from leaderboard.class_figures import class_hrefs
from leaderboard.fingerprints import by_scene, digest
from leaderboard.listening import Heard, heard, listening
from leaderboard.listening_files import listening_files
from leaderboard.order import with_neighbours
from leaderboard.page import Page, Studio
from reports.tables import Board

_ROOT: Final = "../../"
"""The way from the page of a scene to the folder of the site."""


def pages(studio: Studio) -> Iterator[Page]:
    """One page per scene, and the sounds of those that can be listened to."""
    for board in studio.site.boards:
        yield from _of_board(studio, board)
        yield from listening_files(studio.site, board)


def _of_board(studio: Studio, board: Board) -> Iterator[Page]:
    site, tables, hashes = studio.site, details.SceneTables(studio.site, board), by_scene(board)
    scenes, classes = {scene["scene"]: scene for scene in board.scenes.iter_rows(named=True)}, class_hrefs(board)

    @cache
    def heads() -> dict[str, Markup]:
        macros: Any = studio.environment.get_template("macros.html").module
        return {name: macros.name(person, _ROOT, None, "reference") for name, person in tables.people.items()}

    for former, name, following in with_neighbours(scenes):
        scene = scenes[name]

        def values(
            former: str | None = former, scene: dict[str, Any] = scene, following: str | None = following
        ) -> dict[str, Any]:
            return {
                "board": board,
                "scene": scene,
                "classes": classes,
                "people": tables.people,
                "heads": heads(),
                "targets": tables.of(scene["scene"]),
                "listening": listening(site, board, scene),
                "former": former,
                "following": following,
            }

        found = heard(site, board, scene["scene"], scene["content"])
        links = repr([classes.get(target) for target in scene["targets"] or ()])
        shows = digest(hashes[scene["scene"]], site.board_name(board), links, "" if found is None else _told(found))
        yield studio.page(site.scene_href(board, scene["scene"]), "scene.html", values, of=[board], shows=shows)


def _told(found: Heard) -> str:
    """All that a page shows of what can be heard."""
    pictures = [found.file(sound.picture, "png") is not None for sound in found.sounds()]
    return repr((found.address, found.excerpt, found.cells, pictures))
