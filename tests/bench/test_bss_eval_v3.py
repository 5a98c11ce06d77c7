from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.bss_eval import BssEval, bss_eval_v3
from bench.metrics.bss_eval.declared import (
    ISR_BSSEVAL_V3_IMAGES,
    SAR_BSSEVAL_V3_SOURCES,
    SDR_BSSEVAL_V3_SOURCES,
    SDR_BSSEVAL_V3_SOURCES_PERM_SIR,
    SIR_BSSEVAL_V3_SOURCES,
)
from bench.metrics.score import score_cell

SAMPLES = 3_000  # mir_eval always takes 512 taps


@pytest.fixture(scope="module")
def peer() -> Any:
    """mir_eval's module of separation metrics, without its notice of deprecation at every call."""
    separation = pytest.importorskip("mir_eval.separation")

    class Quiet:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return getattr(separation, name)(*arguments, **options)

            return call

    return Quiet()


def scene(seed: int, sources: int, channels: int, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Estimates in the wrong order, and references."""
    draw = np.random.default_rng(seed)
    s = draw.standard_normal((sources, channels, samples))
    e = 0.8 * s + 0.1 * s.sum(0) + 0.3 * draw.standard_normal(s.shape)
    return np.roll(e, 1, axis=0), s


def assert_same(ours: BssEval, theirs: tuple[np.ndarray, ...], names: tuple[str, ...]) -> None:
    for name, reference in zip(names, theirs, strict=True):
        found = getattr(ours, name)
        found = found if np.ndim(reference) == 2 else found[:, 0]
        np.testing.assert_allclose(found.numpy(), reference, rtol=0, atol=1e-6, equal_nan=True, err_msg=name)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("sources", [1, 2, 4])
def test_mir_eval_is_matched_on_sources(peer: Any, sources: int, ordered: bool) -> None:
    e, s = scene(1, sources, 1)
    theirs = peer.bss_eval_sources(s[:, 0], e[:, 0], compute_permutation=ordered)
    ours = bss_eval_v3(e, s, criteria="sources", permutation="mean-sir" if ordered else "none")
    assert_same(ours, theirs, ("sdr", "sir", "sar", "permutation"))
    assert ours.isr.isnan().all()


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(("sources", "channels"), [(1, 2), (2, 2), (3, 1)])
def test_mir_eval_is_matched_on_images(peer: Any, sources: int, channels: int, ordered: bool) -> None:
    e, s = scene(2, sources, channels)
    swapped = (x.swapaxes(1, 2) for x in (s, e))
    theirs = peer.bss_eval_images(*swapped, compute_permutation=ordered)
    ours = bss_eval_v3(e, s, criteria="images", permutation="mean-sir" if ordered else "none")
    assert_same(ours, theirs, ("sdr", "isr", "sir", "sar", "permutation"))


@pytest.mark.parametrize("window", [1_500, 2_999, 3_000, 5_000])
def test_mir_eval_is_matched_in_frames_and_where_fewer_than_two_fit(peer: Any, window: int) -> None:
    e, s = scene(3, 2, 1)
    e[:, :, 1_600:] = e[::-1, :, 1_600:]  # the best order changes on the way
    theirs = peer.bss_eval_sources_framewise(s[:, 0], e[:, 0], window=window, hop=700, compute_permutation=True)
    ours = bss_eval_v3(e, s, criteria="sources", permutation="mean-sir", window=window, hop=700)
    assert_same(ours, theirs, ("sdr", "sir", "sar", "permutation"))
    swapped = [x.swapaxes(1, 2) for x in (s, e)]
    theirs = peer.bss_eval_images_framewise(*swapped, window=window, hop=700)
    ours = bss_eval_v3(e, s, criteria="images", window=window, hop=700)
    assert_same(ours, theirs, ("sdr", "isr", "sir", "sar", "permutation"))


def test_a_frame_in_which_a_source_is_silent_has_no_value_for_any_as_in_mir_eval(peer: Any) -> None:
    e, s = scene(4, 2, 1)
    s[0, 0, :1_000] = 0
    theirs = peer.bss_eval_sources_framewise(s[:, 0], e[:, 0], window=1_000, hop=1_000)
    ours = bss_eval_v3(e, s, criteria="sources", window=1_000)
    assert_same(ours, theirs[:3], ("sdr", "sir", "sar"))
    assert ours.dropped.tolist() == [1, 1]
    strict = bss_eval_v3(e, s, criteria="sources", window=1_000, silence="strict")
    assert strict.dropped.tolist() == [1, 0]
    alone = bss_eval_v3(e[1:, :, :1_000], s[1:, :, :1_000], criteria="sources")
    torch.testing.assert_close(strict.sdr[1, 0], alone.sdr[0, 0], rtol=0, atol=1e-9)
    assert strict.sir[1, 0] == torch.inf
    assert strict.leakage[0, 0].isfinite()


def test_one_source_has_no_interference_and_an_sar_that_is_its_sdr() -> None:
    e, s = scene(5, 1, 1)
    found = bss_eval_v3(e, s, criteria="sources", permutation="mean-sir")
    assert found.sir.tolist() == [[torch.inf]]
    torch.testing.assert_close(found.sar, found.sdr, rtol=0, atol=1e-12)
    assert found.permutation.tolist() == [[0]]


def test_a_silent_signal_raises_only_where_asked() -> None:
    e, s = scene(6, 3, 1, 800)
    e[2] = 0
    with pytest.raises(ValueError, match="estimate 2 is silent"):
        bss_eval_v3(e, s, criteria="sources", filter_length=16, on_silence="raise")
    found = bss_eval_v3(e, s, criteria="sources", filter_length=16, permutation="mean-sir", silence="strict")
    assert found.permutation.flatten().tolist() == [1, 2, 0], "silence goes where the others leave a place"
    assert found.sdr.isfinite().flatten().tolist() == [True, False, True]
    assert bss_eval_v3(e, s, criteria="sources", filter_length=16).sdr.isnan().all()


def test_many_sources_are_put_in_order_at_once() -> None:
    e, s = scene(7, 12, 1, 1_000)  # 479 million orders
    found = bss_eval_v3(e, s, criteria="sources", filter_length=8, permutation="mean-sir")
    assert found.permutation.flatten().tolist() == [*range(1, 12), 0]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.permutations(range(3)), st.floats(1e-3, 1e3), st.sampled_from(["sources", "images"]))
def test_the_order_of_estimates_is_undone_and_their_level_counts_for_images_alone(
    seed: int, order: list[int], level: float, criteria: Any
) -> None:
    e, s = scene(seed, 3, 1, 600)
    straight, moved = (
        bss_eval_v3(x, s, criteria=criteria, filter_length=8, permutation="mean-sir") for x in (e, e[order])
    )
    scaled = bss_eval_v3(level * e, s, criteria=criteria, filter_length=8, permutation="mean-sir")
    for name in ("sdr", "sir", "sar"):
        torch.testing.assert_close(getattr(moved, name), getattr(straight, name), rtol=0, atol=1e-9)
        if criteria == "sources" or name != "sdr":
            torch.testing.assert_close(getattr(scaled, name), getattr(straight, name), rtol=0, atol=1e-7)
    assert [order[index] for index in moved.permutation.flatten().tolist()] == straight.permutation.flatten().tolist()


def test_batches_and_float32_are_scored_like_one_by_one() -> None:
    scenes = [[x.astype(np.float32) for x in scene(seed, 2, 1, 700)] for seed in range(4)]
    e, s = (np.stack(x).reshape(2, 2, 2, 1, 700) for x in zip(*scenes, strict=True))
    found = bss_eval_v3(e, s, criteria="sources", filter_length=16, permutation="mean-sir")
    assert found.sdr.shape == (2, 2, 2, 1)
    for index, (one, reference) in enumerate(scenes):
        exact = bss_eval_v3(
            one.astype(np.float64), reference.astype(np.float64), criteria="sources", filter_length=16,
            permutation="mean-sir",
        )  # fmt: skip
        assert torch.equal(found.sdr[divmod(index, 2)], exact.sdr)
        assert torch.equal(found.permutation[divmod(index, 2)], exact.permutation)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same() -> None:
    e, s = (torch.from_numpy(x) for x in scene(8, 3, 2))
    for criteria in ("sources", "images"):
        there, here = (
            bss_eval_v3(*pair, criteria=criteria, permutation="mean-sir") for pair in ((e.cuda(), s.cuda()), (e, s))
        )
        for name in ("sdr", "sir", "sar", "permutation"):
            torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name), rtol=0, atol=1e-6)


def test_the_harness_scores_whole_signals_in_and_out_of_order(peer: Any) -> None:
    e, s = scene(9, 2, 1)
    metrics = [
        SDR_BSSEVAL_V3_SOURCES, SIR_BSSEVAL_V3_SOURCES, SAR_BSSEVAL_V3_SOURCES,
        ISR_BSSEVAL_V3_IMAGES, SDR_BSSEVAL_V3_SOURCES_PERM_SIR,
    ]  # fmt: skip
    rows = score_cell(metrics, estimates=e, references=s, mixture=s.sum(0), sample_rate=8_000)
    values = {(row.index, row.metric): row.value for row in rows}
    plain = peer.bss_eval_sources(s[:, 0], e[:, 0], compute_permutation=False)
    ordered = peer.bss_eval_sources(s[:, 0], e[:, 0])
    images = peer.bss_eval_images(*(x.swapaxes(1, 2) for x in (s, e)), compute_permutation=False)
    for index in (0, 1):
        for name, reference in zip(("sdr", "sir", "sar"), plain, strict=False):
            assert values[index, f"{name}_bsseval_v3_sources@1"] == pytest.approx(reference[index], abs=1e-6)
        assert values[index, "sdr_bsseval_v3_sources_perm_sir@1"] == pytest.approx(ordered[0][index], abs=1e-6)
        assert values[index, "isr_bsseval_v3_images@1"] == pytest.approx(images[1][index], abs=1e-6)
