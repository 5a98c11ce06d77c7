"""Extract classes from a blind scene that is held in memory, each separator asked for all of its classes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bench.seeding import seed_everything
from separators.adapt import extract
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
        ValueError: estimates are in neither the mixture's channel layout nor mono; and whatever a separator raises.
    """
    answers: dict[int, torch.Tensor] = {}
    by_separator: dict[int, list[int]] = {}
    for place, one in enumerate(asked):
        by_separator.setdefault(id(one.separator), []).append(place)
    for places in by_separator.values():
        separator = asked[places[0]].separator
        step = len(places) if separator.joint else at_once
        for first in range(0, len(places), step):
            several = places[first : first + step]
            seed_everything(context.seed)
            queries = tuple(asked[place].query for place in several)
            audio = extract(separator, mixture, sample_rate, queries, context=context).audio
            if audio.shape[1] not in (1, mixture.shape[0]):
                raise ValueError(
                    f"the estimates of {type(separator).__name__} have {audio.shape[1]} channels, the mixture "
                    f"{mixture.shape[0]}; 1 or {mixture.shape[0]} fit"
                )
            # Clones: one estimate that is kept must not keep the whole batch in memory.
            answers |= {
                place: row.expand(mixture.shape[0], -1).clone() for place, row in zip(several, audio, strict=True)
            }
    return [answers[place] for place in range(len(asked))]
