from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reports.results import Results, ResultsError
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest
from reports.tables import Board, boards

ABSENT = ("skip", "absent: the reference lies 60 dB or more under the mixture")
TRIVIAL = ("skip", "trivial: the SDR of the mixture itself is above 30 dB")
UNDEFINED = ("nan", "SDRi has no value")

Score = float | tuple[str, str]
"""A value, or status and reason."""
Outcome = dict[str, Score | None] | str | None
"""Score by target (None: the separator refused the target); or a cell's status; or None where it has not run."""


def make(
    folder: Path,
    cells: dict[str, dict[str, Outcome]],
    *,
    recordings: dict[str, tuple[str, ...]] | None = None,
    columns: tuple[str, ...] = ("sdri@1/class-median-mean",),
    families: dict[str, str] | None = None,
    seconds: dict[tuple[str, str], float | None] | None = None,
    keys: dict[tuple[str, str], str] | None = None,
) -> Board:
    """Write ``cells``: separator -> scene -> outcome, and read the board of them."""
    results, entries = Results(folder), []
    scenes = list(dict.fromkeys(scene for row in cells.values() for scene in row))
    targets: dict[str, list[str]] = {scene: [] for scene in scenes}
    for row in cells.values():
        for scene, outcome in row.items():
            if isinstance(outcome, dict):
                targets[scene] = list(dict.fromkeys([*targets[scene], *outcome]))
    for separator, row in cells.items():
        for scene, outcome in row.items():
            key = (keys or {}).get((separator, scene), f"{separator}/{scene}")
            family = (families or {}).get(separator, "f")
            entries.append({"key": key, "separator": separator, "family": family, "dataset": "set", "split": "test",
                            "scene": scene, "protocol": "query"})  # fmt: skip
            if outcome is None:
                continue
            status = outcome if isinstance(outcome, str) else "ok"
            cell: dict[str, Any] = {
                "key": key, "run": "r", "status": status, "reason": None if status == "ok" else f"why {status}",
                "traceback": None, "metrics": [], "attempts": 1, "cpu_seconds": None, "total_seconds": 9.0,
                "seconds": (seconds or {}).get((separator, scene), 1.0), "audio_seconds": 10.0, "peak_mb": 5.0,
                "device": "cpu", "notes": [],
            }  # fmt: skip
            results.write_part(cell, _scores(targets[scene], outcome) if isinstance(outcome, dict) else [])
    entry = DatasetEntry(title="Set", split="test", licence="MIT", citation="c", url="u", columns=columns,
                         metrics=("sdri@1",), scenes=len(scenes), version="v")  # fmt: skip
    manifest = Manifest(
        run="r", started="2026-01-01T00:00:00Z", configuration={}, provenance={}, datasets={"set": entry}
    )
    results.write_manifest(manifest, pl.DataFrame(entries, schema=ENTRIES))
    known = [
        {"dataset": "set", "split": "test", "scene": scene, "seconds": 10.0, "sample_rate": 8000, "channels": 1,
         "targets": targets[scene], "recordings": list((recordings or {}).get(scene, (scene,))), "notes": [],
         "content": "c"}
        for scene in scenes
    ]  # fmt: skip
    results.write_scenes(pl.DataFrame(known, schema=SCENES))
    (board,) = boards(results)
    return board


def _scores(targets: list[str], outcome: dict[str, Score | None]) -> list[dict[str, Any]]:
    rows = []
    for target, score in outcome.items():
        row: dict[str, Any] = {"index": targets.index(target), "target": target, "mids": [], "depth": None}
        if score is None:
            row |= {"metric": None, "value": None, "status": "skip", "reason": f"refuses {target}"}
        elif isinstance(score, tuple):
            row |= {"metric": "sdri@1", "value": None, "status": score[0], "reason": score[1]}
        else:
            row |= {"metric": "sdri@1", "value": score, "status": "ok", "reason": None}
        rows.append(row)
    return rows


def figure(board: Board, separator: str) -> dict[str, Any]:
    return board.overall.row(by_predicate=pl.col("separator") == separator, named=True)


def facts(board: Board, separator: str) -> dict[str, Any]:
    return board.separators.row(by_predicate=pl.col("separator") == separator, named=True)


def test_the_overall_figure_is_the_mean_over_classes_of_medians(tmp_path: Path) -> None:
    board = make(tmp_path, {"a": {"1": {"x": 1.0, "y": 10.0}, "2": {"x": 2.0}, "3": {"x": 6.0, "y": 20.0}}})
    assert figure(board, "a")["value"] == pytest.approx((2 + 15) / 2)


