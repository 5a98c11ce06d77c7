"""Extract classes from a blind scene that is held in memory, each separator asked for all of its classes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bench.analysis.calls import answers, calls
from separators.base import Context, Query, Separator


@dataclass(frozen=True)
class Asked:
    """One question to a separator."""

    query: Query
    separator: Separator


def separate(
    mixture: torch.Tensor, sample_rate: int, asked: Sequence[Asked], *, context: Context, at_once: int
) -> list[torch.Tensor]:
    """The answer to each question, float32 ``(channels, samples)`` in the mixture's layout.

    Args:
        mixture: float32 ``(channels, samples)``.
        sample_rate: in Hz.
        asked: the questions.
        context: seed and device.
        at_once: most questions in one call; a separator whose estimates depend on each other gets all in one.

    Raises:
        ValueError: as :func:`bench.analysis.calls.answers`; and whatever a separator raises.
    """
    found: dict[int, torch.Tensor] = {}
    for places in calls([one.separator for one in asked], at_once=at_once):
        queries = [asked[place].query for place in places]
        audio = answers(asked[places[0]].separator, mixture, sample_rate, queries, context=context)
        # Clones: one estimate that is kept must not keep the whole batch in memory.
        found |= {place: row.clone() for place, row in zip(places, audio, strict=True)}
    return [found[place] for place in range(len(asked))]
