"""The tables of a results folder that somebody else sent: columns, then every row."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from reports.blind import PROTOCOL
from reports.findings import Report
from reports.odd_detections import odd_detections
from reports.outcomes import DEPTHS
from reports.parts import first_line
from reports.schema import CELLS, DETECTIONS, ENTRIES, LARGEST, SCENES, SCORES, SINCE_2, STATUSES
from reports.validation_files import AHEAD, HIDING, LONGEST_NAME, LONGEST_TEXT, Texts

MOST_ROWS: Final = 20_000_000
"""Of all tables of one kind."""
NAMED: Final = 5
"""Rows of a file that are named for one reason; of more the number is given."""
_SCHEMAS: Final = {"runs": ENTRIES, "cells": CELLS, "scores": SCORES, "detections": DETECTIONS, "scenes": SCENES}
_LONG: Final = frozenset({"reason", "traceback", "notes"})
"""Columns of running text, which may have several lines."""
_MAY_LACK: Final = {
    "runs": {"family", "variant", "oracle"},
    "cells": set(CELLS) - {"key", "part", "run", "written_at", "status"},
    "scores": {"target", "mids", "depth", "metric", "value", "reason", "threshold"},
    "detections": {"truth", "score", "spans", "segments", "segment_seconds", "hop_seconds"},
    "scenes": set(SCENES) - {"dataset", "split", "scene", "written_at"},
}
"""Columns that may be null."""
_NOT_NEGATIVE: Final = (
    "index", "depth", "score_rows", "detection_rows", "seconds", "cpu_seconds", "total_seconds", "audio_seconds",
    "peak_mb", "segment_seconds", "hop_seconds", "sample_rate", "channels",
)  # fmt: skip
_UNSEEN: Final = rf"[\p{{Cc}}{HIDING}]"
"""What no name may hold."""
_SHARES: Final = ("threshold", "score")
"""Probabilities."""

_Bad = tuple[pl.Expr, pl.Expr | str]
"""Whether a row is bad, and what to say of it."""


@dataclass(frozen=True)
class Tables:
    """All rows of each kind, with ``file`` and ``row`` (from 1) beside the columns of its schema."""

    runs: pl.DataFrame
    cells: pl.DataFrame
    scores: pl.DataFrame
    detections: pl.DataFrame
    scenes: pl.DataFrame


def check_tables(folder: Path, texts: Texts, report: Report, *, known_metrics: set[str]) -> Tables:
    """Look at every row of every table that :func:`reports.validation_files.check_files` let through."""
    tables = Tables(**{kind: _read(folder, kind, texts, report) for kind in _SCHEMAS})
    for kind in _SCHEMAS:
        table: pl.DataFrame = getattr(tables, kind)
        for bad, said in _rules(kind):
            report.extend(_found(table, bad, said))
    report.cells, report.scores = tables.cells["key"].n_unique(), len(tables.scores)
    metrics = known_metrics | set(texts.metrics)
    undefined = pl.col("metric").is_not_null() & ~pl.col("metric").is_in(sorted(metrics))
    said = pl.format("metric '{}' has no definition in metrics/", "metric")
    report.extend(_found(tables.scores.unique("metric", maintain_order=True), undefined, said))
    _check_runs(texts, tables, report)
    _check_protocols(tables, report)
    _check_parts(tables, report)
    return tables


def _read(folder: Path, kind: str, texts: Texts, report: Report) -> pl.DataFrame:
    """All tables of a kind; one that cannot be read is a finding, and left out."""
    schema = _SCHEMAS[kind]
    paths = [path for path in texts.tables if path.startswith(f"{kind}/") and _has_schema(folder, path, schema, report)]
    empty = pl.DataFrame(schema={**schema, "file": pl.String(), "row": pl.UInt32()})
    try:
        frames = [_collect(folder, paths, schema)] if paths else []
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        frames = []
        for path in paths:  # find out which is damaged
            try:
                frames.append(_collect(folder, [path], schema))
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
                report.add(path, f"damaged: {first_line(Exception(str(error)))}")
    except _TooManyError as error:
        report.add(kind, str(error))
        frames = []
    return pl.concat([empty, *frames])


class _TooManyError(Exception):
    pass


def _collect(folder: Path, paths: list[str], schema: pl.Schema) -> pl.DataFrame:
    places = [folder / path for path in paths]
    rows = pl.scan_parquet(places, schema=schema, missing_columns="insert").select(pl.len()).collect().item()
    if rows > MOST_ROWS:
        raise _TooManyError(f"{rows:,} rows, more than {MOST_ROWS:,}")
    table = pl.scan_parquet(places, schema=schema, missing_columns="insert", include_file_paths="file").collect()
    names = {str(place): path for place, path in zip(places, paths, strict=True)}
    return table.with_columns(
        file=pl.col("file").replace_strict(names, return_dtype=pl.String),
        row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("file"),
    )


def _has_schema(folder: Path, path: str, schema: pl.Schema, report: Report) -> bool:
    try:
        found = pl.read_parquet_schema(folder / path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        report.add(path, f"damaged: {first_line(Exception(str(error)))}")
        return False
    problems = [f"no column {name!r}" for name in schema if name not in found and name not in SINCE_2]
    problems += [f"column {name[:80]!r} is none of a results folder" for name in found if name not in schema]
    problems += [
        f"column {name!r} holds {str(found[name])[:80]}, not {schema[name]}"
        for name in schema
        if name in found and found[name] != schema[name]
    ]
    for problem in problems[:NAMED]:
        report.add(path, problem)
    return not problems


def _rules(kind: str) -> Iterator[_Bad]:
    """What no row of a kind may be."""
    for name, dtype in _SCHEMAS[kind].items():
        column = pl.col(name)
        if name not in _MAY_LACK[kind]:
            yield column.is_null(), f"{name} is missing"
        if isinstance(dtype, pl.String):
            yield from _odd_text(name, column)
        elif isinstance(dtype, pl.List):
            yield from _odd_list(name, dtype)
        elif dtype.is_float():
            yield ~column.is_finite(), pl.format(f"{name} is {{}}, which is no number", name)
            yield (
                column.is_finite() & (column.abs() > LARGEST),
                pl.format(f"{name} is {{}}, beyond {LARGEST:,.0f}", name),
            )
        if name in _NOT_NEGATIVE:
            yield column < 0, pl.format(f"{name} is {{}}, under zero", name)
        if name in _SHARES:
            yield ~column.is_between(0, 1), pl.format(f"{name} is {{}}, not from 0 to 1", name)
        if name == "written_at":
            latest = time.time() + AHEAD.total_seconds()
            yield column > latest, "written_at lies in the future: it would stand above every later result"
        if name == "status":
            among = pl.format(f"status '{{}}' is none of {', '.join(STATUSES)}", name)
            yield ~column.is_in(list(STATUSES)), among
    if kind == "scores":
        ok, value = pl.col("status") == "ok", pl.col("value")
        yield ok & value.is_null(), "status ok, but no value"
        yield ok & pl.col("metric").is_null(), "a value of no metric"
        yield ~ok & value.is_not_null(), pl.format("status {}, but a value", "status")
    if kind in ("scores", "cells"):
        yield (pl.col("status") != "ok") & pl.col("reason").is_null(), pl.format("status {} without a reason", "status")
    if kind == "detections":
        yield ~pl.col("truth").is_in([0, 1]), pl.format("truth is {}, neither 0 nor 1", "truth")


def _odd_text(name: str, text: pl.Expr) -> Iterator[_Bad]:
    longest = LONGEST_TEXT if name in _LONG else LONGEST_NAME
    letters = text.str.len_chars()
    yield letters > longest, pl.format(f"{name} has {{}} letters, more than {longest:,}", letters)
    if name not in _LONG:
        yield text.str.contains(_UNSEEN), f"{name} holds a character that cannot be seen"


def _odd_list(name: str, dtype: pl.List) -> Iterator[_Bad]:
    column, one = pl.col(name), pl.element()
    if isinstance(dtype.inner, pl.String):
        longest = LONGEST_TEXT if name in _LONG else LONGEST_NAME
        odd = (one.str.len_chars() > longest) | one.is_null()
        if name not in _LONG:
            odd |= one.str.contains(_UNSEEN)
        yield column.list.eval(odd).list.any(), f"{name} holds a text that is too long, missing, or cannot be seen"
    elif isinstance(dtype.inner, pl.List):
        odd = one.list.eval(~pl.element().is_finite()).list.any() | (one.list.len() != 2)
        yield column.list.eval(odd).list.any(), f"{name} holds what is no pair of numbers"
    else:
        yield column.list.eval(~one.is_finite()).list.any(), f"{name} holds what is no number"


def _found(table: pl.DataFrame, bad: pl.Expr, said: pl.Expr | str) -> Iterator[tuple[str, int | None, str]]:
    """Rows that are bad, the first ones of each file by number."""
    message = pl.lit(said) if isinstance(said, str) else said
    rows = table.filter(bad.fill_null(False)).rechunk().select("file", "row", said=message)
    for (file,), part in rows.group_by("file", maintain_order=True):
        named = part.head(NAMED)
        for row, text in named.select("row", "said").iter_rows():
            yield str(file), row, text[: 2 * LONGEST_NAME]
        if len(part) > NAMED:
            yield str(file), None, f"{len(part) - NAMED:,} more such rows"


def _check_runs(texts: Texts, tables: Tables, report: Report) -> None:
    """Manifests and the tables of their cells belong together."""
    listed = {Path(path).stem for path in texts.tables if path.startswith("runs/")}
    for run in sorted(set(texts.manifests) - listed):
        report.add(f"runs/{run}.json", f"runs/{run}.parquet, the table of its cells, is missing")
    for run in sorted(listed - set(texts.manifests)):
        report.add(f"runs/{run}.parquet", f"runs/{run}.json, its manifest, is missing or cannot be read")
    runs = tables.runs.with_columns(run=pl.col("file").str.strip_prefix("runs/").str.strip_suffix(".parquet"))
    twice = pl.struct("file", "key").is_duplicated()
    report.extend(_found(runs, twice, pl.format("key {} stands twice", "key")))
    datasets = _pairs({run: manifest.datasets for run, manifest in texts.manifests.items()})
    unknown = runs.join(datasets, left_on=["run", "dataset"], right_on=["run", "name"], how="anti")
    said = pl.format("dataset '{}' is not in the manifest of the run", "dataset")
    report.extend(_found(unknown.filter(pl.col("run").is_in(list(texts.manifests))), pl.lit(True), said))
    stray = tables.cells.join(runs.select("key"), on="key", how="anti")
    report.extend(_found(stray, pl.lit(True), pl.format("key {} is in the table of no run", "key")))


def _check_protocols(tables: Tables, report: Report) -> None:
    """Scores and detections are such as the protocol of their cell has."""
    of_scene = ["dataset", "split", "scene"]
    lengths = tables.scenes.select(*of_scene, "seconds").unique(of_scene, keep="last")
    cells = tables.runs.select("key", "protocol", *of_scene).unique("key").join(lengths, on=of_scene, how="left")
    whole = tables.scores.filter(pl.col("target").is_null()).join(cells, on="key", maintain_order="left")
    blind = pl.col("protocol") == PROTOCOL
    report.extend(_found(whole, ~blind, "target is missing, which only scores of blind scenes lack"))
    one_depth = (pl.col("depth").is_in(DEPTHS) & (pl.col("index") == pl.col("depth"))).fill_null(False)
    said = "index and depth of the score of a blind scene are not one depth from 1 to 6"
    report.extend(_found(whole, blind & ~one_depth, said))
    detections = tables.detections.join(cells.select("key", "seconds"), on="key", how="left", maintain_order="left")
    for said, odd in odd_detections(pl.col("seconds")).items():
        report.extend(_found(detections, odd, said))


def _pairs(names: Mapping[str, Mapping[str, object]]) -> pl.DataFrame:
    rows = [(run, name) for run, inner in names.items() for name in inner]
    return pl.DataFrame(rows, schema={"run": pl.String(), "name": pl.String()}, orient="row")


def _check_parts(tables: Tables, report: Report) -> None:
    """Scores and detections count with the cell that was written with them, and a cell once all of them are there."""
    for kind, counted in (("scores", "score_rows"), ("detections", "detection_rows")):
        rows: pl.DataFrame = getattr(tables, kind)
        stray = rows.join(tables.cells, on=["part", "key"], how="anti").unique("file", maintain_order=True)
        report.extend(_found(stray, pl.lit(True), pl.format(f"{kind} of key {{}} without their cell", "key")))
        there = rows.unique(rows.columns[:-2]).group_by("part", "key").len("there")
        short = tables.cells.join(there, on=["part", "key"], how="left").with_columns(pl.col("there").fill_null(0))
        said = pl.format(f"says that it has {{}} rows of {kind}, and {{}} are there", counted, "there")
        report.extend(_found(short, pl.col("there") < pl.col(counted).fill_null(0), said))
