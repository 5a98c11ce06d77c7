"""SI-SDR of signals freed of their means: the other convention, under a name of its own."""

from __future__ import annotations

from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.energy import Energies
from bench.metrics.tensors import SignalLike, as_signal


def si_sdr_zero_mean(estimates: SignalLike, references: SignalLike) -> torch.Tensor:
    """SI-SDR in dB after each channel of estimate and reference has lost its mean over time.

    An offset in the estimate then costs nothing. Shapes, result and errors as in
    :func:`bench.metrics.energy.si_sdr`, which removes no mean; NaN where either is constant.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, -1.0, 1.0, -1.0]]), np.array([[1.0, 1.0, -1.0, -1.0]])
    >>> round(float(si_sdr_zero_mean(3 + s + 0.1 * n, s)), 6)
    20.0
    """
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    return Energies(_centred(estimates), _centred(references)).si_sdr


def _centred(signal: torch.Tensor) -> torch.Tensor:
    if not signal.shape[-1]:
        return signal
    constant = (signal == signal[..., :1]).all(dim=-1, keepdim=True)  # its mean may be off by a rounding
    return (signal - signal.mean(dim=-1, keepdim=True)).where(~constant, 0.0)


SI_SDR_ZERO_MEAN: Final = Metric(
    name="si_sdr_zero_mean",
    version=1,
    function=si_sdr_zero_mean,
    needs=("estimates", "references"),
    unit="dB",
    better="higher",
    title="SI-SDR (zero mean)",
    definition=(
        "si_sdr@1 of estimate and reference without their means over time, channel by channel: what asteroid computes, "
        "and torchmetrics with zero_mean=True, but with nothing added to the energies (asteroid adds 1e-8, "
        "torchmetrics the rounding unit of the signals' type)."
    ),
    undefined="SI-SDR has no value: the estimate or the reference is silent or constant, and silence has no direction",
    aggregations=("class-median-mean", "class-mean-mean", "mean", "median"),
)