@pytest.mark.parametrize("failure", ["error", "timeout", "oom", "nan", None])
def test_a_failed_cell_counts_with_the_mixture_and_is_counted(tmp_path: Path, failure: str | None) -> None:
    board = make(tmp_path, {
        "mixture": {"1": {"x": 0.5}, "2": {"x": 0.7}},
        "a": {"1": {"x": 4.0}, "2": failure},
    }, columns=("sdri@1/mean",))  # fmt: skip
    found = figure(board, "a")
    assert found["value"] == pytest.approx((4.0 + 0.7) / 2)
    assert (found["due"], found["measured"], found["imputed"], found["dropped"]) == (2, 1, 1, 0)
    assert found["coverage"] == 0.5
    assert facts(board, "a")["failures"] == 1
    row = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("scene") == "2"), named=True)
    assert (row["status"], row["value"], row["used"]) == (failure or "pending", None, 0.7)
    assert row["reason"]


def test_a_value_that_is_not_finite_is_imputed_for_that_target_alone(tmp_path: Path) -> None:
    board = make(tmp_path, {"mixture": {"1": {"x": 0.0, "y": 0.0}}, "a": {"1": {"x": float("inf"), "y": 4.0}}})
    found = figure(board, "a")
    assert (found["value"], found["measured"], found["imputed"]) == (2.0, 1, 1)
    broken = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("target") == "x"), named=True)
    assert (broken["status"], broken["reason"]) == ("nan", "the stored value is not finite")


@pytest.mark.parametrize("mixture", [{}, {"mixture": {"1": {"x": 0.0}, "2": "error"}}])
def test_without_a_mixture_score_a_failure_is_left_out_and_counted(
    tmp_path: Path, mixture: dict[str, dict[str, Outcome]]
) -> None:
    board = make(tmp_path, {**mixture, "a": {"1": {"x": 4.0}, "2": "error"}, "b": {"1": {"x": 1.0}, "2": {"x": 1.0}}})
    found = figure(board, "a")
    assert (found["value"], found["imputed"], found["dropped"], found["coverage"]) == (4.0, 0, 1, 0.5)


def test_nothing_is_imputed_where_nothing_was_measured(tmp_path: Path) -> None:
    board = make(tmp_path, {"mixture": {"1": {"x": 0.0}}, "silence": {"1": {"x": UNDEFINED}}})
    found = figure(board, "silence")
    assert (found["value"], found["note"], found["imputed"]) == (None, "SDRi has no value", 0)


def test_absent_and_trivial_targets_are_left_out_for_all_and_counted(tmp_path: Path) -> None:
    board = make(tmp_path, {
        "mixture": {"1": {"x": 0.0, "y": ABSENT}, "2": {"x": TRIVIAL, "y": 0.0}},
        "a": {"1": {"x": 4.0, "y": ABSENT}, "2": "error"},
    })  # fmt: skip
    assert board.left_out.select("scene", "target", "left_out").rows() == [("1", "y", "absent"), ("2", "x", "trivial")]
    assert figure(board, "a")["due"] == 2
    assert facts(board, "a")["failures"] == 1
    assert facts(board, "a")["skips"] == 0


def test_skips_are_compared_on_the_intersection_and_never_averaged_away(tmp_path: Path) -> None:
    board = make(tmp_path, {
        "a": {"1": {"x": 1.0, "y": 9.0}, "2": {"x": 3.0, "y": 9.0}},
        "drums-only": {"1": {"x": 5.0, "y": None}, "2": {"x": 5.0, "y": None}},
    })  # fmt: skip
    assert board.covered == {"a": ("x", "y"), "drums-only": ("x",)}
    found = figure(board, "drums-only")
    assert (found["value"], found["skipped"], found["coverage"]) == (5.0, 2, 1.0)
    assert facts(board, "drums-only")["targets_covered"] == 1
    shared = board.figures(["x"], ["a", "drums-only"])
    assert dict(shared.select("separator", "value").rows()) == {"a": 2.0, "drums-only": 5.0}
    assert board.ranks("higher", "dB")["drums-only"] == "it covers 1 of 2 targets"


