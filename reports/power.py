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


def power_of(recordings: int, difference: float, deviation: float, *, level: float = LEVEL) -> float:
    """Chance (0..1) that a two-sided interval at ``level`` leaves out zero.

    Normal approximation: the estimate of ``difference`` has the standard error ``deviation`` / sqrt(``recordings``)
    (Chow, Shao and Wang 2008, Sample Size Calculations in Clinical Research, section 3.1). Both sides count.

    Raises:
        ValueError: ``recordings`` is not positive, ``deviation`` is negative, or either figure is not finite.
    """
    _check(difference, deviation)
    if recordings < 1:
        raise ValueError(f"{recordings} recordings: at least one")
    if deviation == 0:
        return float(difference != 0)
    shift, critical = difference * math.sqrt(recordings) / deviation, _NORMAL.inv_cdf((1 + level) / 2)
    return _NORMAL.cdf(shift - critical) + _NORMAL.cdf(-shift - critical)


def recordings_needed(difference: float, deviation: float, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Fewest independent recordings at which :func:`power_of` reaches ``power``; None where no number does.

    Never fewer than :data:`reports.bootstrap.FEW`, below which intervals are not to be leaned on and the normal
    approximation is too bold.

    Raises:
        ValueError: ``deviation`` is negative or a figure not finite, or not 0 < 1 - ``level`` < ``power`` < 1.
    """
    _check(difference, deviation)
    if not 0 < 1 - level < power < 1:
        raise ValueError(f"level {level}, power {power}: 0 < 1 - level < power < 1 is wanted")
    if abs(difference) <= _ROUNDING:
        return None
    quantiles = _NORMAL.inv_cdf((1 + level) / 2) + _NORMAL.inv_cdf(power)
    count = max(FEW, math.ceil((quantiles * deviation / difference) ** 2))
    # The formula leaves out the far side of the interval, so that it may ask for some too many.
    while count > FEW and power_of(count - 1, difference, deviation, level=level) >= power:
        count -= 1
    return count


def superiority(differences: Array, *, units: int, level: float = LEVEL) -> Superiority:
    """Share of ``differences`` (recordings,) above zero, ties counted half, with the interval of Wilson.

    This is the probability of superiority for paired observations (Grissom and Kim 2012, Effect Sizes for Research,
    2nd edition, chapter 5). Interval: Wilson 1927, doi:10.1080/01621459.1927.10502953, for ``units`` independent
    observations, which holds where all recordings agree; ties make it err on the wide side.

    Args:
        differences: one per recording, greater where the first is better.
        units: how many of the recordings count as independent.
        level: of the interval.

    Raises:
        ValueError: there are no recordings, or not 1 <= ``units`` <= recordings.
    """
    if not 1 <= units <= len(differences):
        raise ValueError(f"{units} units of {len(differences)} recordings")
    tied = np.abs(differences) <= _ROUNDING
    share = float(np.mean(np.where(tied, 0.5, differences > 0)))
    square = _NORMAL.inv_cdf((1 + level) / 2) ** 2
    middle = (share + square / (2 * units)) / (1 + square / units)
    reach = math.sqrt(square * (share * (1 - share) / units + square / (4 * units**2))) / (1 + square / units)
    return Superiority(share, max(0.0, middle - reach), min(1.0, middle + reach), len(differences))


def _check(difference: float, deviation: float) -> None:
    if not (math.isfinite(difference) and math.isfinite(deviation) and deviation >= 0):
        raise ValueError(f"difference {difference}, deviation {deviation}: finite, and the second not negative")
