"""The one place where numbers become text."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MINUS = "\N{MINUS SIGN}"


def decimal(value: float, places: int) -> str:
    """Fixed decimals with a true minus sign, and no sign on a zero."""
    text = f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def measure(value: float, unit: str) -> str:
    """A score without its unit: two decimals for decibels, three for anything else."""
    return decimal(value, 2 if unit == "dB" else 3)


def interval(low: float, high: float, unit: str) -> str:
    """An interval without its unit."""
    return f"[{measure(low, unit)}, {measure(high, unit)}]"


def signed(text: str) -> str:
    """A number in words with a plus before what is positive."""
    return f"+{text}" if text[0] != MINUS and float(text) else text


def difference(value: float, unit: str) -> str:
    """A difference of scores without its unit: as a score, with a plus before what is positive."""
    return signed(measure(value, unit))


def difference_interval(low: float | None, high: float | None, unit: str) -> str | None:
    """The interval of a difference without its unit; None where an end is missing."""
    return None if low is None or high is None else f"[{difference(low, unit)}, {difference(high, unit)}]"


def percent(share: float) -> str:
    """A share of 0..1, rounded down, so that nothing short of everything is called 100 %."""
    # A share computed from counts may lie an ulp under its percentage (0.29 * 100).
    return f"{math.floor(share * 100 + 1e-9)}\N{NO-BREAK SPACE}%"


def significant(value: float) -> str:
    """Plain decimal notation with two significant digits."""
    if value == 0:
        return "0"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    return decimal(value, places)


def ratio(value: float) -> str:
    """Two significant digits; what is less than a thousandth is noise."""
    return significant(value) if value >= 0.001 else "<0.001"


def megabytes(value: float) -> str:
    """Memory as MB, from 1,024 on as GB; what is less than one is noise."""
    if value < 1:
        return "<1\N{NO-BREAK SPACE}MB"
    text = f"{decimal(value, 0)} MB" if value < 1024 else f"{decimal(value / 1024, 1)} GB"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """A length of audio or time: seconds, or minutes and seconds."""
    if round(seconds, 1) < 60:
        text = f"{decimal(seconds, 1)} s"
    else:
        whole = round(seconds)
        text = f"{whole // 60} min {whole % 60} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 scene``, ``12,000 scenes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(text: str) -> str:
    """A point in time in ISO 8601 as date and time in UTC, to the second; what is no time with a zone as it stands."""
    try:
        read = datetime.fromisoformat(text)
        return f"{read.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if read.tzinfo else text
    except (ValueError, OverflowError):
        return text
