from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compare_kit import REUSED, Outcome, write_run
from reports.aggregate import AGGREGATIONS
from reports.compare import Comparison, State, compare
from reports.compare_text import SHOWN, comparison_text
from reports.results import Results, ResultsError

SONGS = [f"song{n:02d}" for n in range(20)]


def compared(folder: Path, base: str = "base", head: str = "head", **options: Any) -> Comparison:
    before, after = (State(Results(folder, left_by=run), run) for run in (base, head))
    return compare(before, after, **{"tolerance": 1e-3, **options})


def songs(level: float, *, spread: float = 3.0, noise: float = 0.0, seed: int = 0) -> dict[str, Outcome]:
    """Two targets in each of 20 songs: what the songs are like is the same at every call, the noise is not."""
    of_songs = np.random.default_rng(99).normal(level, spread, (len(SONGS), 2))
    found = of_songs + np.random.default_rng(seed).normal(0, noise, of_songs.shape)
    return {song: {"x": float(row[0]), "y": float(row[1])} for song, row in zip(SONGS, found, strict=True)}


def the_figure(found: Comparison, separator: str = "a") -> dict[str, Any]:
    (row,) = found.figures.filter(separator=separator).to_dicts()
    return dict(row)


def test_a_run_against_itself_is_all_zero(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": songs(5.0), "b": {**songs(3.0), "song03": "error"}})
    found = compared(tmp_path, head="base")
    assert not found.regressed
    assert (found.cells_in_both, found.recomputed, found.scores_compared) == (40, 0, 2 * 39)
    assert found.changed_scores.is_empty()
    assert found.status_changes.is_empty()
    assert found.figures["difference"].to_list() == [0.0, 0.0]
    assert set(found.figures["verdict"]) == {"not recomputed"}


def test_a_score_that_changed_under_its_key_is_named_with_both_values(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0, "y": 2.0}, "2": {"x": 3.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": 1.0, "y": 2.5}, "2": REUSED}}, hour=1)
    found = compared(tmp_path)
    assert found.regressed
    (row,) = found.changed_scores.to_dicts()
    named = ("separator", "dataset", "scene", "target", "metric", "base", "head")
    assert [row[name] for name in named] == ["a", "set", "1", "y", "sdri@1", 2.0, 2.5]
    assert found.scores_compared == 3
    assert "a on set (test, query), 1, y, sdri@1: 2 -> 2.5" in comparison_text(found)
    assert not compared(tmp_path, tolerance=0.5).regressed


def test_each_run_stands_as_it_left_the_folder(tmp_path: Path) -> None:
    write_run(tmp_path, "one", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path, "two", {"a": {"1": REUSED}}, hour=1)
    write_run(tmp_path, "three", {"a": {"1": {"x": 9.0}}}, hour=2)
    write_run(tmp_path, "four", {"a": {"1": REUSED}}, hour=3)
    changed = {(base, head): compared(tmp_path, base, head).changed_scores["difference"].to_list()
               for base, head in [("one", "two"), ("two", "three"), ("three", "four"), ("one", "four")]}  # fmt: skip
    assert changed == {("one", "two"): [], ("two", "three"): [8.0], ("three", "four"): [], ("one", "four"): [8.0]}


def test_two_folders_are_compared_in_their_newest_state(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "r", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path / "b", "r", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path / "b", "s", {"a": {"1": {"x": 2.0}}}, hour=1)
    found = compare(State(Results(tmp_path / "a")), State(Results(tmp_path / "b")), tolerance=0.0)
    assert found.changed_scores["head"].to_list() == [2.0]


@pytest.mark.parametrize(("before", "after"), [(1.0, "nan"), ("nan", 1.0), (1.0, float("inf"))])
def test_a_value_that_appears_or_is_lost_under_its_key_is_a_changed_score(
    tmp_path: Path, before: float | str, after: float | str
) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": before, "y": 0.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": after, "y": 0.0}}}, hour=1)
    found = compared(tmp_path)
    assert found.changed_scores["target"].to_list() == ["x"]
    json.dumps(found.described(), allow_nan=False)


def test_a_score_that_is_missing_where_its_metric_was_computed_is_a_changed_score(tmp_path: Path) -> None:
    write_run(tmp_path / "base", "r", {"a": {"1": {"x": 1.0, "y": 1.0}}})
    write_run(tmp_path / "head", "r", {"a": {"1": {"x": 1.0}}})
    found = compare(State(Results(tmp_path / "base")), State(Results(tmp_path / "head")), tolerance=0.0)
    (row,) = found.changed_scores.to_dicts()
    assert (row["target"], row["base"], row["head"], row["head_status"]) == ("y", 1.0, None, None)


