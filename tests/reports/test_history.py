from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from history_kit import Nights, System
from reports.archive import Archive, state
from reports.changes import paired
from reports.compare import State, compare
from reports.event import Event
from reports.events import Chronicle, chronicle
from reports.history import History, Series, history
from reports.results import Results

SDRI = "sdri@1/class-median-mean"
PLACE = ("set", "test", "query")
BASE = {"mixture": System(0.0, family="baseline"), "a": System(5.0)}


def told(folder: Path) -> Chronicle:
    return chronicle(seen(folder), Results(folder).metrics())


def seen(folder: Path) -> History:
    results = Results(folder)
    return history(Archive(results, results.runs()))


def of(found: History, separator: str = "a", column: str = SDRI) -> list[Series]:
    return [one for one in found.series if (one.separator, one.column) == (separator, column)]


def kinds(events: tuple[Event, ...], separator: str = "a", column: str | None = SDRI) -> list[tuple[str, str]]:
    """Kind and run of what concerns a separator, of figures in one column alone; the oldest first."""
    return [
        (event.kind, event.run)
        for event in reversed(events)
        if event.separator == separator and event.column in (None, column)
    ]


def with_a(level: float, variant: str, **others: Any) -> dict[str, System]:
    return BASE | {"a": System(level, variant, **others)}


