"""A results folder read once, and every run as it left it: hundreds of runs look back without reading it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from reports.once import Once, named
from reports.outcomes import score_rows
from reports.parts import Parts, maybe_alike
from reports.results import Results
from reports.schema import DETECTIONS, ENTRIES, REAL_TIME_FACTOR, SCORES, Manifest
from reports.tables import Board, boards

Place = tuple[str, str, str]
"""Data set, split and protocol."""
PLACE: Final = ["dataset", "split", "protocol"]
_AT_HAND: Final = 16
"""Boards kept for comparisons."""
_SEEDS: Final = (1, 2)
_WRITTEN: Final = ("cells", "scores", "detections", "scenes")


@dataclass(frozen=True)
class Computed:
    """What one run computed of a separator on a board.

    ``cells`` has ``scene`` and ``factor``, seconds of computing per second of audio.
    """

    place: Place
    separator: str
    device: str | None
    cells: pl.DataFrame


class Archive:
    """The runs of a results folder, each as it left the folder; ``manifests`` are by name, the oldest first.

    ``once`` holds what was worked out of states of boards, each under a name made of :meth:`places`.
    """

    def __init__(self, results: Results, manifests: Sequence[Manifest], *, once: Once | None = None) -> None:
        """Read ``results``, of which ``manifests`` are runs.

        Raises:
            ResultsError: the folder cannot be read.
        """
        self._tables = _Tables(results, manifests)
        self.manifests = self._tables.manifests
        self.once = once or Once()
        self.board = lru_cache(maxsize=_AT_HAND)(self._board)
        self.places = cache(self._places)

    def _places(self, run: str) -> dict[Place, str]:
        """The boards of a run, each with a name that changes when anything does on which the board hangs.

        A board of which the run's manifest does not tell has no headline columns, and is left out.
        """
        cells = self._tables.left_by(run, self._tables.numbered)
        own = _numbers(self._tables.entries[run].join(cells, on="key", how="left"), PLACE)
        elsewhere = _numbers(self._tables.all_marked.join(cells, on="key", how="inner"), PLACE)
        found: dict[Place, str] = {}
        for (dataset, split, protocol), numbers in sorted(own.items()):
            place, entry = (dataset, split, protocol), self.manifests[run].datasets.get(dataset)
            if entry is not None and entry.split == split:
                scenes = self._tables.numbers_of_scenes.get((dataset, split))
                said = [place, entry.model_dump(mode="json"), numbers, elsewhere.get(place), scenes]
                found[place] = named(said)
        return found

    def _board(self, run: str, place: Place) -> Board:
        """The board of a run as it left it."""
        (found,) = boards(_AsLeft(self._tables, run, place), run)
        return found

    def computed(self, run: str) -> Iterator[Computed]:
        """What the run itself separated: neither what it found done, nor what it took from the cache of estimates."""
        own = self._tables.cells.filter(pl.col("run") == run)
        timed = own.with_columns(factor=REAL_TIME_FACTOR).filter(pl.col("factor") > 0)
        timed = timed.sort("written_at").unique("key", keep="last").select("key", "factor", "device")
        cells = self._tables.entries[run].select(*PLACE, "separator", "scene", "key").join(timed, on="key")
        parts = cells.sort("scene").partition_by(*PLACE, "separator", "device", as_dict=True, maintain_order=True)
        for (dataset, split, protocol, separator, device), part in parts.items():
            yield Computed((dataset, split, protocol), separator, device, part.select("scene", "factor"))

    def recordings(self, place: Place) -> dict[str, list[str]]:
        """The independent recordings behind each scene of which any is known."""
        dataset, split, _ = place
        known = self._tables.scenes.filter(dataset=dataset, split=split)
        return {scene: list(recordings or []) for scene, recordings in known.select("scene", "recordings").iter_rows()}

    def changed_scores(self, tolerance: float) -> pl.DataFrame:
        """Scores that a run wrote otherwise than they stood under the same key.

        Returns ``run``, ``dataset``, ``split``, ``protocol``, ``separator``, ``scene`` and ``change``, one row per
        score: the change where it is beyond ``tolerance``, infinite where a finite score came or went. A metric that
        could not be computed is no number, and changes nothing.
        """
        name = ["key", "index", "metric", "threshold"]
        told = self._tables.scores.filter(pl.col("metric").is_not_null() & (pl.col("status") != "error"))
        twice = told.filter(maybe_alike(told, name)).filter(pl.len().over(name) > 1)
        writers = self._tables.cells.select("key", "part", "run").unique()
        rows = twice.join(writers, on=["key", "part"]).sort("written_at", "part").with_columns(
            value=pl.when(pl.col("value").is_finite()).then(pl.col("value"))
        )  # fmt: skip
        former = pl.col("value").shift(1).over(name)
        moved = (pl.col("value") - former).abs()
        came_or_went = pl.col("value").is_null() != former.is_null()
        rows = rows.with_columns(
            first=pl.int_range(pl.len()).over(name) == 0,
            change=pl.when(came_or_went).then(float("inf")).otherwise(moved),
        )
        found = rows.filter(~pl.col("first") & (pl.col("change") > tolerance)).select("run", "key", "change")
        named = [
            entries.join(found.filter(run=run), on="key").select("run", *PLACE, "separator", "scene", "change")
            for run, entries in self._tables.entries.items()
        ]
        return pl.concat(named).sort("run", *PLACE, "separator", "scene")


def state(results: Results, manifests: Sequence[Manifest]) -> str:
    """A hash that changes when anything does that was written of the runs; nothing is read into tables for it."""
    said = [manifest.model_dump(mode="json") for manifest in manifests]
    files = []
    for path in _Raw(results.folder).paths(manifest.run for manifest in manifests):
        with suppress(FileNotFoundError):  # parts may be merged at any time
            files.append([path.name, hashlib.sha256(path.read_bytes()).hexdigest()])
    return named([said, files])


class _Tables:
    """Every row of a folder, before the newest of each key is chosen."""

    def __init__(self, results: Results, manifests: Sequence[Manifest]) -> None:
        raw = self._raw = _Raw(results.folder)
        self.folder = results.folder
        self.manifests = {manifest.run: manifest for manifest in manifests}
        self.entries = {run: results.entries(run) for run in self.manifests}
        self.cells, self.scenes = raw.cells_of_all_runs(), results.scenes()
        self._began = {run: raw.began(run) for run in self.manifests}
        self._of_place: dict[Place, tuple[pl.DataFrame, pl.DataFrame]] = {}

    @cached_property
    def scores(self) -> pl.DataFrame:
        """Of all runs: most of what is read, and of no use to those who ask for :func:`state` alone."""
        return self._raw.scores_of_all_runs()

    @cached_property
    def numbered(self) -> pl.DataFrame:
        """The cells, each with numbers that change when the cell or the scores of its part do."""
        scores = _summed(self.scores, ["part"]).rename({"1": "scores 1", "2": "scores 2"})
        cells = _hashed(self.cells, ["key", "part", "run", "written_at"])
        return cells.join(scores, on="part", how="left")

    @cached_property
    def numbers_of_scenes(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """By data set and split."""
        return _numbers(self.scenes, ["dataset", "split"])

    def left_by(self, run: str, cells: pl.DataFrame) -> pl.DataFrame:
        """Those of ``cells`` that were there when a run had ended."""
        return cells.filter((pl.col("run") == run) | (pl.col("written_at") < self._began[run]))

    def of(self, place: Place) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Cells and scores of a place, of all runs."""
        if place not in self._of_place:
            keys = pl.concat([_at(entries, place).select("key") for entries in self.entries.values()]).unique()
            cells, scores = (table.join(keys, on="key", how="semi") for table in (self.cells, self.scores))
            self._of_place[place] = cells, scores
        return self._of_place[place]

    def marked(self, place: Place) -> pl.DataFrame:
        """Entries of any run whose scores call a target of a place absent or trivial: this holds for every run."""
        return _at(self.all_marked, place)

    @cached_property
    def all_marked(self) -> pl.DataFrame:
        """As :meth:`marked`, of all places."""
        entries = pl.concat([pl.DataFrame(schema=ENTRIES), *self.entries.values()]).unique(maintain_order=True)
        rows = score_rows(entries, self.scores.filter(pl.col("status") == "skip"))
        return entries.join(rows.filter(pl.col("left_out").is_not_null()), on="key", how="semi")


