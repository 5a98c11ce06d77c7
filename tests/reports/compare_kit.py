"""Small made-up runs, several in one results folder, each at an hour of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from unittest.mock import patch

import polars as pl

from reports.results import Results
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest, MetricEntry

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
REUSED: Final = "reused"
"""Outcome of a cell that the run found done."""

Outcome = Mapping[str, float | str] | str | None
"""Score by target (a status: no value); or the cell's status; or None where it has not run."""


def write_run(
    folder: Path,
    run: str,
    cells: Mapping[str, Mapping[str, Outcome]],
    *,
    hour: int = 0,
    version: str = "1",
    column: str = "sdri@1/class-median-mean",
    better: Literal["higher", "lower", "neither"] = "higher",
    recordings: Mapping[str, str] | None = None,
    failed_metrics: tuple[str, ...] = (),
) -> None:
    """Write ``cells``, separator -> scene -> outcome, as a run that began at ``hour``; ``version`` is in every key."""
    now = START + timedelta(hours=hour)
    with patch("reports.results.time.time", return_value=now.timestamp() + 60):
        _write(Results(folder), run, now, cells, version, column, better, recordings or {}, failed_metrics)


def _write(
    results: Results,
    run: str,
    now: datetime,
    cells: Mapping[str, Mapping[str, Outcome]],
    version: str,
    column: str,
    better: Literal["higher", "lower", "neither"],
    recordings: Mapping[str, str],
    failed_metrics: tuple[str, ...],
) -> None:
    metric = column.split("/")[0]
    entries: list[dict[str, Any]] = []
    targets: dict[str, list[str]] = {}
    described: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for separator, row in cells.items():
        for scene, outcome in row.items():
            key = f"{separator}/{scene}/{version}"
            entries.append({"key": key, "separator": separator, "family": "f", "dataset": "set", "split": "test",
                            "scene": scene, "protocol": "query", "variant": version})  # fmt: skip
            listed = targets.setdefault(scene, [])
            if outcome is None or outcome == REUSED:
                continue
            status = outcome if isinstance(outcome, str) else "ok"
            by_target = {} if isinstance(outcome, str) else outcome
            described.append(
                {"key": key, "run": run, "status": status, "reason": None if status == "ok" else f"why {status}",
                 "metrics": [metric] if by_target and metric not in failed_metrics else [],
                 "failed_metrics": list(failed_metrics), "attempts": 1, "notes": []}
            )  # fmt: skip
            for target, score in by_target.items():
                listed += [] if target in listed else [target]
                said = score if isinstance(score, str) else "ok"
                scores.append(
                    {"key": key, "index": sorted(by_target).index(target), "target": target, "mids": [],
                     "metric": metric, "value": None if isinstance(score, str) else score, "status": said,
                     "reason": None if said == "ok" else f"why {said}"}
                )  # fmt: skip
    results.write_cells(described, scores)
    entry = DatasetEntry(title="Set", split="test", licence="MIT", citation="c", url="u", columns=(column,),
                         metrics=(metric,), scenes=len(targets), version="v")  # fmt: skip
    manifest = Manifest(run=run, started=now.isoformat(), configuration={}, provenance={}, datasets={"set": entry})
    results.write_manifest(manifest, pl.DataFrame(entries, schema=ENTRIES))
    results.write_metrics({
        name: MetricEntry(title=name, unit="dB", better=better, definition="d", undefined="u", aggregations=("mean",))
        for name in (metric, "other@1")
    })  # fmt: skip
    known = [
        {"dataset": "set", "split": "test", "scene": scene, "targets": listed,
         "recordings": [recordings.get(scene, scene)], "notes": []}
        for scene, listed in targets.items()
    ]  # fmt: skip
    results.write_scenes(pl.DataFrame(known, schema=SCENES))
