"""BSS Eval version 4: image criteria in frames, with filters fitted once to the whole recording."""

from __future__ import annotations

import torch

from bench.metrics.bss_eval.result import BssEval
from bench.metrics.bss_eval.silence import OnSilence, Silence, leakage, refuse_silence, undefined
from bench.metrics.bss_eval.split import FILTER_LENGTH, as_scenes, frames_of, over_scenes, split
from bench.metrics.tensors import SignalLike

_RIDGE = torch.finfo(torch.float64).eps
"""What museval adds to the diagonal of its normal equations."""


def bss_eval_v4(
    estimates: SignalLike,
    references: SignalLike,
    *,
    window: int | None,
    hop: int | None = None,
    filter_length: int = FILTER_LENGTH,
    silence: Silence = "museval",
    on_silence: OnSilence = "nan",
) -> BssEval:
    """SDR, ISR, SIR and SAR of BSS Eval v4, equal to ``museval.metrics.bss_eval`` of museval 0.4.1 to rounding.

    The references' channels, delayed by 0 to ``filter_length`` - 1 samples, span the space on which an estimate is
    projected: P all of them, P_j those of its own reference s. With e the estimate, in each frame

    - SDR = |s|^2 / |s - e|^2
    - ISR = |s|^2 / |P_j e - s|^2
    - SIR = |P_j e|^2 / |P e - P_j e|^2
    - SAR = |P e|^2 / |e - P e|^2

    with energies over all channels. The filters are fitted to the whole signals; each frame is then filtered by
    itself and what rings on after its end counts. Estimates are not permuted. An incomplete frame at the end is
    dropped; signals no longer than the window are one frame. Memory does not grow with the length.

    Source: Stöter, Liutkus and Ito 2018, arXiv:1804.06267; Vincent et al., "First stereo audio source
    separation evaluation campaign", ICA 2007.

    Args:
        estimates: ``(..., sources, channels, samples)``; one that is not finite spoils no other.
        references: the same shape.
        window: samples of a frame, one second in museval's evaluations of music; None for the whole signal.
        hop: samples from one frame to the next; None for a window.
        filter_length: taps of the filters.
        silence: which frames have no value, see :data:`~bench.metrics.bss_eval.silence.Silence`.
        on_silence: ``raise`` refuses signals that are silent from beginning to end, as museval does.

    Raises:
        ValueError: the shapes differ or have no axis of sources, window or hop are under one sample, a reference is
            not finite, or a signal is silent and ``on_silence`` is ``raise``.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((2, 1, 3000))
    >>> found = bss_eval_v4(s + 0.1 * s[::-1], s, window=1000, filter_length=16)
    >>> found.sdr.shape, bool((found.sdr - 20).abs().max() < 1), bool((found.sar > 200).all())
    (torch.Size([2, 3]), True, True)
    """
    estimates, references = as_scenes(estimates, references)
    frames = frames_of(references.shape[-1], window=window, hop=hop)

    def of_scene(e: torch.Tensor, s: torch.Tensor) -> BssEval:
        if on_silence == "raise":
            refuse_silence(e, s, silence=silence)
        lost = undefined(e, s, frames, silence=silence)
        values = torch.full((4, *lost.shape), torch.nan, dtype=torch.float64, device=s.device)
        kept = [index for index, gone in enumerate(lost.all(dim=0).tolist()) if not gone]
        if kept:
            chosen = [frames[index] for index in kept]
            values[..., kept] = split(e, s, chosen, filter_length=filter_length, criteria="images", ridge=_RIDGE)
        sdr, isr, sir, sar = values.masked_fill_(lost, torch.nan)
        return BssEval(
            sdr=sdr,
            isr=isr,
            sir=sir,
            sar=sar,
            undefined=lost,
            leakage=leakage(e, s, frames) if silence == "strict" else torch.full_like(sdr, torch.nan),
            permutation=torch.arange(len(s), device=s.device)[:, None].expand_as(lost),
        )

    return over_scenes(of_scene, estimates, references)
