from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import speech
from bench.metrics.speech import LLR, WSS, llr, wss
from speech_kit import noise, voice

few = settings(max_examples=8, deadline=None)
RATE = 16_000
FRAME, HOP = 480, 120
EPS = 2.0**-52
Score = Callable[..., torch.Tensor]
CENTRES = [50, 120, 190, 260, 330, 400, 470, 540, 617.372, 703.378, 798.717, 904.128, 1020.38, 1148.30, 1288.72,
           1442.54, 1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63]  # fmt: skip
WIDTHS = [70, 70, 70, 70, 70, 70, 70, 77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914, 140.423, 153.823, 168.154,
          183.457, 199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136]  # fmt: skip


def frames_of(signal: np.ndarray, rate: int) -> list[np.ndarray]:
    size = round(0.03 * rate)
    hop = size // 4
    window = np.array([0.5 * (1 - math.cos(2 * math.pi * i / (size + 1))) for i in range(1, size + 1)])
    count = (len(signal) - size) // hop
    return [(signal[k * hop : k * hop + size] + EPS) * window for k in range(count)]


def lowest(values: list[float]) -> float:
    return float(np.mean(sorted(values)[: round(0.95 * len(values))]))


def predictor(frame: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """The normal equations, solved as they stand."""
    lags = np.array([np.dot(frame[: len(frame) - k], frame[k:]) for k in range(order + 1)])
    matrix = np.array([[lags[abs(i - j)] for j in range(order + 1)] for i in range(order + 1)])
    taps = np.linalg.solve(matrix[:order, :order], lags[1:])
    return np.concatenate([[1.0], -taps]), matrix


def llr_by_the_book(estimate: np.ndarray, reference: np.ndarray, rate: int, most: float | None = 2.0) -> float:
    order = 10 if rate < 10_000 else 16
    values = []
    for e, s in zip(frames_of(estimate, rate), frames_of(reference, rate), strict=True):
        own, matrix = predictor(s, order)
        other, _ = predictor(e, order)
        value = math.log((other @ matrix @ other) / (own @ matrix @ own))
        values.append(value if most is None else min(value, most))
    return lowest(values)


@cache
def band_weights(size: int, rate: int) -> np.ndarray:
    weights = np.zeros((25, size // 2))
    for band, (centre, width) in enumerate(zip(CENTRES, WIDTHS, strict=True)):
        middle, spread = math.floor(centre / (rate / 2) * (size / 2)), width / (rate / 2) * (size / 2)
        for place in range(size // 2):
            weight = math.exp(-11 * ((place - middle) / spread) ** 2 + math.log(70.0) - math.log(width))
            if weight > math.exp(-30 / (2 * 2.303)):
                weights[band, place] = weight
    return weights


def bands(frame: np.ndarray, rate: int) -> list[float]:
    size = 1
    while size < 2 * len(frame):
        size *= 2
    power = np.abs(np.fft.fft(frame, size)) ** 2
    energies = band_weights(size, rate) @ power[: size // 2]
    return [10 * math.log10(max(energy, 1e-10)) for energy in energies]


def peak_weights(levels: list[float]) -> list[float]:
    slopes = [levels[k + 1] - levels[k] for k in range(24)]
    weights = []
    for k in range(24):
        n = k
        if slopes[k] > 0:
            while n < 24 and slopes[n] > 0:
                n += 1
            peak = levels[n - 1]
        else:
            while n >= 0 and slopes[n] <= 0:
                n -= 1
            peak = levels[n + 1]
        weights.append(20 / (20 + max(levels) - levels[k]) * 1 / (1 + peak - levels[k]))
    return weights


def wss_by_the_book(estimate: np.ndarray, reference: np.ndarray, rate: int) -> float:
    values = []
    for e, s in zip(frames_of(estimate, rate), frames_of(reference, rate), strict=True):
        first, second = bands(s, rate), bands(e, rate)
        weights = [(a + b) / 2 for a, b in zip(peak_weights(first), peak_weights(second), strict=True)]
        differences = [(first[k + 1] - first[k]) - (second[k + 1] - second[k]) for k in range(24)]
        total = sum(w * d**2 for w, d in zip(weights, differences, strict=True))
        values.append(total / sum(weights))
    return lowest(values)


BOTH = pytest.mark.parametrize(("score", "book"), [(llr, llr_by_the_book), (wss, wss_by_the_book)], ids=["llr", "wss"])
EACH = pytest.mark.parametrize("score", [llr, wss], ids=["llr", "wss"])


def test_the_examples_in_the_documentation_hold() -> None:
    outcome = doctest.testmod(speech)
    assert outcome.failed == 0
    assert outcome.attempted >= 4


@BOTH
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("snr", [-5.0, 30.0])
def test_the_formula_is_matched_at_the_usual_rates(score: Score, book: Score, rate: int, snr: float) -> None:
    s = voice(1, 0.3, rate)
    e = s + 0.1 * 10 ** (-snr / 20) * noise(2, len(s))
    assert float(score(e[None], s[None], sample_rate=rate)) == pytest.approx(book(e, s, rate), abs=1e-6)


@BOTH
@pytest.mark.parametrize("frames", [1, 2, 10, 30, 31])
def test_the_share_of_frames_that_counts_is_rounded_half_to_even(score: Score, book: Score, frames: int) -> None:
    s = voice(3, 1.0, RATE)[2000 : 2000 + FRAME + frames * HOP]
    e = s + 0.05 * noise(4, len(s)) * np.linspace(0, 1, len(s))
    assert float(score(e[None], s[None], sample_rate=RATE)) == pytest.approx(book(e, s, RATE), abs=1e-6)


@BOTH
def test_more_frames_than_are_worked_on_at_a_time_are_all_counted(score: Score, book: Score) -> None:
    s = voice(5, 4.5, RATE)
    e = np.where(np.arange(len(s)) < 66_000, s, s + 0.05 * noise(6, len(s)))
    assert (len(s) - FRAME) // HOP > 512
    assert float(score(e[None], s[None], sample_rate=RATE)) == pytest.approx(book(e, s, RATE), abs=1e-6)


def test_a_frame_of_the_llr_is_cut_at_2_unless_asked_not_to() -> None:
    s = voice(7, 0.3, RATE)
    e = np.cumsum(noise(8, len(s)))
    for most in (2.0, None):
        got = float(llr(e[None], s[None], sample_rate=RATE, most=most))
        assert got == pytest.approx(llr_by_the_book(e, s, RATE, most), abs=1e-6)
    assert float(llr(e[None], s[None], sample_rate=RATE)) < float(llr(e[None], s[None], sample_rate=RATE, most=None))


def test_band_energies_are_not_let_under_their_floor() -> None:
    s = np.zeros(4000)
    e = 1e-9 * noise(9, 4000)
    assert float(wss(e[None], s[None], sample_rate=RATE)) == 0.0
    assert wss_by_the_book(e, s, RATE) == 0.0


def test_silence_in_both_costs_nothing() -> None:
    s = np.zeros((1, 4000))
    assert float(llr(s, s, sample_rate=RATE)) == 0.0
    assert float(wss(s, s, sample_rate=RATE)) == 0.0


def test_silence_after_both_lowers_the_distortion() -> None:
    s = voice(10, 0.5, RATE)
    e = s + 0.05 * noise(11, len(s))
    longer = [np.concatenate([x, np.zeros(len(x))])[None] for x in (e, s)]
    for score in (llr, wss):
        before = float(score(e[None], s[None], sample_rate=RATE))
        assert 0 < float(score(*longer, sample_rate=RATE)) < 0.6 * before


@EACH
@few
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 100))
def test_an_estimate_off_by_a_gain_alone_is_perfect(score: Score, seed: int, gain: float) -> None:
    s = voice(seed, 0.2, RATE)[None]
    assert float(score(gain * s, s, sample_rate=RATE)) == pytest.approx(0.0, abs=1e-6)


@EACH
@few
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 100))
def test_the_level_of_either_signal_does_not_count(score: Score, seed: int, gain: float) -> None:
    s = voice(seed, 0.2, RATE)[None]
    e = s + 0.05 * noise(seed, *s.shape)
    expected = pytest.approx(float(score(e, s, sample_rate=RATE)), abs=1e-6)
    assert float(score(gain * e, s, sample_rate=RATE)) == expected
    assert float(score(e, gain * s, sample_rate=RATE)) == expected


@EACH
@pytest.mark.parametrize(
    ("samples", "defined"), [(0, False), (1, False), (FRAME + HOP - 1, False), (FRAME + HOP, True)]
)
def test_a_clip_of_less_than_a_frame_and_a_hop_has_no_value(score: Score, samples: int, defined: bool) -> None:
    s = noise(12, 1, samples)
    value = float(score(0.9 * s, s, sample_rate=RATE))
    assert value == pytest.approx(0.0, abs=1e-9) if defined else math.isnan(value)


@EACH
@few
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_order_and_batch_do_not_change_a_value(score: Score, seed: int, order: list[int]) -> None:
    s = torch.from_numpy(np.stack([voice(seed + k, 0.1, RATE) for k in range(6)]).reshape(3, 2, -1))
    e = s + 0.1 * torch.from_numpy(noise(seed, *s.shape))
    values = score(e, s, sample_rate=RATE)
    assert values.shape == (3,)
    assert torch.equal(score(e[order], s[order], sample_rate=RATE), values[order])
    assert torch.equal(torch.stack([score(e[i], s[i], sample_rate=RATE) for i in range(3)]), values)


@EACH
def test_several_channels_give_the_mean_of_their_values(score: Score) -> None:
    s = np.stack([voice(13, 0.2, RATE), voice(14, 0.2, RATE)])
    e = s + np.array([[1e-4], [1e-2]]) * noise(15, *s.shape)
    each = [float(score(e[c : c + 1], s[c : c + 1], sample_rate=RATE)) for c in range(2)]
    assert each[0] < each[1]
    assert float(score(e, s, sample_rate=RATE)) == pytest.approx(sum(each) / 2, abs=1e-9)


@EACH
def test_float32_input_is_taken_at_its_own_value(score: Score) -> None:
    s = torch.from_numpy(voice(16, 0.2, RATE))[None].float()
    e = s + 0.1 * torch.from_numpy(noise(17, *s.shape)).float()
    exact = score(e.double(), s.double(), sample_rate=RATE)
    assert torch.equal(score(e, s, sample_rate=RATE), exact)
    assert torch.equal(score(e.numpy(), s.numpy(), sample_rate=RATE), exact)


@BOTH
def test_recorded_speech_is_matched(score: Score, book: Score, shared_data: Path) -> None:
    clean, noisy = (
        soundfile.read(shared_data / "voicebank_demand" / folder / "p232_003.flac")[0][16_000:20_000]
        for folder in ("clean_testset_wav", "noisy_testset_wav")
    )
    got = float(score(noisy[None], clean[None], sample_rate=RATE))
    assert got == pytest.approx(book(noisy, clean, RATE), abs=1e-6)


@EACH
def test_what_does_not_fit_is_named(score: Score) -> None:
    with pytest.raises(ValueError, match=r"estimates \(1, 900\), references \(2, 900\)"):
        score(np.ones((1, 900)), np.ones((2, 900)), sample_rate=RATE)
    with pytest.raises(ValueError, match="sample_rate is 100"):
        score(np.ones((1, 900)), np.ones((1, 900)), sample_rate=100)


@pytest.mark.parametrize(("metric", "score"), [(LLR, llr), (WSS, wss)], ids=["llr", "wss"])
def test_the_declared_metric_computes_what_the_function_does(metric: speech.Metric, score: Score) -> None:
    s = np.stack([voice(18, 0.2, RATE), voice(19, 0.2, RATE)])[:, None]
    e = s + 0.1 * noise(20, *s.shape)
    values = metric.function(estimates=e, references=s, sample_rate=RATE)
    assert metric.better == "lower"
    assert torch.equal(values, score(e, s, sample_rate=RATE))
    assert (values > 0).all()
