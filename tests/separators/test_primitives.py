"""HPSS, REPET, REPET-SIM and the 2DFT: what adds up, what is found, and the algorithms against plain ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Ontology, Target
from separators.adapt import extract
from separators.base import ComponentSeparator, Context, Query
from separators.ft2d import FT2D
from separators.hpss import HPSS
from separators.repet import Repet, RepetSim, beat_spectrum, repeating_model, similar_frames
from separators.stft import primitive_stft

PRIMITIVES = [HPSS, Repet, RepetSim, FT2D]
RATE = 16_000


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    error = (reference.double() - estimate.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error))


def split(separator: ComponentSeparator, mixture: torch.Tensor, rate: int = RATE) -> Any:
    return separator.split(mixture, context=Context(sample_rate=rate))


def target(name: str) -> Target:
    return Target(name, (Ontology.audioset()[name].mid,))


@pytest.mark.parametrize("primitive", PRIMITIVES)
@settings(max_examples=12, deadline=None)
@given(
    samples=st.one_of(st.sampled_from([1, 2, 511, 512, 513]), st.integers(1, 30_000)),
    channels=st.sampled_from([1, 2]),
    rate=st.sampled_from([8000, 16_000, 44_100]),
    loud=st.booleans(),
    mask_type=st.sampled_from(["soft", "binary"]),
)
def test_components_are_finite_and_add_up_to_the_mixture_without_warnings(
    primitive: type[ComponentSeparator], samples: int, channels: int, rate: int, loud: bool, mask_type: str
) -> None:
    mixture = noise(channels, samples) if loud else torch.zeros(channels, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = split(primitive(mask_type=mask_type), mixture, rate)  # type: ignore[call-arg]
    assert set(parts) == set(primitive.components)
    assert all(part.shape == mixture.shape and part.dtype == torch.float32 for part in parts.values())
    assert all(part.isfinite().all() for part in parts.values())
    assert torch.allclose(sum(parts.values()), mixture, atol=1e-5)
    if not loud:
        assert not any(part.any() for part in parts.values())


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_the_same_call_gives_the_same_bits(primitive: type[ComponentSeparator]) -> None:
    mixture = noise(2, 3 * RATE)
    first, second = split(primitive(), mixture), split(primitive(), mixture)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_loudness_does_not_change_the_split(primitive: type[ComponentSeparator]) -> None:
    mixture = noise(1, 3 * RATE)
    quiet, loud = split(primitive(), 0.01 * mixture), split(primitive(), mixture)
    assert all(sdr(0.01 * loud[name], quiet[name]) > 25 for name in loud)


def looped(seconds: float, period: float, rate: int = RATE) -> torch.Tensor:
    """A decaying burst of noise that repeats exactly, of unit power."""
    samples = int(period * rate)
    once = noise(1, samples, seed=5) * torch.exp(-20 * torch.arange(samples) / rate)
    loop = once.repeat(1, int(seconds / period) + 1)[:, : int(seconds * rate)]
    return loop / loop.square().mean().sqrt()


def wandering(seconds: float, rate: int = RATE) -> torch.Tensor:
    """A voice-like tone: three partials with vibrato, whose pitch never comes back the same way; of unit power."""
    steps = 700 + 40 * noise(1, 1, int(3 * seconds) + 2, seed=1).cumsum(dim=2)
    pitch = torch.nn.functional.interpolate(steps, size=int(seconds * rate), mode="linear")[0]
    pitch = pitch + 15 * torch.sin(2 * torch.pi * 5.3 * torch.arange(pitch.shape[1]) / rate)
    phase = 2 * torch.pi * (pitch / rate).double().cumsum(dim=1)
    tone = torch.sin(phase) + torch.sin(2 * phase) / 2 + torch.sin(3 * phase) / 3
    return (tone / tone.square().mean().sqrt()).float()


def over_gain(source: torch.Tensor, estimate: torch.Tensor, mixture: torch.Tensor) -> float:
    gain = (mixture * source).sum() / mixture.square().sum()
    return sdr(source, estimate) - sdr(source, gain * mixture)


@pytest.mark.parametrize("primitive", [Repet, RepetSim, FT2D])
def test_a_loop_is_background_and_a_wandering_tone_before_it_is_foreground(
    primitive: type[ComponentSeparator],
) -> None:
    background, foreground = looped(10, 0.25), wandering(10)
    mixture = background + foreground
    parts = split(primitive(), mixture)
    assert over_gain(background, parts["background"], mixture) > 1
    assert over_gain(foreground, parts["foreground"], mixture) > 1


def test_a_tone_is_harmonic_and_clicks_are_percussive() -> None:
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(3 * RATE) / RATE)[None]
    clicks = torch.zeros(1, 3 * RATE)
    clicks[:, RATE // 4 :: RATE // 2] = 8.0
    parts = split(HPSS(), tone + clicks)
    assert sdr(tone, parts["harmonic"]) > 15
    assert sdr(clicks, parts["percussive"]) > 10


@pytest.mark.parametrize("primitive", [HPSS, FT2D])
def test_each_channel_is_separated_on_its_own(primitive: type[ComponentSeparator]) -> None:
    mixture = torch.cat([looped(4, 0.5), wandering(4)])
    together = split(primitive(), mixture)
    for channel in range(2):
        alone = split(primitive(), mixture[channel : channel + 1])
        assert all(torch.allclose(together[name][channel], alone[name][0], atol=1e-6) for name in alone)


@pytest.mark.parametrize("primitive", [Repet, RepetSim, FT2D])
def test_everything_below_the_cutoff_is_background(primitive: type[ComponentSeparator]) -> None:
    hum = torch.sin(2 * torch.pi * 50 * torch.arange(3 * RATE) / RATE)[None]
    parts = split(primitive(high_pass_cutoff=200.0), hum)  # type: ignore[call-arg]
    assert sdr(hum, parts["background"]) > 30


def test_a_known_period_is_used_as_it_is() -> None:
    mixture = looped(6, 0.5) + wandering(6)
    known = split(Repet(period=0.512), mixture)  # 64 frames
    sought = split(Repet(min_period=0.512, max_period=0.512), mixture)
    assert torch.equal(known["background"], sought["background"])


def test_a_period_longer_than_the_recording_makes_all_of_it_background() -> None:
    mixture = noise(1, RATE)
    parts = split(Repet(period=30.0), mixture)
    assert torch.allclose(parts["background"], mixture, atol=1e-5)


def test_without_frames_far_enough_apart_all_is_background() -> None:
    mixture = noise(1, RATE // 2)
    assert torch.allclose(split(RepetSim(), mixture)["background"], mixture, atol=1e-5)


def test_a_long_recording_is_worked_on_in_blocks_that_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = noise(2, 4 * RATE)
    whole = split(RepetSim(), mixture)
    monkeypatch.setattr("separators.repet._VALUES_AT_ONCE", 1)
    blocks = split(RepetSim(), mixture)
    assert sdr(whole["foreground"], blocks["foreground"]) > 60


def test_the_beat_spectrum_is_the_mean_autocorrelation() -> None:
    power = np.random.default_rng(0).random((7, 50))
    expected = [np.mean([row[lag:] @ row[: 50 - lag] / (50 - lag) for row in power]) for lag in range(50)]
    assert np.allclose(beat_spectrum(power), expected)


@pytest.mark.parametrize(("frames", "period"), [(30, 10), (31, 10), (39, 10), (5, 5), (5, 4), (7, 1)])
def test_the_repeating_model_is_the_median_of_the_frames_one_period_apart(frames: int, period: int) -> None:
    magnitude = np.random.default_rng(0).random((2, 3, frames)).astype(np.float32)
    expected = np.stack([np.median(magnitude[..., t % period :: period], axis=-1) for t in range(frames)], axis=-1)
    assert np.allclose(repeating_model(magnitude, period), expected)


@pytest.mark.parametrize("distance", [0.0, 3.0, 4.6])
@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_similar_frames_are_those_of_a_greedy_search(distance: float, threshold: float) -> None:
    spectra = np.random.default_rng(1).random((40, 6))
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    alike = spectra @ spectra.T
    chosen, counts = similar_frames(alike.copy(), np.arange(40), threshold, distance, 8)
    for frame, row in enumerate(alike):
        scaled = (row - row.min()) / (row.max() - row.min())
        free = np.where(scaled >= threshold, scaled, 0)
        expected = []
        latest = frame
        while len(expected) < 8:
            free[max(int(np.floor(latest - distance)), 0) : int(latest + distance) + 1] = 0
            latest = int(free.argmax())
            if free[latest] == 0:
                break
            expected.append(latest)
        assert list(chosen[frame, : counts[frame]]) == expected


def _full_plane(magnitude: np.ndarray, size: tuple[int, int], approach: str) -> np.ndarray:
    """The 2DFT mask on the whole plane, in the paper's order of steps."""
    plane = np.fft.fftshift(np.fft.fft2(magnitude.astype(np.float64)))
    data = np.abs(plane) / (np.abs(plane).max() + 1e-7)
    highest = scipy.ndimage.maximum_filter(data, size)
    if approach == "local_std":
        mean = scipy.ndimage.uniform_filter(data, size)
        deviation = np.sqrt(np.maximum(scipy.ndimage.uniform_filter(data**2, size) - mean**2, 0)) + 1e-7
        peaks = (highest - mean) / deviation * np.isclose(data, highest, rtol=1e-6)
        peaks /= peaks.max() + 1e-7
    else:
        peaks = np.isclose(data, highest, rtol=1e-6) * 1.0
        peaks *= highest - scipy.ndimage.minimum_filter(data, size) > data.std()
    peaks = np.fft.ifftshift(peaks)
    peaks = np.maximum(peaks, peaks[:, -np.arange(peaks.shape[1])])
    peaks = np.maximum(peaks, peaks[-np.arange(peaks.shape[0])])
    modelled = np.abs(np.fft.ifft2(peaks * np.fft.ifftshift(plane)))
    mask = np.minimum(modelled, magnitude + 1e-7) / (magnitude + 1e-7)
    return mask / (mask.max() + 1e-7)


