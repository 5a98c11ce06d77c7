"""Names beside marks, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reports.figures.canvas import LETTER

_HEIGHT: Final = 1.1
_MARK: Final = 0.35
"""Half the width of a mark in ems."""
_NEEDED: Final = (0.9, 0.0, -0.9, 1.8, -1.8, 2.7, -2.7, 3.6, -3.6)
"""How far up or down the name of a mark on a line may move, in ems; above it, as a rule, the line does not run."""
_WANTED: Final = (0.0, 0.9, -0.9, 1.8, -1.8)

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Side:
    """Where a name stands: its offset from its mark, in the unit of ``em``, and which end of it that is."""

    offset: tuple[float, float]
    across: Literal["left", "right"]


def place_labels(
    labels: Sequence[str], points: Sequence[tuple[float, float]], *, within: Rectangle, em: float, needed: int
) -> list[Side | None]:
    """A place for each label beside its point, or None where there is no room. The first ones choose first.

    ``points``, ``within`` (left, bottom, right, top) and ``em``, the size of type, are in one unit. The first
    ``needed`` labels get a place in any case, the others only one that touches no other label and no mark.
    """
    taken: list[Rectangle] = [(x - _MARK * em, y - _MARK * em, x + _MARK * em, y + _MARK * em) for x, y in points]
    found: list[Side | None] = []
    for order, (label, (x, y)) in enumerate(zip(labels, points, strict=True)):
        options = [
            (Side((sign * 0.7 * em, step * em), "left" if sign > 0 else "right"), sign, step)
            for step in (_NEEDED if order < needed else _WANTED)
            for sign in (1, -1)
        ]
        chosen = None
        for side, sign, step in options:
            start = x + sign * 0.7 * em
            end = start + sign * LETTER * len(label) * em
            middle = y + step * em
            place = (min(start, end), middle - _HEIGHT / 2 * em, max(start, end), middle + _HEIGHT / 2 * em)
            if _inside(place, within) and not any(_overlap(place, other) for other in taken):
                chosen = side
                taken.append(place)
                break
        found.append(chosen or (options[0][0] if order < needed else None))
    return found


def _inside(place: Rectangle, within: Rectangle) -> bool:
    left, bottom, right, top = within
    return place[0] >= left and place[1] >= bottom and place[2] <= right and place[3] <= top


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
