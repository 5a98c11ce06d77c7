"""Spectral distortion of speech: log-likelihood ratio and weighted spectral slope, over frames of 30 ms.

Both follow the code that comes with Loizou, "Speech Enhancement: Theory and Practice" (2007), as pysepm has it in
Python: 2^-52 is added to every sample, frames of W = round(0.03 fs) samples every W // 4 under the window
0.5 (1 - cos(2 pi i / (W + 1))), i = 1..W, floor((n - W) / hop) of them, and the mean of the lowest 95 % of the
frames' values. How many these are is rounded half to even, as Python does and as nearly all published scores were
computed; MATLAB rounds up, and counts one frame more where the number of frames is an odd multiple of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.tensors import SignalLike, as_signal, check_alike, over_items

_EPS: Final = torch.finfo(torch.float64).eps
_KEPT: Final = 0.95
_AT_ONCE: Final = 512
"""Frames worked on at a time: a few megabytes, whatever the length of the recording."""

LLR_MOST: Final = 2.0
"""Above this a frame's LLR is cut, where it stands alone; within the composite measures it is not."""
_NO_RATIO: Final = 1000.0
"""Stands in for a ratio of prediction errors that rounding made zero or negative."""

_CENTRES: Final = (
    50.0, 120.0, 190.0, 260.0, 330.0, 400.0, 470.0, 540.0, 617.372, 703.378, 798.717, 904.128, 1020.38, 1148.30,
    1288.72, 1442.54, 1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63,
)  # fmt: skip
_WIDTHS: Final = (
    70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914, 140.423,
    153.823, 168.154, 183.457, 199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136,
)  # fmt: skip
"""Centres and widths of 25 critical bands in Hz, from Loizou's code; Klatt 1982 has 36 such bands."""
_LEAST_WEIGHT: Final = -30 / (2 * 2.303)
"""Logarithm of the weight under which a band's filter is cut to zero: -30 dB."""
_LEAST_ENERGY: Final = 1e-10
_K_MAX, _K_LOCAL = 20.0, 1.0
"""Klatt's constants of the weights, in dB (Klatt 1982, p. 1280)."""