@pytest.mark.parametrize("approach", ["local_std", "original"])
@pytest.mark.parametrize("size", [(1, 25), (3, 5), (5, 7)])
@pytest.mark.parametrize(("frames", "tolerance"), [(62, 0.005), (63, 1e-6)])
def test_half_a_plane_gives_the_mask_of_the_whole_one(
    approach: Any, size: tuple[int, int], frames: int, tolerance: float
) -> None:
    # For an even number of frames the highest rate has one column only, and the plane's two edges differ.
    rng = np.random.default_rng(0)
    loop = np.tile(rng.random((33, 9)), (1, 7))[:, :frames]
    magnitude = (loop + 0.3 * rng.random((33, frames))).astype(np.float32)
    ours = FT2D(neighborhood_size=size, filter_approach=approach).background_mask(
        magnitude[None], frames_per_second=100.0, seconds=0.63
    )
    difference = ours[0] - _full_plane(magnitude, size, approach)
    assert np.sqrt(np.mean(difference**2)) < tolerance


def test_a_direction_that_is_not_kept_leaves_the_background() -> None:
    time, frequency = np.meshgrid(np.arange(64), np.arange(65))
    falling = (1.5 + np.cos(2 * np.pi * (time / 16 + frequency * 4 / 65))).astype(np.float32)[None]
    options = {"frames_per_second": 100.0, "seconds": 0.64}
    kept = FT2D(quadrants_to_keep=(1, 3)).background_mask(falling, **options)
    dropped = FT2D(quadrants_to_keep=(0, 2)).background_mask(falling, **options)
    # With its only moving pattern the model is the magnitude itself, without it the flat mean.
    assert kept.min() > 0.99
    assert np.allclose(dropped, np.minimum(1.5 / falling, 1), atol=0.01)


