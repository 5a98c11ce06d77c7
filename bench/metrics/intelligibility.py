"""STOI and ESTOI: how well noisy speech can be understood, from correlations of third-octave envelopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import torch
from scipy.signal import resample_poly

from bench.metrics.base import Metric, Shared
from bench.metrics.tensors import SignalLike, as_signal, check_alike

_RATE: Final = 10_000
_FRAME, _HOP, _BINS = 256, 128, 512
_BANDS: Final = 15
_FIRST_CENTRE: Final = 150.0
"""Centre of the lowest third-octave band in Hz."""
_SEGMENT: Final = 30
"""Frames of a segment: 384 ms."""
_RANGE_DB: Final = 40.0
"""Frames of the reference further under its loudest one count as silent."""
_CLIP: Final = 10 ** (15 / 20)
"""Envelopes of the estimate are clipped at 1 + this times the reference's: a lower bound of -15 dB on their SDR."""
_EPS: Final = np.finfo(np.float64).eps
_SEGMENTS_AT_ONCE: Final = 512


def stoi(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """Short-time objective intelligibility, up to 1.

    Both signals at 10 kHz; frames (256 samples, hop 128, Hann) in which the reference lies 40 dB or more under its
    loudest frame are taken out; 15 third-octave envelopes from 150 Hz; in each band and each run of 30 frames the
    estimate's envelope is brought to the reference's energy and clipped at 1 + 10^(15/20) times it; the mean of the
    correlations. Source: Taal et al. 2011, IEEE TASLP 19(7). Equal to pystoi 0.4.1, which this follows in the
    resampling filter and in leaving out the last frame, except that it has no value where pystoi returns 1e-5 for want
    of frames. Several channels: the mean of their values.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.

    Returns:
        float64 ``(...)``, on the CPU; NaN where fewer than 30 frames are left; 0 for a silent estimate.

    Raises:
        ValueError: the shapes do not fit, or the rate is not positive.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((1, 10_000))
    >>> round(float(stoi(0.5 * s, s, sample_rate=10_000)), 9)
    1.0
    """
    return _mean_over_segments(_correlation, _spectra(estimates, references, sample_rate))


def estoi(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """Extended STOI, up to 1: correlations between the spectra of the bands, for noise that fluctuates.

    Envelopes as in :func:`stoi`; in each run of 30 frames they are freed of mean and brought to norm one, first over
    time in each band, then over bands in each frame; the mean over frames of the inner products. Source: Jensen and
    Taal 2016, IEEE/ACM TASLP 24(11). Equal to pystoi 0.4.1 but for the noise of 2^-52 that it adds, which makes what
    it returns for constant envelopes a matter of chance: they count 0 here.

    Arguments, result and errors as in :func:`stoi`.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((1, 10_000))
    >>> round(float(estoi(0.5 * s, s, sample_rate=10_000)), 9)
    1.0
    """
    return _mean_over_segments(_spectral_correlation, _spectra(estimates, references, sample_rate))


Similarity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From segments ``(bands, segments, frames)`` of estimate and reference to one value per segment."""

Spectra = list[list[list[torch.Tensor]]]
"""Envelopes ``(bands, frames)`` of estimate and reference, by channel, by item in row-major order."""


def _spectra(estimates: SignalLike, references: SignalLike, sample_rate: int) -> tuple[Spectra, tuple[int, ...]]:
    """The envelopes, and the shape of the batch."""
    if sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}: a positive number in Hz is wanted")
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)
    pair = [_at_10_khz(signal, sample_rate) for signal in (estimates, references)]
    shape = (math.prod(batch), *pair[0].shape[-2:])
    items = zip(*(x.expand(*batch, *x.shape[-2:]).reshape(shape) for x in pair), strict=True)
    spectra = [
        [[_envelopes(x) for x in _without_silence(*channel)] for channel in zip(*item, strict=True)] for item in items
    ]
    return spectra, batch


def _mean_over_segments(similarity: Similarity, envelopes: tuple[Spectra, tuple[int, ...]]) -> torch.Tensor:
    spectra, batch = envelopes
    values = [torch.stack([_of_channel(similarity, *channel) for channel in item]).mean() for item in spectra]
    return torch.stack(values).reshape(batch) if values else torch.zeros(batch, dtype=torch.float64)


def _of_channel(similarity: Similarity, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    if reference.shape[-1] < _SEGMENT:
        return reference.new_tensor(torch.nan)
    pair = (x.unfold(-1, _SEGMENT, 1).split(_SEGMENTS_AT_ONCE, dim=1) for x in (estimate, reference))
    return torch.cat([similarity(*(x.contiguous() for x in part)) for part in zip(*pair, strict=True)]).mean()


def _without_silence(estimate: torch.Tensor, reference: torch.Tensor) -> list[torch.Tensor]:
    """Both signals put together again from the frames in which the reference sounds."""
    frames = [_frames(signal) * _window() for signal in (estimate, reference)]
    levels = 20 * torch.log10(torch.linalg.vector_norm(frames[1], dim=-1) + _EPS)
    if not len(levels):
        return [signal[:0] for signal in (estimate, reference)]
    sounds = levels > levels.max() - _RANGE_DB
    return [_overlap_added(x[sounds]) for x in frames]


def _frames(signal: torch.Tensor) -> torch.Tensor:
    """Frames ``(frames, 256)``; one that ends with the signal is left out, as in the published code."""
    count = max(-(-(len(signal) - _FRAME) // _HOP), 0)
    return signal.unfold(0, _FRAME, _HOP)[:count] if count else signal.new_zeros(0, _FRAME)


def _overlap_added(frames: torch.Tensor) -> torch.Tensor:
    halves = frames.unflatten(-1, (2, _HOP))
    padded = torch.nn.functional.pad(halves[:, 0], (0, 0, 0, 1)), torch.nn.functional.pad(halves[:, 1], (0, 0, 1, 0))
    return (padded[0] + padded[1]).flatten()


def _envelopes(signal: torch.Tensor) -> torch.Tensor:
    """Third-octave envelopes ``(bands, frames)``."""
    frames = _frames(signal)
    if not len(frames):
        return signal.new_zeros(_BANDS, 0)
    spectrum = torch.fft.rfft(frames * _window(), n=_BINS)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ _bands()).sqrt().T


def _correlation(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    gain = _norm(reference) / (_norm(estimate) + _EPS)
    clipped = torch.minimum(estimate * gain, reference * (1 + _CLIP))
    pair = [x - x.mean(-1, keepdim=True) for x in (clipped, reference)]
    first, second = (x / (_norm(x) + _EPS) for x in pair)
    return (first * second).sum(-1).mean(0)


def _spectral_correlation(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    first, second = (_normal(_normal(x, -1), 0) for x in (estimate, reference))
    return (first * second).sum((0, -1)) / _SEGMENT


def _normal(x: torch.Tensor, dim: int) -> torch.Tensor:
    """``x`` without its mean and with norm one along ``dim``; zeros where it is constant but for rounding."""
    centred = x - x.mean(dim, keepdim=True)
    norm = centred.square().sum(dim, keepdim=True).sqrt()
    constant = norm <= 8 * _EPS * x.square().sum(dim, keepdim=True).sqrt()
    return centred * norm.reciprocal().where(~constant, 0.0)


def _norm(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def _stoi(envelopes: tuple[Spectra, tuple[int, ...]]) -> torch.Tensor:
    return _mean_over_segments(_correlation, envelopes)


def _estoi(envelopes: tuple[Spectra, tuple[int, ...]]) -> torch.Tensor:
    return _mean_over_segments(_spectral_correlation, envelopes)


@cache
def _window() -> torch.Tensor:
    steps = torch.arange(1, _FRAME + 1, dtype=torch.float64)
    return 0.5 * (1 - torch.cos(2 * torch.pi * steps / (_FRAME + 1)))


@cache
def _bands() -> torch.Tensor:
    """Which bins belong to each third-octave band, ``(bins, bands)`` of ones and zeros."""
    bins = torch.arange(_BINS // 2 + 1, dtype=torch.float64) * (_RATE / _BINS)
    numbers = torch.arange(_BANDS, dtype=torch.float64)
    edges = [(bins[:, None] - _FIRST_CENTRE * 2 ** ((2 * numbers + side) / 6)).abs().argmin(dim=0) for side in (-1, 1)]
    places = torch.arange(len(bins))[:, None]
    return ((places >= edges[0]) & (places < edges[1])).to(torch.float64)


def _at_10_khz(signal: torch.Tensor, rate: int) -> torch.Tensor:
    if rate == _RATE:
        return signal.cpu()
    common = math.gcd(_RATE, rate)
    up, down = _RATE // common, rate // common
    resampled = resample_poly(signal.cpu().numpy(), up, down, axis=-1, window=_filter(up, down))
    return torch.from_numpy(np.ascontiguousarray(resampled))


@cache
def _filter(up: int, down: int) -> np.ndarray:
    """Octave's default filter of ``resample``, which pystoi takes: a Kaiser-windowed sinc with 60 dB of rejection."""
    cutoff = 1 / (2 * max(up, down))
    rejection = 60.0
    half = math.ceil((rejection - 8) / (28.714 * cutoff / 10))
    steps = np.arange(-half, half + 1)
    taps = np.kaiser(2 * half + 1, 0.1102 * (rejection - 8.7)) * np.sinc(2 * cutoff * steps)
    return np.asarray(taps / taps.sum())


_ENVELOPES: Final = Shared("envelopes", _spectra, needs=("estimates", "references", "sample_rate"))

_RULES: Final = (
    "over all bands and runs of 30 frames, of 15 third-octave envelopes from 150 Hz at 10 kHz, where frames in which "
    "the reference lies 40 dB under its loudest are taken out. Mono; the mean of the channels' values where there are "
    "several. As in pystoi 0.4.1, but without value where that returns 1e-5 for want of frames."
)

STOI: Final = Metric(
    name="stoi",
    version=1,
    function=_stoi,
    needs=(_ENVELOPES,),
    unit="",
    better="higher",
    title="STOI",
    definition=f"The mean correlation of estimate and reference {_RULES} Source: Taal et al. 2011.",
    undefined="STOI has no value: fewer than 30 frames (0.4 s) of the reference sound",
    aggregations=("mean", "class-median-mean"),
)

ESTOI: Final = Metric(
    name="estoi",
    version=1,
    function=_estoi,
    needs=(_ENVELOPES,),
    unit="",
    better="higher",
    title="ESTOI",
    definition=(
        "The mean correlation between spectra of estimate and reference, each band of a run brought to mean zero and "
        f"norm one first, {_RULES} No noise is added, and envelopes that are constant count 0. Source: Jensen and "
        "Taal 2016."
    ),
    undefined="ESTOI has no value: fewer than 30 frames (0.4 s) of the reference sound",
    aggregations=("mean", "class-median-mean"),
)