def test_every_figure_is_that_of_the_run_compared_as_it_left_the_folder(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day, level in enumerate([5.0, 5.4, 5.4, 3.9]):
        nights.write(day, with_a(level, str(level)))
    (series,) = of(seen(tmp_path))
    runs = [point.run for point in series.points]
    for former, point, run in zip(series.points, series.points[1:], runs[1:], strict=False):
        states = [State(Results(tmp_path, left_by=name), name) for name in (former.run, run)]
        row = compare(*states, tolerance=0.0).figures.filter(separator="a", column=SDRI).to_dicts()[0]
        assert (former.value, point.value) == pytest.approx((row["base"], row["head"]))


def test_a_run_that_found_all_done_has_the_figure_of_the_run_before_and_is_no_evidence(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(4):
        nights.write(day, BASE if day < 3 else with_a(6.0, "2"))
    (series,) = of(seen(tmp_path))
    assert [point.recomputed for point in series.points] == [True, False, False, True]
    assert series.points[0].value == series.points[2].value != series.points[3].value
    assert series.points[1].low == series.points[0].low


def test_a_step_names_run_size_interval_and_cause(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(12):
        nights.write(day, BASE if day < 7 else with_a(4.0, "2"))
    found = told(tmp_path)
    assert kinds(found.events) == [("regression", "night-007")]
    event = next(event for event in found.events if event.column == SDRI)
    assert event.former == "night-006"
    assert event.compared == ("night-006", "night-007")
    assert event.runs == (7, 5)
    assert event.difference == pytest.approx(-1.0, abs=0.15)
    assert event.low is not None
    assert event.high is not None
    assert event.difference is not None
    assert event.low < event.difference < event.high < 0
    assert "code 11111111 to 22222222" in event.causes
    assert "commit 11111111 to 22222222" in event.causes


def test_the_size_of_a_step_is_that_of_the_comparison_of_its_runs(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(6):
        nights.write(day, BASE if day < 3 else with_a(4.0, "2"))
    event = next(event for event in told(tmp_path).events if event.column == SDRI)
    assert event.compared is not None
    states = [State(Results(tmp_path, left_by=run), run) for run in event.compared]
    row = compare(*states, tolerance=1e-3).figures.filter(separator="a", column=SDRI).to_dicts()[0]
    assert (event.difference, event.low, event.high) == pytest.approx((row["difference"], row["low"], row["high"]))
    assert row["verdict"] == "worse"


def test_one_bad_night_is_a_stray_and_no_step(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(12):
        nights.write(day, with_a(1.0, "bad") if day == 5 else BASE)
    found = told(tmp_path)
    assert kinds(found.events) == []
    strays = {course.series.column: [point.run for point in course.strays] for course in found.courses
              if course.series.separator == "a"}  # fmt: skip
    assert strays[SDRI] == ["night-005"]


def test_a_drop_in_the_newest_run_is_told_at_once_and_said_to_be_new(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(9):
        nights.write(day, BASE if day < 8 else with_a(4.0, "2"))
    found = told(tmp_path)
    assert kinds(found.events) == [("regression", "night-008")]
    assert next(event.runs for event in found.events if event.column == SDRI) == (8, 1)


def test_a_separator_trained_anew_every_night_has_no_steps(tmp_path: Path) -> None:
    nights = Nights(tmp_path, songs=6, spread=0.6)
    for day in range(14):
        nights.write(day, with_a(5.0, f"n{day}"))
    steps = [event for event in told(tmp_path).events if event.kind in ("regression", "improvement")]
    assert steps == []


def test_other_data_and_other_scenes_begin_series_of_their_own(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(0, BASE)
    nights.write(1, BASE, songs=4)
    nights.write(2, BASE)
    nights.write(3, with_a(2.0, "2"), data="2")
    nights.write(4, with_a(2.0, "2"), data="2")
    found = told(tmp_path)
    runs = sorted([point.run for point in series.points] for series in of(found.history))
    assert runs == [["night-000", "night-002"], ["night-001"], ["night-003", "night-004"]]
    assert [(event.kind, event.run, event.former) for event in reversed(found.events)] == [
        ("new data", "night-001", "night-000"), ("new data", "night-003", "night-002"),
    ]  # fmt: skip


def test_a_run_that_cannot_impute_its_failures_is_no_part_of_the_series_that_does(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    failing = with_a(5.0, "1", failing=("song03",))
    nights.write(0, failing)
    nights.write(1, {"a": failing["a"]})  # the same cells, but without the mixture to stand in for the failed one
    nights.write(2, failing)
    found = told(tmp_path)
    by_first = sorted(of(found.history), key=lambda one: one.points[0].run)
    assert [[point.run for point in one.points] for one in by_first] == [["night-000", "night-002"], ["night-001"]]
    assert by_first[0].points[0].value < by_first[1].points[0].value
    assert kinds(found.events) == []


def test_a_run_without_the_mixture_goes_on_with_the_series_where_nothing_failed(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(3):
        nights.write(day, {"a": BASE["a"]} if day == 1 else BASE)
    (series,) = of(seen(tmp_path))
    assert [point.run for point in series.points] == ["night-000", "night-001", "night-002"]


def test_a_gap_joins_what_is_on_both_sides(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(6):
        nights.write(day, {"mixture": BASE["mixture"]} if day in (2, 3) else BASE)
    found = told(tmp_path)
    (series,) = of(found.history)
    assert [point.run for point in series.points] == ["night-000", "night-001", "night-004", "night-005"]
    assert kinds(found.events) == []


def test_a_new_best_is_told_apart_from_the_former_one_or_is_level_with_it(tmp_path: Path) -> None:
    nights = Nights(tmp_path, spread=1.5)
    for day in range(6):
        systems = BASE | {"silence": System(20.0, family="baseline"), "irm": System(30.0, family="oracle")}
        if day >= 1:
            systems["close"] = System(5.6)
        if day >= 3:
            systems["better"] = System(9.0)
        nights.write(day, systems)
    events = [event for event in reversed(told(tmp_path).events) if event.kind in ("new best", "level with the best")]
    assert [(event.kind, event.run, event.separator, event.rival) for event in events] == [
        ("level with the best", "night-001", "close", "a"), ("new best", "night-003", "better", "a"),
    ]  # fmt: skip
    level, best = events
    assert level.low is not None
    assert level.low <= 0
    assert best.low is not None
    assert best.low > 0.1
    assert best.compared == ("night-000", "night-003")


def test_separators_that_come_and_go_are_named_once(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(0, BASE)
    nights.write(1, BASE | {"b": System(3.0)})
    nights.write(2, {"mixture": BASE["mixture"]})  # a run of others says nothing of those left out
    nights.write(3, BASE | {"b": System(3.0)})
    nights.write(4, BASE | {"b": System(3.0), "once": System(2.0)})
    nights.write(5, BASE)
    nights.write(6, BASE)
    found = told(tmp_path)
    assert kinds(found.events, "b") == [("new separator", "night-001"), ("gone", "night-005")]
    assert kinds(found.events, "once") == [("new separator", "night-004")]
    assert kinds(found.events, "a") == []


def test_cells_that_begin_to_fail_are_named_with_status_and_reason(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(0, BASE)
    nights.write(1, with_a(5.0, "2", failing=("song03", "song04")))
    nights.write(2, with_a(5.0, "2", failing=("song03", "song04")))
    (event,) = [event for event in told(tmp_path).events if event.kind == "failing"]
    assert (event.run, event.separator, event.scenes) == ("night-001", "a", ("song03", "song04"))
    assert (event.status, event.note) == ("error", "LinAlgError: no <b>convergence</b>")


def test_a_score_that_changed_under_its_key_is_an_event_of_the_run_that_wrote_it(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(5):
        nights.write(day, BASE, again=frozenset({"a"}) if day in (2, 3) else frozenset(), offset=0.5)
    found = told(tmp_path)
    (event,) = [event for event in found.events if event.kind == "scores changed"]
    assert (event.run, event.separator, event.count, len(event.scenes)) == ("night-002", "a", 40, 10)
    states = [State(Results(tmp_path, left_by=run), run) for run in ("night-001", "night-002")]
    assert len(compare(*states, tolerance=1e-3).changed_scores) == event.count
    (series,) = of(found.history)
    assert [round(point.value - series.points[0].value, 6) for point in series.points] == [0, 0, 0.5, 0.5, 0.5]


def test_speed_steps_come_from_computed_cells_alone(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(6):
        slow = System(5.0, f"v{day}", seconds=2.0 if day < 3 else 3.0)
        nights.write(day, BASE | {"a": slow, "cached": System(3.0, seconds=2.0 + day)})
    speed = [event for event in told(tmp_path).events if event.kind in ("slower", "faster")]
    assert [(event.kind, event.run, event.separator) for event in speed] == [("slower", "night-003", "a")]
    (event,) = speed
    assert event.difference == pytest.approx(0.5)
    assert event.low is not None
    assert event.low > 0


def test_separators_are_held_against_each_other_across_runs(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(0, BASE)
    nights.write(1, BASE | {"b": System(6.0)})
    archive, metrics = seen(tmp_path).archive, Results(tmp_path).metrics()
    row = paired(archive, PLACE, SDRI, ("night-000", "a"), ("night-001", "b"), metrics)
    assert row["verdict"] == "better"
    assert row["difference"] == pytest.approx(1.0, abs=0.1)
    assert row["pairs"] == 20


def test_equal_folders_tell_the_same_in_any_order_of_their_files(tmp_path: Path) -> None:
    for folder, days in (("one", [0, 1, 2, 3]), ("two", [3, 1, 0, 2])):
        for day in days:
            Nights(tmp_path / folder).write(day, with_a(5.0 - (day >= 2), str(day)))
    one, two = told(tmp_path / "one"), told(tmp_path / "two")
    assert one.events == two.events
    assert [replace(series, basis="") for series in one.history.series] == [
        replace(series, basis="") for series in two.history.series
    ]


def test_one_run_has_a_history_without_events(tmp_path: Path) -> None:
    Nights(tmp_path).write(0, BASE)
    found = told(tmp_path)
    assert found.events == ()
    assert all(len(series.points) == 1 for series in found.history.series)


def test_the_state_changes_with_every_run_and_is_the_same_for_one_folder(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    states = []
    for day in range(3):
        nights.write(day, BASE)
        states += [state(nights.results, nights.results.runs()) for _ in range(2)]
    assert states[::2] == states[1::2]
    assert len({*states}) == 3


def test_a_board_that_a_manifest_does_not_tell_of_is_left_out(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    for day in range(3):
        nights.write(day, BASE)
    results = Results(tmp_path)
    silent = results.runs()[1].model_copy(update={"datasets": {}})
    results.write_manifest(silent)
    (series,) = of(seen(tmp_path))
    assert [point.run for point in series.points] == ["night-000", "night-002"]


def test_a_change_of_level_that_other_recordings_might_undo_is_no_step(tmp_path: Path) -> None:
    nights = Nights(tmp_path, spread=1.5)
    for day in range(10):
        nights.write(day, BASE if day < 5 else with_a(5.0, "2"))
    found = told(tmp_path)
    changes = [change for course in found.courses if course.series.separator == "a" for change in course.changes]
    assert changes
    assert any(abs(change.after.value - change.before.value) > 0.1 for change in changes)
    assert kinds(found.events) == []


def test_a_certain_change_within_the_margin_is_no_step(tmp_path: Path) -> None:
    nights = Nights(tmp_path, spread=0.0)
    for day in range(10):
        nights.write(day, BASE if day < 5 else with_a(5.08, "2"))
    assert kinds(told(tmp_path).events) == []


def test_with_a_single_recording_a_change_is_told_without_better_or_worse(tmp_path: Path) -> None:
    nights = Nights(tmp_path, songs=1)
    for day in range(6):
        nights.write(day, BASE if day < 3 else with_a(2.0, "2"))
    (event,) = [event for event in told(tmp_path).events if event.column == SDRI and event.separator == "a"]
    assert (event.kind, event.run, event.low, event.note) == ("change", "night-003", None, "one recording: no interval")
