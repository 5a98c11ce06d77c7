"""Figures of many sets at once are those of each set alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.aggregate import AGGREGATIONS
from reports.draws import Rows, aggregate


def made(seed: int, *, sets: int, scenes: int, draws: int, most: int) -> tuple[list[Rows], np.ndarray]:
    """Sets of up to 60 rows, in which scenes stand several times or not at all, and weights with zeros among them."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 60, sets)
    rows = [
        Rows(random.integers(-9, 9, n) / 7, random.integers(0, 4, n), random.integers(0, scenes, n)) for n in lengths
    ]
    return rows, random.integers(0, most, (scenes, draws))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sets=st.integers(0, 5),
    scenes=st.integers(1, 30),
    most=st.sampled_from([1, 2, 5, 400, 2**31 - 1]),
    rule=st.sampled_from(sorted(AGGREGATIONS)),
)
def test_figures_of_many_sets_are_those_of_each_alone(seed: int, sets: int, scenes: int, most: int, rule: str) -> None:
    rows, weights = made(seed, sets=sets, scenes=scenes, draws=9, most=most)
    found = aggregate(rows, AGGREGATIONS[rule], weights)
    assert found.shape == (sets, 9)
    for one, figures in zip(rows, found, strict=True):
        alone = AGGREGATIONS[rule](one.values, one.classes, weights.T[:, one.scenes].astype(float))
        if "median" in rule:
            assert np.array_equal(figures, alone, equal_nan=True)
        else:
            np.testing.assert_allclose(figures, alone, rtol=1e-12, atol=1e-12)


def test_weights_too_great_for_whole_numbers_still_count() -> None:
    rows = [Rows(np.array([1.0, 2.0, 4.0]), np.zeros(3, dtype=int), np.arange(3))]
    weights = np.array([[1e30], [1e30], [3e30]])
    assert aggregate(rows, AGGREGATIONS["median"], weights)[0, 0] == pytest.approx(4.0)


def test_a_figure_does_not_hang_on_the_sets_beside_it() -> None:
    rows, weights = made(3, sets=5, scenes=20, draws=50, most=6)
    for rule in AGGREGATIONS.values():
        together = aggregate(rows, rule, weights)
        alone = np.concatenate([aggregate([one], rule, weights) for one in rows])
        assert np.array_equal(together, alone, equal_nan=True)