def test_a_metric_that_only_one_side_was_asked_for_is_no_changed_score(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": 7.0}}}, hour=1, column="other@1/mean")
    found = compared(tmp_path)
    assert found.changed_scores.is_empty()
    assert found.scores_compared == 1


def test_a_made_regression_is_found_with_its_difference(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": songs(5.0, noise=0.1, seed=1), "b": songs(3.0)})
    write_run(tmp_path, "head", {"a": songs(4.5, noise=0.1, seed=2)}, hour=1, version="2")
    found = compared(tmp_path)
    row = the_figure(found)
    assert row["verdict"] == "worse"
    assert row["low"] < -0.5 < row["high"] < 0
    assert row["difference"] == pytest.approx(row["head"] - row["base"])
    assert (row["pairs"], row["cells"], row["recomputed"]) == (40, 20, 20)
    assert found.regressed
    assert comparison_text(found).splitlines()[-1].startswith("REGRESSION: 1 figure is worse; 20 of 20")


@pytest.mark.parametrize(
    ("better", "shift", "verdict"),
    [("higher", 0.5, "better"), ("lower", 0.5, "worse"), ("lower", -0.5, "better"), ("neither", -0.5, "differs")],
)
def test_the_direction_is_the_one_that_the_metric_declares(
    tmp_path: Path, better: Any, shift: float, verdict: str
) -> None:
    write_run(tmp_path, "base", {"a": songs(5.0)}, better=better)
    write_run(tmp_path, "head", {"a": songs(5.0 + shift)}, hour=1, version="2", better=better)
    found = compared(tmp_path)
    assert the_figure(found)["verdict"] == verdict
    assert found.regressed == (verdict == "worse")


def test_noise_alone_is_called_worse_no_more_often_than_its_level_says(tmp_path: Path) -> None:
    trials = 40
    write_run(tmp_path, "base", {f"s{n:02d}": songs(5.0, noise=1.0, seed=n) for n in range(trials)})
    write_run(tmp_path, "head", {f"s{n:02d}": songs(5.0, noise=1.0, seed=1000 + n) for n in range(trials)}, hour=1,
              version="2")  # fmt: skip
    counts = compared(tmp_path).verdict_counts
    assert counts.get("worse", 0) <= 4  # 1 is expected; 5 or more would come once in 300 such tests
    assert counts["no difference told apart"] >= 0.8 * trials


def test_the_figures_are_those_of_the_rule_over_the_pairs_of_both(tmp_path: Path) -> None:
    before: dict[str, Outcome] = {"1": {"x": 1.0, "y": 0.0}, "2": {"x": 2.0}, "3": {"x": 9.0}, "4": {"x": 50.0}}
    after: dict[str, Outcome] = {"1": {"x": 4.0, "y": 1.0}, "2": {"x": 0.0}, "3": {"x": 9.5}, "4": None}
    write_run(tmp_path, "base", {"a": before})
    write_run(tmp_path, "head", {"a": after}, hour=1, version="2")
    row = the_figure(compared(tmp_path))
    rule, classes, ones = AGGREGATIONS["class-median-mean"], np.array([0, 0, 0, 1]), np.ones((1, 4))
    assert row["base"] == pytest.approx(rule(np.array([1.0, 2, 9, 0]), classes, ones)[0])
    assert row["head"] == pytest.approx(rule(np.array([4.0, 0, 9.5, 1]), classes, ones)[0])
    assert (row["pairs"], row["base_only"], row["head_only"]) == (4, 1, 0)


def test_a_failure_counts_with_the_mixture_and_is_counted(tmp_path: Path) -> None:
    mixture: dict[str, Outcome] = {"1": {"x": 0.0}, "2": {"x": 1.0}}
    write_run(tmp_path, "base", {"mixture": mixture, "a": {"1": {"x": 5.0}, "2": {"x": 5.0}}}, column="sdri@1/mean")
    write_run(tmp_path, "head", {"mixture": mixture, "a": {"1": {"x": 5.0}, "2": "error"}}, hour=1, version="2",
              column="sdri@1/mean")  # fmt: skip
    row = the_figure(compared(tmp_path))
    assert (row["base"], row["head"], row["base_imputed"], row["head_imputed"]) == (5.0, 3.0, 0, 1)


def test_one_recording_gives_no_interval_and_no_verdict(tmp_path: Path) -> None:
    same = {"1": "song", "2": "song"}
    write_run(tmp_path, "base", {"a": {"1": {"x": 5.0}, "2": {"x": 5.0}}}, recordings=same)
    write_run(tmp_path, "head", {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}}}, hour=1, version="2", recordings=same)
    found = compared(tmp_path)
    row = the_figure(found)
    assert (row["difference"], row["low"], row["verdict"]) == (-4.0, None, "no interval")
    assert row["note"] == "one recording: no interval"
    assert not found.regressed


