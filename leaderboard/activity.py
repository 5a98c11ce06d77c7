"""When a class sounds, in few enough steps to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

MOST_STEPS: Final = 600
"""More are not told apart on a screen."""


@dataclass(frozen=True)
class Step:
    """A stretch of time in seconds, how probable the class is in it, and whether it counts as active."""

    start: float
    end: float
    probability: float | None
    """None where nobody can tell."""
    active: bool


def steps(
    activity: Sequence[float | None],
    spans: Sequence[tuple[float, float]],
    *,
    step_seconds: float,
    seconds: float,
    most: int = MOST_STEPS,
) -> list[Step]:
    """A class's activity in few steps: of several probabilities that share one, the highest counts.

    Equal neighbours are joined. Where no tagger was asked there are no probabilities, and the spans are the steps.

    Args:
        activity: probability per ``step_seconds``, None where unknown.
        spans: start and end in seconds of what counts as active.
        step_seconds: length of one entry of ``activity``.
        seconds: length of the recording, where the last step ends.
        most: at most so many steps.
    """
    if not activity:
        return [Step(start, min(end, seconds), 1.0, active=True) for start, end in spans]
    share = -(-len(activity) // most)
    found: list[Step] = []
    for first in range(0, len(activity), share):
        start, end = first * step_seconds, min((first + share) * step_seconds, seconds)
        if end <= start:
            break
        known = [value for value in activity[first : first + share] if value is not None]
        active = any(start < stop and end > begin for begin, stop in spans)
        step = Step(start, end, max(known, default=None), active)
        if found and (found[-1].probability, found[-1].active) == (step.probability, step.active):
            step = replace(step, start=found.pop().start)
        found.append(step)
    return found


def runs(drawn: Sequence[Step], *, seconds: float) -> Iterator[tuple[str, str]]:
    """The steps as areas: a look (``unknown``, ``heard`` or ``active``), and its path in a box of 1000 by 100."""
    for look in ("unknown", "heard", "active"):
        path = "".join(
            f"M{step.start / seconds * 1000:.1f} 100V{100 - 100 * _height(step):.0f}"
            f"H{step.end / seconds * 1000:.1f}V100Z"
            for step in drawn
            if _look(step) == look
        )
        if path:
            yield look, path


def _look(step: Step) -> str:
    if step.probability is None:
        return "unknown"
    return "active" if step.active else "heard"


def _height(step: Step) -> float:
    return 0.3 if step.probability is None else step.probability
