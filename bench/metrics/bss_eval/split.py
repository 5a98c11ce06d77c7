"""The decomposition of BSS Eval from signals to decibels, for one scene."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Final

import torch

from bench.metrics.bss_eval.correlations import correlations
from bench.metrics.bss_eval.energies import Criteria, ratios
from bench.metrics.bss_eval.filters import independent, project
from bench.metrics.bss_eval.result import BssEval
from bench.metrics.tensors import SignalLike, as_samples

FILTER_LENGTH: Final = 512
"""Taps of the distortion filters in the published numbers, and of museval and mir_eval."""
SDR, ISR, SIR, SAR = range(4)

Frames = Sequence[tuple[int, int]]
"""First sample and the one after the last, by frame."""


def split(
    estimates: torch.Tensor,
    references: torch.Tensor,
    frames: Frames,
    *,
    filter_length: int,
    criteria: Criteria,
    ridge: float,
    crossed: bool = False,
) -> torch.Tensor:
    """SDR, ISR, SIR and SAR in dB in ``frames``, by filters fitted to the whole signals.

    Args:
        estimates: ``(sources, channels, samples)``.
        references: the same shape.
        frames: at least one.
        filter_length: taps of the filters.
        criteria: ``images`` or ``sources``.
        ridge: added to the diagonal of the normal equations.
        crossed: whether each estimate is held against each reference.

    Returns:
        float64 ``(4, sources, frames)``, or ``(4, references, estimates, frames)`` where ``crossed``.

    Raises:
        ValueError: a reference is not finite.
    """
    whole, own, alone = _fit(estimates, references, filter_length, ridge=ridge, crossed=crossed)
    values = ratios(estimates, references, whole, own, frames, criteria=criteria)
    if alone:  # nothing is there to interfere
        values[SIR].masked_fill_(~values[SAR].isnan(), torch.inf)
    return values


def _fit(
    estimates: torch.Tensor, references: torch.Tensor, length: int, *, ridge: float, crossed: bool
) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """The two kinds of filters as :func:`ratios` takes them, and whether a single reference sounds."""
    sources, channels = references.shape[:2]
    inputs = sources * channels
    everything = range(inputs, 2 * inputs)
    lags = correlations(references.flatten(0, 1), estimates.flatten(0, 1), lags=length)
    if not lags[:, :inputs].isfinite().all():
        raise ValueError("references: some samples are NaN or infinite, or too large to be squared")
    rows = independent(lags[:, :inputs])
    whole = lags.new_zeros((inputs, inputs, length))
    if rows:
        whole[:, rows] = project(lags, rows, everything, ridge=ridge).permute(2, 0, 1)
    own = lags.new_zeros((sources, inputs if crossed else channels, inputs, length))
    sounding = 0
    for source in range(sources):
        mine = list(range(source * channels, (source + 1) * channels))
        kept = [mine[row] for row in independent(lags[mine][:, mine])]
        columns = everything if crossed else [inputs + row for row in mine]
        if kept:
            own[source][:, kept] = project(lags, kept, columns, ridge=ridge).permute(2, 0, 1)
            sounding += 1
    return whole, own, sounding == 1


def as_scenes(estimates: SignalLike, references: SignalLike) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as tensors ``(..., sources, channels, samples)`` of one shape.

    Raises:
        ValueError: they are not.
    """
    estimates, references = as_samples(estimates, "estimates"), as_samples(references, "references")
    if estimates.shape != references.shape or estimates.ndim < 3:
        raise ValueError(
            f"estimates {tuple(estimates.shape)} and references {tuple(references.shape)}: "
            "(..., sources, channels, samples) of one shape are wanted"
        )
    return estimates, references


def frames_of(samples: int, *, window: int | None, hop: int | None) -> list[tuple[int, int]]:
    """Frames of ``window`` samples every ``hop``, as museval cuts them; one frame where the window is not shorter.

    An incomplete frame at the end is dropped. Without a window the whole signal is the frame, without a hop frames
    follow one after the other.

    Raises:
        ValueError: a window or hop under one sample.
    """
    window = samples if window is None else window
    hop = max(window, 1) if hop is None else hop
    if hop < 1 or (window < 1 and samples):
        raise ValueError(f"window is {window} and hop is {hop}: at least one sample each is wanted")
    if window >= samples:
        return [(0, samples)]
    return [(start, start + window) for start in range(0, samples - window + 1, hop)]


def over_scenes(
    function: Callable[[torch.Tensor, torch.Tensor], BssEval], estimates: torch.Tensor, references: torch.Tensor
) -> BssEval:
    """What ``function`` makes of every scene ``(sources, channels, samples)`` of the batch."""
    batch = tuple(references.shape[:-3])
    if not batch:
        return function(estimates, references)
    places = itertools.product(*map(range, batch))
    parts = [function(estimates[place], references[place]) for place in places]
    return BssEval(
        **{x.name: torch.stack([getattr(part, x.name) for part in parts]).unflatten(0, batch) for x in fields(BssEval)}
    )
