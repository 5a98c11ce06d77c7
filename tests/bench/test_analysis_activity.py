"""From scores to spans: the grid, hysteresis, gaps and least durations, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analysis_kit import CLASSES, ONTO, timeline
from bench.analysis.activity import active_steps, runs, spans_of, steps
from bench.analysis.settings import AnalysisSettings
from taggers.timeline import Timeline

NAN = float("nan")


def active(scores: list[float], *, on: float = 0.5, step: float = 1.0, **settings: float) -> str:
    given = {"threshold": 0.5, "off_threshold": 0.3, "min_seconds": 0.0, "close_gap_seconds": 0.0} | settings
    found = active_steps(
        np.array(scores, dtype=np.float32), on, settings=AnalysisSettings(**given), step_seconds=step  # type: ignore[arg-type]
    )  # fmt: skip
    return "".join("-#"[int(one)] for one in found)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.4, 0.5, 0.4, 0.3, 0.29, 0.4, 0.6], "--###--#"),
        ([0.4, 0.4, 0.4], "---"),  # between the thresholds, and never on
        ([0.6, NAN, 0.4, 0.6], "#--#"),  # unknown is off, and 0.4 does not bring it back
        ([NAN, 0.4, 0.5], "--#"),
        ([0.9], "#"),
        ([], ""),
    ],
)
def test_once_on_a_class_stays_on_until_it_falls_below_the_off_threshold(scores: list[float], expected: str) -> None:
    assert active(scores) == expected


def test_the_off_threshold_follows_a_calibrated_threshold_in_proportion() -> None:
    assert active([0.8, 0.5, 0.47], on=0.8) == "##-"  # 0.8 * 0.3 / 0.5 = 0.48


def test_gaps_are_closed_before_what_is_too_short_is_dropped() -> None:
    scores = [0.9, 0, 0.9, 0, 0, 0.9]
    assert active(scores, close_gap_seconds=1.0) == "###--#"
    assert active(scores, close_gap_seconds=1.0, min_seconds=2.0) == "###---"
    assert active(scores, min_seconds=2.0) == "------"
    assert active(scores, close_gap_seconds=2.0, min_seconds=6.0) == "######"


def test_a_span_exactly_as_long_as_the_least_is_kept_whatever_floating_point_makes_of_it() -> None:
    assert active([0.9] * 3 + [0.0], step=0.1, min_seconds=0.3) == "###-"
    assert active([0.9] + [0.0] * 3 + [0.9], step=0.1, close_gap_seconds=0.3) == "#####"


def test_a_recording_shorter_than_the_least_span_can_still_be_active_throughout() -> None:
    assert active([0.9, 0.9], min_seconds=5.0) == "##"
    assert active([0.9, 0.0], min_seconds=5.0) == "--"


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.one_of(st.floats(0, 1, width=32), st.just(NAN)), max_size=30),
    on=st.floats(0.05, 1),
    off=st.floats(0, 1),
)
def test_hysteresis_agrees_with_a_state_machine(scores: list[float], on: float, off: float) -> None:
    config = AnalysisSettings(threshold=on, off_threshold=off * on, min_seconds=0, close_gap_seconds=0)
    values = np.array(scores, dtype=np.float64)
    state, expected = False, []
    for score in values:
        state = bool(score >= on) or (state and bool(score >= on * config.off / config.threshold))
        expected.append(state)
    assert active_steps(values, on, settings=config, step_seconds=1.0).tolist() == expected


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), max_size=20))
def test_runs_and_spans_cover_what_is_active_and_nothing_else(where: list[bool]) -> None:
    covered = np.zeros(len(where), dtype=bool)
    for start, end in runs(np.array(where, dtype=bool)):
        assert start < end
        covered[start:end] = True
    assert covered.tolist() == where


def test_spans_are_cut_at_the_end_of_the_recording() -> None:
    where = np.array([True, False, True])
    assert spans_of(where, step_seconds=2.0, seconds=4.5) == ((0.0, 2.0), (4.0, 4.5))
    assert spans_of(where, step_seconds=2.0, seconds=4.0) == ((0.0, 2.0),)


def test_a_step_has_the_mean_of_the_segments_that_cover_it() -> None:
    grid = steps(timeline({"Speech": [1.0, 0.0, 0.5]}, segment=2.0, hop=1.0, seconds=4.0), step_seconds=0.1)
    assert grid.step_seconds == 1.0
    # Segments 0-2, 1-3 and 2-4: the inner steps lie under two of them, the outer ones under one.
    np.testing.assert_allclose(grid.scores[:, ONTO["Speech"].row], [1.0, 0.5, 0.25, 0.5])


def test_segments_side_by_side_are_steps_as_they_are() -> None:
    grid = steps(timeline({"Speech": [0.1, 0.7]}, segment=2.0, hop=2.0, seconds=3.0), step_seconds=0.1)
    np.testing.assert_allclose(grid.scores[:, ONTO["Speech"].row], [0.1, 0.7])


def test_a_recording_shorter_than_a_segment_is_one_step_per_hop() -> None:
    grid = steps(timeline({"Speech": [0.4]}, segment=2.0, hop=1.0, seconds=1.2), step_seconds=0.1)
    np.testing.assert_allclose(grid.scores[:, ONTO["Speech"].row], [0.4, 0.4])


def test_a_step_under_a_segment_that_cannot_tell_is_unknown() -> None:
    tags = timeline({"Speech": [0.4, 0.4, 0.4]}, segment=2.0, hop=1.0)
    tags.probabilities[0, ONTO["Speech"].row] = NAN
    column = steps(tags, step_seconds=0.1).scores[:, ONTO["Speech"].row]
    assert np.isnan(column).tolist() == [True, True, False, False]


def test_frames_come_before_segments_and_are_averaged_to_the_step_the_last_ones_too() -> None:
    frames = torch.zeros((25, CLASSES))
    frames[:, 3] = torch.arange(25.0)
    tags = Timeline(
        0.25, 2.0, 1.0, torch.ones((1, CLASSES)), torch.ones(CLASSES, dtype=torch.bool),
        frames=frames, frame_seconds=0.01,
    )  # fmt: skip
    grid = steps(tags, step_seconds=0.1)
    assert grid.step_seconds == pytest.approx(0.1)
    np.testing.assert_allclose(grid.scores[:, 3], [4.5, 14.5, 22.0])
