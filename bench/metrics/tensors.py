"""What every metric does with its input: float64, shapes checked, batch axes walked one item at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch

SignalLike = torch.Tensor | np.ndarray
"""Audio as metrics take it, ``(..., channels, samples)``, of any real number type."""

BLOCK: Final = 1 << 14
"""Values worked on at a time. Temporaries of this size stay in the processor's cache, whole songs would not; and torch
splits no work of fewer than 32,768 values among threads, so that no value depends on how many there are."""


def as_signal(values: SignalLike, name: str) -> torch.Tensor:
    """``values`` as a float64 tensor ``(..., channels, samples)``; no copy is made of one that is that already.

    Raises:
        ValueError: fewer than two axes, or complex numbers; the message says ``name`` and the shape.
    """
    return as_samples(values, name).to(torch.float64)


def as_samples(values: SignalLike, name: str) -> torch.Tensor:
    """``values`` as a tensor of their own type, to be made float64 piece by piece. Errors as in :func:`as_signal`."""
    shape = tuple(values.shape)
    if len(shape) < 2:
        raise ValueError(f"{name} of shape {shape}: (..., channels, samples) is wanted, mono has a channel axis too")
    if np.iscomplexobj(values) if isinstance(values, np.ndarray) else values.is_complex():
        raise ValueError(f"{name} of shape {shape} is complex: metrics take real samples")
    if isinstance(values, np.ndarray):
        return torch.from_numpy(values if _is_shareable(values) else np.array(values, dtype=np.float64, order="C"))
    return values.detach()


def _is_shareable(values: np.ndarray) -> bool:
    """Whether torch can work on the memory of the array: not where it is read-only or runs backwards."""
    plain = values.dtype in (np.float64, np.float32) and values.dtype.isnative and values.flags.writeable
    return plain and all(step >= 0 and step % values.itemsize == 0 for step in values.strides)


def check_alike(**signals: torch.Tensor) -> tuple[int, ...]:
    """The common batch shape of ``signals``, whose channels and samples are equal and whose batch axes broadcast.

    Raises:
        ValueError: they do not fit; the message gives the shapes by name.
    """
    shapes = {name: tuple(signal.shape) for name, signal in signals.items()}
    try:
        batch = tuple(torch.broadcast_shapes(*(shape[:-2] for shape in shapes.values())))
    except RuntimeError:
        batch = None
    if batch is None or len({shape[-2:] for shape in shapes.values()}) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes do not match: {listed}; channels and samples must be equal, batch axes broadcast")
    return batch


def squared_difference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(one - other)^2, value by value."""
    return (one - other).square_()


def over_items(
    function: Callable[..., torch.Tensor], *signals: torch.Tensor, batch: tuple[int, ...], size: tuple[int, ...] = ()
) -> torch.Tensor:
    """Call ``function`` on each item ``(channels, samples)`` of the batch; its results have shape ``size``.

    One item at a time keeps the temporaries small, and makes an item's value independent of what else is in the
    batch, to the last bit.
    """
    expanded = [signal.expand(*batch, *signal.shape[-2:]) for signal in signals]
    out = torch.empty((*batch, *size), dtype=torch.float64, device=signals[0].device)
    for index in itertools.product(*map(range, batch)):
        out[index] = function(*(signal[index] for signal in expanded))
    return out


def summed(function: Callable[..., torch.Tensor], *signals: torch.Tensor) -> torch.Tensor:
    """The sum of what ``function`` makes of ``signals``, ``(..., samples)`` each, sample by sample."""
    length = max(BLOCK // max(math.prod(signals[0].shape[:-1]), 1), 1)
    blocks = zip(*(signal.split(length, dim=-1) for signal in signals), strict=True)
    return torch.stack([function(*block).sum() for block in blocks]).sum()


def count_not_finite(signal: torch.Tensor) -> int:
    """How many samples of ``(..., samples)`` are NaN or infinite."""
    return int(summed(lambda block: ~block.isfinite(), signal))
