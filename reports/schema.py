"""The shape of a results folder: columns, statuses, and what a run's manifest says. Version 2.

::

    runs/NAME.json      configuration, provenance, what each data set and metric is called
    runs/NAME.parquet   one row per cell of the run, the reused ones too
    cells/*.parquet     status, reason, time and memory, by key
    scores/*.parquet    one row per key, target, metric and threshold
    detections/*.parquet  what blind systems said of each class, by key, class and depth
    scenes/*.parquet    what each scene is: length, rate, recordings behind it, notes
    metrics/*.json      definitions of the metrics
    cards/*.json        model cards
    audio/              cached estimates and listening excerpts

Cells, scores and detections are folders of parts. A part is written under a temporary name, synced and renamed; scores
and detections first, their cell last. A score counts once the cell written with it (the same ``part``) is there, and a
cell once all its scores and detections are.

Version 1 had no detections and not the columns of :data:`SINCE_2`, which its parts are read as having, each null.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 2

Status = Literal["ok", "skip", "error", "timeout", "oom", "nan"]
STATUSES: Final = ("ok", "skip", "error", "timeout", "oom", "nan")
RUN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a run may be called: its name is the name of its files."""
FINAL_STATUSES: Final = frozenset({"ok", "skip", "nan"})
"""Statuses that stand until their key changes."""

LARGEST: Final = 1e15
"""No measurement or score is larger: from about there on a float64 has no places behind the point, and sums of squares
of ever larger ones would at last be infinite."""

ENTRIES: Final = pl.Schema(
    {
        "key": pl.String(),
        "separator": pl.String(),
        "family": pl.String(),
        "dataset": pl.String(),
        "split": pl.String(),
        "scene": pl.String(),
        "protocol": pl.String(),
        "variant": pl.String(),  # hash of the separator's code, options and weights
        "oracle": pl.Boolean(),  # whether it is told any part of the answer
    }
)

CELLS: Final = pl.Schema(
    {
        "key": pl.String(),
        "part": pl.String(),
        "run": pl.String(),
        "written_at": pl.Float64(),  # seconds since the epoch
        "status": pl.String(),
        "reason": pl.String(),
        "traceback": pl.String(),
        "metrics": pl.List(pl.String()),  # ids scored with this part
        "failed_metrics": pl.List(pl.String()),  # ids that this part could not score, each with rows that say why
        "score_rows": pl.Int32(),  # how many score rows were written with this part
        "detection_rows": pl.Int32(),  # how many rows of detections
        "attempts": pl.Int32(),
        "seconds": pl.Float64(),  # wall time of the separation alone; null where nothing was separated
        "cpu_seconds": pl.Float64(),
        "total_seconds": pl.Float64(),  # wall time of the cell: reading, separating, scoring
        "audio_seconds": pl.Float64(),
        "peak_mb": pl.Float64(),  # growth of the worker's peak resident memory during the cell
        "device": pl.String(),
        "notes": pl.List(pl.String()),
    }
)

_RATIO: Final = pl.col("seconds") / pl.col("audio_seconds")
REAL_TIME_FACTOR: Final = pl.when(_RATIO.is_between(0, LARGEST)).then(_RATIO)
"""Seconds of computing per second of audio, of a cell; null where nothing was timed, or no length can be meant."""

SCORES: Final = pl.Schema(
    {
        "key": pl.String(),
        "part": pl.String(),
        "written_at": pl.Float64(),
        "index": pl.Int32(),  # place of the target in the scene's list; of a blind scene see bench.blind.rows
        "target": pl.String(),  # null for a score of a whole blind scene
        "mids": pl.List(pl.String()),
        "depth": pl.Int32(),  # least depth of the target's class, null where it is none; of a blind scene, of the cut
        "metric": pl.String(),  # name@version; null where the target was skipped before any metric
        "value": pl.Float64(),
        "status": pl.String(),
        "reason": pl.String(),
        "threshold": pl.Float64(),  # of detection, where a score is repeated on a grid; null: the run's own
    }
)

DETECTIONS: Final = pl.Schema(
    {
        "key": pl.String(),
        "part": pl.String(),
        "written_at": pl.Float64(),
        "depth": pl.Int32(),  # of the cut
        "mid": pl.String(),
        "truth": pl.Int8(),  # 1 present, 0 absent, null unknown
        "score": pl.Float64(),  # greatest probability over time; null where the system cannot tell
        "predicted": pl.Boolean(),  # at the run's own threshold
        "spans": pl.List(pl.List(pl.Float64())),  # when the class sounds: [start, end] in seconds each
        "segments": pl.List(pl.Float32()),  # probability of each segment; null where the system cannot tell
        "segment_seconds": pl.Float64(),
        "hop_seconds": pl.Float64(),
    }
)

SINCE_2: Final = frozenset({"oracle", "detection_rows", "threshold"})
"""Columns that tables of version 1 lack."""

SCENES: Final = pl.Schema(
    {
        "dataset": pl.String(),
        "split": pl.String(),
        "scene": pl.String(),
        "seconds": pl.Float64(),
        "sample_rate": pl.Int32(),
        "channels": pl.Int32(),
        "targets": pl.List(pl.String()),
        "recordings": pl.List(pl.String()),
        "notes": pl.List(pl.String()),
        "content": pl.String(),  # hash of the scene's audio and annotation; null where it could not be read
        "written_at": pl.Float64(),  # seconds since the epoch
    }
)


ESSENTIAL: Final = ("key", "part", "separator", "dataset", "split", "scene", "protocol", "index", "status")
"""Columns in which a row of any table that has them says what it is of: one without is of nothing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatasetEntry(_Strict):
    """What a run knew of a data set."""

    title: str
    split: str
    licence: str
    citation: str
    url: str
    columns: tuple[str, ...] = Field(description="headline columns as metric/aggregation; the first one ranks")
    metrics: tuple[str, ...]
    caveat: str | None = None
    scenes: int
    version: str = Field(description="hash over the content hashes of its scenes")


class Problem(_Strict):
    """Something that kept a part of the run from happening."""

    subject: str
    message: str


class MetricEntry(_Strict):
    """What a reader needs to know of a metric."""

    title: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    definition: str
    undefined: str
    aggregations: tuple[str, ...]


class SeparatorEntry(_Strict):
    """Which code a run meant by a separator's name."""

    path: str = Field(description="module:object")
    options: dict[str, Any] = Field(description="as the constructor got them, its defaults included")
    code: str = Field(description="hash of its code and of the versions of the libraries it imports")
    weights: str | None = Field(default=None, description="SHA-256 of its weights")
    variant: str = Field(description="hash of all of these, as in the entries")


class Manifest(_Strict):
    """One run: written when it starts, and again when it ends."""

    schema_version: int = SCHEMA_VERSION
    run: str
    state: Literal["running", "finished", "interrupted"] = "running"
    started: str = Field(description="UTC, ISO 8601")
    finished: str | None = None
    configuration: dict[str, Any]
    provenance: dict[str, Any]
    datasets: dict[str, DatasetEntry]
    separators: dict[str, SeparatorEntry] = Field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict, description="cells by status, when finished")
    reused: int = Field(default=0, description="cells whose results were there before the run")
