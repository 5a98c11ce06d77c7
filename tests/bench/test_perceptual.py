from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from bench.metrics import perceptual
from bench.metrics.composite import CBAK, COVL, CSIG, composite
from bench.metrics.perceptual import PACKAGE_ABSENT, PESQ_NB, PESQ_WB, RATES, Band, pesq
from bench.metrics.score import ScoreRow, score_cell
from bench.metrics.segmental import ssnr
from bench.metrics.speech import llr, wss
from separators.base import Unavailable
from speech_kit import noise, voice

RATE = 16_000
Package = Callable[[int, np.ndarray, np.ndarray, str], float]
ALL = (PESQ_WB, PESQ_NB, CSIG, CBAK, COVL)


@pytest.fixture
def package() -> Package:
    """The function ``pesq`` of the package ``pesq``."""
    return pytest.importorskip("pesq", reason=PACKAGE_ABSENT).pesq


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "available", lambda: False)


def noisy_voices(count: int, seconds: float = 1.5, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    s = np.stack([voice(seed, seconds, rate) for seed in range(count)])[:, None]
    return s + 0.02 * noise(99, *s.shape), s


def rows(estimates: np.ndarray, references: np.ndarray, rate: int = RATE) -> dict[tuple[int, str], ScoreRow]:
    mixture = references.sum(0) + 0.5 * noise(98, *references.shape[1:])
    found = score_cell(ALL, estimates=estimates, references=references, mixture=mixture, sample_rate=rate)
    return {(row.index, row.metric): row for row in found}


@pytest.mark.parametrize("band", ["wb", "nb"])
def test_the_package_is_matched_at_its_rate(package: Package, band: Band) -> None:
    e, s = noisy_voices(1, rate=RATES[band])
    got = pesq(e, s, sample_rate=RATES[band], band=band)
    assert got.reasons == [None]
    assert got.values.tolist() == [package(RATES[band], s[0, 0], e[0, 0], band)]


@pytest.mark.parametrize(("band", "rate"), [("wb", 48_000), ("wb", 44_100), ("nb", 16_000)])
def test_other_rates_are_resampled(package: Package, band: Band, rate: int) -> None:
    e, s = noisy_voices(1, rate=rate)
    e_low, s_low = (soxr.resample(x[0, 0], rate, RATES[band], quality="HQ") for x in (e, s))
    (got,) = pesq(e, s, sample_rate=rate, band=band).values.tolist()
    assert got == pytest.approx(package(RATES[band], s_low, e_low, band), abs=1e-6)


def test_the_level_does_not_count(package: Package) -> None:
    e, s = noisy_voices(1)
    expected = pesq(e, s, sample_rate=RATE).values.tolist()
    assert pesq(8 * e, 8 * s, sample_rate=RATE).values.tolist() == expected
    assert pesq(e / 1000, s / 1000, sample_rate=RATE).values.tolist() == pytest.approx(expected, abs=1e-3)
    assert pesq(0.5 * e, s, sample_rate=RATE).values.tolist() == pytest.approx(expected, abs=1e-2)


def test_silence_after_both_hardly_counts(package: Package) -> None:
    e, s = noisy_voices(1)
    longer = [np.concatenate([x, np.zeros_like(x[..., :RATE])], axis=-1) for x in (e, s)]
    (before,), (after,) = (pesq(*pair, sample_rate=RATE).values.tolist() for pair in ((e, s), longer))
    assert after == pytest.approx(before, abs=0.15)


def test_an_exact_estimate_scores_highest(package: Package) -> None:
    e, s = noisy_voices(1)
    assert pesq(s, s, sample_rate=RATE).values.item() == pytest.approx(4.644, abs=1e-3)
    assert pesq(e, s, sample_rate=RATE).values.item() < 4


def test_batch_order_and_channels_do_not_change_a_value(package: Package) -> None:
    e, s = (torch.from_numpy(x) for x in noisy_voices(3))
    each = torch.stack([pesq(e[k], s[k], sample_rate=RATE).values for k in range(3)])
    assert torch.equal(pesq(e, s, sample_rate=RATE).values, each)
    assert torch.equal(pesq(e[[2, 0, 1]], s[[2, 0, 1]], sample_rate=RATE).values, each[[2, 0, 1]])
    assert torch.equal(pesq(e[:, None], s[None], sample_rate=RATE).values.diagonal(), each)
    together = pesq(e.transpose(0, 1), s.transpose(0, 1), sample_rate=RATE).values
    assert together.item() == pytest.approx(each.mean().item(), abs=1e-12)


def test_float32_input_gives_the_same_value(package: Package) -> None:
    e, s = (x.astype(np.float32) for x in noisy_voices(1))
    expected = pesq(e.astype(np.float64), s.astype(np.float64), sample_rate=RATE).values
    assert torch.equal(pesq(e, s, sample_rate=RATE).values, expected)


def test_the_composite_is_the_regression_on_its_parts(package: Package) -> None:
    e, s = noisy_voices(2)
    got = composite(e, s, sample_rate=RATE)
    for k in range(2):
        quality = package(RATE, s[k, 0], e[k, 0], "wb")
        likelihood = float(llr(e[k], s[k], sample_rate=RATE, most=None))
        slope, segmental = (float(part(e[k], s[k], sample_rate=RATE)) for part in (wss, ssnr))
        expected = (
            3.093 - 1.029 * likelihood + 0.603 * quality - 0.009 * slope,
            1.634 + 0.478 * quality - 0.007 * slope + 0.063 * segmental,
            1.594 + 0.805 * quality - 0.512 * likelihood - 0.007 * slope,
        )
        found = [float(part[k]) for part in (got.signal, got.background, got.overall)]
        assert found == pytest.approx([min(max(value, 1.0), 5.0) for value in expected], abs=1e-9)
    assert got.reasons == (None, None)


def test_the_composite_is_clipped_to_1_and_5(package: Package) -> None:
    s = voice(1, 1.5, RATE)[None]
    best, worst = composite(s, s, sample_rate=RATE), composite(noise(3, *s.shape), s, sample_rate=RATE)
    assert float(best.signal) == float(best.background) == float(best.overall) == 5.0
    assert float(worst.signal) == float(worst.overall) == 1.0


def test_the_composite_takes_other_rates_down_to_16_khz(package: Package) -> None:
    e, s = noisy_voices(1, rate=48_000)
    low = [soxr.resample(x[0, 0], 48_000, RATE, quality="HQ")[None] for x in (e, s)]
    got, expected = composite(e[0], s[0], sample_rate=48_000), composite(*low, sample_rate=RATE)
    assert float(got.signal) == pytest.approx(float(expected.signal), abs=1e-6)
    assert float(got.background) == pytest.approx(float(expected.background), abs=1e-6)


def test_an_utterance_without_speech_costs_its_own_rows_only(package: Package) -> None:
    e, s = noisy_voices(2)
    s[0] = 0.1 * np.sin(2 * np.pi * 20 / RATE * np.arange(s.shape[-1]))
    found = rows(e, s)
    assert {found[0, metric.id].status for metric in (PESQ_WB, CSIG, CBAK, COVL)} == {"nan"}
    assert found[0, CSIG.id].reason == found[0, PESQ_WB.id].reason == "PESQ has no value: no utterances detected"
    assert {found[1, metric.id].status for metric in ALL} == {"ok"}


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (3000, "PESQ has no value: buffer needs to be at least 1/4 of a second long"),
        (20 * RATE + 1, "PESQ has no value: the package cannot be trusted with more than 20 s"),
    ],
)
def test_a_signal_of_the_wrong_length_has_no_value_and_a_reason(package: Package, samples: int, reason: str) -> None:
    s = np.resize(voice(1, 1.5, RATE), (1, samples))
    got = pesq(0.9 * s + 0.01, s, sample_rate=RATE)
    assert got.values.isnan().all()
    assert got.reasons == [reason]


