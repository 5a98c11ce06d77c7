"""What the class pages show of each class of the ontology: where it was scored, by whom best, and all figures there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import polars as pl

from leaderboard import rankings
from leaderboard.context import Column, Site
from leaderboard.paths import slug
from ontology import Node, Ontology
from reports.blind_classes import BlindClasses
from reports.blocks import FIGURES
from reports.class_scores import Part, known_classes
from reports.tables import RANKED_COVERAGE, Board


@dataclass(frozen=True)
class Best:
    """The best system of one board on a part of its targets, or why there is none."""

    board: Board
    column: Column
    targets: tuple[str, ...]
    recordings: int
    separator: str | None
    figure: Mapping[str, Any] | None
    """A row of :data:`reports.blocks.FIGURES`."""
    reason: str | None

    def cell(self, scale: tuple[float, float]) -> rankings.Cell | None:
        """The figure drawn to a scale."""
        return rankings.figure_cell(dict(self.figure), self.column.unit, scale) if self.figure else None


@dataclass(frozen=True)
class Scored:
    """What was scored at a class, or at it and below it: over all data sets, and the best of one of them."""

    datasets: int
    targets: int
    recordings: int
    """Independent recordings, summed over data sets."""
    best: Best


class Atlas:
    """The classes of a site that have results, with a page each."""

    def __init__(self, site: Site) -> None:
        self.site, self.ontology = site, Ontology.audioset()
        self.boards = tuple(board for board in site.boards if board.classes.own)
        self.blind = {site.board_name(board): BlindClasses(board.blind) for board in site.boards if board.blind}
        self._best: dict[tuple[str, Part], Best] = {}
        self._whole = set[str]()
        self._targets: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Classes with results at or below them, or that sound in blind scenes, in walking order."""
        return tuple(node for node in self.ontology if self.boards_of(node) or self.blind_of(node))

    @cached_property
    def _pages(self) -> Mapping[str, str]:
        return {node.mid: _href(node) for node in self.nodes}

    def href(self, node: Node) -> str | None:
        """Address of a class's page; None for one without results."""
        return self._pages.get(node.mid)

    @cached_property
    def chosen(self) -> str | None:
        """The headline column that most boards have, in which the tree is drawn; None where there are no boards."""
        counts = Counter(column for board in self.boards for column in board.target_columns)
        return max(counts, key=lambda column: counts[column]) if counts else None

    def column(self, board: Board) -> Column:
        """The column in which a board's classes are compared: the chosen one, or its own first."""
        named = self.chosen if self.chosen in board.target_columns else board.target_columns[0]
        return self.site.column(str(named))

    def boards_of(self, node: Node) -> list[Board]:
        """The boards with targets at a class or below it."""
        return [board for board in self.boards if node.mid in board.classes.below]

    def blind_of(self, node: Node) -> list[tuple[Board, BlindClasses]]:
        """The boards of blind scenes in which a class sounds."""
        named = [(board, self.blind.get(self.site.board_name(board))) for board in self.site.boards]
        return [(board, classes) for board, classes in named if classes and node.mid in classes.scenes]

    def at(self, node: Node) -> Scored | None:
        """What was scored at this very class."""
        return self._scored((board, board.classes.own.get(node.mid)) for board in self.boards)

    def below(self, node: Node) -> Scored | None:
        """What was scored at a class and all below it."""
        return self._scored((board, board.classes.below.get(node.mid)) for board in self.boards)

    def _scored(self, parts: Iterable[tuple[Board, Part | None]]) -> Scored | None:
        """Of several data sets one in the chosen column is shown, and of these the one with most recordings."""
        found = [self.best(board, part) for board, part in parts if part]
        if not found:
            return None
        return Scored(
            datasets=len({one.board.dataset for one in found}),
            targets=sum(len(one.targets) for one in found),
            recordings=sum(one.recordings for one in found),
            best=max(found, key=lambda one: (one.separator is not None, one.column.id == self.chosen, one.recordings)),
        )

    def best(self, board: Board, part: Part) -> Best:
        """The best system of a board on a part, of those that leave nothing of it out; each is made once."""
        key = self.site.board_name(board), part
        if key not in self._best:
            self._best[key] = self._make(board, part)
        return self._best[key]

    def _make(self, board: Board, part: Part) -> Best:
        column, scores = self.column(board), board.classes
        known = board, column, scores.labels(part), scores.recordings(part)
        if column.better == "neither":
            return Best(*known, None, None, f"{column.title} has no better or worse")
        systems = [name for name in board.covered if self.site.kind(name) == "system"]
        values = {name: scores.value(name, column.id, part, coverage=RANKED_COVERAGE) for name in systems}
        able = {name: value for name, value in values.items() if value is not None}
        if not able:
            return Best(*known, None, None, "no system was measured on all of it")
        sign = 1 if column.better == "lower" else -1
        first = min(able, key=lambda name: (sign * able[name], name))
        figure = scores.figures(column.id, [first], [part])[first, part]
        return Best(*known, first, _row(first, column.id, figure), None)

    def figures(self, board: Board, column: str, parts: Mapping[str, Part]) -> Iterator[dict[str, Any]]:
        """Rows of :data:`reports.blocks.FIGURES` of all separators on parts that are named as the rows' columns.

        Those of one target are in the board's table by target. The others are made once for all pages of the board.
        """
        scores, singles = board.classes, self._by_target(board)
        if column == self.column(board).id and self.site.board_name(board) not in self._whole:
            every = (*scores.own.values(), *scores.below.values(), *scores.at_depth.values())
            scores.figures(column, board.covered, [part for part in every if len(part) > 1])
            self._whole.add(self.site.board_name(board))
        for name, (title, part) in product(board.covered, parts.items()):
            single = singles.get((name, column, *scores.labels(part)))
            yield _row(name, title, single or scores.figures(column, [name], [part])[name, part])

    def _by_target(self, board: Board) -> Mapping[tuple[str, ...], dict[str, Any]]:
        name = self.site.board_name(board)
        if name not in self._targets:
            rows = board.by_target.iter_rows(named=True)
            self._targets[name] = {(row["separator"], row["column"], row["target"]): row for row in rows}
        return self._targets[name]

    def cell(self, scored: Scored) -> rankings.Cell | None:
        """The best figure drawn to the scale of the best figures of all classes in its column."""
        best = scored.best
        return best.cell(self._scales[best.column.id]) if best.figure else None

    @cached_property
    def _scales(self) -> dict[str, tuple[float, float]]:
        rows = [
            {**scored.best.figure, "column": scored.best.column.id}
            for node in self.nodes
            for scored in (self.at(node), self.below(node))
            if scored and scored.best.figure
        ]
        parts = pl.DataFrame(rows, schema=FIGURES).partition_by("column", as_dict=True)
        return {str(column): rankings.scale_of(part) for (column,), part in parts.items()}


def class_slug(node: Node) -> str:
    """The name of a class as it stands in addresses."""
    return slug(node.name.casefold())


def class_hrefs(board: Board) -> dict[str, str]:
    """Address of the class page of each target of a board that stands for one class, by label."""
    ontology = Ontology.audioset()
    mids = {label: known_classes(label, board.mids) for label in board.targets}
    return {label: _href(ontology[found[0]]) for label, found in mids.items() if len(found) == 1}


def _href(node: Node) -> str:
    return f"classes/{class_slug(node)}.html"


def _row(separator: str, column: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    names = {"separator": separator, "column": column}
    return {name: names.get(name, figure.get(name)) for name in FIGURES}
