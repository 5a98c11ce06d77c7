"""Times of a recording as text, and the marks of a time axis."""

from __future__ import annotations

import math
from typing import Final

from leaderboard import numbers

_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
"""Seconds between two marks."""
_MOST_MARKS: Final = 8


def clock(seconds: float) -> str:
    """A time of the recording: ``1:02.5``."""
    tenths = math.floor(seconds * 10 + 0.5)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def time_ticks(seconds: float) -> list[tuple[float, str]]:
    """Marks of the time axis of so long a recording: place from 0 to 1, and label (``4 s``, or ``1:30`` in minutes)."""
    step = next((step for step in _STEPS if seconds / step <= _MOST_MARKS), _STEPS[-1])
    times = [number * step for number in range(math.floor(seconds / step + 1e-9) + 1)]
    if seconds >= 60:
        return [(time / seconds, clock(time).rpartition(".")[0]) for time in times]
    places = 1 if step < 1 else 0
    return [(time / seconds, f"{numbers.decimal(time, places)}\N{NO-BREAK SPACE}s") for time in times]
