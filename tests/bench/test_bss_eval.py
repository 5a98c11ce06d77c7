from __future__ import annotations

import doctest
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.base import Scored
from bench.metrics.bss_eval import SDR_BSSEVAL_V4, framewise_sdr, sdr, sdr_bsseval_v4, v3, v4

Reference = Callable[..., np.ndarray]
RATE = 400  # a frame of 400 samples is as good as one of 44,100, and museval's filters stay cheap


@pytest.fixture(scope="module")
def museval_sdr() -> Iterator[Reference]:
    """museval's framewise SDR of ``(sources, channels, samples)``, before it rounds or averages anything."""
    with pytest.MonkeyPatch.context() as patch:
        # museval asks for musdb, which wants ffmpeg at import, only to read data sets.
        patch.setitem(sys.modules, "musdb", ModuleType("musdb"))
        metrics = pytest.importorskip("museval.metrics")

        def framewise(estimates: np.ndarray, references: np.ndarray, *, rate: int, filters: int = 32) -> np.ndarray:
            swapped = (np.ascontiguousarray(np.swapaxes(x, 1, 2)) for x in (references, estimates))
            return metrics.bss_eval(*swapped, window=rate, hop=rate, filters_len=filters)[0]

        yield framewise


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def assert_same(ours: torch.Tensor, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-6, equal_nan=True)


def test_the_examples_in_the_documentation_hold() -> None:
    for module in (sdr, v3, v4):
        outcome = doctest.testmod(module)
        assert outcome.failed == 0
        assert outcome.attempted >= 3


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [RATE - 1, RATE, RATE + 1, 2 * RATE - 1, 2 * RATE, 3 * RATE + 150])
def test_museval_is_matched_at_every_kind_of_length(museval_sdr: Reference, channels: int, samples: int) -> None:
    s = noise(samples, 3, channels, samples)
    e = s + 0.4 * noise(samples + 1, 3, channels, samples)
    assert_same(framewise_sdr(e, s, sample_rate=RATE), museval_sdr(e, s, rate=RATE))


def test_the_length_of_musevals_filters_does_not_matter(museval_sdr: Reference) -> None:
    s = noise(1, 2, 2, 3 * RATE)
    e = 0.5 * s + noise(2, 2, 2, 3 * RATE)
    ours = framewise_sdr(e, s, sample_rate=RATE)
    for filters in (1, 64, 512):
        assert_same(ours, museval_sdr(e, s, rate=RATE, filters=filters))


@pytest.mark.parametrize("where", ["reference", "estimate"])
@pytest.mark.parametrize("kind", ["zeros", "antiphase"])
def test_a_frame_silent_in_one_signal_is_nan_for_all_sources_as_in_museval(
    museval_sdr: Reference, where: str, kind: str
) -> None:
    s = np.round(noise(3, 3, 2, 4 * RATE) * 2**10) / 2**10
    e = s + 0.25
    frame = {"reference": s, "estimate": e}[where][1, :, RATE : 2 * RATE]
    frame[1] = -frame[0]
    if kind == "zeros":
        frame[:] = 0
    ours = framewise_sdr(e, s, sample_rate=RATE)
    assert ours.isnan().any(0).tolist() == [False, True, False, False]
    assert ours.isnan().all(0).tolist() == [False, True, False, False]
    assert_same(ours, museval_sdr(e, s, rate=RATE))


def test_museval_is_matched_on_recorded_stems(museval_sdr: Reference, shared_data: Path) -> None:
    folder = next(path.parent for path in sorted(shared_data.glob("musdb18/hq_layout_flac/*/*/vocals.flac")))
    audio = {path.stem: soundfile.read(path, always_2d=True)[0].T for path in folder.glob("*.flac")}
    s = np.stack([audio[name] for name in ("vocals", "drums")])
    e = 0.7 * s + 0.2 * audio["mixture"]
    theirs = museval_sdr(e, s, rate=44_100, filters=8)
    assert theirs.shape == (2, 6)
    assert_same(framewise_sdr(e, s, sample_rate=44_100), theirs)
    np.testing.assert_allclose(
        sdr_bsseval_v4(e, s, sample_rate=44_100).numpy(), np.nanmedian(theirs, axis=1), rtol=0, atol=1e-6
    )


