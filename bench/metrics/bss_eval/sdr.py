"""SDR of BSS Eval version 4: the median over frames of a plain signal-to-noise ratio.

The distortion filters of BSS Eval enter only ISR, SIR and SAR. In its image criteria the spatial, interference and
artefact parts of the error add up to the error itself, so that SDR = |s|^2 / |s - ŝ|^2 needs no filter.
"""

from __future__ import annotations

from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.tensors import SignalLike, as_signal, over_items, squared_difference, summed


def framewise_sdr(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """SDR in dB of each source in frames of one second, one after the other.

    An incomplete frame at the end is dropped; a signal of one second or less is one frame. A frame is NaN for all
    sources where any reference or estimate is silent in it, silent meaning that its channels sum to exactly 0 at
    every sample (so a stereo signal in exact antiphase is silent). This is what museval 0.4.1 computes. Through this
    joint rule, and only through it, a source's value depends on which others are scored beside it.

    Args:
        estimates: ``(..., sources, channels, samples)``.
        references: the same shape.
        sample_rate: in Hz, the number of samples of a frame.

    Returns:
        float64 ``(..., sources, frames)``; +inf where a frame is exact.

    Raises:
        ValueError: the shapes differ, have no axis of sources, or the rate is not positive.

    >>> import numpy as np
    >>> s = np.array([[[1.0, 1.0, 1.0, 1.0, 1.0]]])
    >>> framewise_sdr(s * [0.9, 0.9, 0.0, 0.1, 1.0], s, sample_rate=2).round(decimals=4).tolist()
    [[20.0, 0.4335]]
    """
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    if estimates.shape != references.shape or estimates.ndim < 3:
        raise ValueError(
            f"estimates {tuple(estimates.shape)} and references {tuple(references.shape)}: "
            "(..., sources, channels, samples) of one shape are wanted"
        )
    if sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}: a positive number in Hz is wanted")
    batch, samples = tuple(estimates.shape[:-2]), estimates.shape[-1]
    length = min(sample_rate, samples)
    if not length:
        return torch.full((*batch, 1), torch.nan, dtype=torch.float64)
    count = samples // length

    def of_source(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        frames = zip(*(x.unfold(-1, length, length).unbind(1) for x in (estimate, reference)), strict=True)
        return torch.stack([_frame(e, s) for e, s in frames], dim=-1)

    found = over_items(of_source, estimates, references, batch=batch, size=(2, count))
    values, sounds = found.unbind(-2)
    return values.where(sounds.bool().all(dim=-2, keepdim=True), torch.nan)


def _frame(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """SDR in dB, and whether both sound: 1 or 0."""
    ratio = summed(torch.square, reference) / summed(squared_difference, reference, estimate)
    sounds = (reference.sum(0) != 0).any() & (estimate.sum(0) != 0).any()
    return torch.stack([10 * torch.log10(ratio), sounds])


def sdr_bsseval_v4(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """The median of :func:`framewise_sdr` over the frames that have a finite value, float64 ``(..., sources)``.

    NaN where no frame has one. Exact frames (+inf) are left out, as museval does when it stores its frames.
    Arguments and errors are those of :func:`framewise_sdr`.

    >>> import numpy as np
    >>> s = np.array([[[1.0, 1.0, 1.0, 1.0, 1.0]]])
    >>> sdr_bsseval_v4(s * [0.9, 0.9, 0.0, 0.1, 1.0], s, sample_rate=2).round(decimals=4).tolist()
    [10.2168]
    """
    values = framewise_sdr(estimates, references, sample_rate=sample_rate)
    return torch.nanquantile(values.where(values.isfinite(), torch.nan), 0.5, dim=-1)


SDR_BSSEVAL_V4: Final = Metric(
    name="sdr_bsseval_v4",
    version=1,
    function=sdr_bsseval_v4,
    needs=("estimates", "references", "sample_rate"),
    unit="dB",
    better="higher",
    title="SDR (BSS Eval v4)",
    definition=(
        "Median over frames of 10 log10(|s|^2 / |s - ŝ|^2), energies over all channels, as museval 0.4.1 computes the "
        "SDR of BSS Eval v4 (it needs no distortion filter): frames of 1 s, one after the other; an incomplete one at "
        "the end is dropped, unless it is the only one. A frame counts for no target of the scene where any reference "
        "or estimate is silent in it (channels that sum to 0); exact frames do not count either. Joint over the "
        "targets that sound in the scene; absent targets take no part, and through the silent frames alone a value "
        "depends on which targets do. Source: Stöter, Liutkus and Ito 2018, arXiv:1804.06267."
    ),
    undefined=(
        "BSS Eval v4 has no value: in every frame some reference or estimate of the scene is silent, or this "
        "estimate is exact"
    ),
    aggregations=("class-median-mean",),
    scope="scene",
)
