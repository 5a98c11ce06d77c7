"""Intervals by resampling independent recordings, the classes held fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reports.aggregate import Aggregation, Array, Codes

DRAWS: Final = 2_000
LEVEL: Final = 0.95
FEW: Final = 6
"""Below this many recordings an interval is shown with a warning: percentile intervals are then too short."""
_AT_ONCE: Final = 2_000_000
"""Weights laid out at once, which bounds the memory."""


@dataclass(frozen=True)
class Interval:
    """A percentile interval, or the reason why there is none; ``note`` warns of one that is not to be leant on."""

    low: float | None
    high: float | None
    note: str | None


def seed_of(names: Iterable[str]) -> int:
    """A seed from names alone, so that equal results give equal intervals on every machine."""
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Resampler:
    """Weights of scenes in each bootstrap draw.

    Every draw takes as many recordings as there are, with replacement, all scenes sharing the draw. A scene's weight
    is the product of the counts of its distinct recordings: for a song this is the cluster bootstrap, for a mixture of
    two clips the multiway ("pigeonhole") bootstrap of Owen 2007, doi:10.1214/07-AOAS122, which errs on the wide side.

    ``weights`` is (draws, scenes); ``incidence`` is (scenes, recordings), true where a recording is in a scene.
    """

    weights: Array
    incidence: np.ndarray

    @classmethod
    def of(cls, recordings: Sequence[Sequence[str]], *, names: Iterable[str], draws: int = DRAWS) -> Resampler:
        """Draw the weights for scenes whose ``recordings`` are given, seeded from ``names``."""
        pool = sorted({recording for scene in recordings for recording in scene})
        place = {recording: index for index, recording in enumerate(pool)}
        incidence = np.zeros((len(recordings), len(pool)), dtype=bool)
        for row, scene in enumerate(recordings):
            incidence[row, [place[recording] for recording in scene]] = True
        generator = np.random.default_rng(seed_of(names))
        shares = np.full(max(len(pool), 1), 1 / max(len(pool), 1))  # drawn from even where no scene has a recording
        counts = generator.multinomial(len(pool), shares, size=draws)
        weights = np.ones((draws, len(recordings)))
        for row, scene in enumerate(recordings):
            for recording in set(scene):
                weights[:, row] *= counts[:, place[recording]]
        return cls(weights, incidence)

    def draws(self, values: Array, classes: Codes, scenes: Codes, rule: Aggregation) -> Array:
        """The aggregate of ``values`` (rows,) under each draw; ``scenes`` (rows,) index the columns of ``weights``."""
        step = max(1, _AT_ONCE // max(len(values), 1))
        parts = range(0, len(self.weights), step)
        return np.concatenate([rule(values, classes, self.weights[start : start + step, scenes]) for start in parts])

    def recordings(self, scenes: Codes) -> int:
        """How many independent recordings stand behind ``scenes``."""
        return int(self.incidence[np.unique(scenes)].any(axis=0).sum())

    def interval(self, values: Array, classes: Codes, scenes: Codes, rule: Aggregation) -> Interval:
        """The 95 % percentile interval of the aggregate of ``values``, or why there is none."""
        if self.recordings(scenes) < 2:
            return self.interval_of(np.empty(0), scenes)
        return self.interval_of(self.draws(values, classes, scenes, rule), scenes)

    def interval_of(self, figures: Array, scenes: Codes) -> Interval:
        """The 95 % percentile interval of any figure, or why there is none.

        ``figures`` (draws,) are NaN where a draw leaves none; ``scenes`` are the columns of ``weights`` behind it.
        """
        return interval_of(figures, self.recordings(scenes))


def interval_of(figures: Array, recordings: int) -> Interval:
    """The 95 % percentile interval of a figure that so many independent recordings stand behind, or why there is none.

    ``figures`` (draws,) are NaN where a draw leaves none.
    """
    if recordings < 2:
        return Interval(None, None, "one recording: no interval" if recordings else "nothing measured: no interval")
    defined = figures[~np.isnan(figures)]
    if len(defined) < 0.9 * len(figures):
        # Where many draws are empty, what is left no longer stands for the sampling distribution.
        return Interval(None, None, f"{recordings} recordings: too few for an interval that means much")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    note = f"{recordings} recordings: too few to lean on the interval" if recordings < FEW else None
    return Interval(float(low), float(high), note)