class _Raw(Results):
    """A results folder with all that was ever written to it."""

    def cells_of_all_runs(self) -> pl.DataFrame:
        return self._whole_parts()

    def scores_of_all_runs(self) -> pl.DataFrame:
        """At each run's own threshold."""
        return self._parts("scores").read().filter(pl.col("threshold").is_null())

    def began(self, run: str) -> float:
        return self._began(run)

    def paths(self, runs: Iterable[str]) -> Iterator[Path]:
        """The files that tell of runs, but for their manifests."""
        yield from (self.folder / "runs" / f"{run}.parquet" for run in runs)
        for kind in _WRITTEN:
            yield from self._parts(kind).paths()


class _AsLeft(Results):
    """One board of a run, as a results folder that holds nothing else: read from memory."""

    def __init__(self, tables: _Tables, run: str, place: Place) -> None:
        super().__init__(tables.folder)
        self._of_run = tables.manifests[run]
        self._own, self._elsewhere = _at(tables.entries[run], place), tables.marked(place)
        self._scenes = tables.scenes
        keys = pl.concat([self._own.select("key"), self._elsewhere.select("key")]).unique()
        cells, scores = (table.join(keys, on="key", how="semi") for table in tables.of(place))
        self._cells, self._scores = tables.left_by(run, cells), scores

    def runs(self) -> list[Manifest]:
        """The run, and one without a name that stands for what all others know of absent and trivial targets."""
        return [self._of_run, self._of_run.model_copy(update={"run": ""})]

    def entries(self, run: str) -> pl.DataFrame:
        return self._own if run else self._elsewhere

    def scenes(self) -> pl.DataFrame:
        return self._scenes

    def swept(self) -> pl.DataFrame:
        return self._scores.clear()

    def detections(self) -> pl.DataFrame:
        return pl.DataFrame(schema=DETECTIONS)

    def _whole_parts(self) -> pl.DataFrame:
        return self._cells

    def _parts(self, kind: str) -> Parts:
        assert kind == "scores", kind
        return _InMemory(self.folder, SCORES, self._scores)


@dataclass(frozen=True)
class _InMemory(Parts):
    rows: pl.DataFrame

    def read(self) -> pl.DataFrame:
        return self.rows


def _at(entries: pl.DataFrame, place: Place) -> pl.DataFrame:
    dataset, split, protocol = place
    return entries.filter(dataset=dataset, split=split, protocol=protocol)


def _hashed(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Some columns, with two hashes of each row."""
    return rows.select(columns).with_columns(rows.hash_rows(seed=seed).alias(str(seed)) for seed in _SEEDS)


def _summed(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    # A sum that wraps depends on no order, and equal rows do not cancel out as they would in an exclusive or.
    return _hashed(rows, by).group_by(by).agg(pl.col(*map(str, _SEEDS)).sum())


def _numbers(rows: pl.DataFrame, by: list[str]) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Two numbers for each group that change when a row of it does, whatever their order."""
    return {row[: len(by)]: row[len(by) :] for row in _summed(rows, by).iter_rows()}
