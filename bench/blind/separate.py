"""Extract classes from a blind scene that is held in memory, each separator asked for all of its classes together."""

from __future__ import annotations

import hashlib
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


class Distinct:
    """Tensors known by their contents: of several that are equal, the first one stands for all.

    A separator that makes nothing of the class it is asked for, or an oracle of classes that do not sound, gives
    hundreds of equal estimates: they are kept, gated and compared once.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, torch.Tensor] = {}

    def of(self, audio: torch.Tensor) -> torch.Tensor:
        """A float32 tensor like ``audio``, which may be a part of another: what is returned is not."""
        digest = hashlib.blake2b(audio.contiguous().numpy().data).digest()
        if digest not in self._known:
            self._known[digest] = audio.clone()
        return self._known[digest]


def separate(
    mixture: torch.Tensor,
    sample_rate: int,
    asked: Sequence[Asked],
    *,
    context: Context,
    at_once: int,
    distinct: Distinct,
) -> list[torch.Tensor]:
    """The answer to each question, float32 ``(channels, samples)`` in the mixture's layout.

    Args:
        mixture: float32 ``(channels, samples)``.
        sample_rate: in Hz.
        asked: the questions.
        context: seed and device.
        at_once: most questions in one call; a separator whose estimates depend on each other gets all in one.
        distinct: the estimates that are known already.

    Raises:
        ValueError: as :func:`bench.analysis.calls.answers`; and whatever a separator raises.
    """
    found: dict[int, torch.Tensor] = {}
    for places in calls([one.separator for one in asked], at_once=at_once):
        queries = [asked[place].query for place in places]
        audio = answers(asked[places[0]].separator, mixture, sample_rate, queries, context=context)
        found |= {place: distinct.of(row) for place, row in zip(places, audio, strict=True)}
    return [found[place] for place in range(len(asked))]