def test_the_foregrounds_transform_can_make_the_mask() -> None:
    background, foreground = looped(10, 0.25), wandering(10)
    mixture = background + foreground
    parts = split(FT2D(use_bg_2dft=False), mixture)
    assert over_gain(foreground, parts["foreground"], mixture) > 1


@pytest.mark.parametrize("samples", [100, 300, 2000])
def test_the_harmonic_part_of_a_few_frames_is_that_of_medians_over_mirrored_edges(samples: int) -> None:
    mixture = noise(2, samples)
    stft = primitive_stft(RATE)
    X = stft.forward(mixture)
    magnitude = X.abs().numpy()

    def medians(kernel: int, axis: int) -> np.ndarray:
        edges = [(0, 0), (0, 0), (0, 0)]
        edges[axis] = (kernel // 2, kernel // 2)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(magnitude, edges, mode="symmetric"), kernel, axis)
        return np.median(windows, axis=-1)

    harmonic, percussive = medians(31, 2) ** 2, medians(17, 1) ** 2
    expected = stft.inverse(X * torch.from_numpy(harmonic / (harmonic + percussive)), samples)
    assert sdr(expected, split(HPSS(kernel=(31, 17)), mixture)["harmonic"]) > 80


@pytest.mark.parametrize("kernel", [(31, 31), (17, 4), (1, 2)])
def test_the_mask_of_hpss_is_that_of_librosa_to_the_bit(kernel: tuple[int, int]) -> None:
    mixture = torch.cat([noise(2, 9000), torch.zeros(2, 3000)], dim=1)
    stft = primitive_stft(RATE)
    X = stft.forward(mixture)
    mask, _ = librosa.decompose.hpss(X.abs().numpy(), kernel_size=kernel, mask=True)
    assert torch.equal(
        split(HPSS(kernel=kernel), mixture)["harmonic"], stft.inverse(X * torch.from_numpy(mask), 12_000)
    )


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: HPSS(mask_type="hard"), "mask_type must be"),  # type: ignore[arg-type]
    (lambda: HPSS(kernel=0), "kernel must be"),
    (lambda: Repet(min_period=2.0, max_period=1.0), "0 < min_period <= max_period"),
    (lambda: Repet(period=0.0), "period must be positive"),
    (lambda: Repet(high_pass_cutoff=-1.0), "high_pass_cutoff must be"),
    (lambda: RepetSim(similarity_threshold=2.0), "similarity_threshold must lie"),
    (lambda: RepetSim(min_distance=-1.0), "min_distance must be"),
    (lambda: RepetSim(max_repeating_frames=1), "max_repeating_frames must be"),
    (lambda: FT2D(neighborhood_size=(2, 25)), "two odd numbers"),
    (lambda: FT2D(quadrants_to_keep=(0,)), "quadrants_to_keep must be"),
    (lambda: FT2D(filter_approach="other"), "filter_approach must be"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_an_option_out_of_range_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("primitive", "answered", "refused"),
    [
        (
            HPSS,
            ["Percussion", "Bass guitar", "Singing", "Piano", "Tick-tock"],
            ["Speech", "Rain", "Musical instrument"],
        ),
        (Repet, ["Singing", "Speech", "Rapping"], ["Percussion", "Bass guitar", "Rain"]),
        (FT2D, ["Singing", "Speech"], ["Percussion", "Music"]),
    ],
)
def test_a_component_answers_for_the_classes_it_is_claimed_to_stand_for_and_no_others(
    primitive: type[ComponentSeparator], answered: list[str], refused: list[str]
) -> None:
    separator = primitive()
    assert [name for name in answered if separator.refuses(target(name))] == []
    assert [name for name in refused if separator.refuses(target(name)) is None] == []


def test_each_query_gets_the_component_of_its_class_in_the_order_asked() -> None:
    mixture = noise(2, RATE)
    parts = split(HPSS(), mixture)
    asked = tuple(Query(target(name)) for name in ("Percussion", "Piano", "Percussion", "Marimba, xylophone"))
    audio = extract(HPSS(), mixture, RATE, asked, context=Context()).audio
    expected = [parts[name] for name in ("percussive", "harmonic", "percussive", "harmonic")]
    assert torch.equal(audio, torch.stack(expected))


def test_the_accompaniment_is_the_repeating_background() -> None:
    mixture = noise(1, RATE)
    audio = extract(Repet(), mixture, RATE, (Query(Target("accompaniment")),), context=Context()).audio
    assert torch.equal(audio[0], split(Repet(), mixture)["background"])
