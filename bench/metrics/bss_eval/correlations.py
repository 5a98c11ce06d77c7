"""Correlations of signals of any length over a few hundred lags, block by block."""

from __future__ import annotations

from typing import Final

import torch
from scipy.fft import next_fast_len

_BLOCK: Final = 1 << 14
"""Samples under one transform: of the sizes that stay in a core's own cache the fastest per sample."""
_VALUES: Final = 3 << 19
"""Samples in work at a time, over all channels: enough to keep the products long, 12 MB as float64."""


def stretch(signals: torch.Tensor, start: int, size: int) -> torch.Tensor:
    """``size`` samples from ``start`` on, float64 ``(..., size)``; zeros before the signals and after them."""
    samples = signals.shape[-1]
    low, high = (min(max(place, 0), samples) for place in (start, start + size))
    inside = signals[..., low:high].to(torch.float64)
    if high - low == size:
        return inside
    before = min(max(-start, 0), size)
    return torch.nn.functional.pad(inside, (before, size - before - (high - low)))


def correlations(signals: torch.Tensor, others: torch.Tensor, *, lags: int) -> torch.Tensor:
    """Sum over n of a[n] b[n + lag], for a among ``signals`` and b among both, lags 0 to ``lags`` - 1.

    Exact as far as float64 goes: each block meets the samples that follow it, so that nothing is lost between blocks,
    and memory does not grow with the length.

    Args:
        signals: ``(A, samples)``.
        others: ``(B, samples)``.
        lags: how many.

    Returns:
        float64 ``(A, A + B, lags)``.
    """
    count, samples = signals.shape[0], signals.shape[-1]
    size = next_fast_len(min(max(_BLOCK, 4 * lags), samples + lags - 1), real=True)
    step = size - lags + 1
    blocks = -(-samples // step)
    together = max(_VALUES // (size * (2 * count + others.shape[0])), 1)
    products = signals.new_zeros((size // 2 + 1, count, count + others.shape[0]), dtype=torch.complex128)
    for first in range(0, blocks, together):
        taken = min(together, blocks - first)
        long = [stretch(x, first * step, taken * step + lags - 1) for x in (signals, others)]
        left = torch.fft.rfft(long[0][:, : taken * step].unflatten(-1, (taken, step)), n=size)
        right = torch.cat([torch.fft.rfft(x.unfold(-1, size, step)) for x in long])
        # Frequency first, without gaps: only then are the products of small matrices done in one sweep.
        left, right = (x.permute(2, 0, 1).contiguous() for x in (left, right))
        products.baddbmm_(left.conj(), right.transpose(1, 2))
    return torch.fft.irfft(products.permute(1, 2, 0), n=size)[..., :lags]
