"""The balanced sampler: every class as often as every other, every clip of a class as often as every other.

Classes are drawn from shuffled permutations of all of them, one after the other; within a class, clips are drawn from
shuffled permutations likewise. Source: the training recipe of the public USS code (github.com/bytedance/uss).

Here every draw is a function of the seed and its number alone. A run that is resumed, or split over processes, draws
what an uninterrupted one draws, and there is no state to keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

_CLASSES, _CLIPS = 0, 1
"""Streams of random numbers."""


class BalancedSampler:
    """Draws (class, clip) pairs by number."""

    def __init__(self, members: Sequence[Sequence[int]], *, seed: int) -> None:
        """Sample from classes whose clips are ``members``.

        Raises:
            ValueError: there is no class, or one has no clip.
        """
        if not members or not all(members):
            raise ValueError("a balanced sampler needs at least one class, and a clip in each")
        self._members = [tuple(clips) for clips in members]
        self._seed = seed
        self._permutation = lru_cache(maxsize=4 * len(members) + 8)(self._shuffled)

    def draw(self, number: int) -> tuple[int, Iterator[int]]:
        """The class of draw ``number`` (from 0), and its clip, followed by the others of its pass over the class.

        The others are there in case the first cannot be used.
        """
        classes = len(self._members)
        # A class stands once in each permutation, so the number of the permutation counts its draws.
        passed, place = divmod(number, classes)
        chosen = int(self._permutation(_CLASSES, passed, 0, classes)[place])
        clips = self._members[chosen]
        again, pointer = divmod(passed, len(clips))
        order = self._permutation(_CLIPS, again, chosen, len(clips))
        return chosen, (clips[order[(pointer + step) % len(clips)]] for step in range(len(clips)))

    def _shuffled(self, stream: int, passed: int, of: int, length: int) -> np.ndarray:
        return np.random.default_rng([self._seed, stream, passed, of]).permutation(length)
