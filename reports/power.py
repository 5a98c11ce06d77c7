"""Closed forms of power and effect size: how many recordings tell two things apart, how often one is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from reports.aggregate import Array
from reports.bootstrap import FEW, LEVEL

POWER: Final = 0.8
"""Chance that the interval of the difference leaves out zero."""
_NORMAL: Final = NormalDist()
_ROUNDING: Final = 1e-9
"""Differences and deviations up to this are those of rounding."""


@dataclass(frozen=True)
class Superiority:
    """Share of recordings on which the first is better, ties counted half, with its 95 % interval (0..1)."""

    share: float
    low: float
    high: float
    recordings: int


def recordings_needed(difference: float, deviation: float) -> int | None:
    """Fewest independent recordings whose 95 % interval leaves out zero with a chance of 80 %; None where none do.

    Of an interval of Student's t, as that of a mean in :mod:`reports.bootstrap` is: n is at least u² / 2 + (u + v)²
    (``deviation`` / ``difference``)², with u the normal quantile of 97.5 % and v that of 80 % (Guenther 1981, The
    American Statistician 35, 243-244). This is the exact number of the normal case or, now and then, one less. Never
    fewer than :data:`reports.bootstrap.FEW`, below which intervals are not to be leaned on.

    Raises:
        ValueError: ``deviation`` is negative, or a figure not finite.
    """
    if not (math.isfinite(difference) and math.isfinite(deviation) and deviation >= 0):
        raise ValueError(f"difference {difference}, deviation {deviation}: finite, and the second not negative")
    if abs(difference) <= _ROUNDING:
        return None
    ends, chance = _NORMAL.inv_cdf((1 + LEVEL) / 2), _NORMAL.inv_cdf(POWER)
    return max(FEW, math.ceil(((ends + chance) * deviation / difference) ** 2 + ends**2 / 2))


def superiority(differences: Array, *, units: int) -> Superiority:
    """Share of ``differences`` (recordings,) above zero, ties counted half, with the interval of Wilson.

    This is the probability of superiority for paired observations (Grissom and Kim 2012, Effect Sizes for Research,
    2nd edition, chapter 5). Interval: Wilson 1927, doi:10.1080/01621459.1927.10502953, for ``units`` independent
    observations, which holds where all recordings agree; ties make it err on the wide side.

    Args:
        differences: one per recording, greater where the first is better.
        units: how many of the recordings count as independent.

    Raises:
        ValueError: there are no recordings, or not 1 <= ``units`` <= recordings.
    """
    if not 1 <= units <= len(differences):
        raise ValueError(f"{units} units of {len(differences)} recordings")
    tied = np.abs(differences) <= _ROUNDING
    share = float(np.mean(np.where(tied, 0.5, differences > 0)))
    square = _NORMAL.inv_cdf((1 + LEVEL) / 2) ** 2
    middle = (share + square / (2 * units)) / (1 + square / units)
    reach = math.sqrt(square * (share * (1 - share) / units + square / (4 * units**2))) / (1 + square / units)
    return Superiority(share, max(0.0, middle - reach), min(1.0, middle + reach), len(differences))
