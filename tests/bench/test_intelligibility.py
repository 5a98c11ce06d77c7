from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import intelligibility
from bench.metrics.intelligibility import ESTOI, STOI, estoi, stoi
from speech_kit import noise, voice

few = settings(max_examples=6, deadline=None)
RATE = 10_000
Score = Callable[..., torch.Tensor]
EACH = pytest.mark.parametrize("score", [stoi, estoi], ids=["stoi", "estoi"])


def hann(size: int) -> np.ndarray:
    return np.array([0.5 * (1 - math.cos(2 * math.pi * i / (size + 1))) for i in range(1, size + 1)])


def cut(x: np.ndarray) -> list[np.ndarray]:
    return [x[start : start + 256] * hann(256) for start in range(0, len(x) - 256, 128)]


def joined(frames: list[np.ndarray]) -> np.ndarray:
    out = np.zeros((len(frames) - 1) * 128 + 256)
    for place, frame in enumerate(frames):
        out[place * 128 : place * 128 + 256] += frame
    return out


def envelopes(x: np.ndarray) -> np.ndarray:
    frequencies = [k * 10_000 / 512 for k in range(257)]
    columns = []
    for frame in cut(x):
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        column = []
        for band in range(15):
            low, high = (
                min(range(257), key=lambda k, e=150 * 2 ** ((2 * band + side) / 6): abs(frequencies[k] - e))
                for side in (-1, 1)
            )
            column.append(math.sqrt(sum(power[low:high])))
        columns.append(column)
    return np.array(columns).T


def by_the_book(estimate: np.ndarray, reference: np.ndarray, *, extended: bool) -> float:
    """One channel at 10 kHz, segment by segment."""
    pairs = list(zip(cut(estimate), cut(reference), strict=True))
    levels = [20 * math.log10(np.linalg.norm(s) + 2.0**-52) for _, s in pairs]
    kept = [pair for pair, level in zip(pairs, levels, strict=True) if level > max(levels) - 40]
    e, s = (envelopes(joined([pair[k] for pair in kept])) for k in (0, 1))
    values = []
    for end in range(30, s.shape[1] + 1):
        x, y = s[:, end - 30 : end].copy(), e[:, end - 30 : end].copy()
        if extended:
            for part in (x, y):
                for rows in (part, part.T):
                    for row in rows:
                        row -= row.mean()
                        row /= np.linalg.norm(row)
            values.append(float((x * y).sum()) / 30)
            continue
        for a, b in zip(x, y, strict=True):
            b = np.minimum(b * np.linalg.norm(a) / np.linalg.norm(b), a * (1 + 10 ** (15 / 20)))
            a, b = a - a.mean(), b - b.mean()
            values.append(float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b)))
    return float(np.mean(values))


def test_the_examples_in_the_documentation_hold() -> None:
    outcome = doctest.testmod(intelligibility)
    assert outcome.failed == 0
    assert outcome.attempted >= 4


@pytest.mark.parametrize("level", [0.003, 0.05, 0.5])
def test_the_formulas_are_matched(level: float) -> None:
    s = voice(1, 1.2, RATE)
    e = s + level * noise(2, len(s))
    got = [float(score(e[None], s[None], sample_rate=RATE)) for score in (stoi, estoi)]
    assert got == pytest.approx([by_the_book(e, s, extended=x) for x in (False, True)], abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 10_000, 16_000, 22_050, 44_100, 48_000])
