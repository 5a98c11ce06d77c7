"""Inner products of the signals of one scene, from which any SDR between them follows without reading them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch.utils.weak import WeakIdKeyDictionary

from bench.metrics.tensors import SignalLike, as_signal, count_not_finite

_CANCELS: Final = 1e-6
"""Share of the energies under which a difference is squared sample by sample: from products alone it would keep fewer
than ten digits."""
_BLOCK: Final = 1 << 16
"""Samples multiplied at a time, which bounds the copies in float64."""

Members = tuple[int, ...]
"""Places of references; what is meant is their sum."""


@dataclass(frozen=True)
class _Column:
    energy: float
    products: torch.Tensor
    """With each reference, float64 ``(references,)``."""
    errors: dict[Members, float] = field(default_factory=dict)


class Products:
    """Energies of a scene's references, of their sums, and of what any estimate misses of them; float64 inside.

    Each estimate is read once, all new ones in one pass, and known again by being the same tensor object, so that a
    sweep over depths and thresholds pays only for audio that changed. What is known of an estimate goes with it:
    nothing is kept of a tensor that nobody holds any more.

    Args:
        mixture: ``(channels, samples)``.
        references: the single sources, each of the same shape.

    Raises:
        ValueError: the shapes differ, or a signal has samples that are not finite.
    """

    def __init__(self, mixture: SignalLike, references: Sequence[SignalLike]) -> None:
        named = {"the mixture": as_signal(mixture, "mixture")}
        named |= {f"reference {place}": as_signal(one, f"reference {place}") for place, one in enumerate(references)}
        self._shape = tuple(named["the mixture"].shape)
        for name, signal in named.items():
            self._check_shape(signal, name)
        self.sources = tuple(references)
        self._signals = torch.stack([signal.flatten() for signal in named.values()])
        self._gram = self._with_signals(self._signals)
        if not self._gram.diagonal().isfinite().all():
            name, bad = next((name, bad) for name, signal in named.items() if (bad := count_not_finite(signal)))
            raise ValueError(f"{name}: {bad} samples are NaN or infinite")
        self.mixture_energy = float(self._gram[0, 0])
        self._mixture = _Column(self.mixture_energy, self._gram[0, 1:])
        self._sums: dict[Members, float] = {}
        self._columns: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def read(self, estimates: Sequence[torch.Tensor]) -> None:
        """Take in ``(channels, samples)`` tensors that are not known yet, all in one pass.

        Raises:
            ValueError: a shape is not that of the mixture.
        """
        for place, estimate in enumerate(estimates):
            self._check_shape(estimate, f"estimate {place}")
        new = list({id(estimate): estimate for estimate in estimates if estimate not in self._columns}.values())
        if not new:
            return
        products = self._with_signals(torch.stack([estimate.detach().flatten() for estimate in new]))[1:]
        for place, estimate in enumerate(new):
            energy = float(_square(estimate.detach().flatten()))
            self._columns[estimate] = _Column(energy, products[:, place].clone())

    def energy(self, members: Members) -> float:
        """Energy of the sum of references."""
        if members not in self._sums:
            places = [place + 1 for place in members]
            block = self._gram[places][:, places]
            energy = float(block.sum())
            if energy <= _CANCELS * float(block.diagonal().sum()):
                energy = float(_square(self._sum(members)))
            self._sums[members] = energy
        return self._sums[members]

    def estimate_energy(self, estimate: torch.Tensor) -> float:
        """Energy of an estimate; NaN or infinite where it has samples that are."""
        return self._column(estimate).energy

    def sdr(self, members: Members, estimate: torch.Tensor) -> float:
        """SDR in dB of an estimate of the sum of references, as in ``sdr@1``; +inf where it is exact.

        Only for sums that are not silent.
        """
        return self._sdr(members, self._column(estimate), estimate)

    def mixture_sdr(self, members: Members) -> float:
        """SDR in dB of the mixture itself."""
        return self._sdr(members, self._mixture, self._signals[0])

    def _sdr(self, members: Members, column: _Column, signal: torch.Tensor) -> float:
        if members not in column.errors:
            whole = self.energy(members) + column.energy
            error = whole - 2 * float(column.products[list(members)].sum())
            if error <= _CANCELS * whole:
                error = float(_square(self._sum(members) - signal.detach().flatten()))
            column.errors[members] = error
        error = column.errors[members]
        return 10 * math.log10(self.energy(members) / error) if error else math.inf

    def _column(self, estimate: torch.Tensor) -> _Column:
        self.read([estimate])
        return self._columns[estimate]

    def _sum(self, members: Members) -> torch.Tensor:
        return self._signals[[place + 1 for place in members]].sum(0)

    def _with_signals(self, others: torch.Tensor) -> torch.Tensor:
        """Products of mixture and references with ``others`` (n, values): float64 ``(1 + references, n)``."""
        blocks = zip(self._signals.split(_BLOCK, dim=-1), others.split(_BLOCK, dim=-1), strict=True)
        return torch.stack([one @ other.to(torch.float64).T for one, other in blocks]).sum(0)

    def _check_shape(self, signal: torch.Tensor, name: str) -> None:
        if tuple(signal.shape) != self._shape or len(self._shape) != 2:
            raise ValueError(
                f"{name} has shape {tuple(signal.shape)}, the mixture {self._shape}: "
                "(channels, samples) is wanted, equal in all"
            )


def _square(values: torch.Tensor) -> torch.Tensor:
    return torch.stack([block.to(torch.float64).square().sum() for block in values.split(_BLOCK)]).sum()
