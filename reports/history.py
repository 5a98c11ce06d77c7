"""The headline figures over the runs of a results folder: in one series what may be compared, and nothing else.

The figure of a run is of the scores that this run stood on, as it left the folder. Figures share a series where they
are over the same pairs of scene and target of the same data: a new version of the data, other scenes, other targets or
another version of the metric begin another series, and a run that comes back to the former pairs goes on with theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from reports.aggregate import column_depth, parse_column
from reports.archive import Archive, Place
from reports.figures.marks import Kind, kind_of
from reports.outcomes import is_done
from reports.schema import Manifest
from reports.standing import Figure, Standing
from reports.tables import RANKED_COVERAGE, Board

_SHOWN: Final = ("value", "low", "high", "note", "measured", "due")


@dataclass(frozen=True)
class Point:
    """The figure of one run, in the unit of the column's metric; without an interval ``note`` says why."""

    run: str
    value: float
    low: float | None
    high: float | None
    note: str | None
    measured: int
    due: int
    recomputed: bool
    """Whether a cell behind it is another than in the point before; else the figure is no new evidence."""
    whole: bool
    """Whether it is over all scenes and targets of the board, so that it may be held against other separators'."""


@dataclass(frozen=True)
class Series:
    """Figures that may be compared, in the order of the runs."""

    place: Place
    separator: str
    column: str
    basis: str
    """Tells the pairs of scene and target that they are over."""
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Failing:
    """Cells of a separator that fail, and did not when they were last asked for."""

    place: Place
    run: str
    former: str
    """The run before it."""
    separator: str
    status: str
    reason: str | None
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class Restart:
    """A run with data of a board that no run before it had."""

    place: Place
    run: str
    former: str
    """The run before it."""
    scenes: int
    former_scenes: int


@dataclass(frozen=True)
class History:
    """What became of the headline figures."""

    archive: Archive
    series: tuple[Series, ...]
    """By board, separator and column, in the order in which they began."""
    failing: tuple[Failing, ...]
    restarts: tuple[Restart, ...]
    present: dict[Place, list[tuple[str, frozenset[str]]]]
    """The separators of each run on each board."""
    families: dict[str, str]
    oracles: frozenset[str]
    """Separators that are told a part of the answer."""

    def kind(self, separator: str) -> Kind:
        """Whether a separator competes, does next to nothing, or is told a part of the answer."""
        return kind_of(self.families.get(separator, ""), told=separator in self.oracles)

    @property
    def places(self) -> list[Place]:
        """The boards."""
        return sorted(self.present)

    def columns(self, place: Place) -> tuple[str, ...]:
        """Headline columns of a board of which there are figures, those of its newest run first."""
        dataset, split, _ = place
        found: dict[str, None] = {}
        for manifest in reversed(self.archive.manifests.values()):
            entry = manifest.datasets.get(dataset)
            if entry is not None and entry.split == split:
                found |= dict.fromkeys(entry.columns)
        there = {one.column for one in self.series if one.place == place}
        return tuple(column for column in found if column in there)


def history(archive: Archive, *, known: Sequence[Board] = ()) -> History:
    """Look back on the runs of an archive.

    A board is not made again where :attr:`reports.archive.Archive.once` tells of its state, nor is a figure computed
    again whose scores are those of a board made before, or of ``known``: boards whose figures are at hand.

    Raises:
        ResultsError: the folder cannot be read.
    """
    readers: dict[Place, _Reader] = {}
    for board in known:
        place = (board.dataset, board.split, board.protocol)
        readers[place] = _Reader(archive, place, board)
    for manifest in archive.manifests.values():
        for place, state in archive.places(manifest.run).items():
            readers.setdefault(place, _Reader(archive, place)).read(manifest, state)
    ordered = [readers[place] for place in sorted(readers) if readers[place].present]
    return History(
        archive,
        tuple(Series(one.place, *name, tuple(points)) for one in ordered for name, points in one.points.items()),
        tuple(failing for one in ordered for failing in one.failing),
        tuple(restart for one in ordered for restart in one.restarts),
        {one.place: one.present for one in ordered},
        {name: family for one in ordered for name, family in one.families.items()},
        frozenset().union(*(one.oracles for one in ordered)),
    )


