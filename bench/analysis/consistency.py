"""Estimates that add up: a disjoint partition of what was heard, and the projection onto the mixture."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch

from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import Heard
from ontology import Node, Ontology
from separators.stft import STFT, oracle_stft

_SMOOTHED_FRAMES = 5
"""Frames that an energy is the mean of, so that shares do not flutter."""


def partition_of(heard: Heard, settings: AnalysisSettings) -> tuple[Node, ...]:
    """The detected classes that divide what was heard among them, none of it counted twice; in walking order.

    They are those of :func:`divide` at ``settings.partition_depth``, or at the deepest of ``settings.depths``. Where
    classes were asked for by name, the cut is made of these, at whatever depth they are.
    """
    asked = tuple(detection.node for detection in heard.detections)
    if settings.classes:
        return divide(heard.active, asked)
    depth = max(settings.depths) if settings.partition_depth is None else settings.partition_depth
    ends = {node.mid for node in _ends(heard.active)}
    return divide(
        heard.active,
        tuple(node for node in asked if node.depth == depth or (node.depth < depth and node.mid in ends)),
    )


def divide(active: Collection[Node], cut: Sequence[Node]) -> tuple[Node, ...]:
    """The classes of a cut that hold something of their own, when each active class belongs to one of them.

    An active class with no active class below it belongs to the first, in walking order, of the cut's classes that it
    is or lies below: of two that overlap, the first gets what they share. A class of the cut left with nothing is out.

    Args:
        active: all active classes; with each, the classes above it.
        cut: the classes at one depth, and active ones that end above it.
    """
    onto = Ontology.audioset()
    places = sorted(cut, key=lambda node: node.row)
    owners = set()
    for end in _ends(active):
        above = {node.mid for node in onto.ancestors(end, include_self=True)}
        owner = next((node for node in places if node.mid in above), None)
        if owner is not None:
            owners.add(owner.mid)
    return tuple(node for node in places if node.mid in owners)


def _ends(active: Collection[Node]) -> list[Node]:
    """The active classes below which none is active."""
    mids = {node.mid for node in active}
    return [node for node in active if not any(child.mid in mids for child in node.children)]


def project(
    mixture: torch.Tensor, estimates: Mapping[int, torch.Tensor], gains: Mapping[int, torch.Tensor], sample_rate: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Share out what estimates leave of the mixture, so that they add up to it where they are active.

    The mixture-consistency projection: with r = x - sum of s_j, each estimate becomes s_i + w_i r. Source: Wisdom et
    al., "Differentiable consistency constraints for improved deep speech enhancement", ICASSP 2019. The weights w_i add
    up to 1 in each bin of the STFT (the window of :func:`separators.stft.oracle_stft`): the share of estimate i in the
    energies of all, each summed over channels and averaged over 5 frames around the bin's own. In a bin where no
    estimate has energy nothing is shared out.

    Args:
        mixture: float32 ``(channels, samples)``.
        estimates: each like the mixture.
        gains: for each estimate how much of its share it takes, ``(samples,)`` in 0 to 1: 0 where it is inactive.
        sample_rate: in Hz.

    Yields:
        Each estimate adjusted, one at a time. What gains of 0 and empty bins leave over is in none of them; so is, for
        about a tenth of a second around the edge of a span, the share of an estimate that is no longer active.
    """
    stft = oracle_stft(sample_rate)
    rest = mixture.double()
    for audio in estimates.values():
        rest = rest - audio
    R = stft.forward(rest.float())
    energies = {place: _energy(stft, audio) for place, audio in estimates.items()}
    total = torch.zeros(R.shape[1:])
    for energy in energies.values():
        total += energy
    for place, audio in estimates.items():
        weight = torch.where(total > 0, energies[place] / total, 0.0)
        yield place, audio + gains[place] * stft.inverse(R * weight, mixture.shape[-1])


def _energy(stft: STFT, audio: torch.Tensor) -> torch.Tensor:
    """Smoothed energy of ``(channels, samples)``, ``(bins, frames)``."""
    energy = stft.forward(audio).abs().square().sum(dim=0)
    return torch.nn.functional.avg_pool1d(
        energy[:, None], _SMOOTHED_FRAMES, stride=1, padding=_SMOOTHED_FRAMES // 2, count_include_pad=False
    )[:, 0]
