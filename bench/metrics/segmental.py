"""Segmental signal-to-noise ratio, as the speech-enhancement literature reports it."""

from __future__ import annotations

from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.tensors import BLOCK, SignalLike, as_signal, check_alike, over_items, squared_difference

_EPS: Final = torch.finfo(torch.float64).eps
_LEAST_DB, _MOST_DB = -10.0, 35.0


def ssnr(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> torch.Tensor:
    """Segmental SNR in dB: the mean over 30 ms frames of their SNR, clipped to [-10, 35].

    Frames of W = round(0.03 fs) samples every W // 4; window 0.5 (1 - cos(2 pi i / (W + 1))), i = 1..W, on both
    signals. A frame scores 10 log10(S / (E + eps) + eps) with S and E the energies of the windowed reference and
    error, and eps = 2^-52. The last whole frame is left out: floor((n - W) / hop) frames. No resampling, no level
    alignment, no detection of activity. Several channels: the mean of their values.

    Three quirks belong to the definition. A silent frame of the reference scores -10 even where the estimate equals
    it; a silent estimate scores 0, not -10; and eps does not follow the level, so that it lowers very quiet signals.

    Source: Loizou, "Speech Enhancement: Theory and Practice", 2007 (comp_snr); Hansen and Pellom 1998. The same as
    ``SNRseg`` of pysepm.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.

    Returns:
        float64 ``(...)``; NaN for fewer than W + hop samples.

    Raises:
        ValueError: the shapes do not fit, or the rate leaves no four samples to a frame.

    >>> import numpy as np
    >>> s = np.ones((1, 16_000))
    >>> round(float(ssnr(0.9 * s, s, sample_rate=16_000)), 6)
    20.0
    """
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)
    size = round(0.03 * sample_rate)
    hop = size // 4
    if hop < 1:
        raise ValueError(f"sample_rate is {sample_rate}: frames of 30 ms need at least four samples")
    count = max((estimates.shape[-1] - size) // hop, 0)
    steps = torch.arange(1, size + 1, dtype=torch.float64, device=estimates.device)
    window = 0.5 * (1 - torch.cos(2 * torch.pi * steps / (size + 1)))

    def of_item(e: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        if not count:
            return s.new_tensor(torch.nan)
        speech, noise = _frame_energies(e, s, window, hop=hop, count=count)
        ratio = 10 * torch.log10(speech / (noise + _EPS) + _EPS)
        return ratio.clamp(_LEAST_DB, _MOST_DB).mean()

    return over_items(of_item, estimates, references, batch=batch)


def _frame_energies(
    estimate: torch.Tensor, reference: torch.Tensor, window: torch.Tensor, *, hop: int, count: int
) -> torch.Tensor:
    """Energies of reference and error in overlapping windowed frames, ``(2, channels, count)``.

    The frames, four times the signal, are never written out. A frame is a run of blocks of ``hop`` samples, so its
    energy is the sum of its blocks' energies, each under its own part of the window: each block meets every part once.
    """
    parts = -(-len(window) // hop)
    weights = torch.nn.functional.pad(window.square(), (0, parts * hop - len(window))).view(parts, hop).T
    blocks = count + parts - 1  # they fit into the signal, because the last whole frame is not counted
    taken = max(BLOCK // (hop * len(reference)), 1)
    rows = (x[:, : blocks * hop].unflatten(-1, (blocks, hop)).split(taken, dim=1) for x in (estimate, reference))
    pairs = (torch.stack([s.square(), squared_difference(s, e)]) for e, s in zip(*rows, strict=True))
    shares = torch.cat([pair @ weights for pair in pairs], dim=2)
    return torch.stack([shares[:, :, part : part + count, part] for part in range(parts)]).sum(0)


SSNR: Final = Metric(
    name="ssnr",
    version=1,
    function=ssnr,
    needs=("estimates", "references", "sample_rate"),
    unit="dB",
    better="higher",
    title="SSNR",
    definition=(
        "Segmental SNR: the mean over frames of 10 log10(S / (E + eps) + eps) clipped to [-10, 35] dB, S and E the "
        "energies of reference and error under a Hann window without zeros at its ends, eps = 2^-52; frames of "
        "30 ms every quarter of that, the last one left out. Mono; the mean of the channels' values where there are "
        "several. A silent frame of the reference scores -10 even where the estimate equals it, a silent estimate 0. "
        "Equal to comp_snr of Loizou, Speech Enhancement: Theory and Practice, 2007, and to SNRseg of pysepm."
    ),
    undefined="SSNR has no value: the signal is shorter than a frame of 30 ms and a quarter",
    aggregations=("mean", "class-median-mean"),
)
