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
from reports.figures.marks import Kind
from reports.schema import Manifest
from reports.tables import RANKED_COVERAGE, Board

_OVER: Final = ["measured", "failed", "empty"]
"""States of the pairs that a figure is over."""
FAILED: Final = ("error", "timeout", "oom", "nan", "unscored")
"""Statuses of a cell that has failed; ``unscored`` is ok, but for a metric that could not be computed."""


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
        family = self.families.get(separator)
        if family == "oracle" or separator in self.oracles:
            return "oracle"
        return "baseline" if family == "baseline" else "system"

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

    A board whose cells are those of the run before it is not made again, nor is a figure computed again whose scores
    are those of a run before, or of ``known``: boards whose figures are at hand.

    Raises:
        ResultsError: the folder cannot be read.
    """
    readers: dict[Place, _Reader] = {}
    for board in known:
        place = (board.dataset, board.split, board.protocol)
        readers[place] = _Reader(archive, place)
        readers[place].know(board)
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


@dataclass(frozen=True)
class _Figure:
    separator: str
    column: str
    basis: str
    cells: int
    """Changes when any of its cells does."""
    row: dict[str, Any]
    whole: bool


@dataclass
class _Reader:
    """Takes in the runs of one board, one by one."""

    archive: Archive
    place: Place
    points: dict[tuple[str, str, str], list[Point]] = field(default_factory=dict)
    failing: list[Failing] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    present: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    families: dict[str, str] = field(default_factory=dict)
    oracles: set[str] = field(default_factory=set)
    _state: tuple[Any, ...] = ()
    _figures: list[_Figure] = field(default_factory=list)
    _computed: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = field(default_factory=dict)
    _cells: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _failed: pl.DataFrame | None = None
    _versions: set[str] = field(default_factory=set)
    _last: tuple[str, int] = ("", 0)

    def read(self, manifest: Manifest, cells: int) -> None:
        """Take in a run; ``cells`` is the same number as before where none of its cells changed."""
        entry = manifest.datasets[self.place[0]]
        version = entry.version
        if self._versions and version not in self._versions:
            self.restarts.append(Restart(self.place, manifest.run, self._last[0], entry.scenes, self._last[1]))
        self._versions.add(version)
        self._last = (manifest.run, entry.scenes)
        state = (cells, version, entry.columns)
        if state != self._state:
            board = self.archive.board(manifest.run, self.place)
            self._state, self._figures = state, list(self._figures_of(board, version))
            self._note_failures(manifest.run, board)
            self.families |= dict(board.cells.select("separator", "family").unique().iter_rows())
            self.oracles |= set(board.cells.filter(pl.col("oracle").fill_null(False))["separator"])
            names = frozenset(board.cells["separator"])
        else:
            names = self.present[-1][1]
        self.present.append((manifest.run, names))
        for figure in self._figures:
            self._add(manifest.run, figure)

    def know(self, board: Board) -> None:
        """Take over the figures of a board."""
        self._keep(board.overall, _scores(board), board.entry.version)

    def _keep(self, figures: pl.DataFrame, scores: Mapping[str, tuple[Any, ...]], version: str) -> None:
        for row in figures.iter_rows(named=True):
            name = (row["separator"], version, *scores[row["separator"]])
            self._computed.setdefault(name, {})[row["column"]] = row

    def _add(self, run: str, figure: _Figure) -> None:
        name = (figure.separator, figure.column, figure.basis)
        point = Point(
            run,
            **{field: figure.row[field] for field in ("value", "low", "high", "note", "measured", "due")},
            recomputed=self._cells.get(name) != figure.cells,
            whole=figure.whole,
        )
        self._cells[name] = figure.cells
        self.points.setdefault(name, []).append(point)

    def _figures_of(self, board: Board, version: str) -> Iterator[_Figure]:
        scores = _scores(board)
        fresh = [name for name in board.covered if (name, version, *scores[name]) not in self._computed]
        self._keep(board.figures(board.targets, fresh), scores, version)
        cells = _sums(board.cells.select("separator", "scene", "key", "part"), "separator")
        over = board.outcomes.filter(pl.col("state").is_in(_OVER)).select(
            "separator", "metric", "index", "scene", "target"
        )
        over_all, at_depth = _sums(over, "separator", "metric"), _sums(over, "separator", "metric", "index")
        for separator, covered in board.covered.items():
            whole = len(board.ran[separator]) == len(board.runnable) and len(covered) == len(board.targets)
            for row in self._computed[separator, version, *scores[separator]].values():
                if row["value"] is None:
                    continue
                metric, depth = parse_column(row["column"])[0], column_depth(row["column"])
                pairs = over_all[separator, metric] if depth is None else at_depth[separator, metric, depth]
                ranked = whole and row["coverage"] >= RANKED_COVERAGE
                yield _Figure(
                    separator, row["column"], f"{version} {pairs:x}", cells[separator,], row, ranked
                )  # fmt: skip

    def _note_failures(self, run: str, board: Board) -> None:
        """Keep what has failed, and name what had not: each cell is held against the last run that asked for it."""
        missing = pl.col("failed_metrics").list.len().fill_null(0) > 0
        unscored = (pl.col("status") == "ok") & missing
        cells = board.cells.filter(pl.col("status").is_not_null()).select(
            "separator",
            "scene",
            status=pl.when(unscored).then(pl.lit("unscored")).otherwise("status"),
            reason=pl.when(unscored)
            .then(pl.format("no {}", pl.col("failed_metrics").list.join(", ")))
            .otherwise("reason"),
        )
        former = self._failed if self._failed is not None else cells
        told = former.rename({"status": "former"}).drop("reason")
        failed = pl.col("status").is_in(list(FAILED)) & ~pl.col("former").is_in(list(FAILED))
        fresh = cells.join(told, on=["separator", "scene"], how="inner").filter(failed)
        groups = fresh.sort("separator", "status", "reason", "scene", nulls_last=True).partition_by(
            "separator", "status", "reason", as_dict=True, maintain_order=True
        )
        for (separator, status, reason), part in groups.items():
            former_run = self.present[-1][0]
            self.failing.append(Failing(self.place, run, former_run, separator, status, reason, tuple(part["scene"])))
        self._failed = pl.concat([cells, former.join(cells, on=["separator", "scene"], how="anti")])


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
