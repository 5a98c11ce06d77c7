"""Power and effect size against the noncentral t distribution and against plain simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.bootstrap import FEW
from reports.power import POWER, recordings_needed, superiority

SPREADS = st.floats(0.1, 50)
GAINS = st.floats(0.01, 50)


def chance(count: int, effect: float) -> float:
    """That the interval of t leaves out zero, of so many normal recordings."""
    critical, shift = stats.t.ppf(0.975, count - 1), effect * math.sqrt(count)
    return float(stats.nct.sf(critical, count - 1, shift) + stats.nct.cdf(-critical, count - 1, shift))


@pytest.mark.parametrize(("share", "wanted"), [(0.2, 199), (0.5, 34), (0.8, 15)])  # small, medium and large effects
def test_the_textbook_numbers_of_a_paired_t_test(share: float, wanted: int) -> None:
    assert recordings_needed(share, 1.0) == wanted
    assert recordings_needed(-share * 3, 3.0) == wanted


@given(effect=st.floats(0.1, 2))
@settings(max_examples=60, deadline=None)
def test_the_number_is_the_least_with_the_power_or_one_less(effect: float) -> None:
    count = recordings_needed(effect, 1.0)
    assert count is not None
    assert chance(count + 1, effect) >= POWER
    assert count == FEW or chance(count - 1, effect) < POWER


@given(difference=GAINS, deviation=SPREADS, factor=st.floats(1, 5))
@settings(max_examples=60, deadline=None)
def test_more_spread_or_less_difference_never_needs_fewer(difference: float, deviation: float, factor: float) -> None:
    least = recordings_needed(difference, deviation) or 0
    assert (recordings_needed(difference, deviation * factor) or 0) >= least
    assert (recordings_needed(difference / factor, deviation) or 0) >= least


@given(difference=GAINS, deviation=SPREADS, scale=st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=40, deadline=None)
def test_the_unit_and_the_direction_do_not_matter(difference: float, deviation: float, scale: float) -> None:
    count = recordings_needed(difference, deviation)
    assert (
        recordings_needed(-difference, deviation) == recordings_needed(difference * scale, deviation * scale) == count
    )


def test_no_number_tells_equals_apart_and_intervals_of_very_few_are_never_leaned_on() -> None:
    assert recordings_needed(0.0, 1.0) is None
    assert recordings_needed(0.0, 0.0) is None
    assert recordings_needed(5.0, 0.0) == FEW
    assert recordings_needed(100.0, 0.1) == FEW


def test_simulated_recordings_reach_the_power_that_was_asked_for() -> None:
    difference, deviation = 0.7, 2.0
    count = recordings_needed(difference, deviation)
    assert count == 66
    draws = np.random.default_rng(0).normal(difference, deviation, (4000, count))
    reach = stats.t.ppf(0.975, count - 1) * draws.std(axis=1, ddof=1) / math.sqrt(count)
    assert np.mean(np.abs(draws.mean(axis=1)) > reach) == pytest.approx(POWER, abs=0.025)


@pytest.mark.parametrize("figures", [(float("nan"), 1.0), (1.0, -1.0), (1.0, float("inf"))])
def test_figures_that_mean_nothing_are_refused(figures: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite, and the second not negative"):
        recordings_needed(*figures)


def test_the_share_counts_ties_half() -> None:
    assert superiority(np.array([1.0, 0.0, -2.0, 3.0]), units=4).share == (1 + 0.5 + 0 + 1) / 4


@pytest.mark.parametrize(
    ("better", "count", "low", "high"), [(10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662)]
)
def test_the_interval_is_that_of_wilson(better: int, count: int, low: float, high: float) -> None:
    """Endpoints n/(n+z²) and z²/(n+z²) where all agree; 81 of 263 is Newcombe's example (1998, Stat. Med. 17, 857)."""
    found = superiority(np.array([1.0] * better + [-1.0] * (count - better)), units=count)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=1, max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_the_share_lies_in_its_interval_and_turns_round_with_the_names(leads: list[float], data: st.DataObject) -> None:
    units = data.draw(st.integers(1, len(leads)))
    found, turned = superiority(np.array(leads), units=units), superiority(-np.array(leads), units=units)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert (turned.low, turned.share, turned.high) == pytest.approx((1 - found.high, 1 - found.share, 1 - found.low))
    fewer = superiority(np.array(leads), units=1)
    assert fewer.high - fewer.low >= found.high - found.low - 1e-12


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 recordings"):
        superiority(np.empty(0), units=1)
