from __future__ import annotations

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import uss, zero_mean
from bench.metrics.energy import si_sdr
from bench.metrics.score import score_cell
from bench.metrics.uss import (
    USS_MUSDB18_SDR,
    USS_MUSDB18_SDR_RIGHT_ORDER,
    USS_SDR,
    USS_SDRI,
    uss_musdb18_sdr,
    uss_sdr,
    uss_sdri,
)
from bench.metrics.zero_mean import SI_SDR_ZERO_MEAN, si_sdr_zero_mean
from reports.aggregate import AGGREGATIONS

few = settings(max_examples=15, deadline=None)
RATE = 32_000
EVERY = (USS_SDR, USS_SDRI, USS_MUSDB18_SDR, USS_MUSDB18_SDR_RIGHT_ORDER, SI_SDR_ZERO_MEAN)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def sdr_by_the_book(estimate: np.ndarray, reference: np.ndarray) -> float:
    power, error = float(np.mean(reference**2)), float(np.mean((estimate - reference) ** 2))
    return 10 * math.log10(max(power, 1e-10) / max(error, 1e-10))


def song_by_the_book(estimate: np.ndarray, reference: np.ndarray, *, swapped: bool) -> float:
    """Mono at 32 kHz, second by second."""
    if swapped:
        estimate, reference = reference, estimate
    values = []
    for start in range(0, max(len(reference) - RATE, 0) + 1, RATE):
        e, s = estimate[start : start + RATE], reference[start : start + RATE]
        if not e.any() or not s.any():
            values.append(math.nan)
            continue
        error = float(np.sum((s - e) ** 2))
        values.append(10 * math.log10(float(np.sum(s**2)) / error) if error else math.inf)
    return float(np.nanmedian(values)) if not np.isnan(values).all() else math.nan


@pytest.mark.parametrize("module", [uss, zero_mean], ids=["uss", "zero_mean"])
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert outcome.failed == 0
    assert outcome.attempted >= 2


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.floats(-8, 2), st.floats(-8, 2))
def test_the_sdr_is_matched_at_any_level(seed: int, samples: int, level: float, error: float) -> None:
    s, n = noise(seed, 2, 2, samples)
    s, n = 10**level * s, 10**error * n
    assert float(uss_sdr(s + n, s)) == pytest.approx(sdr_by_the_book(s + n, s), abs=1e-6)


def test_the_floor_of_the_sdr_does_not_depend_on_the_length() -> None:
    s = 0.1 * noise(1, 1, 1000)
    expected = 10 * math.log10(float(np.mean(s**2)) / 1e-10)
    assert float(uss_sdr(s, s)) == pytest.approx(expected, abs=1e-9)
    assert float(uss_sdr(np.tile(s, 7), np.tile(s, 7))) == pytest.approx(expected, abs=1e-9)


def test_silence_and_signals_under_the_floor_score_zero() -> None:
    s = 1e-6 * noise(2, 1, 1000)
    assert float(uss_sdr(0 * s, 0 * s)) == 0.0
    assert float(uss_sdr(0.5 * s, s)) == 0.0
    assert math.isnan(float(uss_sdr(s[:, :0], s[:, :0])))


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_the_sdr_follows_a_common_gain_only_through_its_floor(seed: int, gain: float) -> None:
    s, n = noise(seed, 2, 1, 500)
    expected = float(uss_sdr(s + 0.1 * n, s))
    assert float(uss_sdr(gain * (s + 0.1 * n), gain * s)) == pytest.approx(expected, abs=1e-9)
    assert float(uss_sdr(1e-6 * (s + 0.1 * n), 1e-6 * s)) < 0.01


def test_silence_after_a_clip_does_not_count_above_the_floor() -> None:
    s, n = noise(12, 2, 1, 2 * RATE)
    e = s + 0.3 * n
    longer = [np.concatenate([x, np.zeros_like(x)], axis=1) for x in (e, s)]
    assert float(uss_sdr(*longer)) == pytest.approx(float(uss_sdr(e, s)), abs=1e-9)
    for swapped in (True, False):
        before = float(uss_musdb18_sdr(e, s, sample_rate=RATE, swapped=swapped))
        assert float(uss_musdb18_sdr(*longer, sample_rate=RATE, swapped=swapped)) == before