@dataclass
class _Reader:
    """Takes in the runs of one board, one by one."""

    archive: Archive
    place: Place
    known: Board | None = None
    points: dict[tuple[str, str, str], list[Point]] = field(default_factory=dict)
    failing: list[Failing] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    present: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    families: dict[str, str] = field(default_factory=dict)
    oracles: set[str] = field(default_factory=set)
    _state: str = ""
    _standings: list[Standing] = field(default_factory=list)
    _computed: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = field(default_factory=dict)
    _cells: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _versions: set[str] = field(default_factory=set)
    _last: tuple[str, int] = ("", 0)

    def read(self, manifest: Manifest, state: str) -> None:
        """Take in a run; ``state`` is the name of the state in which it left the board."""
        entry = manifest.datasets[self.place[0]]
        version = entry.version
        if self._versions and version not in self._versions:
            self.restarts.append(Restart(self.place, manifest.run, self._last[0], entry.scenes, self._last[1]))
        self._versions.add(version)
        self._last = (manifest.run, entry.scenes)
        if state != self._state:
            kept = self.archive.once.value(state, lambda: self._stands(manifest.run, version).model_dump())
            standing = Standing.model_validate(kept)
            self._state = state
            self._note_failures(manifest.run, standing)
            self.families |= standing.families
            self.oracles |= set(standing.oracles)
        standing = self._standings[-1]
        self.present.append((manifest.run, frozenset(standing.families)))
        for figure in standing.figures:
            self._add(manifest.run, figure)

    def _stands(self, run: str, version: str) -> Standing:
        if self.known is not None:
            self._keep(self.known.overall, _scores(self.known), self.known.entry.version)
            self.known = None
        board = self.archive.board(run, self.place)
        return Standing.of(board, tuple(self._figures_of(board, version)))

    def _keep(self, figures: pl.DataFrame, scores: Mapping[str, tuple[Any, ...]], version: str) -> None:
        for row in figures.iter_rows(named=True):
            name = (row["separator"], version, *scores[row["separator"]])
            self._computed.setdefault(name, {})[row["column"]] = row

    def _add(self, run: str, figure: Figure) -> None:
        name = (figure.separator, figure.column, figure.basis)
        point = Point(
            run,
            **{field: getattr(figure, field) for field in _SHOWN},
            recomputed=self._cells.get(name) != figure.cells,
            whole=figure.whole,
        )
        self._cells[name] = figure.cells
        self.points.setdefault(name, []).append(point)

    def _figures_of(self, board: Board, version: str) -> Iterator[Figure]:
        scores = _scores(board)
        fresh = [name for name in board.covered if (name, version, *scores[name]) not in self._computed]
        self._keep(board.figures(board.targets, fresh), scores, version)
        cells = _sums(board.cells.select("separator", "scene", "key", "part"), "separator")
        over = board.outcomes.filter(is_done()).select("separator", "metric", "index", "scene", "target")
        over_all, at_depth = _sums(over, "separator", "metric"), _sums(over, "separator", "metric", "index")
        for separator, covered in board.covered.items():
            whole = len(board.ran[separator]) == len(board.runnable) and len(covered) == len(board.targets)
            for row in self._computed[separator, version, *scores[separator]].values():
                if row["value"] is None:
                    continue
                metric, depth = parse_column(row["column"])[0], column_depth(row["column"])
                pairs = over_all[separator, metric] if depth is None else at_depth[separator, metric, depth]
                ranked = whole and row["coverage"] >= RANKED_COVERAGE
                yield Figure(
                    separator=separator, column=row["column"], basis=f"{version} {pairs:x}",
                    cells=cells[separator,], whole=ranked, **{field: row[field] for field in _SHOWN},
                )  # fmt: skip

    def _note_failures(self, run: str, standing: Standing) -> None:
        """Name what fails and did not: each cell is held against the last run that asked for it."""
        for one in standing.failed:
            fresh = tuple(scene for scene in one.scenes if self._fared(one.separator, scene))
            if fresh:
                former = self.present[-1][0]
                self.failing.append(Failing(self.place, run, former, one.separator, one.status, one.reason, fresh))
        self._standings.append(standing)

    def _fared(self, separator: str, scene: str) -> bool:
        """Whether the last run that asked for a cell had it done."""
        told = (standing.fails(separator, scene) for standing in reversed(self._standings))
        return next((not fails for fails in told if fails is not None), False)


def _scores(board: Board) -> dict[str, tuple[Any, ...]]:
    """What the figures of each separator rest on: its scores, the scenes that are drawn, and the columns."""
    scored = ["separator", "scene", "index", "target", "metric", "state", "used"]
    sums = _sums(board.outcomes.select(scored), "separator")
    drawn = board.scenes.select("scene", "recordings").hash_rows().sum()
    return {name: (sums.get((name,)), drawn, board.columns, tuple(board.targets)) for name in board.covered}


def _sums(rows: pl.DataFrame, *by: str) -> dict[tuple[Any, ...], int]:
    """A number for each group that changes when a row of it does, whatever their order."""
    hashed = rows.select(*by, number=pl.struct(pl.exclude(by)).hash())
    return {tuple(name): number for *name, number in hashed.group_by(*by).agg(pl.col("number").sum()).iter_rows()}
