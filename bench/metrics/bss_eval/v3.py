"""BSS Eval version 3: filters fitted anew to every signal, or frame, that is judged."""

from __future__ import annotations

from typing import Literal

import torch
from scipy.optimize import linear_sum_assignment

from bench.metrics.bss_eval.energies import Criteria
from bench.metrics.bss_eval.result import BssEval
from bench.metrics.bss_eval.silence import OnSilence, Silence, leakage, refuse_silence, undefined
from bench.metrics.bss_eval.split import FILTER_LENGTH, SIR, as_scenes, frames_of, over_scenes, split
from bench.metrics.tensors import SignalLike

Permutation = Literal["none", "mean-sir"]
"""``mean-sir``: the estimates are put in the order with the greatest mean SIR."""

_FINITE_DB = 1e4
"""Stands for an infinite SIR when orders are compared: float64 audio has no finite one near it."""


def bss_eval_v3(
    estimates: SignalLike,
    references: SignalLike,
    *,
    criteria: Criteria,
    window: int | None = None,
    hop: int | None = None,
    permutation: Permutation = "none",
    filter_length: int = FILTER_LENGTH,
    silence: Silence = "museval",
    on_silence: OnSilence = "nan",
) -> BssEval:
    """SDR, ISR, SIR and SAR of BSS Eval v3, equal to mir_eval 0.8.2 to rounding.

    The references' channels, delayed by 0 to ``filter_length`` - 1 samples, span the space on which an estimate e is
    projected: P all of them, P_j those of its own reference s.

    - ``images``: SDR = |s|^2 / |s - e|^2, ISR = |s|^2 / |P_j e - s|^2
    - ``sources``: SDR = |P_j e|^2 / |e - P_j e|^2, no ISR
    - both: SIR = |P_j e|^2 / |P e - P_j e|^2, SAR = |P e|^2 / |e - P e|^2

    With one source SIR is +inf and, in the criteria of sources, SAR equals SDR. ``sources`` is mir_eval's
    ``bss_eval_sources`` for one channel; several channels are filtered jointly, as in museval's function of that name.

    Source: Vincent, Gribonval and Févotte 2006, doi:10.1109/TSA.2005.858005; for images Vincent et al., "First stereo
    audio source separation evaluation campaign", ICA 2007.

    Args:
        estimates: ``(..., sources, channels, samples)``; one that is not finite spoils no other.
        references: the same shape.
        criteria: ``images`` or ``sources``.
        window: samples of a frame, in which filters, ratios and order are found anew; None for the whole signal. As
            in mir_eval, a signal that holds fewer than two frames is judged whole.
        hop: samples from one frame to the next; None for a window.
        permutation: how estimates are put in order; the Hungarian method finds what trying all orders would.
        filter_length: taps of the filters.
        silence: which frames have no value, see :data:`~bench.metrics.bss_eval.silence.Silence`.
        on_silence: ``raise`` refuses signals that are silent from beginning to end, as mir_eval does.

    Returns:
        One frame where there is no window. Values are in the order of the references.

    Raises:
        ValueError: the shapes differ or have no axis of sources, window or hop are under one sample, a reference is
            not finite, or a signal is silent and ``on_silence`` is ``raise``.

    >>> import numpy as np
    >>> s = np.random.default_rng(0).standard_normal((2, 1, 3000))
    >>> found = bss_eval_v3(s[::-1], s, criteria="sources", permutation="mean-sir", filter_length=16)
    >>> found.permutation.tolist(), bool((found.sdr > 200).all())
    ([[1], [0]], True)
    """
    estimates, references = as_scenes(estimates, references)
    samples = references.shape[-1]
    frames = frames_of(samples, window=window, hop=hop)
    if len(frames) < 2:
        frames = [(0, samples)]

    crossed = permutation == "mean-sir" and references.shape[-3] > 1

    def of_scene(e: torch.Tensor, s: torch.Tensor) -> BssEval:
        if on_silence == "raise":
            refuse_silence(e, s, silence=silence)
        lost = undefined(e, s, frames, silence=silence)
        values = torch.full((4, *lost.shape), torch.nan, dtype=torch.float64, device=s.device)
        order = torch.arange(len(s), device=s.device)[:, None].repeat(1, len(frames))
        for index, (start, stop) in enumerate(frames):
            if lost[:, index].all():
                continue
            whole = split(
                e[..., start:stop],
                s[..., start:stop],
                [(0, stop - start)],
                filter_length=filter_length,
                criteria=criteria,
                ridge=0.0,
                crossed=crossed,
            )
            if crossed:
                order[:, index] = _order(whole[SIR, ..., 0])
                whole = whole[:, torch.arange(len(s), device=s.device), order[:, index]]
            values[..., index] = whole[..., 0]
        sdr, isr, sir, sar = values.masked_fill_(lost, torch.nan)
        return BssEval(
            sdr=sdr,
            isr=isr,
            sir=sir,
            sar=sar,
            undefined=lost,
            leakage=leakage(e, s, frames) if silence == "strict" else torch.full_like(sdr, torch.nan),
            permutation=order,
        )

    return over_scenes(of_scene, estimates, references)


def _order(sir: torch.Tensor) -> torch.Tensor:
    """The estimate for each reference with the greatest mean of ``sir``, ``(references, estimates)``.

    What has no SIR, a silent estimate, goes where the others leave a place.
    """
    scores = sir.nan_to_num(nan=-_FINITE_DB).clamp(-_FINITE_DB, _FINITE_DB)
    return torch.from_numpy(linear_sum_assignment(scores.cpu().numpy(), maximize=True)[1]).to(sir.device)
