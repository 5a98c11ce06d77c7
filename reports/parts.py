"""Folders of Parquet parts: each is written under a temporary name, synced and renamed, so that none is half there."""

from __future__ import annotations

import logging
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import ValidationError

from reports.schema import ESSENTIAL, LARGEST, SCHEMA_VERSION, SINCE_2

_LOG: Final = logging.getLogger("stemtree")
_AS_THEY_ARE: Final = ("value", "written_at", "threshold")
"""Numbers that are judged where they are used."""
_LOOKS: Final = 5
"""Times a folder is listed anew when another process merged its parts meanwhile."""


class ResultsError(ValueError):
    """A results folder cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Parts:
    """The parts of one kind of table."""

    folder: Path
    schema: pl.Schema

    def path(self, part: str) -> Path:
        """Where a part lies."""
        return self.folder / f"{part}.parquet"

    def paths(self) -> list[Path]:
        """The parts that are there."""
        return sorted(path for path in self.folder.glob("*.parquet") if not path.name.startswith("."))

    def readable(self) -> list[Path]:
        """The parts whose footer is whole: a damaged one stays for its owner to see."""
        found = []
        for path in self.paths():
            with suppress(pl.exceptions.PolarsError):
                pl.read_parquet_schema(path)
                found.append(path)
        return found

    def read(self) -> pl.DataFrame:
        """All rows, equal ones once; a damaged part is left out with a warning, as if its cells had not run.

        Rows that do not say what they are of are left out with a warning too. A measurement that none can be, as it is
        not finite, under zero or above :data:`reports.schema.LARGEST`, is null; such a score is infinite or NaN.
        """
        rows = last_of_each(self._all(list(self.schema)), list(self.schema))
        missing = pl.any_horizontal(pl.col(essential(self.schema)).is_null())
        if rows.select(missing.any()).item():
            for path in self.readable():
                if told := row_without(read_table(path, self.schema)):
                    _LOG.warning("%s: %s; such rows are left out", path, told)
            rows = rows.filter(~missing)
        measured = [name for name, kind in self.schema.items() if kind == pl.Float64() and name not in _AS_THEY_ARE]
        rows = rows.with_columns(
            pl.when(pl.col(name).is_between(0, LARGEST)).then(pl.col(name).abs()).alias(name) for name in measured
        )
        if "value" not in self.schema:
            return rows
        value = pl.col("value")
        return rows.with_columns(
            # Zero loses its sign, which no hash of rows tells: else a page might be kept that is not as it would be.
            pl.when(value.abs() > LARGEST).then(math.inf).when(value == 0).then(0.0).otherwise(value).alias("value")
        )

    def counts(self) -> pl.DataFrame:
        """How many rows are ``there`` by part and key."""
        return self._all(["part", "key"]).group_by("part", "key").len("there")

    def _all(self, columns: list[str]) -> pl.DataFrame:
        for _ in range(_LOOKS - 1):
            with suppress(FileNotFoundError):
                return self.collect(self.paths(), columns)
        return self.collect(self.paths(), columns)

    def collect(self, paths: list[Path], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of some parts, as they stand there."""
        wanted = list(columns or self.schema)
        if not paths:
            return pl.DataFrame(schema=self.schema).select(wanted)
        try:
            return pl.scan_parquet(paths, schema=self.schema).select(wanted).collect()
        except pl.exceptions.PolarsError:
            frames = [pl.DataFrame(schema=self.schema)]
            for path in paths:  # find out which is damaged, or of version 1
                with left_out_if_damaged():
                    frames.append(read_table(path, self.schema))
            return pl.concat(frames).select(wanted)


def last_of_each(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Of rows that are alike in ``names`` the last one, after all rows that have none alike."""
    maybe = maybe_alike(rows, names)
    if not maybe.any():
        return rows
    return pl.concat([rows.filter(~maybe), rows.filter(maybe).unique(names, keep="last", maintain_order=True)])


def maybe_alike(rows: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """True for every row that is like another in ``names``, and by chance for one that is not.

    Where hardly any row is, this is several times faster than to hold each against all, and takes less memory.
    """
    hashes = rows.select(names).hash_rows()
    return hashes.is_duplicated() if hashes.n_unique() < len(rows) else pl.repeat(False, len(rows), eager=True)


def essential(columns: Iterable[str]) -> list[str]:
    """Those of the columns without which a row is of nothing."""
    return [name for name in columns if name in ESSENTIAL]


def row_without(table: pl.DataFrame) -> str | None:
    """The first row that does not say what it is of, counted from 1, in words; None where all do."""
    for name in essential(table.columns):
        place = table[name].is_null().arg_max()
        if place is not None and table[name][place] is None:
            return f"row {place + 1} has no {name}"
    return None


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Write a table under a temporary name, sync it, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with partial.open("wb") as file:
        table.write_parquet(file, metadata={"stemtree_schema": str(SCHEMA_VERSION)})
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """One table, of this version or of version 1.

    Raises:
        ResultsError: it is damaged.
    """
    try:
        missing = set(schema) - set(pl.read_parquet_schema(path))
        return pl.read_parquet(path, schema=schema, missing_columns="insert" if missing <= SINCE_2 else "raise")
    except pl.exceptions.PolarsError as error:
        raise ResultsError(f"{path}: damaged ({first_line(error)}); remove it, and its cells run again") from error


@contextmanager
def left_out_if_damaged(path: Path | None = None) -> Iterator[None]:
    """Go on without a file that cannot be read, and say so: one bad file must not cost a night's results."""
    try:
        yield
    except ResultsError as error:
        _LOG.warning("%s; left out", error)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s: damaged (%s); left out, and written anew by the next run", path, first_line(error))


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