def test_a_scene_outside_a_separators_run_is_missing_not_forgotten(tmp_path: Path) -> None:
    board = make(tmp_path, {"mixture": {"1": {"x": 0.0}, "2": {"x": 0.0}}, "a": {"1": {"x": 4.0}}})
    assert figure(board, "a")["coverage"] == 0.5
    missing = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("scene") == "2"), named=True)
    assert missing["status"] == "not run"


def test_a_scene_where_everything_failed_still_counts(tmp_path: Path) -> None:
    board = make(tmp_path, {"a": {"1": {"x": 4.0}, "2": {"x": 1.0}}, "b": {"1": {"x": 3.0}, "2": "error"}})
    assert figure(board, "b")["due"] == 2
    alone = make(tmp_path / "alone", {"a": {"1": {"x": 4.0}, "2": "error"}})
    assert figure(alone, "a")["due"] == 1  # nobody could say what scene 2 asks for


def test_scenes_of_equal_content_share_a_key_and_count_each_once(tmp_path: Path) -> None:
    cells: dict[str, dict[str, Outcome]] = {"a": {"1": {"x": 4.0, "y": None}, "2": {"x": 4.0, "y": None}}}
    board = make(tmp_path, {**cells, "b": {"1": {"x": 1.0, "y": 1.0}, "2": {"x": 1.0, "y": 1.0}}},
                 keys={("a", "1"): "same", ("a", "2"): "same"})  # fmt: skip
    found = figure(board, "a")
    assert (found["due"], found["measured"], found["skipped"]) == (2, 2, 2)
    assert board.outcomes.filter(pl.col("separator") == "a").height == 4


def test_one_recording_gives_no_interval_and_no_rank(tmp_path: Path) -> None:
    board = make(tmp_path, {"a": {"1": {"x": 1.0}, "2": {"x": 2.0}}}, recordings={"1": ("song",), "2": ("song",)})
    found = figure(board, "a")
    assert (found["value"], found["low"], found["high"]) == (1.5, None, None)
    assert found["note"] == "one recording: no interval"
    assert board.ranks("higher", "dB") == {"a": "one recording: no interval"}


def test_ranks_leave_out_oracles_and_low_coverage(tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    def scenes(level: float, missing: int = 0) -> dict[str, Outcome]:
        return {
            str(n): "error" if n < missing else {"x": level + float(random.normal(0, 0.3))} for n in range(12)
        }  # fmt: skip

    board = make(tmp_path, {
        "mixture": scenes(0.0), "good": scenes(5.0), "too": scenes(5.0), "broken": scenes(9.0, missing=1),
        "irm": scenes(14.0),
    }, families={"irm": "oracle"})  # fmt: skip
    ranks = board.ranks("higher", "dB")
    assert (ranks["good"], ranks["too"], ranks["mixture"]) == ((1, 2), (1, 2), (3, 3))
    assert ranks["broken"] == "only 11 of 12 pairs were measured"
    assert "oracle" in ranks["irm"]
    assert board.ranks("lower", "dB")["mixture"] == (1, 1)
    assert set(map(type, board.ranks("neither", "dB").values())) == {str}


def test_speed_is_never_read_from_a_cached_cell(tmp_path: Path) -> None:
    board = make(
        tmp_path,
        {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}, "3": {"x": 1.0}}, "b": {"1": {"x": 1.0}}},
        seconds={("a", "1"): None, ("a", "2"): 2.0, ("a", "3"): 4.0, ("b", "1"): None},
    )
    assert facts(board, "a")["real_time_factor"] == pytest.approx(0.3)
    assert facts(board, "b")["real_time_factor"] is None


def test_by_target_has_the_aggregation_within_a_class(tmp_path: Path) -> None:
    board = make(tmp_path, {"a": {str(n): {"x": float(n), "y": 1.0} for n in (1, 2, 9)}})
    assert dict(board.by_target.select("target", "value").rows()) == {"x": 2.0, "y": 1.0}


def test_equal_results_give_equal_tables(tmp_path: Path) -> None:
    cells: dict[str, dict[str, Outcome]] = {"a": {str(n): {"x": float(n % 5)} for n in range(9)}, "b": {"1": "error"}}
    first, second = make(tmp_path / "1", cells), make(tmp_path / "2", dict(reversed(cells.items())))
    assert first.overall.equals(second.overall)


def test_a_column_that_no_aggregation_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"'set'.*sdri@1/mode"):
        make(tmp_path, {"a": {"1": {"x": 1.0}}}, columns=("sdri@1/mode",))
