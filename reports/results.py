"""The results folder: written part by part, read as tables. See :mod:`reports.schema` for its shape.

Several runs, on several machines, may write to one folder, and merging two folders is copying their files: no file
is ever written twice with different contents, but for a run's own manifest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from reports.json_files import read_object
from reports.parts import (
    Parts,
    ResultsError,
    first_line,
    last_of_each,
    left_out_if_damaged,
    read_table,
    row_without,
    write_table,
)
from reports.schema import (
    CELLS,
    DETECTIONS,
    ENTRIES,
    FINAL_STATUSES,
    RUN_NAME,
    SCENES,
    SCHEMA_VERSION,
    SCORES,
    Manifest,
    MetricEntry,
)

ROW_COLUMNS = (
    "run", "key", "separator", "family", "dataset", "split", "scene", "target", "mid", "depth", "protocol", "metric",
    "value", "status", "reason",
)  # fmt: skip
_KINDS: Final = {"scores": SCORES, "detections": DETECTIONS, "cells": CELLS, "scenes": SCENES}
"""What the parts of each folder hold."""
_OF_CELLS: Final = {"scores": "score_rows", "detections": "detection_rows"}
"""What belongs to a cell and is written before it, and the cell's column that counts it."""
LEFTOVER_SECONDS: Final = 86_400.0
"""Age from which a file under a temporary name, or scores without their cell, count as left by a kill."""


