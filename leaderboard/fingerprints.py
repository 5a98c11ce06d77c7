"""What a page hangs on, in one hash each: a build leaves a page alone whose hash is that of the last build.

A hash of rows is that of Polars, twice with other seeds, in the order of the rows. It need not be the same in another
version of Polars, which is part of what the code's own hash is made of.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from typing import Any, Final

import numpy as np
import polars as pl

from leaderboard.context import Site
from leaderboard.order import with_neighbours
from leaderboard.page import Page
from reports.results import file_name
from reports.tables import Board

_PACKAGES: Final = ("leaderboard", "reports", "ontology")
_LIBRARIES: Final = ("polars", "numpy", "scipy", "matplotlib", "jinja2", "markupsafe", "pydantic")
_SEEDS: Final = (1, 2)


class Fingerprints:
    """Hashes of the boards of a site, and of its pages."""

    def __init__(self, site: Site, *, base_url: str | None) -> None:
        self._site = site
        self._everywhere = digest(
            code(),
            _json([
                site.title, site.run, site.has_history, base_url,
                {name: entry.model_dump() for name, entry in site.metrics.items()},
                [(board.dataset, board.split, board.protocol, board.entry.title) for board in site.boards],
            ]),
        )  # fmt: skip
        self._boards: dict[int, str] = {}
        self._told: dict[int, str] = {}

    def page(self, page: Page) -> str | None:
        """The hash of all that a page shows; None where it may show anything, and is made at every build."""
        if page.of is None:
            return None
        people = [self._people(board) for board in page.of]
        if page.shows is not None:
            return digest(self._everywhere, *people, page.shows)
        told = self._with_runs if page.runs else self.board
        return digest(self._everywhere, *people, *(told(board) for board in page.of))

    def _people(self, board: Board) -> str:
        """Families, kinds and cards of the separators of a board."""
        if id(board) not in self._told:
            names, cards = board.cells["separator"].unique().sort(), self._site.cards
            site = self._site
            told = [(name, site.families[name], site.kind(name), cards.get(file_name(name))) for name in names]
            self._told[id(board)] = _json(told)
        return self._told[id(board)]

    def _with_runs(self, board: Board) -> str:
        """A board with all that is told of the runs behind it."""
        behind = board.cells.select("separator", "scene", "run")
        runs = set(behind["run"].drop_nulls().unique())
        told = [manifest.model_dump(mode="json") for manifest in self._site.manifests if manifest.run in runs]
        return digest(self.board(board), _rows(behind).tobytes(), _json(told))

    def board(self, board: Board) -> str:
        """The hash of all rows of a board and of what its figures hang on, which run last asked for a cell left out."""
        if id(board) not in self._boards:
            frames = [board.outcomes, board.cells.drop("run"), board.scenes, board.left_out]
            if board.blind:
                keys = board.cells.select("key")
                told = (board.blind.scores, board.blind.swept, board.blind.detections)
                frames += [frame.join(keys, on="key", how="semi") for frame in told]
            said = _json([board.dataset, board.split, board.protocol, board.entry.model_dump(), dict(board.mids)])
            self._boards[id(board)] = digest(code(), said, *(_rows(frame).tobytes() for frame in frames))
        return self._boards[id(board)]


def by_scene(board: Board) -> dict[str, str]:
    """The hash of all outcomes of each scene of a board, of what is known of it, and of its neighbours' names."""
    found: dict[str, list[bytes]] = {}
    for frame in (board.outcomes, board.left_out, board.scenes):
        hashes = pl.DataFrame(_rows(frame)).with_columns(scene=frame["scene"])
        for (scene,), part in hashes.partition_by("scene", include_key=False, as_dict=True).items():
            found.setdefault(str(scene), []).append(part.to_numpy().tobytes())
    return {
        scene: digest(_json([former, following, board.entry.metrics]), *found[scene])
        for former, scene, following in with_neighbours(board.scenes["scene"])
    }


@cache
def code() -> str:
    """The hash of everything that turns results into pages: modules, templates, and libraries in their versions."""
    read: list[str | bytes] = [platform.python_version(), *(f"{name} {version(name)}" for name in _LIBRARIES)]
    for package in _PACKAGES:
        read += _contents(resources.files(package))
    return digest(*read)


def _contents(folder: Traversable) -> Iterable[str | bytes]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir() and item.name != "__pycache__":
            yield from _contents(item)
        elif item.is_file():
            yield item.name
            yield item.read_bytes()


def digest(*parts: str | bytes) -> str:
    """One hash of several texts, whose ends count."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big"))
        found.update(content)
    return found.hexdigest()


def _rows(frame: pl.DataFrame) -> np.ndarray:
    """(rows, 2) hashes."""
    return np.stack([frame.hash_rows(seed=seed).to_numpy() for seed in _SEEDS], axis=1)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