def test_how_many_cells_were_recomputed_is_counted(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": songs(5.0)})
    write_run(tmp_path, "later", {"a": dict.fromkeys(SONGS, REUSED), "b": songs(1.0)}, hour=1)
    found = compared(tmp_path, head="later")
    assert (found.recomputed, the_figure(found)["recomputed"]) == (0, 0)
    assert found.status_counts == {"new": 20}
    text = comparison_text(found)
    assert "0 of 20 cells in both were recomputed" in text
    assert "  1 figure of 1 separator: not recomputed" in text.splitlines()


@pytest.mark.parametrize("failure", ["error", "timeout", "oom", "nan", "skip", None])
def test_a_cell_that_loses_its_scores_is_worse_and_back_is_better(tmp_path: Path, failure: str | None) -> None:
    name = failure or "pending"
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": 1.0}, "2": failure}}, hour=1, version="2")
    found = compared(tmp_path)
    (row,) = found.status_changes.to_dicts()
    assert (row["separator"], row["dataset"], row["scene"]) == ("a", "set", "2")
    assert (row["base"], row["head"], row["change"]) == ("ok", name, "worse")
    assert found.status_counts == {f"ok -> {name}": 1}
    assert found.regressed
    back = compared(tmp_path, "head", "base")
    assert back.status_changes["change"].to_list() == ["better"]
    assert not back.regressed


def test_cells_that_changed_alike_are_told_of_in_one_line(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": songs(5.0)})
    write_run(tmp_path, "head", {"a": {**dict.fromkeys(SONGS, "oom"), "song07": "error", "song08": None}}, hour=1,
              version="2")  # fmt: skip
    found = compared(tmp_path)
    lines = comparison_text(found).splitlines()
    assert "Statuses: 18 ok -> oom, 1 ok -> error, 1 ok -> pending" in lines
    assert "  ok -> error: a on set (test, query), 1 cell (song07): why error" in lines
    named = ", ".join(SONGS[:6])
    assert f"  ok -> oom: a on set (test, query), 18 cells ({named} and 12 more): why oom" in lines
    assert len(found.described()["status_changes"]) == 20
    assert (found.unchanged_keys, found.recomputed) == (0, 19)


def test_new_and_gone_cells_are_named_and_are_no_regression(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": REUSED, "3": "error"}}, hour=1)
    found = compared(tmp_path)
    changes = found.status_changes.select("scene", "base", "head", "change").rows()
    assert changes == [("2", "ok", None, "gone"), ("3", None, "error", "new")]
    assert not found.regressed


def test_a_metric_that_can_no_longer_be_computed_is_a_change_of_status(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": 1.0}}}, hour=1, version="2", failed_metrics=("other@1",))
    found = compared(tmp_path)
    (row,) = found.status_changes.to_dicts()
    assert (row["head"], row["change"], row["reason"]) == ("unscored", "worse", "no other@1")
    assert not compared(tmp_path, metrics=["sdri@1"]).regressed


def test_a_metric_that_fails_under_an_unchanged_key_is_a_change_of_status_and_no_changed_score(tmp_path: Path) -> None:
    write_run(tmp_path / "base", "r", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path / "head", "r", {"a": {"1": {"x": "error"}}}, failed_metrics=("sdri@1",))
    states = [State(Results(tmp_path / side)) for side in ("base", "head")]
    found = compare(*states, tolerance=0.0)
    assert found.unchanged_keys == 1
    assert found.changed_scores.is_empty()
    (row,) = found.status_changes.to_dicts()
    assert (row["base"], row["head"], row["change"], row["reason"]) == ("ok", "unscored", "worse", "no sdri@1")
    assert found.regressed
    assert not compare(*reversed(states), tolerance=0.0).regressed


def test_a_metric_asked_for_stands_alone(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": {"x": 5.0}}}, hour=1)
    found = compared(tmp_path, metrics=["other@1"])
    assert found.changed_scores.is_empty()
    assert the_figure(found)["column"] == "other@1/mean"
    assert the_figure(found)["verdict"] == "nothing in both"
    with pytest.raises(ResultsError, match=r"no metric 'sdr@9' in either; there are other@1, sdri@1"):
        compared(tmp_path, metrics=["sdr@9"])


def test_states_without_a_cell_in_common_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}}})
    write_run(tmp_path, "head", {"b": {"1": {"x": 1.0}}}, hour=1)
    with pytest.raises(ResultsError, match="base and head have no cell in common"):
        compared(tmp_path)


def test_long_lists_are_cut_in_text_and_whole_in_json(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {str(n): {"x": 1.0} for n in range(SHOWN + 5)}})
    write_run(tmp_path, "head", {"a": {str(n): {"x": 2.0} for n in range(SHOWN + 5)}}, hour=1)
    found = compared(tmp_path)
    assert "... and 5 more; --json has them all" in comparison_text(found)
    assert len(found.described()["changed_scores"]) == SHOWN + 5


def test_equal_states_give_equal_json(tmp_path: Path) -> None:
    for folder in ("1", "2"):
        write_run(tmp_path / folder, "base", {"a": songs(5.0), "b": songs(3.0)})
        write_run(tmp_path / folder, "head", {"a": songs(5.0, noise=1.0, seed=3)}, hour=1, version="2")
    first, second = (compared(tmp_path / folder).described() for folder in ("1", "2"))
    for found in (first, second):
        found["base"].pop("folder")
        found["head"].pop("folder")
    assert first == second
