"""The numbers that figures are made of: boxes, steps of lightness, Pareto fronts, places of names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.figures import box_of, pareto_front
from reports.figures.heat import step_edges
from reports.figures.labels import place_labels

VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=30)


def test_a_box_by_hand() -> None:
    box = box_of(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 30.0, -20.0]))
    # Sorted: -20 1 2 3 4 | 5 6 7 8 30; quartiles at places 2.25 and 6.75 of 0..9.
    assert (box.lower, box.median, box.upper) == (2.25, 4.5, 6.75)
    assert (box.least, box.greatest) == (1.0, 8.0)
    assert box.outliers == (-20.0, 30.0)


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_a_box_holds_every_value_inside_its_whiskers_or_as_an_outlier(values: list[float]) -> None:
    box = box_of(np.array(values))
    assert box.least <= box.lower <= box.median <= box.upper <= box.greatest
    beyond = [value for value in values if not box.least <= value <= box.greatest]
    assert sorted(beyond) == list(box.outliers)


def test_what_lies_exactly_at_the_reach_of_a_whisker_is_no_outlier() -> None:
    assert box_of(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 7.0])).outliers == ()


def test_the_front_by_hand() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 7.0), (3.0, 7.0), (4.0, 9.0)]
    assert pareto_front(points, lower_is_better=False) == [0, 2, 4]
    assert pareto_front(points, lower_is_better=True) == [0, 1]


def test_equals_are_all_on_the_front() -> None:
    assert pareto_front([(1.0, 5.0), (1.0, 5.0), (1.0, 4.0)], lower_is_better=False) == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12), st.booleans())
@settings(max_examples=50, deadline=None)
def test_nobody_beats_a_member_of_the_front_and_a_member_beats_everybody_else(
    points: list[tuple[int, int]], lower: bool
) -> None:
    sign = -1 if lower else 1

    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] <= other[0] and sign * one[1] >= sign * other[1]

    front = pareto_front([(float(cost), float(value)) for cost, value in points], lower_is_better=lower)
    members = [points[place] for place in front]
    assert [member[0] for member in members] == sorted(member[0] for member in members)
    for place, point in enumerate(points):
        beaten = any(beats(member, point) for member in members)
        assert beaten != (place in front)


@pytest.mark.parametrize(
    ("values", "first"), [([-9.0, 12.0], -math.inf), ([0.0, 12.0], 0.0), ([0.61, 0.68], None), ([-9.0, -1.0], None)]
)
def test_steps_hold_all_values_and_have_an_edge_at_zero_where_some_are_below(
    values: list[float], first: float | None
) -> None:
    edges = step_edges(values)
    assert edges == sorted(edges)
    assert 2 <= len(edges) <= 7
    assert edges[0] <= min(values)
    assert edges[-1] >= max(values)
    if first is not None:
        assert edges[0] == first
    if math.isinf(edges[0]):
        assert edges[1] == 0


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_there_are_never_more_steps_than_shades(values: list[float]) -> None:
    assert 2 <= len(step_edges(values)) <= 7


def test_names_that_must_stand_do_and_others_only_where_they_touch_nothing() -> None:
    crowd = [(50.0, 50.0)] * 6
    placed = place_labels(["name"] * 6, crowd, within=(0, 0, 400, 100), em=10, needed=2)
    assert all(side is not None for side in placed[:2])
    assert placed[-1] is None
    alone = place_labels(["name", "name"], [(50.0, 50.0), (250.0, 50.0)], within=(0, 0, 400, 100), em=10, needed=0)
    assert all(side is not None and side.across == "left" for side in alone)
    at_the_edge = place_labels(["name"], [(395.0, 50.0)], within=(0, 0, 400, 100), em=10, needed=0)
    assert at_the_edge[0] is not None
    assert at_the_edge[0].across == "right"
