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
    targets: dict[str, list[str]] | None = None,
    run: str = "r",
) -> Board:
    """Write ``cells``: separator -> scene -> outcome, and read the board of them; scenes list ``targets`` if given."""
    results, entries = Results(folder), []
    scenes = list(dict.fromkeys(scene for row in cells.values() for scene in row))
    targets = {scene: (targets or {}).get(scene, []) for scene in scenes}
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
                "key": key, "run": run, "status": status, "reason": None if status == "ok" else f"why {status}",
                "traceback": None, "metrics": [], "attempts": 1, "cpu_seconds": None, "total_seconds": 9.0,
                "seconds": (seconds or {}).get((separator, scene), 1.0), "audio_seconds": 10.0, "peak_mb": 5.0,
                "device": "cpu", "notes": [],
            }  # fmt: skip
            results.write_part(cell, _scores(targets[scene], outcome) if isinstance(outcome, dict) else [])
    entry = DatasetEntry(title="Set", split="test", licence="MIT", citation="c", url="u", columns=columns,
                         metrics=("sdri@1",), scenes=len(scenes), version="v")  # fmt: skip
    manifest = Manifest(
        run=run, started="2026-01-01T00:00:00Z", configuration={}, provenance={}, datasets={"set": entry}
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


@pytest.mark.parametrize("failure", ["error", "timeout", "oom", "nan"])
def test_a_failed_cell_counts_with_the_mixture_and_is_counted(tmp_path: Path, failure: str) -> None:
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
    assert (row["status"], row["value"], row["used"]) == (failure, None, 0.7)
    assert row["reason"]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, -1e16])
def test_a_value_that_no_score_can_be_is_imputed_for_that_target_alone(tmp_path: Path, value: float) -> None:
    board = make(tmp_path, {"mixture": {"1": {"x": 0.0, "y": 0.0}}, "a": {"1": {"x": value, "y": 4.0}}})
    found = figure(board, "a")
    assert (found["value"], found["measured"], found["imputed"]) == (2.0, 1, 1)
    broken = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("target") == "x"), named=True)
    assert (broken["status"], broken["reason"]) == ("nan", "the stored value is not finite, or too large for a score")


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


@pytest.mark.parametrize(("second", "status"), [({}, "not run"), ({"2": None}, "pending")])
def test_what_never_ran_is_neither_a_failure_nor_imputed(
    tmp_path: Path, second: dict[str, Outcome], status: str
) -> None:
    board = make(tmp_path, {"mixture": {"1": {"x": 0.0}, "2": {"x": 0.0}}, "a": {"1": {"x": 4.0}, **second}},
                 columns=("sdri@1/mean",))  # fmt: skip
    found = figure(board, "a")
    assert (found["value"], found["due"], found["measured"], found["imputed"]) == (4.0, 1, 1, 0)
    assert (found["not_run"], found["coverage"]) == (1, 1.0)
    counts = facts(board, "a")
    assert (counts["failures"], counts["not_run"], counts["scenes_run"], counts["scenes"]) == (0, 1, 1, 2)
    row = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("scene") == "2"), named=True)
    assert (row["state"], row["status"], row["used"]) == ("not run", status, None)
    assert board.ranks("higher", "dB")["a"] == "it ran on 1 of 2 scenes"


def test_a_failure_on_the_scenes_that_ran_still_counts_where_others_did_not_run(tmp_path: Path) -> None:
    board = make(tmp_path, {
        "mixture": {str(n): {"x": 1.0} for n in range(4)},
        "a": {"0": {"x": 5.0}, "1": "error"},
    }, columns=("sdri@1/mean",))  # fmt: skip
    found = figure(board, "a")
    assert (found["value"], found["imputed"], found["not_run"], found["coverage"]) == (3.0, 1, 2, 0.5)


def test_separators_are_compared_on_the_scenes_that_both_ran(tmp_path: Path) -> None:
    board = make(tmp_path, {"a": {"1": {"x": 1.0}, "2": {"x": 9.0}}, "b": {"1": {"x": 2.0}}})
    assert board.ran == {"a": ("1", "2"), "b": ("1",)}
    assert board.covered == {"a": ("x",), "b": ("x",)}
    shared = board.figures(["x"], ["a", "b"], board.ran["b"])
    assert dict(shared.select("separator", "value").rows()) == {"a": 1.0, "b": 2.0}