def llr(
    estimates: SignalLike, references: SignalLike, *, sample_rate: int, most: float | None = LLR_MOST
) -> torch.Tensor:
    """Log-likelihood ratio, the mean over frames of ln(a_e R a_e / a_s R a_s); 0 is best.

    a_e and a_s are the linear prediction filters of estimate and reference (order 16, or 10 below 10 kHz), R the
    reference's autocorrelation: how much worse the estimate's filter predicts the reference than its own does.
    Several channels: the mean of their values.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.
        most: a frame's value is cut above this; None cuts nothing, as within the composite measures.

    Returns:
        float64 ``(...)``, from 0; NaN for fewer than W + hop samples. In frames where the reference is exactly
        silent the value rests on rounding.

    Raises:
        ValueError: the shapes do not fit, or the rate leaves no four samples to a frame.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((1, 16_000))
    >>> float(llr(0.5 * s, s, sample_rate=16_000)) < 1e-9
    True
    """
    order = 10 if sample_rate < 10_000 else 16

    def of_frames(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        correlation = _autocorrelation(reference, order)
        own = _prediction_error(_predictor(correlation), correlation)
        other = _prediction_error(_predictor(_autocorrelation(estimate, order)), correlation)
        ratio = torch.nan_to_num(other / own, nan=torch.inf, posinf=torch.inf)
        values = ratio.where(ratio > 0, _NO_RATIO).log()
        return values if most is None else values.clamp(max=most)

    return _over_frames(of_frames, estimates, references, sample_rate)


def wss(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """Weighted spectral slope distance between the levels of 25 critical bands; 0 is best.

    A frame's value is the weighted mean of squared differences of slope, the level of a band minus that of the band
    below; weights are larger near spectral peaks. On a rising slope Loizou's code takes the band before the peak for
    the peak, and so does this. Source: Klatt 1982 (ICASSP), in Loizou's code. Several channels: the mean of their
    values.

    Arguments, errors and NaN as in :func:`llr`. Returns float64 ``(...)``, from 0, in dB squared.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((1, 16_000))
    >>> round(float(wss(0.5 * s, s, sample_rate=16_000)), 9)
    0.0
    """
    size = 2 ** (2 * _Framing.of(0, sample_rate).size - 1).bit_length()
    filters = _band_filters(size, sample_rate)

    def of_frames(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        levels = [_band_levels(frames, filters.to(frames.device), size) for frames in (reference, estimate)]
        slopes = [level.diff(dim=0) for level in levels]
        pairs = zip(levels, slopes, strict=True)
        weights = torch.stack([_peak_weights(level, slope) for level, slope in pairs]).mean(0)
        return (weights * (slopes[0] - slopes[1]).square()).sum(0) / weights.sum(0)

    return _over_frames(of_frames, estimates, references, sample_rate)


@dataclass(frozen=True)
class _Framing:
    size: int
    hop: int
    count: int

    @classmethod
    def of(cls, samples: int, sample_rate: int) -> _Framing:
        size = round(0.03 * sample_rate)
        hop = size // 4
        if hop < 1:
            raise ValueError(f"sample_rate is {sample_rate}: frames of 30 ms need at least four samples")
        return cls(size, hop, max((samples - size) // hop, 0))

    def frames(self, signal: torch.Tensor) -> Iterator[torch.Tensor]:
        """Windowed frames ``(channels, frames, size)`` of ``(channels, samples)``, some at a time."""
        steps = torch.arange(1, self.size + 1, dtype=torch.float64, device=signal.device)
        window = 0.5 * (1 - torch.cos(2 * torch.pi * steps / (self.size + 1)))
        rows = signal.unfold(-1, self.size, self.hop)[:, : self.count]
        return ((part + _EPS) * window for part in rows.split(_AT_ONCE, dim=1))


def _over_frames(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    estimates: SignalLike,
    references: SignalLike,
    sample_rate: int,
) -> torch.Tensor:
    """The mean of the lowest 95 % of what ``function`` makes of frames, item by item."""
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)
    framing = _Framing.of(estimates.shape[-1], sample_rate)
    kept = round(_KEPT * framing.count)

    def of_item(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        if not framing.count:
            return reference.new_tensor(torch.nan)
        pairs = zip(framing.frames(estimate), framing.frames(reference), strict=True)
        values = torch.cat([function(*pair) for pair in pairs], dim=-1)
        return values.sort(dim=-1).values[:, :kept].mean()

    return over_items(of_item, estimates, references, batch=batch)


def _autocorrelation(frames: torch.Tensor, order: int) -> torch.Tensor:
    """Lags 0 to ``order`` of ``(..., size)``, ``(..., order + 1)``."""
    size = frames.shape[-1]
    lags = [(frames[..., : size - lag] * frames[..., lag:]).sum(-1) for lag in range(order + 1)]
    return torch.stack(lags, dim=-1)


def _predictor(correlation: torch.Tensor) -> torch.Tensor:
    """The prediction error filter 1, -a_1, ..., -a_p by Levinson's and Durbin's recursion, all frames abreast."""
    order = correlation.shape[-1] - 1
    taps = correlation.new_zeros((*correlation.shape[:-1], order))
    error = correlation[..., 0]
    for step in range(order):
        past = taps[..., :step]
        predicted = (past * correlation[..., 1 : step + 1].flip(-1)).sum(-1)
        reflection = (correlation[..., step + 1] - predicted) / error
        taps[..., :step] = past - reflection[..., None] * past.flip(-1)
        taps[..., step] = reflection
        error = (1 - reflection.square()) * error
    return torch.cat([torch.ones_like(taps[..., :1]), -taps], dim=-1)


def _prediction_error(taps: torch.Tensor, correlation: torch.Tensor) -> torch.Tensor:
    """Energy of the prediction error, a R a, with R the Toeplitz matrix of ``correlation``."""
    places = torch.arange(taps.shape[-1], device=taps.device)
    matrix = correlation[..., (places[:, None] - places).abs()]
    return (taps * (matrix @ taps[..., None])[..., 0]).sum(-1)


def _band_filters(size: int, sample_rate: int) -> torch.Tensor:
    """Weights of the bins 0 to size / 2 - 1 in each band, ``(bins, bands)``: Gaussians, cut at -30 dB."""
    half = size // 2
    per_bin = half / (sample_rate / 2)
    bins = torch.arange(half, dtype=torch.float64)[:, None]
    centres, widths = (torch.tensor(values, dtype=torch.float64) * per_bin for values in (_CENTRES, _WIDTHS))
    exponent = -11 * ((bins - centres.floor()) / widths).square() + (widths[0] / widths).log()
    return exponent.exp().where(exponent > _LEAST_WEIGHT, 0.0)


def _band_levels(frames: torch.Tensor, filters: torch.Tensor, size: int) -> torch.Tensor:
    """Levels of the bands in dB, ``(bands, ...)``: bands first, because peaks are looked for band by band."""
    spectrum = torch.fft.rfft(frames, n=size)[..., :-1]
    energies = (spectrum.real.square() + spectrum.imag.square()) @ filters
    return 10 * torch.log10(energies.clamp(min=_LEAST_ENERGY)).movedim(-1, 0).contiguous()


def _peak_weights(levels: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Weight of each slope, ``(bands - 1, ...)``: large where its band is near the greatest and the nearest peak."""
    rising = slopes > 0
    own = levels[:-1]
    before = list(own)  # the nearest peak downwards, where the slope does not rise
    for place in range(1, len(before)):
        before[place] = torch.where(rising[place - 1], before[place], before[place - 1])
    after = list(own)  # the band before the nearest peak upwards, where it does
    for place in reversed(range(len(after) - 1)):
        after[place] = torch.where(rising[place + 1], after[place + 1], after[place])
    nearest = torch.where(rising, torch.stack(after), torch.stack(before))
    overall = levels.amax(0)
    return _K_MAX / (_K_MAX + overall - own) * (_K_LOCAL / (_K_LOCAL + nearest - own))


_TOO_SHORT: Final = "has no value: the signal is shorter than a frame of 30 ms and a quarter"
_FRAMES: Final = (
    "frames of 30 ms every quarter of that under a Hann window without zeros at its ends, 2^-52 added to every "
    "sample; the mean of the lowest 95 % of the frames, their number rounded half to even. Mono; the mean of the "
    "channels' values where there are several. At the rate of the scene. As in Loizou, Speech Enhancement: Theory and "
    "Practice, 2007, and in pysepm."
)

LLR: Final = Metric(
    name="llr",
    version=1,
    function=llr,
    needs=("estimates", "references", "sample_rate"),
    unit="",
    better="lower",
    title="LLR",
    definition=(
        "Log-likelihood ratio: ln of the energy that the estimate's linear prediction filter leaves of the "
        f"reference, over what the reference's own leaves; order 16, or 10 below 10 kHz; cut above 2; {_FRAMES}"
    ),
    undefined=f"LLR {_TOO_SHORT}",
    aggregations=("mean", "class-median-mean"),
)

WSS: Final = Metric(
    name="wss",
    version=1,
    function=wss,
    needs=("estimates", "references", "sample_rate"),
    unit="dB²",
    better="lower",
    title="WSS",
    definition=(
        "Weighted spectral slope distance: the weighted mean of squared differences between the level slopes of 25 "
        f"critical bands, band energies not under 1e-10; {_FRAMES} Source: Klatt 1982."
    ),
    undefined=f"WSS {_TOO_SHORT}",
    aggregations=("mean", "class-median-mean"),
)