def test_more_utterances_than_the_package_has_room_for_do_not_reach_it(package: Package) -> None:
    bursts = np.tile(np.concatenate([noise(1, 8000), np.zeros(8000)]), 60)[None]
    assert pesq(bursts + 0.01, bursts, sample_rate=RATE).values.isnan().all()


@pytest.mark.parametrize("silent", ["reference", "estimate"])
def test_silence_has_no_value_and_a_reason(package: Package, silent: str) -> None:
    e, s = noisy_voices(1)
    (s if silent == "reference" else e)[:] = 0
    got = pesq(e, s, sample_rate=RATE)
    assert got.values.isnan().all()
    assert got.reasons == [f"PESQ has no value: the {silent} is silent"]


def test_without_the_package_the_rows_say_how_to_get_it(absent: None) -> None:
    e, s = noisy_voices(2)
    found = rows(e, s)
    assert len(found) == 2 * len(ALL)
    assert {row.status for row in found.values()} == {"skip"}
    assert all(row.unavailable for row in found.values())
    assert {row.reason for row in found.values()} == {PACKAGE_ABSENT}
    assert "pip install 'stemtree[speech]'" in PACKAGE_ABSENT


def test_without_the_package_the_functions_say_how_to_get_it(absent: None) -> None:
    e, s = noisy_voices(1)
    for function in (pesq, composite):
        with pytest.raises(Unavailable, match=r"stemtree\[speech\]"):
            function(e, s, sample_rate=RATE)


def test_the_declared_metrics_compute_what_the_functions_do(package: Package) -> None:
    e, s = noisy_voices(2)
    found = rows(e, s)
    ratings = composite(e, s, sample_rate=RATE)
    for metric, values in (
        (PESQ_WB, pesq(e, s, sample_rate=RATE).values),
        (PESQ_NB, pesq(e, s, sample_rate=RATE, band="nb").values),
        (CSIG, ratings.signal),
        (CBAK, ratings.background),
        (COVL, ratings.overall),
    ):
        assert [found[k, metric.id].value for k in range(2)] == values.tolist()


def test_shapes_that_do_not_fit_are_named(package: Package) -> None:
    with pytest.raises(ValueError, match=r"estimates \(1, 9000\), references \(2, 9000\)"):
        pesq(np.ones((1, 9000)), np.ones((2, 9000)), sample_rate=RATE)


def test_recorded_speech_is_matched(package: Package, shared_data: Path) -> None:
    clean, noisy = (
        soundfile.read(shared_data / "voicebank_demand" / folder / "p232_003.flac")[0]
        for folder in ("clean_testset_wav", "noisy_testset_wav")
    )
    for band in ("wb", "nb"):
        low = [soxr.resample(x, RATE, RATES[band], quality="HQ") if band == "nb" else x for x in (clean, noisy)]
        got = float(pesq(noisy[None], clean[None], sample_rate=RATE, band=band).values)
        assert got == pytest.approx(package(RATES[band], *low, band), abs=1e-6)
