"""Baselines and oracles: exact values, reference implementations, and their order on real recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology.targets import Target
from separators import baselines, oracles
from separators.adapt import extract
from separators.base import Context, Query, Separator
from separators.stft import STFT, oracle_stft, primitive_stft

MASKS = [
    oracles.IdealBinaryMask,
    oracles.SigsepBinaryMask,
    oracles.IdealRatioMask,
    oracles.IdealRatioMaskMagnitude,
    oracles.MultichannelWienerFilter,
]
Filter = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    error = (reference.double() - estimate.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error))


def ask(separator: Separator, mixture: torch.Tensor, *references: torch.Tensor, rate: int = 44_100) -> torch.Tensor:
    queries = tuple(Query(Target(f"source {i}"), reference=each) for i, each in enumerate(references))
    return extract(separator, mixture, rate, queries, context=Context()).audio


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 6000), rate=st.sampled_from([8000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]))
def test_every_transform_inverts_exactly_at_every_length_and_rate(samples: int, rate: int) -> None:
    audio = noise(2, samples)
    for stft in (oracle_stft(rate), primitive_stft(rate)):
        back = stft.inverse(stft.forward(audio), samples)
        assert back.shape == audio.shape
        assert torch.allclose(back, audio, atol=1e-5)


def test_the_oracles_window_lasts_the_same_at_every_rate() -> None:
    assert oracle_stft(44_100) == STFT(window=2048, hop=1024)
    for rate in (8000, 16_000, 32_000, 48_000, 96_000):
        assert oracle_stft(rate).window / rate == pytest.approx(2048 / 44_100, rel=0.002)


def test_the_transform_is_scipys_but_for_its_scale() -> None:
    audio = noise(1, 50_000)
    _, _, expected = scipy.signal.stft(audio.numpy(), nperseg=2048)
    stft = oracle_stft(44_100)
    ours = stft.forward(audio) / stft.taper(audio).sum()
    assert np.allclose(ours.numpy(), expected, atol=1e-6)


def test_baselines_are_the_mixture_nothing_and_half_of_it() -> None:
    mixture = noise(2, 999)
    asked = (Query(Target("a")), Query(Target("a")), Query(Target("b")))
    for separator, gain in ((baselines.Mixture(), 1.0), (baselines.Silence(), 0.0), (baselines.Half(), 0.5)):
        audio = extract(separator, mixture, 44_100, asked, context=Context()).audio
        assert torch.equal(audio, (gain * mixture).expand(3, -1, -1))


def test_half_earns_three_decibels_on_two_equally_loud_uncorrelated_sources() -> None:
    time = torch.arange(8000) / 8000
    first, second = torch.sin(2 * torch.pi * 100 * time)[None], torch.sin(2 * torch.pi * 300 * time)[None]
    mixture = first + second
    (estimate,) = ask(baselines.Half(), mixture, first)
    assert sdr(first, estimate) - sdr(first, mixture) == pytest.approx(10 * np.log10(2), abs=1e-3)


def test_the_gain_oracle_is_the_least_squares_gain_over_all_channels() -> None:
    source = noise(2, 4000)
    mixture = source * torch.tensor([[1.0], [0.3]]) + 0.7 * noise(2, 4000, seed=1)
    (estimate,) = ask(oracles.GainOracle(), mixture, source)
    x, s = mixture.double().numpy().ravel(), source.double().numpy().ravel()
    gain = np.linalg.lstsq(x[:, None], s, rcond=None)[0][0]
    assert np.allclose(estimate.numpy(), gain * mixture.numpy(), atol=1e-6)


@pytest.mark.parametrize("oracle", [oracles.GainOracle, *MASKS])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_an_oracle_gives_back_a_source_that_is_the_whole_mixture(oracle: type[Separator], channels: int) -> None:
    mixture = noise(channels, 5001)
    (estimate,) = ask(oracle(), mixture, mixture)
    assert sdr(mixture, estimate) > 100


@pytest.mark.parametrize("oracle", [oracles.GainOracle, *MASKS])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (2, 3000)])
def test_silence_and_single_samples_are_defined(oracle: type[Separator], shape: tuple[int, int]) -> None:
    silent, loud = torch.zeros(shape), noise(*shape)
    for mixture, source in ((silent, silent), (loud, silent), (silent, loud), (loud, loud)):
        (estimate,) = ask(oracle(), mixture, source)
        assert estimate.shape == shape
        assert estimate.isfinite().all()
        if mixture is silent:
            assert not estimate.any()
    if oracle is not oracles.SigsepBinaryMask:
        assert not ask(oracle(), loud, silent).any()


@pytest.mark.parametrize(
    ("oracle", "gain"),
    [
        (oracles.IdealBinaryMask, 1.0),
        (oracles.SigsepBinaryMask, 1.0),
        (oracles.IdealRatioMask, 0.8),
        (oracles.IdealRatioMaskMagnitude, 2 / 3),
        (oracles.MultichannelWienerFilter, 0.8),
    ],
)
def test_the_rest_is_the_mixture_less_the_source_though_they_do_not_add_up(
    oracle: type[Separator], gain: float
) -> None:
    mixture = 0.5 * noise(1, 5000)  # so that N = x - s = -s / 2, with |N| = |S| / 2 in every bin
    (estimate,) = ask(oracle(), mixture, 2 * mixture)
    assert torch.allclose(estimate, gain * mixture, atol=1e-4)


def _binary(X: np.ndarray, S: np.ndarray, N: np.ndarray) -> np.ndarray:
    return np.where(np.abs(S) > np.abs(N), X, 0)


def _sigsep_binary(X: np.ndarray, S: np.ndarray, N: np.ndarray) -> np.ndarray:
    return np.where(np.abs(S) / np.abs(X) >= 0.5, X, 0)


def _ratio(exponent: float) -> Filter:
    def mask(X: np.ndarray, S: np.ndarray, N: np.ndarray) -> np.ndarray:
        return X * np.abs(S) ** exponent / (np.abs(S) ** exponent + np.abs(N) ** exponent)

    return mask


def _wiener(X: np.ndarray, S: np.ndarray, N: np.ndarray) -> np.ndarray:
    """The closed form written out: covariances, one matrix inverse per bin and frame."""
    channels = len(X)
    covariance = []
    for Y in (S, N):
        outer = np.einsum("aft,bft->ftab", Y, Y.conj())
        power = (np.abs(Y) ** 2).mean(axis=0)
        R = (outer / power[..., None, None]).mean(axis=1)
        R = R * channels / np.trace(R, axis1=1, axis2=2)[:, None, None] + 1e-10 * np.eye(channels)
        refined = np.einsum("fab,ftba->ft", np.linalg.inv(R), outer).real / channels
        covariance.append(refined[..., None, None] * R[:, None])
    gain = covariance[0] @ np.linalg.inv(covariance[0] + covariance[1])
    return np.einsum("ftab,bft->aft", gain, X)


@pytest.mark.parametrize(
    ("oracle", "reference"),
    [
        (oracles.IdealBinaryMask, _binary),
        (oracles.SigsepBinaryMask, _sigsep_binary),
        (oracles.IdealRatioMask, _ratio(2)),
        (oracles.IdealRatioMaskMagnitude, _ratio(1)),
        (oracles.MultichannelWienerFilter, _wiener),
    ],
)
def test_mask_oracles_agree_with_their_definition_written_out(oracle: type[Separator], reference: Filter) -> None:
    source = torch.tensor([[1.0, 0.4], [0.2, 0.9]]) @ noise(2, 20_000)
    rest = torch.tensor([[0.7, -0.3], [0.6, 0.1]]) @ noise(2, 20_000, seed=1)
    mixture = source + rest
    X, S, N = (scipy.signal.stft(each.double().numpy(), nperseg=2048)[2] for each in (mixture, source, rest))
    expected = torch.from_numpy(scipy.signal.istft(reference(X, S, N), nperseg=2048)[1][:, :20_000])
    (estimate,) = ask(oracle(), mixture, source)
    # A binary mask may fall the other way where float32 cannot tell the sides apart.
    assert sdr(expected, estimate) > (40 if "Binary" in oracle.__name__ else 80)


def test_with_one_channel_the_wiener_filter_is_the_ratio_mask() -> None:
    source, mixture = noise(1, 9000), noise(1, 9000) + noise(1, 9000, seed=1)
    (wiener,) = ask(oracles.MultichannelWienerFilter(), mixture, source)
    (ratio,) = ask(oracles.IdealRatioMask(), mixture, source)
    assert sdr(ratio, wiener) > 80


def test_the_wiener_filter_tells_directions_apart_that_masks_cannot() -> None:
    left, right = noise(1, 44_100), noise(1, 44_100, seed=1)
    source, rest = torch.cat([left, left]), torch.cat([right, -right])
    mixture = source + rest
    (wiener,) = ask(oracles.MultichannelWienerFilter(), mixture, source)
    (ratio,) = ask(oracles.IdealRatioMask(), mixture, source)
    assert sdr(source, wiener) > 60 > 20 > sdr(source, ratio)


def test_an_oracle_without_its_reference_or_with_another_ones_says_so() -> None:
    mixture = noise(1, 100)
    context = Context(sample_rate=8000)
    for oracle in (oracles.GainOracle(), oracles.IdealRatioMask()):
        with pytest.raises(ValueError, match="needs the reference of 'dog'"):
            oracle.separate(mixture, (Query(Target("dog")),), context=context)
        with pytest.raises(ValueError, match=r"reference of 'dog' is \(1, 99\)"):
            oracle.separate(mixture, (Query(Target("dog"), reference=noise(1, 99)),), context=context)


def test_called_without_a_sample_rate_a_mask_oracle_says_who_fills_it_in() -> None:
    with pytest.raises(ValueError, match=r"separators\.adapt\.extract"):
        oracles.IdealRatioMask().separate(noise(1, 100), (Query(Target("a"), reference=noise(1, 100)),),
                                          context=Context())  # fmt: skip


def read(path: Path) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(path, dtype="float32", always_2d=True)[0].T.copy())


def _musdb18(data: Path) -> Iterator[tuple[torch.Tensor, list[torch.Tensor], int]]:
    for mixture in sorted(data.glob("musdb18/hq_layout_flac/*/*/mixture.flac")):
        stems = [read(mixture.with_name(f"{stem}.flac")) for stem in ("drums", "bass", "other", "vocals")]
        yield read(mixture), stems, 44_100


def _slakh(data: Path) -> Iterator[tuple[torch.Tensor, list[torch.Tensor], int]]:
    for mixture in sorted(data.glob("slakh2100/fluidsynth_render/*/mix.flac")):
        stems = [read(path)[:, : 8 * 44_100] for path in sorted((mixture.parent / "stems").iterdir())]
        yield read(mixture)[:, : 8 * 44_100], [stem for stem in stems if stem.any()], 44_100


def _voicebank(data: Path) -> Iterator[tuple[torch.Tensor, list[torch.Tensor], int]]:
    for noisy in sorted((data / "voicebank_demand" / "noisy_testset_wav").iterdir())[:8]:
        yield read(noisy), [read(data / "voicebank_demand" / "clean_testset_wav" / noisy.name)], 16_000


def _esc10(data: Path) -> Iterator[tuple[torch.Tensor, list[torch.Tensor], int]]:
    clips = [sorted(folder.glob("*.ogg"))[:2] for folder in sorted((data / "esc10" / "audio").iterdir())]
    for one, other in pairwise(clips):
        pair = [read(path)[:, : 3 * 44_100] for path in (one[0], other[1])]
        pair = [clip / clip.square().mean().sqrt() for clip in pair]
        yield pair[0] + pair[1], pair, 44_100


@pytest.mark.parametrize("scenes", [_musdb18, _slakh, _voicebank, _esc10])
def test_on_real_recordings_ratio_mask_and_wiener_filter_beat_the_binary_mask_and_that_the_gain(
    shared_data: Path, scenes: Callable[[Path], Iterator[tuple[torch.Tensor, list[torch.Tensor], int]]]
) -> None:
    improvements: dict[str, list[float]] = {}
    for mixture, sources, rate in scenes(shared_data):
        for oracle in (oracles.GainOracle, oracles.IdealBinaryMask, oracles.IdealRatioMask,
                       oracles.MultichannelWienerFilter):  # fmt: skip
            for source, estimate in zip(sources, ask(oracle(), mixture, *sources, rate=rate), strict=True):
                gained = sdr(source, estimate) - sdr(source, mixture)
                improvements.setdefault(oracle.card().name, []).append(gained)
    if not improvements:
        pytest.skip("no recordings of this data set")
    middle = {name: median(values) for name, values in improvements.items()}
    assert middle["irm"] > middle["ibm"] > middle["gain-oracle"]
    assert middle["mwf"] > middle["ibm"]
