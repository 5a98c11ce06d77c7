from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reports.steps import fit_steps

Draw = Callable[[np.random.Generator, int], np.ndarray]


def share_with_steps(draw: Draw, *, size: int, series: int, margin: float = 0.0) -> float:
    generator = np.random.default_rng(size)
    fits = (fit_steps(draw(generator, size), margin=margin) for _ in range(series))
    return sum(len(fit.starts) > 1 for fit in fits) / series


def normal(generator: np.random.Generator, size: int) -> np.ndarray:
    return generator.normal(size=size)


@pytest.mark.parametrize("size", [10, 30, 200])
def test_noise_alone_has_steps_in_less_than_one_series_of_twenty(size: int) -> None:
    assert share_with_steps(normal, size=size, series=150) < 0.05


def test_noise_with_heavy_tails_seldom_has_steps() -> None:
    assert share_with_steps(lambda generator, size: generator.standard_t(3, size), size=60, series=100) <= 0.1


@pytest.mark.parametrize(("size", "after", "least"), [(30, 5, 0.75), (30, 15, 0.7), (200, 5, 0.9), (200, 100, 0.95)])
def test_a_step_of_three_deviations_is_found_where_it_is(size: int, after: int, least: float) -> None:
    generator, found = np.random.default_rng(after), 0
    for _ in range(60):
        values = generator.normal(size=size)
        values[size - after :] += 3
        starts = fit_steps(values, margin=0.0).starts
        found += len(starts) == 2 and abs(starts[1] - (size - after)) <= 2
    assert found / 60 >= least


levels = st.lists(
    st.tuples(st.integers(-40, 40).map(lambda level: level / 4), st.integers(3, 9)), min_size=1, max_size=4
)


@given(levels)
@settings(max_examples=50, deadline=None)
def test_levels_that_last_are_found_exactly_where_there_is_no_noise(parts: list[tuple[float, int]]) -> None:
    rises = [after[0] - before[0] for before, after in itertools.pairwise(parts)]
    assume(0 not in rises)
    assume(len(set(rises)) == len(rises))  # even stairs are a ramp as well
    values = np.concatenate([np.full(length, level) for level, length in parts])
    fit = fit_steps(values, margin=0.1)
    assert list(fit.starts) == [0, *np.cumsum([length for _, length in parts])[:-1]]
    assert fit.levels == pytest.approx([level for level, _ in parts])
    assert fit.strays == ()


@given(st.integers(0, 50), st.floats(-1e3, 1e3), st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_offset_and_scale_move_no_step(seed: int, offset: float, scale: float) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=40) + 6 * (np.arange(40) > 17)
    here, there = fit_steps(values, margin=0.5), fit_steps(offset + scale * values, margin=0.5 * scale)
    assert here.starts == there.starts
    assert np.array(there.levels) == pytest.approx(offset + scale * np.array(here.levels), abs=1e-6 * scale + 1e-9)


def test_a_step_of_half_a_percent_is_found_in_a_noisy_series() -> None:
    # A rule that reports ratios above 5 %, or leaves out what is noisy, does not see this.
    generator = np.random.default_rng(3)
    values = 100 + generator.normal(0, 0.1, 60) - 0.5 * (np.arange(60) >= 40)
    assert fit_steps(values, margin=0.1).starts == (0, 40)
    crossing = values - 99.7  # from above zero to below: its ratio means nothing
    assert fit_steps(crossing, margin=0.1).starts == (0, 40)


def test_one_value_makes_one_level() -> None:
    fit = fit_steps([3.5], margin=0.1)
    assert (fit.starts, fit.levels, fit.strays) == ((0,), (3.5,), ())


def test_a_constant_series_has_one_level() -> None:
    assert fit_steps([2.0] * 50, margin=0.0).starts == (0,)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_value_that_stands_alone_is_a_stray_and_no_step(noise: float) -> None:
    values = np.random.default_rng(5).normal(4.0, noise, 40)
    values[20] = 30.0
    fit = fit_steps(values, margin=0.1)
    assert (fit.starts, fit.strays) == ((0,), (20,))
    assert fit.levels[0] == pytest.approx(4.0, abs=0.1)


def test_two_values_alike_amid_others_are_a_level() -> None:
    assert fit_steps([5, 5, 5, 5, 5, 4.2, 4.2, 5, 5, 5, 5, 5], margin=0.1).starts == (0, 5, 7)


def test_a_value_that_stood_for_many_runs_is_no_stray() -> None:
    assert fit_steps([5, 4.2, 5], margin=0.1, runs=[20, 10, 10]).starts == (0, 1, 2)
    assert fit_steps([5, 4.2, 5], margin=0.1, runs=[20, 1, 10]).strays == (1,)


def test_a_last_value_alone_is_a_step_as_soon_as_it_is_there() -> None:
    assert fit_steps([5.0] * 30 + [4.2], margin=0.1).starts == (0, 30)


def test_changes_up_to_the_margin_are_no_steps() -> None:
    values = [5.0] * 10 + [5.08] * 10
    assert fit_steps(values, margin=0.1).starts == (0,)
    assert fit_steps(values, margin=0.05).starts == (0, 10)


@pytest.mark.parametrize("slope", [0.05, 0.2])
def test_drift_is_no_step(slope: float) -> None:
    assert (
        share_with_steps(lambda draw, size: draw.normal(size=size) + slope * np.arange(size), size=120, series=30)
        <= 0.2
    )
    assert fit_steps([slope * place for place in range(40)], margin=0.0).starts == (0,)


def test_a_value_of_small_weight_counts_for_less() -> None:
    values = [*np.random.default_rng(8).normal(0, 1, 30), 7.0, 7.0]
    assert fit_steps(values, margin=0.0).starts == (0, 30)
    assert fit_steps(values, margin=0.0, weights=[1.0] * 30 + [0.02] * 2).starts == (0,)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_what_is_no_figure_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        fit_steps(values, margin=0.1)