def test_the_improvement_is_a_difference_and_zero_for_the_mixture() -> None:
    s, n = noise(3, 2, 3, 2, 500)
    x = s.sum(0)
    e = s + 0.2 * n
    expected = [sdr_by_the_book(e[k], s[k]) - sdr_by_the_book(x, s[k]) for k in range(3)]
    np.testing.assert_allclose(uss_sdri(e, s, x).numpy(), expected, atol=1e-9)
    assert uss_sdri(np.stack([x] * 3), s, x).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.99, 2.0, 5.5])
def test_the_song_score_is_matched_in_either_order(seconds: float, swapped: bool) -> None:
    s, n = noise(4, 2, int(seconds * RATE))
    e = 0.7 * s + 0.2 * np.linspace(0.5, 2, len(s)) * n
    got = float(uss_musdb18_sdr(e[None], s[None], sample_rate=RATE, swapped=swapped))
    assert got == pytest.approx(song_by_the_book(e, s, swapped=swapped), abs=1e-9)


def test_the_published_order_puts_the_energy_of_the_estimate_on_top() -> None:
    s = noise(5, 1, 3 * RATE)
    e = 0.5 * s
    assert float(uss_musdb18_sdr(e, s, sample_rate=RATE)) == pytest.approx(0.0, abs=1e-9)
    assert float(uss_musdb18_sdr(e, s, sample_rate=RATE, swapped=False)) == pytest.approx(6.0206, abs=1e-4)


def test_silent_frames_do_not_count_and_exact_ones_count_as_infinite() -> None:
    s = noise(6, 1, 5 * RATE)
    e = 0.9 * s
    e[:, :RATE] = 0
    s[:, RATE : 2 * RATE] = 0
    e[:, 2 * RATE : 3 * RATE] = s[:, 2 * RATE : 3 * RATE]
    assert float(uss_musdb18_sdr(e, s, sample_rate=RATE, swapped=False)) == pytest.approx(20.0)
    e[:, 3 * RATE : 4 * RATE] = s[:, 3 * RATE : 4 * RATE]
    assert float(uss_musdb18_sdr(e, s, sample_rate=RATE, swapped=False)) == math.inf
    assert math.isnan(float(uss_musdb18_sdr(0 * e, s, sample_rate=RATE)))


def test_other_layouts_are_averaged_and_other_rates_resampled() -> None:
    s, n = noise(7, 2, 2, 88_200)
    e = s + 0.3 * n
    mono = [soxr.resample(x.mean(0), 44_100, RATE, quality="HQ") for x in (e, s)]
    got = float(uss_musdb18_sdr(e, s, sample_rate=44_100))
    assert got == pytest.approx(song_by_the_book(*mono, swapped=True), abs=1e-9)


def test_one_target_says_nothing_of_another() -> None:
    s = noise(8, 2, 1, 2 * RATE)
    e = 0.9 * s
    e[1, :, :RATE] = 0
    alone = uss_musdb18_sdr(e[0], s[0], sample_rate=RATE)
    assert torch.equal(uss_musdb18_sdr(e, s, sample_rate=RATE)[0], alone)


def test_the_aggregation_is_the_median_in_a_class_then_the_mean_over_classes() -> None:
    for metric in (USS_SDR, USS_SDRI, USS_MUSDB18_SDR, USS_MUSDB18_SDR_RIGHT_ORDER):
        assert metric.aggregations[0] == "class-median-mean"
    rule = AGGREGATIONS["class-median-mean"]
    values, classes = np.array([1.0, 2.0, 9.0, 20.0]), np.array([0, 0, 0, 1])
    assert rule(values, classes, np.ones((1, 4))).tolist() == [11.0]


