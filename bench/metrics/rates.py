"""Signals at the rate that a metric is defined for."""

from __future__ import annotations

import numpy as np
import soxr
import torch


def at_rate(signal: torch.Tensor, rate: int, wanted: int) -> torch.Tensor:
    """``signal`` ``(..., samples)`` at ``wanted`` Hz by soxr's high quality filter, in float64.

    It is returned itself where it has that rate. The length is rounded up, as
    ``librosa.resample`` does it with ``res_type="soxr_hq"``.
    """
    if rate == wanted:
        return signal
    samples = -(-signal.shape[-1] * wanted // rate)
    out = np.zeros((*signal.shape[:-1], samples))
    flat, rows = signal.detach().cpu().numpy().reshape(-1, signal.shape[-1]), out.reshape(-1, samples)
    for row, values in zip(rows, flat, strict=True):
        found = soxr.resample(values, rate, wanted, quality="HQ")[:samples]
        row[: len(found)] = found
    return torch.from_numpy(out).to(signal.device)
