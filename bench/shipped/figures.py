"""What a figure is made of: a value with its interval, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from reports.aggregate import Array, Codes
from reports.bootstrap import Interval, Resampler

DRAWS: Final = 1_000
"""Of each bootstrap."""


class ShippedError(ValueError):
    """Something cannot be measured; the message says why, in one line."""


def plain(value: float | None) -> float | None:
    """A number that JSON can hold: None where it is not defined."""
    return None if value is None or not math.isfinite(value) else float(value)


def figure(value: float | None, interval: Interval) -> dict[str, Any]:
    """A value with its 95 % interval, JSON-ready; ``note`` is there where the interval is weak or absent."""
    row: dict[str, Any] = {"value": plain(value), "low": plain(interval.low), "high": plain(interval.high)}
    return row | ({"note": interval.note} if interval.note else {})


def drawn_figure(drawn: Array, resampler: Resampler, rows: Codes) -> dict[str, Any]:
    """The figure whose value is the first of ``drawn`` (1 + draws,) and whose interval is that of the others.

    ``rows`` are the columns of the resampler's weights behind it.
    """
    return figure(float(drawn[0]), resampler.interval_of(drawn[1:], rows))


def with_plain_row(resampler: Resampler) -> Array:
    """Weights ``(1 + draws, rows)``: first each row once, then as drawn."""
    return np.concatenate([np.ones((1, resampler.weights.shape[1])), resampler.weights])


def over_seeds(drawn: Sequence[Array], resampler: Resampler, rows: Codes) -> dict[str, Any]:
    """The mean of one figure over several trainings, with the values and the standard deviation of all of them.

    The interval is of the mean, recordings drawn alike for all trainings.
    """
    values = [plain(float(one[0])) for one in drawn]
    known = [value for value in values if value is not None]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    found = drawn_figure(np.mean(np.stack(drawn), axis=0), resampler, rows)
    return found | {"by_seed": values, "standard_deviation": spread}
