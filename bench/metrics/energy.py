"""Metrics made of energies over whole signals: SDR, SI-SDR, what is gained over the mixture, and leakage.

All functions take ``(..., channels, samples)`` and return float64 ``(...)``; energies are sums over channels and
samples, nothing is added to them and no mean is removed unless a definition says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.tensors import SignalLike, as_signal, check_alike, over_items, squared_difference, summed

LEAKAGE_FLOOR_DB: Final = -100.0
"""The least leakage there is: 20 dB under the step of 16-bit audio against full scale."""

_SDX_DELTA: Final = 1e-7
"""Added to both energies by the Music Demixing Challenge 2021 (arXiv:2108.13559)."""

_ROUNDING: Final = (64 * torch.finfo(torch.float64).eps) ** 2
"""Share of an energy that a projection in float64 leaves over although nothing is left: about -277 dB."""


def sdr(estimates: SignalLike, references: SignalLike) -> torch.Tensor:
    """Signal-to-distortion ratio in dB, 10 log10(|s|^2 / |s - ŝ|^2), which is a plain signal-to-noise ratio.

    Args:
        estimates: ŝ, ``(..., channels, samples)``.
        references: s, the same channels and samples; batch axes broadcast.

    Returns:
        float64 ``(...)``; +inf where the estimate is exact, NaN where the reference is silent.

    Raises:
        ValueError: the shapes do not fit.

    >>> import numpy as np
    >>> s = np.array([[1.0, -1.0, 1.0, -1.0]])
    >>> round(float(sdr(0.9 * s, s)), 6)
    20.0
    """
    return _sdr(Energies(estimates, references))


def sdri(estimates: SignalLike, references: SignalLike, mixture: SignalLike) -> torch.Tensor:
    """Improvement of SDR over the mixture in dB, SDR(ŝ) - SDR(x).

    Shapes and errors as in :func:`sdr`, with ``mixture`` like ``references``. Returns exactly 0 for the mixture
    itself, +inf for an exact estimate, NaN where the reference is silent or the mixture equals it.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(sdri(0.5 * (s + n), s, s + n)), 6)
    3.0103
    """
    return _sdri(Energies(estimates, references, mixture))


def gain_sdr(mixture: SignalLike, references: SignalLike) -> torch.Tensor:
    """SDR in dB of the best single gain g x, with g = <x, s> / <x, x> over all channels: -10 log10(1 - rho^2).

    Shapes and errors as in :func:`sdr`. Returns 0 where the mixture is silent or orthogonal to the reference, +inf
    where it is the reference but for its level, NaN where the reference is silent.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(gain_sdr(s + n, s)), 6)
    3.0103
    """
    return Energies(mixture, references, mixture).gain_sdr


def sdrg(estimates: SignalLike, references: SignalLike, mixture: SignalLike) -> torch.Tensor:
    """What an estimate gains in dB over the best volume knob, SDR(ŝ) - SDR(g x); see :func:`gain_sdr`.

    Shapes and errors as in :func:`sdri`. Returns +inf for an exact estimate, NaN where the reference is silent or
    the mixture is the reference but for its level.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(sdrg(s + 0.1 * n, s, s + n)), 6)
    16.9897
    """
    return _sdrg(Energies(estimates, references, mixture))


def si_sdr(estimates: SignalLike, references: SignalLike) -> torch.Tensor:
    """Scale-invariant SDR in dB, 10 log10(|a s|^2 / |ŝ - a s|^2) with a = <ŝ, s> / <s, s> over all channels.

    Source: Le Roux et al. 2019, arXiv:1811.02508. Shapes and errors as in :func:`sdr`. No mean is removed, nothing
    is added to the energies; a remainder under the rounding of float64 (-277 dB) counts as none. Returns +inf where
    the estimate is the reference but for its level, -inf where it is orthogonal to it, NaN where either is silent.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(si_sdr(7 * (s + 0.1 * n), s)), 6)
    20.0
    """
    return _si_sdr(Energies(estimates, references))


def si_sdri(estimates: SignalLike, references: SignalLike, mixture: SignalLike) -> torch.Tensor:
    """Improvement of SI-SDR over the mixture in dB.

    Shapes and errors as in :func:`sdri`. Returns exactly 0 for the mixture itself; NaN where SI-SDR of the estimate
    is, and where that of the mixture is not finite.

    >>> import numpy as np
    >>> s, n = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> round(float(si_sdri(s + 0.1 * n, s, s + n)), 6)
    20.0
    """
    return _si_sdri(Energies(estimates, references, mixture))


def sdr_sdx(estimates: SignalLike, references: SignalLike) -> torch.Tensor:
    """SDR in dB of the music demixing challenges (uSDR), 10 log10((|s|^2 + 1e-7) / (|s - ŝ|^2 + 1e-7)).

    Source: Mitsufuji et al. 2022, arXiv:2108.13559; Fabbro et al. 2024, arXiv:2308.06979. Shapes and errors as in
    :func:`sdr`. The constant makes it finite everywhere, and makes it depend on the level of very quiet signals.

    >>> import numpy as np
    >>> s = np.array([[1.0, -1.0], [1.0, -1.0]])
    >>> round(float(sdr_sdx(s, s)), 4)
    76.0206
    """
    return _sdr_sdx(Energies(estimates, references))


def leakage(estimates: SignalLike, mixture: SignalLike) -> torch.Tensor:
    """Energy of an estimate relative to the mixture in dB, for a target that does not sound; not under -100 dB.

    Shapes and errors as in :func:`sdr`. Returns NaN where the mixture is silent.

    >>> import numpy as np
    >>> x = np.array([[1.0, -1.0]])
    >>> round(float(leakage(0.1 * x, x)), 6), float(leakage(0 * x, x))
    (-20.0, -100.0)
    """
    return _leakage(Energies(estimates, mixture, mixture))


class Energies:
    """The energies that metrics share, float64 ``(...)`` each, computed when first asked for.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        mixture: likewise; only the properties that need it may be asked for where it is None.

    Raises:
        ValueError: the shapes do not fit.
    """

    def __init__(self, estimates: SignalLike, references: SignalLike, mixture: SignalLike | None = None) -> None:
        signals = {"estimates": as_signal(estimates, "estimates"), "references": as_signal(references, "references")}
        if mixture is not None:
            signals["mixture"] = as_signal(mixture, "mixture")
        self._batch = check_alike(**signals)
        self._signals = signals

    @cached_property
    def estimate(self) -> torch.Tensor:
        """|ŝ|^2."""
        return self._over(_energy, "estimates")

    @cached_property
    def reference(self) -> torch.Tensor:
        """|s|^2."""
        return self._over(_energy, "references")

    @cached_property
    def mixture(self) -> torch.Tensor:
        """|x|^2."""
        return self._over(_energy, "mixture")

    @cached_property
    def error(self) -> torch.Tensor:
        """|s - ŝ|^2."""
        return self._over(_difference_energy, "references", "estimates")

    @cached_property
    def mixture_sdr(self) -> torch.Tensor:
        """SDR of the mixture in dB: the input SDR."""
        return _ratio_db(self.reference, self._over(_difference_energy, "references", "mixture"))

    @cached_property
    def gain_sdr(self) -> torch.Tensor:
        """SDR of the best single gain on the mixture in dB."""
        return _ratio_db(self.reference, self._over(_projection, "references", "mixture", size=(2,))[..., 1])

    @cached_property
    def si_sdr(self) -> torch.Tensor:
        """SI-SDR of the estimate in dB."""
        return self._si_sdr("estimates")

    @cached_property
    def mixture_si_sdr(self) -> torch.Tensor:
        """SI-SDR of the mixture in dB."""
        return self._si_sdr("mixture")

    def _si_sdr(self, name: str) -> torch.Tensor:
        along, rest = self._over(_projection, name, "references", size=(2,)).unbind(-1)
        ratio = 10 * torch.log10(along / rest)
        return ratio.where(self.reference > 0, torch.nan)

    def _over(self, function: Callable[..., torch.Tensor], *names: str, size: tuple[int, ...] = ()) -> torch.Tensor:
        signals = {name: self._signals[name] for name in names}
        own = check_alike(**signals)  # one mixture under many targets is summed once
        return over_items(function, *signals.values(), batch=own, size=size).expand((*self._batch, *size))


def _energy(signal: torch.Tensor) -> torch.Tensor:
    return summed(torch.square, signal)


def _difference_energy(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return summed(squared_difference, one, other)


def _projection(signal: torch.Tensor, onto: torch.Tensor) -> torch.Tensor:
    """Energies of ``signal`` along ``onto`` and of the rest, (2,); all is rest where ``onto`` is silent."""
    whole, base, product = _energy(signal), _energy(onto), summed(torch.mul, signal, onto)
    gain = torch.where(base > 0, product / base, 0.0)
    # The difference itself is squared: |signal|^2 (1 - rho^2) would cancel where the two are nearly parallel.
    rest = summed(lambda a, b: (a - gain * b).square_(), signal, onto)
    parts = torch.stack([gain.square() * base, rest])
    return torch.where(parts <= _ROUNDING * whole, 0.0, parts)


def _ratio_db(reference: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    return (10 * torch.log10(reference / error)).where(reference > 0, torch.nan)


def _over_baseline(score: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """``score - baseline``, NaN where no finite baseline is there to be improved."""
    return (score - baseline).where(baseline.isfinite(), torch.nan)


def _sdr(energies: Energies) -> torch.Tensor:
    return _ratio_db(energies.reference, energies.error)


def _sdri(energies: Energies) -> torch.Tensor:
    return _over_baseline(_sdr(energies), energies.mixture_sdr)


def _sdrg(energies: Energies) -> torch.Tensor:
    return _over_baseline(_sdr(energies), energies.gain_sdr)


def _si_sdr(energies: Energies) -> torch.Tensor:
    return energies.si_sdr


def _si_sdri(energies: Energies) -> torch.Tensor:
    return _over_baseline(energies.si_sdr, energies.mixture_si_sdr)


def _sdr_sdx(energies: Energies) -> torch.Tensor:
    return 10 * torch.log10((energies.reference + _SDX_DELTA) / (energies.error + _SDX_DELTA))


def _leakage(energies: Energies) -> torch.Tensor:
    level = 10 * torch.log10(energies.estimate / energies.mixture)
    return level.clamp(min=LEAKAGE_FLOOR_DB).where(energies.mixture > 0, torch.nan)


_FAMILY: Final = ("class-median-mean", "class-mean-mean", "mean", "median")

SDR: Final = Metric(
    name="sdr",
    version=1,
    function=_sdr,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="SDR",
    definition="10 log10(|s|^2 / |s - ŝ|^2), energies over all channels and the whole signal; no filter, no offset.",
    undefined="SDR has no value: the reference is silent, or the estimate is not finite",
    aggregations=_FAMILY,
)

SDRI: Final = Metric(
    name="sdri",
    version=1,
    function=_sdri,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="SDRi",
    definition="SDR(estimate) - SDR(mixture), both as in sdr@1; exactly 0 for the mixture.",
    undefined="SDRi has no value: the reference is silent, or the mixture equals the reference",
    aggregations=_FAMILY,
)

SDRG: Final = Metric(
    name="sdrg",
    version=1,
    function=_sdrg,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="SDRg",
    definition=(
        "SDR(estimate) - SDR(g x), both as in sdr@1, with the best single gain g = <x, s> / <x, x> on the mixture, "
        "one over all channels: SDR(g x) = -10 log10(1 - rho^2), rho^2 = <x, s>^2 / (|x|^2 |s|^2). "
        "What is gained over the best volume knob."
    ),
    undefined="SDRg has no value: the reference is silent, or the mixture is the reference but for its level",
    aggregations=_FAMILY,
)

SI_SDR: Final = Metric(
    name="si_sdr",
    version=1,
    function=_si_sdr,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="SI-SDR",
    definition=(
        "10 log10(|a s|^2 / |ŝ - a s|^2) with a = <ŝ, s> / <s, s>, one scale over all channels; no mean removed, "
        "nothing added to the energies; a remainder under the rounding of float64 (-277 dB) counts as none. "
        "Source: Le Roux et al. 2019, arXiv:1811.02508."
    ),
    undefined="SI-SDR has no value: the estimate or the reference is silent, and silence has no direction",
    aggregations=_FAMILY,
)

SI_SDRI: Final = Metric(
    name="si_sdri",
    version=1,
    function=_si_sdri,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="SI-SDRi",
    definition="SI-SDR(estimate) - SI-SDR(mixture), both as in si_sdr@1; exactly 0 for the mixture.",
    undefined=(
        "SI-SDRi has no value: the estimate or the reference is silent, or the SI-SDR of the mixture is not finite"
    ),
    aggregations=_FAMILY,
)

SDR_SDX: Final = Metric(
    name="sdr_sdx",
    version=1,
    function=_sdr_sdx,
    needs=("energies",),
    unit="dB",
    better="higher",
    title="uSDR",
    definition=(
        "10 log10((|s|^2 + 1e-7) / (|s - ŝ|^2 + 1e-7)), energies summed over all channels and the whole song: "
        "the SDR of the music demixing challenges MDX 2021 and SDX 2023, which take its mean over songs. "
        "Source: Mitsufuji et al. 2022, arXiv:2108.13559; Fabbro et al. 2024, arXiv:2308.06979."
    ),
    undefined="uSDR has no value: the estimate is not finite",
    aggregations=("class-mean-mean", "mean"),
)

LEAKAGE: Final = Metric(
    name="leakage",
    version=1,
    function=_leakage,
    needs=("energies",),
    unit="dB",
    better="lower",
    title="Leakage",
    definition=(
        "10 log10(|ŝ|^2 / |x|^2), the energy of the estimate relative to the mixture, for targets that do not sound; "
        "values under -100 dB, silence among them, are given as -100 dB."
    ),
    undefined="leakage has no value: the mixture is silent",
    aggregations=("median",),
    applies_to="absent",
)
