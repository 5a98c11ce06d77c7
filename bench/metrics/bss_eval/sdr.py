"""SDR of BSS Eval version 4: the median over frames of a plain signal-to-noise ratio.

The distortion filters of BSS Eval enter only ISR, SIR and SAR. In its image criteria the spatial, interference and
artefact parts of the error add up to the error itself, so that SDR = |s|^2 / |s - ŝ|^2 needs no filter.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from bench.metrics.bss_eval.silence import Silence, undefined
from bench.metrics.bss_eval.split import as_scenes, frames_of
from bench.metrics.tensors import SignalLike, squared_difference, summed


def framewise_sdr(
    estimates: SignalLike, references: SignalLike, *, sample_rate: int, silence: Silence = "museval"
) -> torch.Tensor:
    """SDR in dB of each source in frames of one second, one after the other.

    An incomplete frame at the end is dropped; a signal of one second or less is one frame. This is what museval 0.4.1
    computes. Through its rule on silent frames, and only through it, a source's value depends on which others are
    scored beside it.

    Args:
        estimates: ``(..., sources, channels, samples)``.
        references: the same shape.
        sample_rate: in Hz, the number of samples of a frame.
        silence: which frames are NaN, see :data:`~bench.metrics.bss_eval.silence.Silence`.

    Returns:
        float64 ``(..., sources, frames)``; +inf where a frame is exact.

    Raises:
        ValueError: the shapes differ, have no axis of sources, or the rate is not positive.

    >>> import numpy as np
    >>> s = np.array([[[1.0, 1.0, 1.0, 1.0, 1.0]]])
    >>> framewise_sdr(s * [0.9, 0.9, 0.0, 0.1, 1.0], s, sample_rate=2).round(decimals=4).tolist()
    [[20.0, 0.4335]]
    """
    estimates, references = as_scenes(estimates, references)
    if sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}: a positive number in Hz is wanted")
    frames = frames_of(references.shape[-1], window=sample_rate, hop=None)
    out = torch.empty((*references.shape[:-2], len(frames)), dtype=torch.float64, device=references.device)
    for place in itertools.product(*map(range, references.shape[:-3])):
        out[place] = _of_scene(estimates[place], references[place], frames, silence=silence)
    return out


def _of_scene(
    estimates: torch.Tensor, references: torch.Tensor, frames: Sequence[tuple[int, int]], *, silence: Silence
) -> torch.Tensor:
    lost = undefined(estimates, references, frames, silence=silence)
    out = torch.full(lost.shape, torch.nan, dtype=torch.float64, device=references.device)
    for source, frame in (~lost).nonzero().tolist():
        start, stop = frames[frame]
        e, s = (x[source, :, start:stop].to(torch.float64) for x in (estimates, references))
        out[source, frame] = 10 * torch.log10(summed(torch.square, s) / summed(squared_difference, s, e))
    return out


def sdr_bsseval_v4(
    estimates: SignalLike, references: SignalLike, *, sample_rate: int, silence: Silence = "museval"
) -> torch.Tensor:
    """The :func:`median` over frames of :func:`framewise_sdr`, float64 ``(..., sources)``.

    Arguments and errors are those of :func:`framewise_sdr`.

    >>> import numpy as np
    >>> s = np.array([[[1.0, 1.0, 1.0, 1.0, 1.0]]])
    >>> sdr_bsseval_v4(s * [0.9, 0.9, 0.0, 0.1, 1.0], s, sample_rate=2).round(decimals=4).tolist()
    [10.2168]
    """
    return median(framewise_sdr(estimates, references, sample_rate=sample_rate, silence=silence))


def median(values: torch.Tensor) -> torch.Tensor:
    """The median over frames, the last axis, of those with a finite value; NaN where there is none.

    Exact frames (+inf) are left out, as museval does when it stores its frames.
    """
    return torch.nanquantile(values.where(values.isfinite(), torch.nan), 0.5, dim=-1)
