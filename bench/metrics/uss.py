"""The metrics of Universal Source Separation, as its public code computes them, so that its figures can be compared.

Source: Kong et al. 2023, "Universal Source Separation with Weakly Labelled Data", arXiv:2305.07447, and the code that
belongs to it (bytedance/uss). Its figures are medians over the items of a class, then means over classes.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import torch

from bench.metrics.base import Metric
from bench.metrics.bss_eval import framewise_sdr
from bench.metrics.rates import at_rate
from bench.metrics.tensors import SignalLike, as_signal, check_alike, over_items, squared_difference, summed

_LEAST_POWER: Final = 1e-10
_RATE: Final = 32_000


def uss_sdr(estimates: SignalLike, references: SignalLike) -> torch.Tensor:
    """SDR in dB of mean squares that are not let under 1e-10: 10 log10(max(mean s^2, c) / max(mean (ŝ - s)^2, c)).

    The means are over channels and samples, so that the floor, unlike a constant added to sums, does not depend on the
    length. An exact estimate scores 10 log10(P / 1e-10), P the power of the reference, and signals of less power than
    1e-10 score 0.

    Args:
        estimates: ŝ, ``(..., channels, samples)``.
        references: s, the same channels and samples; batch axes broadcast.

    Returns:
        float64 ``(...)``, finite; NaN for signals of no length.

    Raises:
        ValueError: the shapes do not fit.

    >>> import numpy as np
    >>> s = np.array([[1.0, -1.0, 1.0, -1.0]])
    >>> round(float(uss_sdr(0.9 * s, s)), 6), round(float(uss_sdr(s, s)), 6), float(uss_sdr(0 * s, 0 * s))
    (20.0, 100.0, 0.0)
    """
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)

    def of_item(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        if not reference.numel():
            return reference.new_tensor(torch.nan)
        sums = torch.stack([summed(torch.square, reference), summed(squared_difference, estimate, reference)])
        powers = (sums / reference.numel()).clamp(min=_LEAST_POWER)
        return 10 * torch.log10(powers[0] / powers[1])

    return over_items(of_item, estimates, references, batch=batch)


def uss_sdri(estimates: SignalLike, references: SignalLike, mixture: SignalLike) -> torch.Tensor:
    """Improvement in dB of :func:`uss_sdr` over that of the mixture; exactly 0 for the mixture itself.

    Shapes, result and errors as there, with ``mixture`` like ``references``.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(uss_sdri(s + 0.1 * n, s, s + n)), 6)
    20.0
    """
    return uss_sdr(estimates, references) - uss_sdr(mixture, references)


def uss_musdb18_sdr(
    estimates: SignalLike, references: SignalLike, *, sample_rate: int, swapped: bool = True
) -> torch.Tensor:
    """SDR in dB on MUSDB18 as the published code computes it: museval on one mono source at 32 kHz.

    Signals are averaged over channels and resampled to 32 kHz by soxr's high quality filter, as that code loads them;
    mono signals at 32 kHz are taken as they are. Then the median over frames of one second of their SDR: an incomplete
    frame at the end is dropped, a frame in which estimate or reference is exactly silent does not count, and an exact
    frame counts as infinite.

    The published code hands estimates to museval as references and references as estimates, so that the energy of the
    estimate stands over the error: ``swapped`` does the same, and gives published figures. It rewards loud estimates
    and punishes quiet ones. Without it the energy of the reference stands there, as the definition of SDR has it.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.
        swapped: the published order of arguments.

    Returns:
        float64 ``(...)``; NaN where no frame counts, +inf where half of the frames or more are exact.

    Raises:
        ValueError: the shapes do not fit, or the rate is not positive.

    >>> import numpy as np
    >>> s = np.resize([1.0, -1.0, 1.0], (1, 64_000))
    >>> pair = [uss_musdb18_sdr(0.5 * s, s, sample_rate=32_000, swapped=swapped) for swapped in (True, False)]
    >>> [round(float(value), 4) for value in pair]
    [0.0, 6.0206]
    """
    if sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}: a positive number in Hz is wanted")
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)
    pair = [at_rate(x.mean(dim=-2, keepdim=True), sample_rate, _RATE) for x in (estimates, references)]

    def of_item(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        judged, truth = (reference, estimate) if swapped else (estimate, reference)
        frames = framewise_sdr(judged[None], truth[None], sample_rate=_RATE)[0].cpu().numpy()
        counted = frames[~np.isnan(frames)]
        return reference.new_tensor(np.median(counted) if len(counted) else np.nan)

    return over_items(of_item, *pair, batch=batch)


_MUSDB18_RULES: Final = (
    "over all channels averaged and resampled to 32 kHz (soxr HQ), in frames of 1 s, one after the other, an "
    "incomplete one at the end dropped; the median over frames in which neither is exactly silent, infinite ones "
    "included. museval's SDR of one mono source."
)
_MUSDB18_UNDEFINED: Final = "in every frame of 1 s the estimate or the reference is silent"

USS_SDR: Final = Metric(
    name="uss_sdr",
    version=1,
    function=uss_sdr,
    needs=("estimates", "references"),
    unit="dB",
    better="higher",
    title="SDR (USS)",
    definition=(
        "10 log10(max(mean s^2, 1e-10) / max(mean (ŝ - s)^2, 1e-10)), means over all channels and the whole signal. "
        "Source: code of Kong et al. 2023, arXiv:2305.07447; its figures are the median in a class, then the mean "
        "over classes."
    ),
    undefined="SDR (USS) has no value: the signal has no length",
)

USS_SDRI: Final = Metric(
    name="uss_sdri",
    version=1,
    function=uss_sdri,
    needs=("estimates", "references", "mixture"),
    unit="dB",
    better="higher",
    title="SDRi (USS)",
    definition="uss_sdr@1 of the estimate less that of the mixture; exactly 0 for the mixture.",
    undefined="SDRi (USS) has no value: the signal has no length",
)

USS_MUSDB18_SDR: Final = Metric(
    name="uss_musdb18_sdr",
    version=1,
    function=uss_musdb18_sdr,
    needs=("estimates", "references", "sample_rate"),
    unit="dB",
    better="higher",
    title="SDR (USS, MUSDB18)",
    definition=(
        "10 log10(|ŝ|^2 / |s - ŝ|^2), with the energy of the estimate on top, because the published code hands museval "
        f"estimates for references and references for estimates: {_MUSDB18_RULES} Source: code of Kong et al. 2023, "
        "arXiv:2305.07447. uss_musdb18_sdr_right_order@1 has the arguments in their places."
    ),
    undefined=f"SDR (USS, MUSDB18) has no value: {_MUSDB18_UNDEFINED}",
)

USS_MUSDB18_SDR_RIGHT_ORDER: Final = Metric(
    name="uss_musdb18_sdr_right_order",
    version=1,
    function=partial(uss_musdb18_sdr, swapped=False),
    needs=("estimates", "references", "sample_rate"),
    unit="dB",
    better="higher",
    title="SDR (USS, MUSDB18, right order)",
    definition=(
        f"10 log10(|s|^2 / |s - ŝ|^2), {_MUSDB18_RULES} As uss_musdb18_sdr@1, but with the reference's energy on top."
    ),
    undefined=f"SDR (USS, MUSDB18, right order) has no value: {_MUSDB18_UNDEFINED}",
)
