from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.bss_eval import BssEval, bss_eval_v4, framewise_sdr
from bench.metrics.bss_eval.declared import (
    ISR_BSSEVAL_V4,
    LEAKAGE_BSSEVAL_V4_STRICT,
    SAR_BSSEVAL_V4,
    SAR_BSSEVAL_V4_STRICT,
    SDR_BSSEVAL_V4,
    SDR_BSSEVAL_V4_STRICT,
    SIR_BSSEVAL_V4,
)
from bench.metrics.score import score_cell

Reference = Callable[..., tuple[np.ndarray, ...]]
NAMES = ("sdr", "isr", "sir", "sar")
RATE = 400


@pytest.fixture(scope="module")
def museval() -> Iterator[Reference]:
    """museval's bss_eval on ``(sources, channels, samples)``."""
    with pytest.MonkeyPatch.context() as patch:
        # museval asks for musdb, which wants ffmpeg at import, only to read data sets.
        patch.setitem(sys.modules, "musdb", ModuleType("musdb"))
        metrics = pytest.importorskip("museval.metrics")

        def run(e: np.ndarray, s: np.ndarray, *, window: int, hop: int, filters: int = 32) -> tuple[np.ndarray, ...]:
            swapped = (np.ascontiguousarray(np.swapaxes(x, 1, 2)) for x in (s, e))
            return metrics.bss_eval(*swapped, window=window, hop=hop, filters_len=filters)[:4]

        yield run


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def scene(seed: int, sources: int, channels: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates, delayed and leaking, and references."""
    s = noise(seed, sources, channels, samples)
    e = 0.8 * s + 0.1 * np.roll(s, 5, axis=-1) + 0.1 * s.sum(0) + 0.2 * noise(seed + 1, sources, channels, samples)
    return e, s


def assert_same(ours: BssEval, theirs: tuple[np.ndarray, ...], *, tolerance: float = 1e-6) -> None:
    for name, reference in zip(NAMES, theirs, strict=True):
        found = getattr(ours, name)
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found.numpy(), reference, rtol=0, atol=tolerance, equal_nan=True, err_msg=name)


def assert_equal(one: BssEval, other: BssEval, *, tolerance: float = 1e-9) -> None:
    for x in fields(BssEval):
        torch.testing.assert_close(
            getattr(one, x.name), getattr(other, x.name), rtol=0, atol=tolerance, equal_nan=True, msg=x.name
        )


@pytest.mark.parametrize(("sources", "channels"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 2)])
def test_museval_is_matched_for_any_number_of_sources_and_channels(
    museval: Reference, sources: int, channels: int
) -> None:
    e, s = scene(1, sources, channels, 3 * RATE + 150)
    assert_same(bss_eval_v4(e, s, window=RATE, filter_length=32), museval(e, s, window=RATE, hop=RATE))


@pytest.mark.parametrize("samples", [150, RATE - 1, RATE, RATE + 1, 2 * RATE])
@pytest.mark.parametrize("hop", [RATE // 2, RATE, RATE + 70])
def test_museval_is_matched_at_every_length_and_overlap(museval: Reference, samples: int, hop: int) -> None:
    e, s = scene(samples, 2, 2, samples)
    ours = bss_eval_v4(e, s, window=RATE, hop=hop, filter_length=16)
    assert_same(ours, museval(e, s, window=RATE, hop=hop, filters=16))


def test_museval_is_matched_on_the_whole_signal_and_where_blocks_end_within_frames(museval: Reference) -> None:
    e, s = scene(3, 2, 1, 40_000)  # three blocks of correlations, several of filtering
    ours = bss_eval_v4(e, s, window=None, filter_length=64)
    assert ours.sdr.shape == (2, 1)
    assert_same(ours, museval(e, s, window=40_000, hop=40_000, filters=64))
    ours = bss_eval_v4(e, s, window=25_000, hop=7_500, filter_length=64)
    assert_same(ours, museval(e, s, window=25_000, hop=7_500, filters=64))


def test_museval_is_matched_with_its_own_512_taps_on_recorded_stems(museval: Reference, shared_data: Path) -> None:
    folder = next(path.parent for path in sorted(shared_data.glob("musdb18/hq_layout_flac/*/*/vocals.flac")))
    audio = {path.stem: soundfile.read(path, always_2d=True)[0].T[:, : 4 * 44_100] for path in folder.glob("*.flac")}
    s = np.stack([audio[name] for name in ("vocals", "drums")])
    e = 0.7 * s + 0.2 * audio["mixture"] + 1e-3 * noise(2, *s.shape)
    ours = bss_eval_v4(e, s, window=44_100)
    assert_same(ours, museval(e, s, window=44_100, hop=44_100, filters=512))


@pytest.mark.parametrize("where", ["reference", "estimate"])
@pytest.mark.parametrize("kind", ["zeros", "antiphase"])
def test_musevals_rule_on_silent_frames(museval: Reference, where: str, kind: str) -> None:
    e, s = scene(4, 3, 2, 4 * RATE)
    frame = {"reference": s, "estimate": e}[where][1, :, RATE : 2 * RATE]
    frame[:] = np.round(frame * 1024) / 1024
    frame[1] = -frame[0]
    if kind == "zeros":
        frame[:] = 0
    ours = bss_eval_v4(e, s, window=RATE, filter_length=32)
    assert ours.undefined.tolist() == 3 * [[False, True, False, False]]
    assert ours.dropped.tolist() == [1, 1, 1]
    assert_same(ours, museval(e, s, window=RATE, hop=RATE))


def test_under_the_strict_rule_only_the_silent_source_is_undefined_and_its_leakage_told(museval: Reference) -> None:
    e, s = scene(5, 3, 2, 4 * RATE)
    heard = museval(e, s, window=RATE, hop=RATE)
    s[1, :, RATE : 2 * RATE] = 0
    e[1, :, RATE : 2 * RATE] = 0.1
    e[2, :, 3 * RATE :] = 0
    ours = bss_eval_v4(e, s, window=RATE, filter_length=32, silence="strict")
    joint = bss_eval_v4(e, s, window=RATE, filter_length=32)
    assert ours.undefined.nonzero().tolist() == [[1, 1]]
    assert ours.dropped.tolist() == [0, 1, 0]
    assert joint.dropped.tolist() == [2, 2, 2]
    both = ~joint.undefined
    for name, reference in zip(NAMES, heard, strict=True):
        strict = getattr(ours, name)
        assert strict.isnan().nonzero().tolist() == [[1, 1]]
        torch.testing.assert_close(strict[both], getattr(joint, name)[both], rtol=0, atol=1e-9)
        assert np.abs(strict.numpy() - reference)[0].max() < 3, "the sounding sources are about where they were"
    assert float(ours.leakage[1, 1]) == pytest.approx(-20.0)
    assert ours.leakage.isnan().sum() == 11
    assert ours.sdr[2, 3] == 0.0, "silence under a sounding reference is worth what the formula says"


def test_antiphase_is_sound_to_the_strict_rule() -> None:
    e, s = scene(6, 2, 2, 2 * RATE)
    s[0, 1] = -s[0, 0]
    strict = bss_eval_v4(e, s, window=RATE, filter_length=16, silence="strict")
    assert not strict.undefined.any()
    assert all(getattr(strict, name).isfinite().all() for name in NAMES)
    assert bss_eval_v4(e, s, window=RATE, filter_length=16).undefined.all()


@pytest.mark.parametrize("name", ["reference", "estimate"])
def test_a_source_silent_throughout_raises_only_where_asked(name: str) -> None:
    e, s = scene(7, 3, 1, 2 * RATE)
    {"reference": s, "estimate": e}[name][1] = 0
    with pytest.raises(ValueError, match=f"{name} 1 is silent"):
        bss_eval_v4(e, s, window=RATE, on_silence="raise")
    assert bss_eval_v4(e, s, window=RATE, filter_length=16).sdr.isnan().all()
    strict = bss_eval_v4(e, s, window=RATE, filter_length=16, silence="strict")
    others = [0, 2]
    assert strict.sdr[1].isnan().all() == (name == "reference")
    if name == "reference":
        alone = bss_eval_v4(e[others], s[others], window=RATE, filter_length=16)
        for ratio in NAMES:
            torch.testing.assert_close(getattr(strict, ratio)[others], getattr(alone, ratio), rtol=0, atol=1e-9)
    assert bss_eval_v4(e, s, window=RATE, filter_length=16, silence="strict").sdr[others].isfinite().all()


def test_nothing_but_silence_is_no_error() -> None:
    nothing = np.zeros((2, 1, 2 * RATE))
    for silence in ("museval", "strict"):
        found = bss_eval_v4(nothing, nothing, window=RATE, silence=silence)
        assert found.sdr.isnan().all()
        assert found.dropped.tolist() == [2, 2]
    assert bss_eval_v4(nothing[..., :0], nothing[..., :0], window=RATE).sdr.isnan().all()


def test_an_estimate_that_is_not_finite_spoils_no_other() -> None:
    e, s = scene(8, 3, 2, 3 * RATE)
    sound = bss_eval_v4(e, s, window=RATE, filter_length=32)
    e[1, 0, 5] = np.nan
    e[1, 1, RATE + 5] = np.inf
    broken = bss_eval_v4(e, s, window=RATE, filter_length=32)
    for name in NAMES:
        assert not getattr(broken, name)[1, : 2 if name == "sdr" else 3].isfinite().any()
        torch.testing.assert_close(getattr(broken, name)[[0, 2]], getattr(sound, name)[[0, 2]], rtol=0, atol=1e-9)
    s[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="references"):
        bss_eval_v4(e, s, window=RATE, filter_length=32)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.permutations(range(3)), st.floats(1e-3, 1e3))
def test_level_order_and_batch_change_nothing(seed: int, order: list[int], level: float) -> None:
    pairs = [scene(seed + offset, 3, 2, 3 * RATE) for offset in (0, 9)]
    e, s = (np.stack(x) for x in zip(*pairs, strict=True))
    one, other = (bss_eval_v4(*pair, window=RATE, filter_length=8) for pair in pairs)
    both = bss_eval_v4(e, s, window=RATE, filter_length=8)
    for name in NAMES:
        values = getattr(both, name)
        assert torch.equal(values[0], getattr(one, name))
        assert torch.equal(values[1], getattr(other, name))
        moved = bss_eval_v4(level * e[0][order], level * s[0][order], window=RATE, filter_length=8)
        torch.testing.assert_close(getattr(moved, name), values[0][order], rtol=0, atol=1e-7)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 31), st.floats(0.1, 10))
def test_a_shift_within_the_filters_and_a_gain_are_spatial_distortion_alone(seed: int, shift: int, gain: float) -> None:
    s = noise(seed, 2, 1, 3 * RATE)
    s[..., -shift:] = 0
    e = gain * np.roll(s, shift, axis=-1)
    found = bss_eval_v4(e, s, window=None, filter_length=32)
    assert (found.sir > 150).all()
    assert (found.sar > 150).all()
    assert (found.isr < 20).all()
    beyond = bss_eval_v4(np.roll(e, 32, axis=-1), s, window=None, filter_length=32)
    assert (beyond.sar < 20).all()


def test_silence_after_the_end_adds_frames_and_changes_none() -> None:
    e, s = scene(9, 2, 1, 3 * RATE)
    longer = [np.pad(x, ((0, 0), (0, 0), (0, 2 * RATE))) for x in (e, s)]
    short, padded = (bss_eval_v4(*x, window=RATE, filter_length=32) for x in ((e, s), longer))
    for name in NAMES:
        torch.testing.assert_close(getattr(padded, name)[:, :3], getattr(short, name), rtol=0, atol=1e-9)
        assert getattr(padded, name)[:, 3:].isnan().all()


def test_float32_and_arrays_of_any_layout_are_taken_at_their_own_value() -> None:
    e, s = (x.astype(np.float32) for x in scene(10, 2, 2, 2 * RATE))
    exact = bss_eval_v4(e.astype(np.float64), s.astype(np.float64), window=RATE, filter_length=16)
    assert_equal(bss_eval_v4(e, s, window=RATE, filter_length=16), exact, tolerance=0)
    assert_equal(
        bss_eval_v4(torch.from_numpy(e), torch.from_numpy(s), window=RATE, filter_length=16), exact, tolerance=0
    )
    e.flags.writeable = False
    backwards = bss_eval_v4(e, s[..., ::-1].copy()[..., ::-1], window=RATE, filter_length=16)
    assert_equal(backwards, exact, tolerance=0)


def test_the_input_is_left_as_it_is() -> None:
    e, s = scene(11, 2, 1, 2 * RATE)
    kept = e.copy(), s.copy()
    bss_eval_v4(e, s, window=RATE, filter_length=16)
    assert np.array_equal(e, kept[0])
    assert np.array_equal(s, kept[1])


def test_sdr_alone_is_the_same_number() -> None:
    e, s = scene(12, 3, 2, 3 * RATE)
    s[1, :, :RATE] = 0
    for silence in ("museval", "strict"):
        whole = bss_eval_v4(e, s, window=RATE, filter_length=16, silence=silence).sdr
        alone = framewise_sdr(e, s, sample_rate=RATE, silence=silence)
        torch.testing.assert_close(alone, whole, rtol=0, atol=1e-9, equal_nan=True)


def test_shapes_windows_and_hops_that_make_no_sense_are_refused() -> None:
    e, s = scene(13, 2, 1, RATE)
    with pytest.raises(ValueError, match=r"\(2, 1, 400\).*\(1, 400\)"):
        bss_eval_v4(e, s[0], window=RATE)
    for window, hop in ((0, None), (-1, 5), (RATE, 0)):
        with pytest.raises(ValueError, match="at least one sample"):
            bss_eval_v4(e, s, window=window, hop=hop)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same() -> None:
    e, s = (torch.from_numpy(x) for x in scene(14, 3, 2, 3 * RATE))
    s[1, 1] = 0
    s[0, 1] = 0.5 * s[0, 0]  # singular: the ways out of it run too
    there = bss_eval_v4(e.cuda(), s.cuda(), window=RATE, filter_length=32)
    assert there.sdr.is_cuda
    here = bss_eval_v4(e, s, window=RATE, filter_length=32)
    for name in NAMES:
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name), rtol=0, atol=1e-6)


def test_the_harness_scores_medians_over_frames_and_tells_what_was_left_out(museval: Reference) -> None:
    e, s = scene(15, 2, 1, 4 * RATE)
    s[1, :, :RATE] = 0
    e[1, :, :RATE] = 0.01
    metrics = [
        SDR_BSSEVAL_V4, ISR_BSSEVAL_V4, SIR_BSSEVAL_V4, SAR_BSSEVAL_V4,
        SDR_BSSEVAL_V4_STRICT, SAR_BSSEVAL_V4_STRICT, LEAKAGE_BSSEVAL_V4_STRICT,
    ]  # fmt: skip
    rows = score_cell(metrics, estimates=e, references=s, mixture=s.sum(0), sample_rate=RATE)
    found = {(row.index, row.metric): row for row in rows}
    theirs = museval(e, s, window=RATE, hop=RATE, filters=512)
    for name, values in zip(NAMES, theirs, strict=True):
        for index in (0, 1):
            row = found[index, f"{name}_bsseval_v4@1"]
            assert row.value == pytest.approx(float(np.nanmedian(values[index])), abs=1e-6)
            assert row.reason == "1 of 4 frames left out because of silence"
    assert found[0, "sdr_bsseval_v4_strict@1"].reason is None
    assert found[1, "sdr_bsseval_v4_strict@1"].reason == "1 of 4 frames left out because of silence"
    assert found[1, "leakage_bsseval_v4_strict@1"].value == pytest.approx(-40.0)
    assert found[0, "leakage_bsseval_v4_strict@1"].status == "nan"
