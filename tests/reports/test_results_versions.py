"""Results folders of version 1, detections, and what a kill leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.results import Results
from reports.schema import CELLS, DETECTIONS, ENTRIES, SCORES, SINCE_2

OLD_CELL = {
    "key": "k1", "part": "old", "run": "night", "written_at": 1.0, "status": "ok", "metrics": ["sdri@1"],
    "failed_metrics": [], "score_rows": 1, "attempts": 1, "audio_seconds": 10.0, "device": "cpu", "notes": [],
}  # fmt: skip
OLD_SCORE = {
    "key": "k1", "part": "old", "written_at": 1.0, "index": 0, "target": "vocals", "mids": ["/m/02zsn"], "depth": 3,
    "metric": "sdri@1", "value": 1.5, "status": "ok",
}  # fmt: skip
OLD_ENTRY = {
    "key": "k1", "separator": "irm", "family": "oracle", "dataset": "musdb18", "split": "test", "scene": "a",
    "protocol": "query", "variant": "v",
}  # fmt: skip


def cell(key: str) -> dict[str, Any]:
    return {"key": key, "run": "night", "status": "ok", "metrics": ["capi_sdri@dcase2026"], "device": "cpu"}


def detection(mid: str, **more: Any) -> dict[str, Any]:
    said = {"depth": 1, "mid": mid, "truth": 1, "score": 0.5, "predicted": True, "spans": [[0.0, 2.5]]}
    return {**said, "segments": [0.25, 0.5], "segment_seconds": 2.0, "hop_seconds": 1.0, **more}


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    """A folder as version 1 wrote it: without the columns that came since."""

    def write(relative: str, row: dict[str, Any], schema: pl.Schema) -> None:
        path = tmp_path / relative
        path.parent.mkdir(exist_ok=True)
        columns = pl.Schema({name: kind for name, kind in schema.items() if name not in SINCE_2})
        pl.DataFrame([row], schema=columns).write_parquet(path, metadata={"stemtree_schema": "1"})

    write("cells/old.parquet", OLD_CELL, CELLS)
    write("scores/old.parquet", OLD_SCORE, SCORES)
    write("runs/night.parquet", OLD_ENTRY, ENTRIES)
    manifest = {
        "schema_version": 1, "run": "night", "state": "finished", "started": "2026-01-05T02:00:00Z",
        "configuration": {}, "provenance": {}, "datasets": {},
    }  # fmt: skip
    (tmp_path / "runs/night.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_folder_of_version_1_is_read_with_the_new_columns_null(old_folder: Path) -> None:
    results = Results(old_folder)
    assert results.scores().select("value", "threshold").rows() == [(1.5, None)]
    assert results.cells()["detection_rows"].to_list() == [None]
    assert results.run_cells()["oracle"].to_list() == [None]
    assert results.rows()["value"].to_list() == [1.5]
    assert results.runs()[0].schema_version == 1
    assert results.detections().is_empty()


def test_parts_of_both_versions_stand_in_one_table_and_merge(old_folder: Path) -> None:
    results = Results(old_folder)
    new = {"index": 1, "depth": 1, "metric": "capi_sdri@dcase2026", "value": 2.0, "status": "ok"}
    results.write_part(cell("k2"), [new], [detection("/m/09x0r")])
    before = results.scores(), results.cells(), results.detections()
    assert before[0]["value"].to_list() == [1.5, 2.0]
    assert results.compact() == (5, 3)
    assert all(table.equals(then) for table, then in zip(_tables(results), before, strict=True))


def test_a_table_that_lacks_a_column_of_version_1_is_damaged_and_not_filled_up(
    old_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pl.DataFrame({"key": ["k3"], "part": ["odd"]}).write_parquet(old_folder / "scores/odd.parquet")
    assert Results(old_folder).scores()["key"].to_list() == ["k1"]
    assert "odd.parquet" in caplog.text


def test_scores_of_the_grid_stand_apart_from_the_runs_own(tmp_path: Path) -> None:
    results = Results(tmp_path)
    row = {"index": 1, "depth": 1, "metric": "capi_sdri@dcase2026", "status": "ok"}
    scores = [row | {"value": 1.0}, row | {"value": 2.0, "threshold": 0.5}, row | {"value": 3.0, "threshold": 0.55}]
    results.write_part(cell("k"), scores)
    assert results.scores()["value"].to_list() == [1.0]
    assert results.swept().select("threshold", "value").rows() == [(0.5, 2.0), (0.55, 3.0)]


def test_detections_come_back_as_they_were_written(tmp_path: Path) -> None:
    results = Results(tmp_path)
    unknown = detection("/m/04rlf", truth=None, score=None, predicted=False, spans=[], segments=None)
    results.write_part(cell("k"), [], [detection("/m/09x0r"), unknown])
    found = results.detections()
    assert found.schema == DETECTIONS
    assert {row["mid"]: {name: row[name] for name in unknown} for row in found.to_dicts()} == {
        "/m/09x0r": detection("/m/09x0r"),
        "/m/04rlf": unknown,
    }


@pytest.mark.parametrize("kind", ["scores", "detections"])
def test_a_cell_without_all_of_its_rows_has_not_run(tmp_path: Path, kind: str) -> None:
    results = Results(tmp_path)
    row = {"index": 1, "depth": 1, "metric": "capi_sdri@dcase2026", "value": 2.0, "status": "ok"}
    results.write_part(cell("k"), [row], [detection("/m/09x0r")])
    for part in (tmp_path / kind).iterdir():
        part.unlink()
    assert all(table.is_empty() for table in _tables(results))


def test_detections_whose_cell_is_still_to_come_survive_a_merge(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for key in ("a", "b", "c"):
        results.write_part(cell(key), [], [detection("/m/09x0r")])
    waiting = next(iter((tmp_path / "cells").iterdir()))
    kept = waiting.read_bytes()
    waiting.unlink()
    results.compact()
    assert len(results.detections()) == 2
    waiting.write_bytes(kept)
    assert len(results.detections()) == 3


def _tables(results: Results) -> tuple[pl.DataFrame, ...]:
    return results.scores(), results.cells(), results.detections()
