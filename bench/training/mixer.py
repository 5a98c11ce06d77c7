"""Mixtures made within a batch: each item with the next ones, scaled to its energy.

Source: the mixer of the public USS code (github.com/bytedance/uss): item n goes with items n + 1, n + 2, ... of the
batch, each scaled by sqrt(E(target) / E(other)) within 0.02 and 50, E being mean squares, so that two sources meet at
0 dB. That code takes any neighbour; clips of AudioSet have several labels, so the interferer may be, or hold, what is
to be extracted. Here a neighbour of the target's kin is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import torch

from ontology import Ontology

LEAST_GAIN: Final = 0.02
MOST_GAIN: Final = 50.0
ENERGY_FLOOR: Final = 1e-10
LEAST_RMS: Final = 1e-4
"""Segments under -80 dBFS are not lifted to a level: what is in them is rounding."""

Admissible = Callable[[Sequence[str], Sequence[str]], bool]
"""Whether sound with the classes of the second argument may interfere with a target of the first."""


def anything(target: Sequence[str], other: Sequence[str]) -> bool:
    """The published rule: whatever comes next."""
    return True


def other_kin(ontology: Ontology) -> Admissible:
    """The rule that no class of the interferer is, lies above or lies below one of the target's."""

    @cache
    def upwards(mid: str) -> frozenset[str]:
        return frozenset(node.mid for node in ontology.ancestors(mid, include_self=True))

    def admissible(target: Sequence[str], other: Sequence[str]) -> bool:
        return not any(a in upwards(b) or b in upwards(a) for a in target for b in other)

    return admissible


def at_level(segment: torch.Tensor, level_db: float) -> torch.Tensor:
    """``segment`` ``(samples,)`` scaled to a root mean square of ``level_db`` dBFS."""
    rms = max(float(segment.square().mean().sqrt()), LEAST_RMS)
    return segment * (10 ** (level_db / 20) / rms)


def partners(
    targets: Sequence[Sequence[str]], contents: Sequence[Sequence[str]], *, count: int, admissible: Admissible
) -> list[tuple[int, ...]]:
    """For each item the next ``count`` admissible items of the batch, which is a ring; fewer where there are not more.

    Args:
        targets: classes that each item is the target for.
        contents: all classes that each item is labelled with.
        count: interferers wanted.
        admissible: the rule.
    """
    size = len(targets)
    found = []
    for item in range(size):
        ring = ((item + step) % size for step in range(1, size))
        fit = (other for other in ring if admissible(targets[item], contents[other]))
        found.append(tuple(other for other, _ in zip(fit, range(count), strict=False)))
    return found


def mix(
    segments: torch.Tensor, with_which: Sequence[Sequence[int]], *, snr_db: Sequence[float] | None = None
) -> torch.Tensor:
    """Add to each segment those that ``with_which`` names, each at the segment's own energy.

    Args:
        segments: float32 ``(batch, samples)``.
        with_which: positions in the batch, item by item.
        snr_db: by how much each segment lies above every one that is added to it; None for 0 dB throughout.

    Returns:
        float32 ``(batch, samples)``.
    """
    energies = segments.square().mean(dim=1)
    mixtures = segments.clone()
    for item, others in enumerate(with_which):
        for other in others:
            gain = (energies[item] / energies[other].clamp(min=ENERGY_FLOOR)).sqrt().clamp(LEAST_GAIN, MOST_GAIN)
            lower = 10 ** (snr_db[item] / 20) if snr_db is not None else 1.0
            mixtures[item] += gain / lower * segments[other]
    return mixtures