def test_another_source_matters_only_through_its_silent_frames() -> None:
    s = noise(4, 2, 1, 5 * RATE)
    e = s + 0.3 * noise(5, 2, 1, 5 * RATE)
    alone = framewise_sdr(e[:1], s[:1], sample_rate=RATE)
    assert torch.equal(framewise_sdr(e, s, sample_rate=RATE)[:1], alone)
    s[1, :, :RATE] = 0
    beside = framewise_sdr(e, s, sample_rate=RATE)[:1]
    assert beside.isnan().tolist() == [[True, False, False, False, False]]
    assert torch.equal(beside[:, 1:], alone[:, 1:])


def test_the_median_takes_the_mean_of_the_middle_two_and_leaves_out_frames_without_a_finite_value() -> None:
    s = np.ones((1, 1, 6 * RATE))
    factors = np.repeat([0.9, 0.0, 1.0, 0.5, 0.2, 0.99], RATE)  # 20, NaN, inf, 6.02, 1.94 and 40 dB
    value = float(sdr_bsseval_v4(s * factors, s, sample_rate=RATE)[0])
    assert value == pytest.approx((20 + -20 * math.log10(0.5)) / 2, abs=1e-9)


def test_without_a_frame_to_count_there_is_no_value() -> None:
    s = noise(6, 2, 2, 2 * RATE)
    assert sdr_bsseval_v4(np.zeros_like(s), s, sample_rate=RATE).isnan().all()
    assert sdr_bsseval_v4(s, s, sample_rate=RATE).isnan().all()
    assert sdr_bsseval_v4(s[..., :0], s[..., :0], sample_rate=RATE).isnan().tolist() == [True, True]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)), st.floats(1e-4, 1e4))
def test_order_level_and_batch_do_not_change_a_source(seed: int, order: list[int], level: float) -> None:
    s = torch.from_numpy(noise(seed, 2, 3, 2, 3 * RATE))
    e = s + 0.5 * torch.from_numpy(noise(seed + 1, 2, 3, 2, 3 * RATE))
    s[0, 1, :, :RATE] = 0
    values = sdr_bsseval_v4(e, s, sample_rate=RATE)
    assert values.shape == (2, 3)
    assert torch.equal(sdr_bsseval_v4(e[:, order], s[:, order], sample_rate=RATE), values[:, order])
    assert torch.equal(sdr_bsseval_v4(e[0], s[0], sample_rate=RATE), values[0])
    torch.testing.assert_close(sdr_bsseval_v4(level * e, level * s, sample_rate=RATE), values, rtol=0, atol=1e-9)


def test_float32_input_is_taken_at_its_own_value() -> None:
    s = torch.from_numpy(noise(7, 2, 1, 3 * RATE)).float()
    e = (s + 0.1).float()
    exact = sdr_bsseval_v4(e.double(), s.double(), sample_rate=RATE)
    assert exact.dtype == torch.float64
    assert torch.equal(sdr_bsseval_v4(e, s, sample_rate=RATE), exact)
    assert torch.equal(sdr_bsseval_v4(e.numpy(), s.numpy(), sample_rate=RATE), exact)


@pytest.mark.parametrize(("one", "other"), [((2, 1, 9), (2, 1, 8)), ((2, 1, 9), (3, 1, 9)), ((1, 9), (1, 9))])
def test_shapes_that_do_not_fit_are_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError) as caught:
        framewise_sdr(np.ones(one), np.ones(other), sample_rate=RATE)
    assert str(one) in str(caught.value)
    assert str(other) in str(caught.value)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_rate is 0"):
        framewise_sdr(np.ones((1, 1, 9)), np.ones((1, 1, 9)), sample_rate=0)


def test_it_is_declared_as_joint_over_the_scene() -> None:
    assert SDR_BSSEVAL_V4.id == "sdr_bsseval_v4@1"
    assert SDR_BSSEVAL_V4.scope == "scene"
    s = torch.from_numpy(noise(8, 2, 1, 2 * RATE))
    scored = SDR_BSSEVAL_V4.function(estimates=0.9 * s, references=s, sample_rate=RATE)
    assert isinstance(scored, Scored)
    np.testing.assert_allclose(scored.values.numpy(), [20.0, 20.0], atol=1e-9)
    assert scored.reasons == [None, None]