def test_a_target_that_sounds_only_where_it_has_not_run_is_not_refused(tmp_path: Path) -> None:
    board = make(tmp_path, {
        "a": {"1": {"x": 1.0}, "2": {"y": 1.0}}, "b": {"1": {"x": 1.0}, "2": None}, "waiting": {"1": None, "2": None},
    })  # fmt: skip
    assert board.covered == {"a": ("x", "y"), "b": ("x", "y"), "waiting": ()}
    assert figure(board, "waiting")["note"] == "the run has not come to this cell"


BROKEN = ("nan", "the estimate has 3 samples that are NaN or infinite")


def test_a_broken_estimate_makes_an_absent_target_due_for_nobody(tmp_path: Path) -> None:
    board = make(tmp_path, {
        "mixture": {"1": {"x": 0.0, "y": ABSENT}},
        "broken": {"1": {"x": BROKEN, "y": BROKEN}},
        "fine": {"1": {"x": 3.0, "y": ABSENT}},
    })  # fmt: skip
    assert board.targets == ["x"]
    assert {name: facts(board, name)["failures"] for name in ("mixture", "broken", "fine")} == {
        "mixture": 0, "broken": 1, "fine": 0,
    }  # fmt: skip
    assert set(board.outcomes["target"]) == {"x"}


@pytest.mark.parametrize("alone", [{"1": "error"}, {"1": {"x": BROKEN, "y": BROKEN}}])
def test_absent_is_a_property_of_the_scene_whatever_separators_stand_in_the_table(
    tmp_path: Path, alone: dict[str, Outcome]
) -> None:
    make(tmp_path, {"mixture": {"1": {"x": 0.0, "y": ABSENT}}})
    make(tmp_path, {"a": alone}, run="s", targets={"1": ["x", "y"]})
    (board,) = boards(Results(tmp_path), "s")
    assert board.left_out["target"].to_list() == ["y"]
    assert board.targets == ["x"]
    assert facts(board, "a")["failures"] == 1


def test_a_value_in_the_table_stands_against_what_other_runs_say_of_a_target(tmp_path: Path) -> None:
    make(tmp_path, {"mixture": {"1": {"x": ABSENT}}})
    make(tmp_path, {"a": {"1": {"x": 4.0}}}, run="s")
    (board,) = boards(Results(tmp_path), "s")
    assert figure(board, "a")["value"] == 4.0


def test_a_damaged_run_keeps_no_other_from_being_shown(tmp_path: Path) -> None:
    make(tmp_path, {"a": {"1": {"x": 4.0}}})
    make(tmp_path, {"b": {"1": {"x": 1.0}}}, run="s")
    (tmp_path / "runs/s.parquet").write_bytes(b"PAR1 cut short")
    (board,) = boards(Results(tmp_path), "r")
    assert figure(board, "a")["value"] == 4.0


def test_a_metric_that_raised_is_a_failure_of_its_column_alone(tmp_path: Path) -> None:
    raised = ("error", "ValueError: the filters are not determined")
    board = make(tmp_path, {"mixture": {"1": {"x": 0.5}, "2": {"x": 0.5}}, "a": {"1": {"x": raised}, "2": {"x": 3.5}}},
                 columns=("sdri@1/mean",))  # fmt: skip
    found = figure(board, "a")
    assert (found["value"], found["imputed"], found["coverage"]) == (2.0, 1, 0.5)
    row = board.outcomes.row(by_predicate=(pl.col("separator") == "a") & (pl.col("scene") == "1"), named=True)
    assert (row["state"], row["status"], row["reason"]) == ("failed", *raised)


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


def test_one_separator_alone_has_no_rank(tmp_path: Path) -> None:
    cells: dict[str, Outcome] = {str(n): {"x": float(n)} for n in range(9)}
    board = make(tmp_path, {"a": cells, "late": {"1": {"x": 1.0}}})
    assert board.ranks("higher", "dB") == {
        "a": "there is no other to rank it against", "late": "it ran on 1 of 9 scenes",
    }  # fmt: skip


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
