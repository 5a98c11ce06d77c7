from __future__ import annotations

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import segmental
from bench.metrics.segmental import SSNR, ssnr

few = settings(max_examples=15, deadline=None)
RATE = 16_000
FRAME, HOP = 480, 120


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def by_the_book(estimate: np.ndarray, reference: np.ndarray, rate: int) -> float:
    """One channel, frame by frame, sample by sample as the formula is printed."""
    eps = 2.0**-52
    size = round(0.03 * rate)
    hop = math.floor((1 - 0.75) * 0.03 * rate)
    scores = []
    start = 0
    while start + size <= len(reference):
        signal = error = 0.0
        for i in range(1, size + 1):
            weight = 0.5 * (1 - math.cos(2 * math.pi * i / (size + 1)))
            s, e = weight * reference[start + i - 1], weight * estimate[start + i - 1]
            signal += s * s
            error += (s - e) ** 2
        scores.append(min(max(10 * math.log10(signal / (error + eps) + eps), -10.0), 35.0))
        start += hop
    scores = scores[:-1]
    return sum(scores) / len(scores) if scores else math.nan


def test_the_examples_in_the_documentation_hold() -> None:
    outcome = doctest.testmod(segmental)
    assert outcome.failed == 0
    assert outcome.attempted >= 3


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("snr", [-25.0, 5.0, 60.0])
def test_the_formula_is_matched_at_the_usual_rates(rate: int, snr: float) -> None:
    s, n = noise(rate, 2, rate // 10)
    e = s + 10 ** (-snr / 20) * n
    assert float(ssnr(e[None], s[None], sample_rate=rate)) == pytest.approx(by_the_book(e, s, rate), abs=1e-9)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 1500))
def test_the_formula_is_matched_at_any_length(seed: int, samples: int) -> None:
    s, n = noise(seed, 2, samples)
    s[: samples // 4] = 0
    expected = by_the_book(s + 0.3 * n, s, RATE)
    got = float(ssnr((s + 0.3 * n)[None], s[None], sample_rate=RATE))
    assert got == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("samples", "defined"), [(0, False), (1, False), (FRAME, False), (FRAME + HOP - 1, False), (FRAME + HOP, True)]
)
def test_a_clip_of_less_than_a_frame_and_a_hop_has_no_value(samples: int, defined: bool) -> None:
    value = float(ssnr(np.full((1, samples), 0.9), np.ones((1, samples)), sample_rate=RATE))
    assert value == pytest.approx(20.0) if defined else math.isnan(value)


def test_the_last_whole_frame_is_not_counted() -> None:
    s = np.ones((1, FRAME + 2 * HOP))
    e = 0.9 * s
    e[:, -HOP:] = -50  # lies in the third frame alone
    assert float(ssnr(e, s, sample_rate=RATE)) == pytest.approx(20.0)


def test_frames_are_clipped_to_minus_10_and_35() -> None:
    s = noise(1, 1, 4000)
    assert float(ssnr(s, s, sample_rate=RATE)) == 35.0
    assert float(ssnr(1.000001 * s, s, sample_rate=RATE)) == 35.0
    assert float(ssnr(100 * s, s, sample_rate=RATE)) == -10.0


def test_a_silent_reference_frame_scores_minus_10_even_where_the_estimate_equals_it() -> None:
    s = noise(2, 1, 8000)
    s[:, 3000:5000] = 0
    frames = (8000 - FRAME) // HOP
    silent = sum(k * HOP >= 3000 and k * HOP + FRAME <= 5000 for k in range(frames))
    expected = (35.0 * (frames - silent) - 10.0 * silent) / frames
    assert silent > 0
    assert float(ssnr(s, s, sample_rate=RATE)) == pytest.approx(expected, abs=1e-9)
    assert float(ssnr(0 * s, 0 * s, sample_rate=RATE)) == -10.0


def test_a_silent_estimate_scores_zero() -> None:
    s = noise(3, 1, 4000)
    assert float(ssnr(0 * s, s, sample_rate=RATE)) == pytest.approx(0.0, abs=1e-9)


def test_the_offset_of_the_error_does_not_follow_the_level() -> None:
    s = noise(4, 1, 4000)
    e = 0.9 * s
    assert float(ssnr(e, s, sample_rate=RATE)) == pytest.approx(20.0, abs=1e-9)
    assert float(ssnr(1e-9 * e, 1e-9 * s, sample_rate=RATE)) < 15.0


def test_several_channels_give_the_mean_of_their_values() -> None:
    s, n = noise(5, 2, 2, 4000)
    e = s + np.array([[0.1], [0.5]]) * n
    each = [float(ssnr(e[c : c + 1], s[c : c + 1], sample_rate=RATE)) for c in range(2)]
    assert each[0] - each[1] > 10
    assert float(ssnr(e, s, sample_rate=RATE)) == pytest.approx(sum(each) / 2, abs=1e-9)


@few
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_order_and_batch_do_not_change_a_value(seed: int, order: list[int]) -> None:
    s, n = (torch.from_numpy(x) for x in noise(seed, 2, 3, 2, 1500))
    e = s + torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)[:, None, None] * n
    values = ssnr(e, s, sample_rate=RATE)
    assert values.shape == (3,)
    assert torch.equal(ssnr(e[order], s[order], sample_rate=RATE), values[order])
    assert torch.equal(torch.stack([ssnr(e[i], s[i], sample_rate=RATE) for i in range(3)]), values)


def test_float32_input_is_taken_at_its_own_value() -> None:
    s = torch.from_numpy(noise(6, 1, 3000)).float()
    e = 0.8 * s
    exact = ssnr(e.double(), s.double(), sample_rate=RATE)
    assert torch.equal(ssnr(e, s, sample_rate=RATE), exact)
    assert torch.equal(ssnr(e.numpy(), s.numpy(), sample_rate=RATE), exact)


def test_recorded_speech_is_matched(shared_data: Path) -> None:
    clean, noisy = (
        soundfile.read(shared_data / "voicebank_demand" / folder / "p232_003.flac")[0][16_000:24_000]
        for folder in ("clean_testset_wav", "noisy_testset_wav")
    )
    got = float(ssnr(noisy[None], clean[None], sample_rate=RATE))
    assert got == pytest.approx(by_the_book(noisy, clean, RATE), abs=1e-9)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"estimates \(1, 900\), references \(2, 900\)"):
        ssnr(np.ones((1, 900)), np.ones((2, 900)), sample_rate=RATE)


def test_a_rate_too_low_for_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_rate is 100"):
        ssnr(np.ones((1, 900)), np.ones((1, 900)), sample_rate=100)


def test_the_declared_metric_computes_what_the_function_does() -> None:
    s = noise(7, 2, 1, 4000)
    signals = {"estimates": 0.9 * s, "references": s, "sample_rate": RATE}
    values = SSNR.function(**{name: signals[name] for name in SSNR.needs})
    np.testing.assert_allclose(values.numpy(), [20.0, 20.0], atol=1e-9)
