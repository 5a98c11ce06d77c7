"""Separators asked for many classes in few calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from bench.seeding import seed_everything
from separators.adapt import extract
from separators.base import Context, Query, Separator


def calls(separators: Sequence[Separator], *, at_once: int) -> Iterator[list[int]]:
    """The places of questions that go to a separator together, given whom each is for.

    At most ``at_once``, so that memory is bounded; a separator whose estimates depend on each other gets all in one.
    """
    places: dict[int, list[int]] = {}
    for place, separator in enumerate(separators):
        places.setdefault(id(separator), []).append(place)
    for own in places.values():
        step = len(own) if separators[own[0]].joint else at_once
        for first in range(0, len(own), step):
            yield own[first : first + step]


def answers(
    separator: Separator, mixture: torch.Tensor, sample_rate: int, queries: Sequence[Query], *, context: Context
) -> torch.Tensor:
    """The answers of one call, float32 ``(queries, channels, samples)``, in the mixture's channels: mono is repeated.

    Every call draws from the same seed.

    Raises:
        ValueError: estimates are in neither the mixture's channel layout nor mono; and whatever a separator raises.
    """
    seed_everything(context.seed)
    audio = extract(separator, mixture, sample_rate, tuple(queries), context=context).audio
    if audio.shape[1] not in (1, mixture.shape[0]):
        raise ValueError(
            f"the estimates of {type(separator).__name__} have {audio.shape[1]} channels, the mixture "
            f"{mixture.shape[0]}; 1 or {mixture.shape[0]} fit"
        )
    return audio.expand(-1, mixture.shape[0], -1)
