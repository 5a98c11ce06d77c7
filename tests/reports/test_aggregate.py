from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.aggregate import AGGREGATIONS, parse_column, weighted_mean, weighted_median

#                   two dogs,   three rains,      one bell
VALUES = np.array([1.0, 3.0, 10.0, 20.0, 60.0, -4.0])
CLASSES = np.array([0, 0, 1, 1, 1, 2])


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("mean", 90 / 6),
        ("median", (3 + 10) / 2),
        ("class-median-mean", (2 + 20 - 4) / 3),
        ("class-mean-mean", (2 + 30 - 4) / 3),
    ],
)
def test_aggregations_equal_a_table_worked_by_hand(name: str, by_hand: float) -> None:
    assert AGGREGATIONS[name](VALUES, CLASSES, np.ones((1, 6)))[0] == pytest.approx(by_hand)


def test_a_class_without_weight_is_left_out_of_that_draw_only() -> None:
    weights = np.array([[1.0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    found = AGGREGATIONS["class-median-mean"](VALUES, CLASSES, weights)
    assert found.tolist() == [(2 + 20) / 2, (2 + 20 - 4) / 3]


def test_weighted_median_by_hand() -> None:
    values = np.array([10.0, 1.0, 5.0])
    weights = np.array([
        [1.0, 1, 1],  # 1 5 10
        [2, 1, 1],  # 1 5 10 10: between 5 and 10
        [0, 3, 1],  # 1 1 1 5
        [1, 0.5, 0.5],  # half of the weight is reached exactly at 5
        [0, 0, 0],
    ])  # fmt: skip
    found = weighted_median(values, weights)
    assert found[:4].tolist() == [5.0, 7.5, 1.0, 7.5]
    assert np.isnan(found[4])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 4)), min_size=1, max_size=12))
def test_whole_number_weights_are_repetitions(pairs: list[tuple[int, int]]) -> None:
    values, weights = np.array([float(v) for v, _ in pairs]), np.array([[float(w) for _, w in pairs]])
    repeated = [float(value) for value, weight in pairs for _ in range(weight)]
    if not repeated:
        assert np.isnan(weighted_median(values, weights)[0])
        assert np.isnan(weighted_mean(values, weights)[0])
        return
    assert weighted_median(values, weights)[0] == statistics.median(repeated)
    assert weighted_mean(values, weights)[0] == pytest.approx(statistics.fmean(repeated))


def test_a_column_is_a_metric_and_a_known_aggregation() -> None:
    metric, rule = parse_column("sdri@1/class-median-mean")
    assert (metric, rule.words) == ("sdri@1", "median in a class, mean over classes")
    for wrong in ("sdri@1", "sdri@1/mode"):
        with pytest.raises(ValueError, match="class-median-mean"):
            parse_column(wrong)