class Results:
    """A results folder. Opening one that is not there makes it on the first write.

    With ``left_by`` it is read as that run left it: what the run wrote, and what was there when it began.
    """

    def __init__(self, folder: Path, *, left_by: str | None = None) -> None:
        self.folder = Path(folder)
        self._left_by = left_by

    # Writing

    def write_part(
        self,
        cell: Mapping[str, Any],
        scores: Iterable[Mapping[str, Any]] = (),
        detections: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Write one cell with its scores and detections, the cell last, each in one rename.

        ``part``, ``written_at`` and the counts of rows are filled in here.
        """
        key = {"key": cell["key"]}
        self.write_cells([cell], [{**row, **key} for row in scores], [{**row, **key} for row in detections])

    def write_cells(
        self,
        cells: Iterable[Mapping[str, Any]],
        scores: Iterable[Mapping[str, Any]],
        detections: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """As :meth:`write_part` for many cells in one part; each row says the ``key`` of its cell."""
        part, now = uuid.uuid4().hex, time.time()
        counts: dict[str, Counter[str]] = {}
        for kind, given in (("scores", scores), ("detections", detections)):
            rows = [dict(row, part=part, written_at=now) for row in given]
            if rows:
                write_table(self._parts(kind).path(part), pl.DataFrame(rows, schema=_KINDS[kind]))
            counts[kind] = Counter(row["key"] for row in rows)
        described = [
            dict(
                cell,
                part=part,
                written_at=now,
                score_rows=counts["scores"][cell["key"]],
                detection_rows=counts["detections"][cell["key"]],
            )
            for cell in cells
        ]
        write_table(self._parts("cells").path(part), pl.DataFrame(described, schema=CELLS))

    def write_manifest(self, manifest: Manifest, entries: pl.DataFrame | None = None) -> None:
        """Write a run's manifest, with its cells when ``entries`` is given.

        Raises:
            ResultsError: the run's name cannot be a file's name.
        """
        if not RUN_NAME.fullmatch(manifest.run):
            raise ResultsError(f"run {manifest.run!r}: letters, digits, '.', '_' and '-' only, at most 100")
        if entries is not None:
            table = entries.match_to_schema(ENTRIES, missing_columns="insert").select(list(ENTRIES))
            write_table(self.folder / "runs" / f"{manifest.run}.parquet", table)
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
        self.write_text(Path("runs") / f"{manifest.run}.json", text)

    def write_scenes(self, scenes: pl.DataFrame) -> None:
        """Write what is known of a data set's scenes, under a name made of it: equal tables are one file."""
        described = scenes.drop("written_at", strict=False)
        version = hashlib.sha256(described.write_json().encode()).hexdigest()
        table = described.with_columns(written_at=pl.lit(time.time())).select(list(SCENES)).match_to_schema(SCENES)
        write_table(self.folder / "scenes" / f"{version}.parquet", table)

    def write_metrics(self, metrics: Mapping[str, MetricEntry]) -> None:
        """Write definitions of metrics by id, one file each: an id has one definition, whoever writes it."""
        for name, entry in metrics.items():
            text = json.dumps({"id": name, **entry.model_dump()}, indent=1, ensure_ascii=False)
            self.write_text(Path("metrics") / f"{file_name(name)}.json", text)

    def write_card(self, separator: str, card: Mapping[str, Any]) -> None:
        """Write a separator's model card under the name that tables show."""
        text = json.dumps(dict(card), indent=1, ensure_ascii=False)
        self.write_text(Path("cards") / f"{file_name(separator)}.json", text)

    def write_text(self, relative: Path, text: str) -> None:
        """Write a text file of the folder under a temporary name, sync it, and rename it."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _parts(self, kind: str) -> Parts:
        return Parts(self.folder / kind, _KINDS[kind])

    # Reading

    def exists(self) -> bool:
        """Whether there is anything of a results folder here."""
        return any((self.folder / name).is_dir() for name in ("runs", "cells", "scores"))

    def cells(self) -> pl.DataFrame:
        """One row per key, of the parts whose scores and detections are all there.

        The newest row wins; but a failed attempt to score more metrics takes nothing from a cell that is done, so a
        final status stands against a later failure. ``metrics`` and ``failed_metrics`` are unions over the parts,
        times and memory those of the newest part that separated anything.
        """
        cells = self._whole_parts()
        measured = ("seconds", "cpu_seconds", "peak_mb")
        ranked = cells.with_columns(final=pl.col("status").is_in(list(FINAL_STATUSES))).sort(
            "final", "written_at", "part"
        )
        newest = ranked.group_by("key").agg(
            pl.exclude("metrics", "failed_metrics", *measured).last(),
            pl.col("metrics").explode(empty_as_null=True).drop_nulls().unique().sort(),
            pl.col("failed_metrics").explode(empty_as_null=True).drop_nulls().unique().sort(),
            *(pl.col(name).sort_by("written_at").drop_nulls().last() for name in measured),
        )
        failed = pl.col("failed_metrics").list.set_difference(pl.col("metrics"))
        return newest.with_columns(failed_metrics=failed).select(list(CELLS)).sort("key")

    def scores(self) -> pl.DataFrame:
        """The newest score of each key, target and metric at the run's own threshold, of those whose cell is there."""
        return self._newest("scores", ["index", "metric", "threshold"]).filter(pl.col("threshold").is_null())

    def swept(self) -> pl.DataFrame:
        """As :meth:`scores`, those that are repeated on a grid of thresholds."""
        return self._newest("scores", ["index", "metric", "threshold"]).filter(pl.col("threshold").is_not_null())

    def detections(self) -> pl.DataFrame:
        """What each cell of a blind system said of each class at each depth, with the columns of :data:`DETECTIONS`."""
        return self._newest("detections", ["depth", "mid"])

    def _newest(self, kind: str, names: list[str]) -> pl.DataFrame:
        rows = self._parts(kind).read()
        parts = self._whole_parts().select("part", "key").unique()
        there = rows.join(parts, on=["part", "key"], how="semi").sort("written_at", "part")
        newest = last_of_each(there, ["key", *names])
        return newest.sort(*(_in_order(newest[name]) for name in ("key", *names)), nulls_last=True)

    def scenes(self) -> pl.DataFrame:
        """What is known of the scenes, the newest of each."""
        scenes = self._parts("scenes").read().sort("written_at")
        return scenes.unique(["dataset", "split", "scene"], keep="last").drop("written_at").sort("scene")

    def metrics(self) -> dict[str, MetricEntry]:
        """Definitions of the metrics by id; a damaged one is left out with a warning, and a run writes it anew."""
        found = {}
        for path in sorted((self.folder / "metrics").glob("[!.]*.json")):
            with left_out_if_damaged(path):
                described = read_object(path)
                name = str(described.pop("id"))
                found[name] = MetricEntry.model_validate(described)
        return found

    def cards(self) -> dict[str, dict[str, Any]]:
        """Model cards by file name; a damaged one is left out with a warning, and the next run writes it anew."""
        cards = {}
        for path in sorted((self.folder / "cards").glob("[!.]*.json")):
            with left_out_if_damaged(path):
                cards[path.stem] = read_object(path)
        return cards

    def runs(self) -> list[Manifest]:
        """The manifests of all runs, the oldest first; a damaged one is left out with a warning that names it."""
        manifests = []
        for path in (self.folder / "runs").glob("[!.]*.json"):
            with left_out_if_damaged():
                manifests.append(self._manifest(path))
        return sorted(manifests, key=lambda manifest: (manifest.started, manifest.run))

    def run(self, name: str) -> Manifest | None:
        """The manifest of one run, or None where there is none."""
        path = self.folder / "runs" / f"{name}.json"
        return self._manifest(path) if RUN_NAME.fullmatch(name) and path.is_file() else None

    @staticmethod
    def _manifest(path: Path) -> Manifest:
        try:
            described = read_object(path)
            version = described.get("schema_version")
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise ResultsError(
                    f"{path}: written by a newer stemtree (schema {version}, this one reads {SCHEMA_VERSION}); update"
                )
            manifest = Manifest.model_validate(described)
            if manifest.run != path.stem or not RUN_NAME.fullmatch(manifest.run):
                raise ResultsError(f"{path}: it is of run {manifest.run!r}, and is to be named after it; rename it")
            return manifest
        except ResultsError:
            raise
        except ValueError as error:
            raise ResultsError(f"{path}: {first_line(error)}; restore it, or remove this run's files") from error

    def entries(self, run: str) -> pl.DataFrame:
        """The cells of a run, in the order of its plan."""
        path = self.folder / "runs" / f"{run}.parquet"
        if path.is_file():
            table = read_table(path, ENTRIES)
            if told := row_without(table):
                raise ResultsError(f"{path}: {told}; restore it, or remove this run's files")
            return table
        if self.run(run) is not None:
            raise ResultsError(f"{path}: missing, though the run's manifest is there; restore it, or remove both")
        known = ", ".join(manifest.run for manifest in self.runs()) or "none"
        raise ResultsError(f"{self.folder}: no run {run!r}; it has {known}")

    def run_cells(self, run: str | None = None) -> pl.DataFrame:
        """The cells of one run, or of every separator and scene over all runs, with their status.

        Over all runs a separator stands, on each data set, in the variant (code, options, weights) of the newest run
        that has it there: a figure never mixes two.

        Columns: those of the run's entries, ``run``, and those of the cell; ``status`` is null where it has not run.
        """
        names = [run] if run is not None else [manifest.run for manifest in self.runs()]
        if not names:
            raise ResultsError(f"{self.folder}: no run here; `stemtree run` makes one")
        frames = [
            self.entries(name).with_columns(run=pl.lit(name), place=pl.lit(place)) for place, name in enumerate(names)
        ]
        board = ["separator", "dataset", "split", "protocol"]
        latest = pl.col("variant").sort_by("place").last().over(board)
        entries = (
            pl.concat(frames)
            .filter(pl.col("variant").eq_missing(latest))
            .unique([*board, "scene"], keep="last", maintain_order=True)
            .drop("place")
        )
        return entries.join(self.cells().drop("run"), on="key", how="left", maintain_order="left")

    def rows(self, run: str | None = None) -> pl.DataFrame:
        """One row per score, and one per cell that has none, with the columns of :data:`ROW_COLUMNS`.

        ``value`` is null where there is none, and ``reason`` says why. The order depends on the results alone.
        """
        cells = self.run_cells(run).with_columns(pl.col("status").fill_null("pending"))
        scored = cells.select("run", "key", "separator", "family", "dataset", "split", "scene", "protocol").join(
            self.scores(), on="key", how="inner"
        )
        bare = cells.filter(pl.col("status") != "ok").join(scored.select("key").unique(), on="key", how="anti")
        scored = scored.with_columns(mid=pl.col("mids").list.first())
        bare = bare.with_columns(
            target=pl.lit(None, pl.String), mid=pl.lit(None, pl.String), depth=pl.lit(None, pl.Int32),
            metric=pl.lit(None, pl.String), value=pl.lit(None, pl.Float64), index=pl.lit(None, pl.Int32),
        )  # fmt: skip
        columns = [*ROW_COLUMNS, "index"]
        return (
            pl.concat([scored.select(columns), bare.select(columns)])
            .sort("dataset", "split", "separator", "scene", "index", "metric", "key", nulls_last=True)
            .select(list(ROW_COLUMNS))
        )

    def compact(self) -> tuple[int, int]:
        """Merge the parts of cells, scores and detections into one each; returns the number of parts before and after.

        New parts are written before old ones go, doubled rows count once, and what waits for its cell stays where it
        is: neither a kill nor a run that writes meanwhile loses anything.
        """
        folders = {kind: self._parts(kind) for kind in (*_OF_CELLS, "cells")}
        paths = {kind: folder.paths() for kind, folder in folders.items()}
        tables = {kind: folder.collect(paths[kind]) for kind, folder in folders.items()}
        old = {kind: [path for path in folder.readable() if path in paths[kind]] for kind, folder in folders.items()}
        waiting: list[Path] = []
        for kind in _OF_CELLS:
            rows, cells = tables[kind], tables["cells"]
            parts = set(rows.join(cells, on=["part", "key"], how="anti")["part"])
            tables[kind] = rows.join(cells, on=["part", "key"], how="semi")
            old[kind] = [path for path in old[kind] if path.stem not in parts]
            waiting += [folders[kind].path(part) for part in parts]
        before = after = 0
        for kind, folder in folders.items():
            before += len(paths[kind])
            after += len(paths[kind])
            if len(old[kind]) < 2:
                old[kind] = []
                continue
            write_table(folder.path(uuid.uuid4().hex), tables[kind].unique(maintain_order=True))
            after += 1 - len(old[kind])
        for kind in folders:
            for path in old[kind]:
                path.unlink(missing_ok=True)
        self._sweep(waiting)
        return before, after

    def _sweep(self, waiting: Iterable[Path]) -> None:
        """Remove what kills left behind, once it is old enough that nobody can still be writing it."""
        for path in (*self.folder.glob("*/.*"), *waiting):
            if path.is_file() and time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)

    def _whole_parts(self) -> pl.DataFrame:
        """Rows of cells whose scores and detections are all there; the others are as if they had not run."""
        cells = self._parts("cells").read()
        for kind, counted in _OF_CELLS.items():
            cells = (
                cells.join(self._parts(kind).counts(), on=["part", "key"], how="left")
                .filter(pl.col("there").fill_null(0) >= pl.col(counted).fill_null(0))
                .drop("there")
            )
        if self._left_by is None:
            return cells
        return cells.filter((pl.col("run") == self._left_by) | (pl.col("written_at") < self._began(self._left_by)))

    def _began(self, run: str) -> float:
        """The end of the second in which a run began, since the epoch; never where the run is not there."""
        manifest = self.run(run)
        if manifest is None:
            return -math.inf
        try:
            began = datetime.fromisoformat(manifest.started)
        except ValueError as error:
            path = self.folder / "runs" / f"{run}.json"
            raise ResultsError(f"{path}: started: {error}; restore it, or remove this run's files") from error
        return (began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp() + 1


def _in_order(column: pl.Series) -> pl.Expr:
    """What sorts as a column does; texts go by their places among all, which is several times faster."""
    if column.dtype != pl.String:
        return pl.col(column.name)
    return pl.col(column.name).cast(pl.Enum(column.drop_nulls().unique().sort())).to_physical()


def as_json(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON-ready dictionaries; a value that is not finite becomes null."""
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    return rows.with_columns(value=finite).to_dicts()


def file_name(name: str) -> str:
    """``name`` as the name of a file: what is no letter, digit, '.', '_', '-' or '@' becomes '_'."""
    return "".join(letter if letter.isalnum() or letter in "._-@" else "_" for letter in name)
