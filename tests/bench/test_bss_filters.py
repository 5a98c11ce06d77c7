from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from bench.memory import PeakMemory
from bench.metrics.bss_eval import bss_eval_v4, filters
from bench.metrics.bss_eval.correlations import correlations, stretch

LENGTH = 16
SAMPLES = 1_200


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def panned() -> np.ndarray:
    s = noise(1, 2, 2, SAMPLES)
    s[0, 1] = 0.3 * s[0, 0]
    s[1, 1] = 0.7 * s[1, 0]
    return s


def mono_in_stereo() -> np.ndarray:
    s = noise(2, 2, 2, SAMPLES)
    s[0, 1] = s[0, 0]
    return s


def dead_channel() -> np.ndarray:
    s = noise(3, 2, 2, SAMPLES)
    s[1, 0] = 0
    return s


def sum_of_the_others() -> np.ndarray:
    s = noise(4, 3, 1, SAMPLES)
    s[2] = s[0] + s[1]
    return s


def twins() -> np.ndarray:
    return np.repeat(noise(5, 1, 2, SAMPLES), 2, axis=0)


def narrow_band() -> np.ndarray:
    low = scipy.signal.resample_poly(noise(6, 2, 1, SAMPLES // 4), 4, 1, axis=-1)
    return np.asarray(low)


def tones() -> np.ndarray:
    steps = np.arange(SAMPLES)
    return np.stack([np.sin(0.3 * steps), np.sin(0.5 * steps)])[:, None]


def by_definition(estimate: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The projection of ``(channels, samples)`` on all delayed ``columns``, by orthogonal bases of the delays."""
    size = estimate.shape[-1] + LENGTH - 1
    delayed = np.stack([np.pad(x, (d, size - len(x) - d)) for x in columns for d in range(LENGTH)], axis=1)
    bases, values, _ = np.linalg.svd(delayed, full_matrices=False)
    bases = bases[:, values > 1e-9 * values[0]]
    padded = np.pad(estimate, ((0, 0), (0, LENGTH - 1)))
    return (bases @ (bases.T @ padded.T)).T


@pytest.mark.parametrize(
    "stems",
    [panned, mono_in_stereo, dead_channel, sum_of_the_others, twins, narrow_band, tones],
    ids=lambda x: x.__name__,
)
def test_where_references_determine_no_filters_the_projections_are_still_right(stems: object) -> None:
    assert callable(stems)
    s = stems()
    e = s + 0.2 * noise(7, *s.shape) + 0.1 * s[::-1]
    ours = bss_eval_v4(e, s, window=None, filter_length=LENGTH)
    for index, (estimate, reference) in enumerate(zip(e, s, strict=True)):
        span, fit = by_definition(estimate, s.reshape(-1, SAMPLES)), by_definition(estimate, reference)
        target, heard = (np.pad(x, ((0, 0), (0, LENGTH - 1))) for x in (reference, estimate))
        expected = {
            "sdr": np.sum(target**2) / np.sum((target - heard) ** 2),
            "isr": np.sum(target**2) / np.sum((fit - target) ** 2),
            "sar": np.sum(span**2) / np.sum((heard - span) ** 2),
        }
        if stems is not twins:  # there nothing interferes, and the ratio is rounding noise over 200 dB
            expected["sir"] = np.sum(fit**2) / np.sum((span - fit) ** 2)
        for name, ratio in expected.items():
            assert float(getattr(ours, name)[index, 0]) == pytest.approx(10 * np.log10(ratio), abs=2e-4), name
    if stems is twins:
        assert (ours.sir > 200).all()


@pytest.mark.parametrize("lags", [1, 7, 512])
@pytest.mark.parametrize("samples", [3, 511, 20_000])
def test_correlations_in_blocks_are_those_of_the_whole(lags: int, samples: int) -> None:
    a, b = (torch.from_numpy(noise(seed, 2, samples)) for seed in (10, 11))
    found = correlations(a, b, lags=lags)
    assert found.shape == (2, 4, lags)
    for left in range(2):
        for right, other in enumerate((*a, *b)):
            whole = np.correlate(np.pad(other.numpy(), (0, lags - 1)), a[left].numpy(), mode="valid")
            np.testing.assert_allclose(found[left, right].numpy(), whole, rtol=0, atol=1e-10 * samples)


def test_a_stretch_reaches_over_both_ends() -> None:
    x = torch.arange(1, 5).float()[None]
    assert stretch(x, -2, 4).tolist() == [[0, 0, 1, 2]]
    assert stretch(x, 3, 3).tolist() == [[4, 0, 0]]
    assert stretch(x, 9, 2).tolist() == [[0, 0]]
    assert stretch(x, -5, 2).tolist() == [[0, 0]]
    assert stretch(x, 1, 2).dtype == torch.float64


def test_all_ways_to_solve_find_the_same_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (torch.from_numpy(noise(seed, 3, SAMPLES)) for seed in (12, 13))
    lags = correlations(a, b, lags=LENGTH)
    rows, columns = range(3), [3, 5]
    first = filters.project(lags, rows, columns, ridge=0.0)
    assert first.shape == (3, LENGTH, 2)
    monkeypatch.setattr(filters, "_by_cholesky", lambda *_: None)
    torch.testing.assert_close(filters.project(lags, rows, columns, ridge=0.0), first, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(filters, "_by_elimination", lambda *_: None)
    torch.testing.assert_close(filters.project(lags, rows, columns, ridge=0.0), first, rtol=1e-9, atol=1e-12)


def test_memory_grows_by_less_than_the_signals_themselves() -> None:
    s = torch.from_numpy(noise(14, 2, 2, 2_000_000))
    e = s.flip(-1)
    bss_eval_v4(e[..., :9_000], s[..., :9_000], window=4_000, filter_length=LENGTH)
    peak = PeakMemory()
    found = bss_eval_v4(e, s, window=44_100, filter_length=LENGTH)
    grown = peak.growth_mb()
    assert found.sdr.shape == (2, 45)
    if grown is None:
        pytest.skip("this system does not tell the growth of memory")
    assert grown < 100, "the signals have 128 MB"