@few
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 10))
def test_neither_offset_nor_gain_counts_once_means_are_removed(seed: int, offset: float, gain: float) -> None:
    s, n = noise(seed, 2, 1, 300)
    e = s + 0.3 * n
    expected = float(si_sdr(e - e.mean(), s - s.mean()))
    assert float(si_sdr_zero_mean(offset + gain * e, s - offset)) == pytest.approx(expected, abs=1e-6)


def test_each_channel_loses_its_own_mean() -> None:
    s, n = noise(9, 2, 2, 300)
    e = s + 0.3 * n
    shifted = e + np.array([[3.0], [-1.0]])
    assert float(si_sdr_zero_mean(shifted, s)) == pytest.approx(float(si_sdr_zero_mean(e, s)), abs=1e-9)
    assert float(si_sdr(shifted, s)) < float(si_sdr(e, s)) - 5


def test_a_constant_signal_has_no_direction() -> None:
    s = noise(10, 1, 300)
    assert math.isnan(float(si_sdr_zero_mean(np.full((1, 300), 0.1), s)))
    assert math.isnan(float(si_sdr_zero_mean(s, np.full((1, 300), 0.1))))
    assert math.isnan(float(si_sdr_zero_mean(s[:, :0], s[:, :0])))


@few
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_order_batch_and_type_do_not_change_a_value(seed: int, order: list[int]) -> None:
    s, n = (torch.from_numpy(x).float() for x in noise(seed, 2, 3, 2, 900))
    e = s + 0.3 * n
    functions = [uss_sdr, si_sdr_zero_mean, lambda e, s: uss_musdb18_sdr(e, s, sample_rate=300)]
    for function in functions:
        values = function(e, s)
        assert values.shape == (3,)
        assert torch.equal(function(e[order], s[order]), values[order])
        assert torch.equal(torch.stack([function(e[i], s[i]) for i in range(3)]), values)
        assert torch.equal(function(e.double().numpy(), s.double().numpy()), values)


def test_the_declared_metrics_compute_what_the_functions_do() -> None:
    s, n = noise(11, 2, 2, 1, 2 * RATE)
    e, x = s + 0.3 * n, s.sum(0)
    rows = score_cell(EVERY, estimates=e, references=s, mixture=x, sample_rate=RATE)
    found = {(row.metric, row.index): row.value for row in rows}
    for metric, values in (
        (USS_SDR, uss_sdr(e, s)),
        (USS_SDRI, uss_sdri(e, s, x)),
        (USS_MUSDB18_SDR, uss_musdb18_sdr(e, s, sample_rate=RATE)),
        (USS_MUSDB18_SDR_RIGHT_ORDER, uss_musdb18_sdr(e, s, sample_rate=RATE, swapped=False)),
        (SI_SDR_ZERO_MEAN, si_sdr_zero_mean(e, s)),
    ):
        assert [found[metric.id, k] for k in range(2)] == values.tolist()


def test_a_recorded_song_is_matched_in_either_order(shared_data: Path) -> None:
    (folder,) = (path.parent for path in (shared_data / "musdb18").rglob("vocals.flac"))
    s, rate = soundfile.read(folder / "vocals.flac", always_2d=True)
    x, _ = soundfile.read(folder / "mixture.flac", always_2d=True)
    mono = [soxr.resample(signal.mean(1), rate, RATE, quality="HQ") for signal in (0.5 * x, s)]
    for swapped in (True, False):
        got = float(uss_musdb18_sdr(0.5 * x.T, s.T, sample_rate=rate, swapped=swapped))
        assert got == pytest.approx(song_by_the_book(*mono, swapped=swapped), abs=1e-6)


def test_what_does_not_fit_is_named() -> None:
    for function in (uss_sdr, si_sdr_zero_mean):
        with pytest.raises(ValueError, match=r"estimates \(1, 900\), references \(2, 900\)"):
            function(np.ones((1, 900)), np.ones((2, 900)))
    with pytest.raises(ValueError, match="sample_rate is 0"):
        uss_musdb18_sdr(np.ones((1, 900)), np.ones((1, 900)), sample_rate=0)
