"""Activity in few steps: nothing loud is lost, and time stays where it was."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.activity import Step, runs, steps
from leaderboard.clock import clock, time_ticks


def test_the_last_step_ends_with_the_recording() -> None:
    found = steps([0.1, 0.9], [(1.0, 1.5)], step_seconds=1.0, seconds=1.5)
    assert found == [Step(0.0, 1.0, 0.1, active=False), Step(1.0, 1.5, 0.9, active=True)]


def test_equal_neighbours_are_one_step() -> None:
    found = steps([0.0, 0.0, 1.0, 1.0, None, None], [(2.0, 3.5)], step_seconds=1.0, seconds=6.0)
    assert [(step.start, step.end, step.probability) for step in found] == [(0, 2, 0.0), (2, 4, 1.0), (4, 6, None)]


def test_unknown_is_not_zero() -> None:
    looks = [look for look, _ in runs(steps([None, 0.0], [], step_seconds=1, seconds=2), seconds=2)]
    assert looks == ["unknown", "heard"]


def test_spans_alone_are_the_steps_where_no_tagger_was_asked() -> None:
    assert steps([], [(0.5, 9.0)], step_seconds=1, seconds=2.0) == [Step(0.5, 2.0, 1.0, active=True)]


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_fewer_steps_keep_the_highest_probability_and_tile_the_recording(
    activity: list[float | None], most: int
) -> None:
    seconds = len(activity) * 0.5
    found = steps(activity, [], step_seconds=0.5, seconds=seconds, most=most)
    assert len(found) <= most
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(seconds)
    assert all(one.end == other.start for one, other in pairwise(found))
    known = [value for value in activity if value is not None]
    assert max((s.probability for s in found if s.probability is not None), default=None) == max(known, default=None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (62.5, "1:02.5"), (3_599.99, "1:00:00.0"), (3_723, "1:02:03.0")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "last"), [(0.35, (0.3, "0.3 s")), (11.5, (10, "10 s")), (60, (60, "1:00")), (3_599, (3_000, "50:00"))]
)
def test_marks_of_the_time_axis_lie_at_their_times(seconds: float, last: tuple[float, str]) -> None:
    marks = time_ticks(seconds)
    assert marks[0][0] == 0
    assert len(marks) <= 9
    assert marks[-1][0] * seconds == pytest.approx(last[0])
    assert marks[-1][1].replace("\N{NO-BREAK SPACE}", " ") == last[1]
