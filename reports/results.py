"""The results folder: written part by part, read as tables. See :mod:`reports.schema` for its shape."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from reports.schema import CELLS, ENTRIES, SCENES, SCHEMA_VERSION, SCORES, Manifest, MetricEntry

ROW_COLUMNS = (
    "run", "key", "separator", "family", "dataset", "split", "scene", "target", "mid", "depth", "protocol", "metric",
    "value", "status", "reason",
)  # fmt: skip


class ResultsError(ValueError):
    """A results folder cannot be used; the message names the file and the remedy."""


class Results:
    """A results folder. Opening one that is not there makes it on the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    # Writing

    def write_part(self, cell: Mapping[str, Any], scores: Iterable[Mapping[str, Any]] = ()) -> None:
        """Write one cell and its scores, scores first, each in one rename.

        ``part`` and ``written_at`` are filled in here.
        """
        self.write_cells([cell], [dict(row, key=cell["key"]) for row in scores])

    def write_cells(self, cells: Iterable[Mapping[str, Any]], scores: Iterable[Mapping[str, Any]]) -> None:
        """As :meth:`write_part` for many cells in one part; each score says the ``key`` of its cell."""
        part, now = uuid.uuid4().hex, time.time()
        rows = [dict(row, part=part, written_at=now) for row in scores]
        if rows:
            self._write_table(self.folder / "scores" / f"{part}.parquet", pl.DataFrame(rows, schema=SCORES))
        table = pl.DataFrame([dict(cell, part=part, written_at=now) for cell in cells], schema=CELLS)
        self._write_table(self.folder / "cells" / f"{part}.parquet", table)

    def write_manifest(self, manifest: Manifest, entries: pl.DataFrame | None = None) -> None:
        """Write a run's manifest, with its cells when ``entries`` is given."""
        if entries is not None:
            table = entries.select(list(ENTRIES)).match_to_schema(ENTRIES)
            self._write_table(self.folder / "runs" / f"{manifest.run}.parquet", table)
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
        self.write_text(Path("runs") / f"{manifest.run}.json", text)

    def write_scenes(self, scenes: pl.DataFrame, *, version: str) -> None:
        """Write what is known of a data set's scenes; ``version`` is their content, so that parts never clash."""
        table = scenes.select(list(SCENES)).match_to_schema(SCENES)
        self._write_table(self.folder / "scenes" / f"{version}.parquet", table)

    def write_metrics(self, metrics: Mapping[str, MetricEntry]) -> None:
        """Add definitions of metrics to ``metrics.json``; what stands there under other ids stays."""
        merged = {name: entry.model_dump() for name, entry in {**self.metrics(), **metrics}.items()}
        self.write_text(Path("metrics.json"), json.dumps(merged, indent=1, sort_keys=True, ensure_ascii=False))

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

    @staticmethod
    def _write_table(path: Path, table: pl.DataFrame) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with partial.open("wb") as file:
            table.write_parquet(file, metadata={"stemtree_schema": str(SCHEMA_VERSION)})
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    # Reading

    def exists(self) -> bool:
        """Whether there is anything of a results folder here."""
        return any((self.folder / name).is_dir() for name in ("runs", "cells", "scores"))

    def cells(self) -> pl.DataFrame:
        """The newest row of each key; ``metrics`` is the union over all parts of the key."""
        cells = self._scan("cells", CELLS).collect()
        scored = cells.group_by("key").agg(pl.col("metrics").explode(empty_as_null=True).drop_nulls().unique().sort())
        newest = cells.sort("written_at", "part").unique("key", keep="last").drop("metrics")
        return newest.join(scored, on="key", how="left").select(list(CELLS)).sort("key")

    def scores(self) -> pl.DataFrame:
        """The newest score of each key, target and metric, of those whose cell is there."""
        parts = self._scan("cells", CELLS).select("part").unique()
        return (
            self._scan("scores", SCORES)
            .join(parts, on="part", how="semi")
            .sort("written_at", "part")
            .unique(["key", "index", "metric"], keep="last")
            .sort("key", "index", "metric", nulls_last=True)
            .collect()
        )

    def scenes(self) -> pl.DataFrame:
        """What is known of the scenes, the newest version of each."""
        return self._scan("scenes", SCENES).collect().unique(["dataset", "split", "scene"], keep="last").sort("scene")

    def metrics(self) -> dict[str, MetricEntry]:
        """Definitions of the metrics by id."""
        path = self.folder / "metrics.json"
        if not path.is_file():
            return {}
        try:
            return {name: MetricEntry.model_validate(entry) for name, entry in json.loads(path.read_text()).items()}
        except (ValidationError, ValueError) as error:
            raise ResultsError(f"{path}: {_first_line(error)}; restore it or run the benchmark again") from error

    def cards(self) -> dict[str, dict[str, Any]]:
        """Model cards by separator name."""
        cards = {}
        for path in sorted((self.folder / "cards").glob("*.json")):
            try:
                cards[path.stem] = dict(json.loads(path.read_text()))
            except ValueError as error:
                raise ResultsError(f"{path}: {_first_line(error)}; restore it or run the benchmark again") from error
        return cards

    def runs(self) -> list[Manifest]:
        """The manifests of all runs, the oldest first."""
        manifests = []
        for path in (self.folder / "runs").glob("*.json"):
            try:
                manifests.append(Manifest.model_validate_json(path.read_text()))
            except ValidationError as error:
                raise ResultsError(f"{path}: {_first_line(error)}; remove this run's files or restore them") from error
        return sorted(manifests, key=lambda manifest: (manifest.started, manifest.run))

    def entries(self, run: str) -> pl.DataFrame:
        """The cells of a run, in the order of its plan."""
        path = self.folder / "runs" / f"{run}.parquet"
        if not path.is_file():
            known = ", ".join(manifest.run for manifest in self.runs()) or "none"
            raise ResultsError(f"{self.folder}: no run {run!r}; it has {known}")
        return _read(path, ENTRIES)

    def run_cells(self, run: str | None = None) -> pl.DataFrame:
        """The cells of one run, or the newest of every separator and scene over all runs, with their status.

        Columns: those of the run's entries, ``run``, and those of the cell; ``status`` is null where it has not run.
        """
        manifests = self.runs()
        if not manifests:
            raise ResultsError(f"{self.folder}: no run here; `stemtree run` makes one")
        names = [run] if run is not None else [manifest.run for manifest in manifests]
        frames = [self.entries(name).with_columns(run=pl.lit(name)) for name in names]
        identity = ["separator", "dataset", "split", "scene", "protocol"]
        entries = pl.concat(frames).unique(identity, keep="last", maintain_order=True)
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
        """Merge the parts of cells and scores into one each; returns the number of parts before and after.

        New parts are written before old ones go, and doubled rows count once: a kill at any instant loses nothing.
        """
        before = after = 0
        old = {kind: self._parts(kind) for kind in ("scores", "cells")}
        cells = self._scan("cells", CELLS).collect()
        tables = {
            "scores": self._scan("scores", SCORES).collect().join(cells, on="part", how="semi"),
            "cells": cells,
        }
        for kind, table in tables.items():
            before += len(old[kind])
            if len(old[kind]) < 2:
                after += len(old[kind])
                continue
            self._write_table(self.folder / kind / f"{uuid.uuid4().hex}.parquet", table.unique(maintain_order=True))
            after += 1
        for kind, table in tables.items():
            if len(old[kind]) >= 2 and len(table):
                for path in old[kind]:
                    path.unlink(missing_ok=True)
        return before, after

    def _parts(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.folder / kind).glob("*.parquet") if not path.name.startswith("."))

    def _scan(self, kind: str, schema: pl.Schema) -> pl.LazyFrame:
        parts = self._parts(kind)
        if not parts:
            return pl.DataFrame(schema=schema).lazy()
        try:
            return pl.scan_parquet(parts, schema=schema)
        except pl.exceptions.PolarsError as error:
            raise ResultsError(f"{self.folder / kind}: {_first_line(error)}") from error


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, schema=schema)
    except pl.exceptions.PolarsError as error:
        raise ResultsError(f"{path}: {_first_line(error)}; restore it or remove it") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def as_json(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON-ready dictionaries; a value that is not finite becomes null."""
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    return rows.with_columns(value=finite).to_dicts()