def test_pystoi_is_matched_at_the_usual_rates(rate: int) -> None:
    published = pytest.importorskip("pystoi", reason="pystoi is not installed: pip install 'stemtree[dev]'").stoi
    s = voice(3, 1.5, rate)
    s[: rate // 2] = 0
    e = s + 0.05 * noise(4, len(s))
    for score, extended in ((stoi, False), (estoi, True)):
        got = float(score(e[None], s[None], sample_rate=rate))
        assert got == pytest.approx(published(s, e, rate, extended=extended), abs=1e-6)


def test_pystoi_is_matched_on_recorded_speech(shared_data: Path) -> None:
    published = pytest.importorskip("pystoi", reason="pystoi is not installed: pip install 'stemtree[dev]'").stoi
    for utterance in ("p232_003", "p232_005"):
        clean, noisy = (
            soundfile.read(shared_data / "voicebank_demand" / folder / f"{utterance}.flac")[0]
            for folder in ("clean_testset_wav", "noisy_testset_wav")
        )
        for score, extended in ((stoi, False), (estoi, True)):
            got = float(score(noisy[None], clean[None], sample_rate=16_000))
            assert got == pytest.approx(published(clean, noisy, 16_000, extended=extended), abs=1e-6)


@EACH
def test_more_segments_than_are_worked_on_at_a_time_are_all_counted(score: Score) -> None:
    published = pytest.importorskip("pystoi", reason="pystoi is not installed: pip install 'stemtree[dev]'").stoi
    s = noise(5, 80_000)
    e = np.where(np.arange(80_000) < 70_000, s, noise(6, 80_000))
    expected = published(s, e, RATE, extended=score is estoi)
    assert float(score(e[None], s[None], sample_rate=RATE)) == pytest.approx(expected, abs=1e-6)


@EACH
@few
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_the_level_of_either_signal_does_not_count(score: Score, seed: int, gain: float) -> None:
    s = voice(seed, 0.8, RATE)[None]
    e = s + 0.05 * noise(seed, *s.shape)
    expected = pytest.approx(float(score(e, s, sample_rate=RATE)), abs=1e-6)
    assert float(score(gain * e, s, sample_rate=RATE)) == expected
    assert float(score(e, gain * s, sample_rate=RATE)) == expected


@EACH
def test_silence_before_and_after_does_not_count(score: Score) -> None:
    s = noise(7, 1, 128 * 80)
    e = s + 0.5 * noise(8, *s.shape)
    padded = [np.pad(x, ((0, 0), (128 * 40, 128 * 40))) for x in (e, s)]
    before = float(score(e, s, sample_rate=RATE))
    assert float(score(*padded, sample_rate=RATE)) == pytest.approx(before, abs=0.02)
    assert 0.2 < before < 0.98


@EACH
def test_more_noise_scores_less(score: Score) -> None:
    s = voice(9, 1.0, RATE)[None]
    values = [float(score(s + level * noise(10, *s.shape), s, sample_rate=RATE)) for level in (0, 0.01, 0.1, 1)]
    assert values[0] == pytest.approx(1.0, abs=1e-9)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.8


@EACH
def test_a_silent_estimate_scores_zero_every_time(score: Score) -> None:
    s = voice(11, 1.0, RATE)[None]
    assert [float(score(0 * s, s, sample_rate=RATE)) for _ in range(2)] == [0.0, 0.0]


@EACH
@pytest.mark.parametrize(("frames", "defined"), [(0, False), (1, False), (30, False), (31, True)])
def test_fewer_than_30_frames_of_sound_have_no_value(score: Score, frames: int, defined: bool) -> None:
    # n frames of a signal that goes on: the last is left out once when silence is removed, once when spectra are taken
    samples = 256 + (frames - 1) * 128 + 1 if frames else 0
    s = noise(12, 1, samples)
    assert math.isnan(float(score(s, s, sample_rate=RATE))) != defined


@EACH
def test_a_long_pause_does_not_make_up_for_missing_sound(score: Score) -> None:
    s = np.concatenate([noise(13, 1, 2000), np.zeros((1, 20_000))], axis=1)
    assert math.isnan(float(score(s, s, sample_rate=RATE)))


@EACH
@few
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_order_and_batch_do_not_change_a_value(score: Score, seed: int, order: list[int]) -> None:
    s = torch.from_numpy(np.stack([voice(seed + k, 0.6, 16_000) for k in range(6)]).reshape(3, 2, -1))
    e = s + 0.1 * torch.from_numpy(noise(seed, *s.shape))
    values = score(e, s, sample_rate=16_000)
    assert values.shape == (3,)
    assert torch.equal(score(e[order], s[order], sample_rate=16_000), values[order])
    assert torch.equal(torch.stack([score(e[i], s[i], sample_rate=16_000) for i in range(3)]), values)
    assert torch.equal(score(e[:, None], s[None], sample_rate=16_000).diagonal(), values)


@EACH
def test_several_channels_give_the_mean_of_their_values(score: Score) -> None:
    s = np.stack([voice(14, 0.8, RATE), voice(15, 0.8, RATE)])
    e = s + np.array([[0.01], [0.5]]) * noise(16, *s.shape)
    each = [float(score(e[c : c + 1], s[c : c + 1], sample_rate=RATE)) for c in range(2)]
    assert each[0] > each[1]
    assert float(score(e, s, sample_rate=RATE)) == pytest.approx(sum(each) / 2, abs=1e-12)


@EACH
def test_float32_input_is_taken_at_its_own_value(score: Score) -> None:
    s = torch.from_numpy(voice(17, 0.8, 16_000))[None].float()
    e = s + 0.1 * torch.from_numpy(noise(18, *s.shape)).float()
    exact = score(e.double(), s.double(), sample_rate=16_000)
    assert torch.equal(score(e, s, sample_rate=16_000), exact)
    assert torch.equal(score(e.numpy(), s.numpy(), sample_rate=16_000), exact)


@EACH
def test_what_does_not_fit_is_named(score: Score) -> None:
    with pytest.raises(ValueError, match=r"estimates \(1, 900\), references \(2, 900\)"):
        score(np.ones((1, 900)), np.ones((2, 900)), sample_rate=RATE)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        score(np.ones((1, 900)), np.ones((1, 900)), sample_rate=0)


@pytest.mark.parametrize(("metric", "score"), [(STOI, stoi), (ESTOI, estoi)], ids=["stoi", "estoi"])
def test_the_declared_metric_computes_what_the_function_does(metric: intelligibility.Metric, score: Score) -> None:
    from bench.metrics.score import score_cell

    s = torch.from_numpy(np.stack([voice(19, 0.8, 16_000), voice(20, 0.8, 16_000)])[:, None])
    e = s + 0.05 * torch.from_numpy(noise(21, *s.shape))
    rows = score_cell([metric], estimates=e, references=s, mixture=s.sum(0), sample_rate=16_000)
    assert [row.value for row in rows] == score(e, s, sample_rate=16_000).tolist()
