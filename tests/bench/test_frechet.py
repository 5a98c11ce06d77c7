from __future__ import annotations

import doctest
import math
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.linalg
import soundfile
import torch

from bench.metrics import frechet
from bench.metrics.frechet import FRECHET_LOGMEL, frechet_logmel
from bench.metrics.score import SET_REASON, score_cell

RATE = 16_000


def clips(count: int, *, seed: int = 0, seconds: float = 0.5, colour: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((count, 1, int(seconds * RATE)))
    made[..., 1:] += colour * made[..., :-1]
    return list(0.1 * made)


def by_the_book(estimates: list[np.ndarray], references: list[np.ndarray]) -> float:
    """Frame by frame, with scipy's matrix square root."""
    bands = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * i / 400) for i in range(400)]
    statistics = []
    for part in (estimates, references):
        vectors = []
        for clip in part:
            for start in range(0, clip.shape[1] - 399, 160):
                spectrum = np.abs(np.fft.rfft(clip[0, start : start + 400] * window, 512))
                vectors.append(np.log(bands.astype(np.float64) @ spectrum + 0.01))
        statistics.append((np.mean(vectors, axis=0), np.cov(np.array(vectors), rowvar=False)))
    (u, C), (v, D) = statistics
    return float(((u - v) ** 2).sum() + np.trace(C + D - 2 * scipy.linalg.sqrtm(C @ D).real))


def test_the_examples_in_the_documentation_hold() -> None:
    outcome = doctest.testmod(frechet)
    assert outcome.failed == 0
    assert outcome.attempted >= 2


def test_the_formula_is_matched() -> None:
    one, other = clips(4, seed=1, colour=0.7), clips(3, seed=2, seconds=0.8)
    got = float(frechet_logmel(one, other, sample_rate=RATE))
    assert got > 0.1
    assert got == pytest.approx(by_the_book(one, other), abs=1e-5)


def test_a_set_has_no_distance_from_itself_in_any_order() -> None:
    some = clips(4)
    assert float(frechet_logmel(some, some[::-1], sample_rate=RATE)) == pytest.approx(0.0, abs=1e-9)


def test_the_distance_is_symmetric_and_grows_with_the_difference() -> None:
    plain = clips(4)
    near, far = clips(4, seed=5, colour=0.2), clips(4, seed=5, colour=0.9)
    distances = [float(frechet_logmel(x, plain, sample_rate=RATE)) for x in (near, far)]
    assert distances[0] < distances[1]
    assert float(frechet_logmel(plain, far, sample_rate=RATE)) == pytest.approx(distances[1], rel=1e-6)


def test_other_layouts_rates_and_types_are_taken() -> None:
    stereo = [np.concatenate([x, x]).astype(np.float32) for x in clips(3, seconds=1.0)]
    mono = [torch.from_numpy(x[:1]).double() for x in stereo]
    assert float(frechet_logmel(stereo, mono, sample_rate=RATE)) == pytest.approx(0.0, abs=1e-9)
    assert float(frechet_logmel(stereo, mono, sample_rate=44_100)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("few", [[], [np.zeros((1, 399))], [np.zeros((1, 400))]])
def test_fewer_than_two_frames_have_no_value(few: list[np.ndarray]) -> None:
    assert math.isnan(float(frechet_logmel(few, clips(2), sample_rate=RATE)))


def test_a_clip_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"references\[1\] of shape \(2, 1, 9\)"):
        frechet_logmel(clips(1), [*clips(1), np.zeros((2, 1, 9))], sample_rate=RATE)


def test_a_single_cell_has_no_value_and_a_reason() -> None:
    s = np.stack(clips(2))
    rows = score_cell([FRECHET_LOGMEL], estimates=s, references=s, mixture=s.sum(0), sample_rate=RATE)
    assert {(row.status, row.reason) for row in rows} == {("skip", SET_REASON)}


def test_enhanced_speech_is_nearer_to_clean_than_noisy_speech(shared_data: Path) -> None:
    folder = shared_data / "voicebank_demand"
    names = [f"p232_{number}.flac" for number in ("003", "005", "006")]
    clean, noisy, enhanced = (
        [soundfile.read(folder / kind / name)[0][None] for name in names]
        for kind in ("clean_testset_wav", "noisy_testset_wav", "enhanced_cmgan")
    )
    distances = [float(frechet_logmel(x, clean, sample_rate=RATE)) for x in (noisy, enhanced)]
    assert distances[1] < distances[0]
