"""Whether two answers are the same."""

from __future__ import annotations

from typing import Final

import torch

from taggers.conformance.subject import Outputs

SAME: Final = 1e-5
"""Largest difference, relative to the peak, between answers to one question: rounding depends on memory alignment."""
ALIKE: Final = 1e-3
"""The same where the arithmetic may be ordered otherwise, as in a batch of another size."""


def difference(got: Outputs, expected: Outputs, *, tolerance: float) -> str | None:
    """How ``got`` differs from ``expected``, in a few words, or None where it does not."""
    if got.keys() != expected.keys():
        return f"returned {_list(got)} once and {_list(expected)} another time"
    for name, before in expected.items():
        now = got[name]
        if now.shape != before.shape:
            return f"{name} has shape {tuple(now.shape)} once and {tuple(before.shape)} another time"
        if not torch.equal(torch.isnan(now), torch.isnan(before)):
            return f"{name} is NaN in other places"
        apart = _peak(now.double() - before.double())
        peak = _peak(before)
        if apart > tolerance * max(peak, 1e-6):
            return f"{name} differs by {apart:.2g} where its peak is {peak:.2g}"
    return None


def not_finite(outputs: Outputs) -> str | None:
    """Which outputs hold NaN or infinite values, in a few words, or None."""
    for name, value in outputs.items():
        broken = int((~torch.isfinite(value)).sum())
        if broken:
            return f"{broken} of {value.numel()} values of {name} are NaN or infinite"
    return None


def _peak(values: torch.Tensor) -> float:
    return float(values.double().abs().nan_to_num().max()) if values.numel() else 0.0


def _list(outputs: Outputs) -> str:
    return ", ".join(outputs) or "nothing"
