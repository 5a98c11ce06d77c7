"""The results folder: written part by part, read as tables. See :mod:`reports.schema` for its shape.

Several runs, on several machines, may write to one folder, and merging two folders is copying their files: no file
is ever written twice with different contents, but for a run's own manifest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from reports.schema import (
    CELLS,
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
_LOG: Final = logging.getLogger("stemtree")
LEFTOVER_SECONDS: Final = 86_400.0
"""Age from which a file under a temporary name, or scores without their cell, count as left by a kill."""
_LOOKS: Final = 5
"""Times a folder is listed anew when another process merged its parts meanwhile."""


class ResultsError(ValueError):
    """A results folder cannot be used; the message names the file and the remedy."""


class Results:
    """A results folder. Opening one that is not there makes it on the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    # Writing

    def write_part(self, cell: Mapping[str, Any], scores: Iterable[Mapping[str, Any]] = ()) -> None:
        """Write one cell and its scores, scores first, each in one rename.

        ``part``, ``written_at`` and ``score_rows`` are filled in here.
        """
        self.write_cells([cell], [dict(row, key=cell["key"]) for row in scores])

    def write_cells(self, cells: Iterable[Mapping[str, Any]], scores: Iterable[Mapping[str, Any]]) -> None:
        """As :meth:`write_part` for many cells in one part; each score says the ``key`` of its cell."""
        part, now = uuid.uuid4().hex, time.time()
        rows = [dict(row, part=part, written_at=now) for row in scores]
        if rows:
            self._write_table(self.folder / "scores" / f"{part}.parquet", pl.DataFrame(rows, schema=SCORES))
        counts = Counter(row["key"] for row in rows)
        described = [dict(cell, part=part, written_at=now, score_rows=counts[cell["key"]]) for cell in cells]
        self._write_table(self.folder / "cells" / f"{part}.parquet", pl.DataFrame(described, schema=CELLS))

    def write_manifest(self, manifest: Manifest, entries: pl.DataFrame | None = None) -> None:
        """Write a run's manifest, with its cells when ``entries`` is given.

        Raises:
            ResultsError: the run's name cannot be a file's name.
        """
        if not RUN_NAME.fullmatch(manifest.run):
            raise ResultsError(f"run {manifest.run!r}: letters, digits, '.', '_' and '-' only, at most 100")
        if entries is not None:
            table = entries.match_to_schema(ENTRIES, missing_columns="insert").select(list(ENTRIES))
            self._write_table(self.folder / "runs" / f"{manifest.run}.parquet", table)
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
        self.write_text(Path("runs") / f"{manifest.run}.json", text)

    def write_scenes(self, scenes: pl.DataFrame) -> None:
        """Write what is known of a data set's scenes, under a name made of it: equal tables are one file."""
        described = scenes.drop("written_at", strict=False)
        version = hashlib.sha256(described.write_json().encode()).hexdigest()
        table = described.with_columns(written_at=pl.lit(time.time())).select(list(SCENES)).match_to_schema(SCENES)
        self._write_table(self.folder / "scenes" / f"{version}.parquet", table)

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
        """One row per key, of the parts whose scores are all there.

        The newest row wins; but a failed attempt to score more metrics takes nothing from a cell that is done, so a
        final status stands against a later failure. ``metrics`` and ``failed_metrics`` are unions over the parts,
        times and memory those of the newest part that separated anything.
        """
        cells = self._whole_parts(self._read("scores", SCORES))
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
        """The newest score of each key, target and metric, of those whose cell is there."""
        scores = self._read("scores", SCORES)
        parts = self._whole_parts(scores).select("part", "key").unique()
        return (
            scores.join(parts, on=["part", "key"], how="semi")
            .sort("written_at", "part")
            .unique(["key", "index", "metric"], keep="last")
            .sort("key", "index", "metric", nulls_last=True)
        )

    def scenes(self) -> pl.DataFrame:
        """What is known of the scenes, the newest of each."""
        scenes = self._read("scenes", SCENES).sort("written_at")
        return scenes.unique(["dataset", "split", "scene"], keep="last").drop("written_at").sort("scene")

    def metrics(self) -> dict[str, MetricEntry]:
        """Definitions of the metrics by id; a damaged one is left out with a warning, and a run writes it anew."""
        found = {}
        for path in sorted((self.folder / "metrics").glob("[!.]*.json")):
            with _left_out_if_damaged(path):
                described = dict(json.loads(path.read_text(encoding="utf-8")))
                name = str(described.pop("id"))
                found[name] = MetricEntry.model_validate(described)
        return found

    def cards(self) -> dict[str, dict[str, Any]]:
        """Model cards by file name; a damaged one is left out with a warning, and the next run writes it anew."""
        cards = {}
        for path in sorted((self.folder / "cards").glob("[!.]*.json")):
            with _left_out_if_damaged(path):
                cards[path.stem] = dict(json.loads(path.read_text(encoding="utf-8")))
        return cards

    def runs(self) -> list[Manifest]:
        """The manifests of all runs, the oldest first; a damaged one is left out with a warning that names it."""
        manifests = []
        for path in (self.folder / "runs").glob("[!.]*.json"):
            with _left_out_if_damaged():
                manifests.append(self._manifest(path))
        return sorted(manifests, key=lambda manifest: (manifest.started, manifest.run))

    def run(self, name: str) -> Manifest | None:
        """The manifest of one run, or None where there is none."""
        path = self.folder / "runs" / f"{name}.json"
        return self._manifest(path) if RUN_NAME.fullmatch(name) and path.is_file() else None

    @staticmethod
    def _manifest(path: Path) -> Manifest:
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            version = described.get("schema_version")
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise ResultsError(
                    f"{path}: written by a newer stemtree (schema {version}, this one reads {SCHEMA_VERSION}); update"
                )
            return Manifest.model_validate(described)
        except ResultsError:
            raise
        except (ValidationError, ValueError, AttributeError) as error:
            raise ResultsError(f"{path}: {_first_line(error)}; restore it, or remove this run's files") from error

    def entries(self, run: str) -> pl.DataFrame:
        """The cells of a run, in the order of its plan."""
        path = self.folder / "runs" / f"{run}.parquet"
        if path.is_file():
            return _parquet(path, ENTRIES)
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
        """Merge the parts of cells and scores into one each; returns the number of parts before and after.

        New parts are written before old ones go, doubled rows count once, and scores whose cell is still to come stay
        where they are: neither a kill nor a run that writes meanwhile loses anything.
        """
        paths = {kind: self._parts(kind) for kind in ("cells", "scores")}
        cells = self._collect(paths["cells"], CELLS)
        scores = self._collect(paths["scores"], SCORES)
        settled = scores.join(cells, on=["part", "key"], how="semi")
        waiting = set(scores.join(cells, on=["part", "key"], how="anti")["part"])
        tables = {"scores": settled, "cells": cells}
        old = {
            "scores": [path for path in _readable(paths["scores"]) if path.stem not in waiting],
            "cells": _readable(paths["cells"]),
        }
        before = after = 0
        for kind, table in tables.items():
            before += len(paths[kind])
            after += len(paths[kind])
            if len(old[kind]) < 2:
                old[kind] = []
                continue
            self._write_table(self.folder / kind / f"{uuid.uuid4().hex}.parquet", table.unique(maintain_order=True))
            after += 1 - len(old[kind])
        for kind in tables:
            for path in old[kind]:
                path.unlink(missing_ok=True)
        self._sweep(waiting)
        return before, after

    def _sweep(self, waiting: Iterable[str]) -> None:
        """Remove what kills left behind, once it is old enough that nobody can still be writing it."""
        leftovers = [path for path in self.folder.glob("*/.*") if path.is_file()]
        leftovers += [self.folder / "scores" / f"{part}.parquet" for part in waiting]
        for path in leftovers:
            if path.is_file() and time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)

    def _whole_parts(self, scores: pl.DataFrame) -> pl.DataFrame:
        """Rows of cells whose score rows are all there; the others are as if they had not run."""
        cells = self._read("cells", CELLS)
        counts = scores.group_by("part", "key").len("there")
        return (
            cells.join(counts, on=["part", "key"], how="left")
            .filter(pl.col("there").fill_null(0) >= pl.col("score_rows").fill_null(0))
            .drop("there")
        )

    def _read(self, kind: str, schema: pl.Schema) -> pl.DataFrame:
        for look in range(_LOOKS):
            try:
                return self._collect(self._parts(kind), schema).unique(maintain_order=True)
            except FileNotFoundError:
                if look == _LOOKS - 1:
                    raise
        raise AssertionError("unreachable")

    def _parts(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.folder / kind).glob("*.parquet") if not path.name.startswith("."))

    @staticmethod
    def _collect(parts: list[Path], schema: pl.Schema) -> pl.DataFrame:
        """The rows of parts; a damaged part is left out with a warning, as if its cells had not run."""
        if not parts:
            return pl.DataFrame(schema=schema)
        try:
            return pl.scan_parquet(parts, schema=schema).collect()
        except pl.exceptions.PolarsError:
            frames = [pl.DataFrame(schema=schema)]
            for part in parts:  # find out which
                with _left_out_if_damaged():
                    frames.append(_parquet(part, schema))
            return pl.concat(frames)


def as_json(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON-ready dictionaries; a value that is not finite becomes null."""
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    return rows.with_columns(value=finite).to_dicts()


def _readable(parts: list[Path]) -> list[Path]:
    """The parts whose footer is whole: a damaged one stays for its owner to see."""
    readable = []
    for part in parts:
        with suppress(pl.exceptions.PolarsError):
            pl.read_parquet_schema(part)
            readable.append(part)
    return readable


@contextmanager
def _left_out_if_damaged(path: Path | None = None) -> Iterator[None]:
    """Go on without a file that cannot be read, and say so: one bad file must not cost a night's results."""
    try:
        yield
    except ResultsError as error:
        _LOG.warning("%s; left out", error)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s: damaged (%s); left out, and written anew by the next run", path, _first_line(error))


def _parquet(path: Path, schema: pl.Schema) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, schema=schema)
    except pl.exceptions.PolarsError as error:
        raise ResultsError(f"{path}: damaged ({_first_line(error)}); remove it, and its cells run again") from error


def file_name(name: str) -> str:
    """``name`` as the name of a file: what is no letter, digit, '.', '_', '-' or '@' becomes '_'."""
    return "".join(letter if letter.isalnum() or letter in "._-@" else "_" for letter in name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
