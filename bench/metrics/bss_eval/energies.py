"""Energies of the parts that BSS Eval splits estimates into, frame by frame, with filters known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch
from scipy.fft import next_fast_len

from bench.metrics.bss_eval.correlations import stretch

Criteria = Literal["images", "sources"]

_BLOCK: Final = 1 << 14
"""Most samples under one transform."""
_RESPONSES: Final = 1 << 22
"""Most values of all frequency responses together, 64 MB; many sources work in shorter blocks."""
_VALUES: Final = 1 << 20
"""Samples in work at a time, over all signals."""


def ratios(
    estimates: torch.Tensor,
    references: torch.Tensor,
    whole: torch.Tensor,
    own: torch.Tensor,
    frames: Sequence[tuple[int, int]],
    *,
    criteria: Criteria,
) -> torch.Tensor:
    """SDR, ISR, SIR and SAR in dB by frame.

    Every frame is taken out of the signals and filtered by itself, and what rings on after its end counts. ISR is NaN
    in the criteria of sources.

    Args:
        estimates: ``(sources, channels, samples)``.
        references: the same shape.
        whole: filters ``(sources channels, sources channels, L)`` from all channels of all references (second axis) to
            the projections of all estimates on all references (first axis).
        own: filters ``(sources, outputs, sources channels, L)`` from the same channels to the projections on one
            reference (first axis): of its own estimate where there are ``channels`` outputs, else of all estimates.
        frames: first sample and the one after the last.
        criteria: ``images`` takes the reference itself for the target, ``sources`` its best filtered version.

    Returns:
        float64 ``(4, sources, frames)``, or ``(4, references, estimates, frames)`` where all estimates are projected.
    """
    sources, channels = references.shape[:2]
    crossed = own.shape[1] > channels
    flat = torch.cat([whole, own.flatten(0, 1)])
    outputs, inputs, length = flat.shape
    longest = max(stop - start for start, stop in frames) + length - 1
    most = max(min(_BLOCK, 2 * _RESPONSES // (outputs * inputs)), 4 * length)
    step = -(-longest // -(-longest // (most - length + 1)))  # equal blocks, as few as may be
    size = next_fast_len(step + length - 1, real=True)
    responses = torch.fft.rfft(flat, n=size).permute(2, 0, 1).contiguous()

    blocks = [
        (index, start, stop, offset)
        for index, (start, stop) in enumerate(frames)
        for offset in range(0, stop - start + length - 1, step)
    ]
    together = max(_VALUES // (size * (outputs + inputs)), 1)
    sums: list[torch.Tensor] = []
    for first in range(0, len(blocks), together):
        parts = blocks[first : first + together]
        given, heard = (
            torch.stack([_part(x, part, lead=lead, size=step + lead) for part in parts], dim=2)
            for x, lead in ((references, length - 1), (estimates, 0))
        )
        spectra = torch.fft.rfft(given, n=size).flatten(0, 1).permute(2, 0, 1).contiguous()
        filtered = torch.fft.irfft(torch.bmm(responses, spectra).permute(1, 2, 0), n=size)
        filtered = filtered[..., length - 1 : length - 1 + step]
        span = filtered[: sources * channels].unflatten(0, (sources, channels))
        fit = filtered[sources * channels :].unflatten(0, (*((sources,) * (1 + crossed)), channels))
        target = given[..., length - 1 :]
        if crossed:
            target, heard, span = target[:, None], heard[None], span[None]
        sums.append(_energies(target, heard, span, fit, criteria))
    owners = torch.tensor([index for index, *_ in blocks], device=references.device)
    energies = torch.cat(sums, dim=-1)
    totals = energies.new_zeros((*energies.shape[:-1], len(frames))).index_add_(-1, owners, energies)
    return 10 * torch.log10(totals[0] / totals[1])


def _part(signals: torch.Tensor, part: tuple[int, int, int, int], *, lead: int, size: int) -> torch.Tensor:
    """A block of a frame with ``lead`` samples before it, silent outside the frame."""
    _, start, stop, offset = part
    return stretch(signals[..., start:stop], offset - lead, size)


def _energies(
    target: torch.Tensor, heard: torch.Tensor, span: torch.Tensor, fit: torch.Tensor, criteria: Criteria
) -> torch.Tensor:
    """Numerators and denominators of the four ratios, ``(2, 4, ..., blocks)``.

    ``span`` is the projection of the estimate ``heard`` on all references, ``fit`` that on one; each is ``(...,
    channels, blocks, samples)``.
    """
    fitted = _energy(fit)
    if criteria == "images":
        given = _energy(target)
        sdr, isr = (given, _energy(heard - target)), (given, _energy(fit - target))
    else:
        sdr, isr = (fitted, _energy(heard - fit)), (torch.full_like(fitted, torch.nan),) * 2
    sir, sar = (fitted, _energy(span - fit)), (_energy(span), _energy(heard - span))
    sides = zip(sdr, isr, sir, sar, strict=True)
    return torch.stack([torch.stack([part.expand_as(fitted) for part in side]) for side in sides])


def _energy(parts: torch.Tensor) -> torch.Tensor:
    """Sum of squares over channels and samples of ``(..., channels, blocks, samples)``."""
    return torch.linalg.vecdot(parts, parts).sum(-2)
