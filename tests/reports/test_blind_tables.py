"""Boards of blind scenes: columns of one depth, empty scenes, failures, and who may rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.aggregate import column_depth, parse_column
from reports.results import Results
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest
from reports.tables import Board, boards

CAPI = "capi_sdri@dcase2026"
ALARMS = "false_alarm_energy@1"
COLUMNS = (f"{CAPI}/mean/d1", f"{CAPI}/mean/d2", f"{ALARMS}/mean/d1")
SCENES_THERE = tuple(f"scene-{place}" for place in range(8))
EMPTY_SCENE = "scene-7"


def write(folder: Path, systems: dict[str, tuple[bool, dict[int, float]]], *, broken: tuple[str, ...] = ()) -> Board:
    """A board on which each system (oracle or not) has one score at each depth in all scenes but the empty one.

    Of ``broken`` systems the cell of the first scene failed.
    """
    results = Results(folder)
    entries = []
    for system, (oracle, levels) in systems.items():
        for place, scene in enumerate(SCENES_THERE):
            key = f"{system}/{scene}"
            entries.append({
                "key": key, "separator": system, "family": "test", "dataset": "made-scenes", "split": "test",
                "scene": scene, "protocol": "scene", "variant": system, "oracle": oracle,
            })  # fmt: skip
            cell: dict[str, Any] = {"key": key, "run": "a", "status": "ok", "metrics": [CAPI, ALARMS]}
            if system in broken and place == 0:
                results.write_part(cell | {"status": "error", "reason": "boom", "metrics": []})
                continue
            scores = []
            for depth, level in levels.items():
                row = {"index": depth, "depth": depth, "metric": CAPI, "status": "ok", "value": level + 0.01 * place}
                if scene == EMPTY_SCENE:
                    row |= {"status": "skip", "value": None, "reason": "nothing to score"}
                scores += [row, {**row, "metric": ALARMS, "status": "ok", "value": 0.5, "reason": None}]
                scores.append({**row, "threshold": 0.5})
                scores.append({**row, "index": 1000 * depth, "target": "Animal", "metric": "sdri@1"})
            results.write_part(cell, scores)
    scenes = [
        {"dataset": "made-scenes", "split": "test", "scene": scene, "seconds": 10.0, "recordings": [f"r-{scene}"]}
        for scene in SCENES_THERE
    ]
    results.write_scenes(pl.DataFrame(scenes, schema={**SCENES}, strict=False))
    entry = DatasetEntry(
        title="Made", split="test", licence="MIT", citation="", url="", columns=COLUMNS, metrics=(CAPI, ALARMS),
        scenes=len(SCENES_THERE), version="0",
    )  # fmt: skip
    manifest = Manifest(
        run="a", started="2026-01-05T02:00:00Z", configuration={}, provenance={}, datasets={"made-scenes": entry}
    )
    results.write_manifest(manifest, pl.DataFrame(entries, schema=ENTRIES))
    (found,) = boards(results)
    return found


def figure(board: Board, system: str, column: str) -> dict[str, Any]:
    chosen = board.overall.filter((pl.col("separator") == system) & (pl.col("column") == column))
    return chosen.to_dicts()[0]


def test_a_column_may_be_of_one_depth() -> None:
    assert parse_column(f"{CAPI}/mean/d2")[0] == CAPI
    assert parse_column(f"{CAPI}/mean/d2")[1].name == "mean"
    assert [column_depth(column) for column in (f"{CAPI}/mean/d2", "sdri@1/mean")] == [2, None]


@pytest.mark.parametrize("column", [f"{CAPI}/mean/d7", f"{CAPI}/mean/2", f"{CAPI}/d2", f"{CAPI}/mean/d2/d3"])
def test_a_column_of_another_form_is_refused(column: str) -> None:
    with pytest.raises(ValueError, match="column"):
        parse_column(column)


def test_each_column_takes_the_rows_of_its_depth_and_no_row_of_a_class_or_of_the_sweep(tmp_path: Path) -> None:
    board = write(tmp_path, {"one": (False, {1: 4.0, 2: 2.0})})
    assert figure(board, "one", f"{CAPI}/mean/d1")["value"] == pytest.approx(4.03)
    assert figure(board, "one", f"{CAPI}/mean/d2")["value"] == pytest.approx(2.03)
    assert figure(board, "one", f"{CAPI}/mean/d1")["measured"] == len(SCENES_THERE) - 1


def test_an_empty_scene_is_neither_skip_nor_failure(tmp_path: Path) -> None:
    board = write(tmp_path, {"one": (False, {1: 4.0, 2: 2.0})})
    (row,) = board.separators.to_dicts()
    assert (row["pairs"], row["failures"], row["skips"]) == (len(SCENES_THERE) - 1, 0, 0)
    assert figure(board, "one", f"{CAPI}/mean/d1")["coverage"] == 1


def test_depths_stand_where_targets_stand_in_other_tables(tmp_path: Path) -> None:
    board = write(tmp_path, {"one": (False, {1: 4.0, 2: 2.0})})
    assert board.target_columns == (f"{CAPI}/mean", f"{ALARMS}/mean")
    by_depth = board.by_target.filter(pl.col("column") == f"{CAPI}/mean").drop_nulls("value")
    assert dict(by_depth.select("target", "value").iter_rows()) == pytest.approx({"depth 1": 4.03, "depth 2": 2.03})


def test_what_is_told_a_part_of_the_answer_takes_no_rank(tmp_path: Path) -> None:
    levels = {1: 4.0, 2: 2.0}
    board = write(tmp_path, {"told": (True, levels), "good": (False, levels), "bad": (False, {1: 1.0, 2: 1.0})})
    ranks = board.ranks("higher", "dB")
    assert ranks["told"] == "it is told a part of the answer, and takes no part"
    assert (ranks["good"], ranks["bad"]) == ((1, 1), (2, 2))


def test_a_failure_counts_as_having_done_nothing_but_never_as_having_raised_no_alarm(tmp_path: Path) -> None:
    systems = {"labels+mixture": (True, {1: 0.0, 2: 0.0}), "fails": (False, {1: 7.0, 2: 7.0})}
    board = write(tmp_path, systems, broken=("fails",))
    ranked = figure(board, "fails", f"{CAPI}/mean/d1")
    assert (ranked["imputed"], ranked["dropped"]) == (1, 0)
    assert ranked["value"] == pytest.approx((0.0 + sum(7 + 0.01 * place for place in range(1, 7))) / 7)
    alarms = figure(board, "fails", f"{ALARMS}/mean/d1")
    assert (alarms["imputed"], alarms["dropped"]) == (0, 1)


def test_systems_of_which_no_cell_has_run_yet_are_not_run(tmp_path: Path) -> None:
    board = write(tmp_path, {"fails": (False, {})}, broken=("fails",))
    assert figure(board, "fails", f"{CAPI}/mean/d1")["value"] is None
    assert figure(board, "fails", f"{CAPI}/mean/d1")["due"] == 1
