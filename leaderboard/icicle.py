"""The ontology as an icicle: a column per level, each class as tall as the classes below it together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ontology import Node, Ontology
from ontology.forest import Place, forest

WIDTHS: Final = (168.0, 168.0, 176.0, 176.0, 152.0, 120.0)
"""Width of the column of each level, in units of the drawing, of which a letter is about six and a half wide."""
WIDTH: Final = sum(WIDTHS)
_LINE: Final = 11.0
"""Height that a label needs."""
_LETTER: Final = 6.4
"""Width of a letter of a label, that of a wide sans-serif face (DejaVu Sans) at 10.5 units."""
_PADDING: Final = 4.0
_SHORTEST: Final = 6
"""Letters that must be left of a name that is cut off."""


@dataclass(frozen=True)
class Tile:
    """One class: a rectangle in units of the drawing, and as much of its name as fits, None where nothing does."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    label: str | None


def tiles(leaf: Callable[[Node], float], *, ontology: Ontology | None = None) -> tuple[list[Tile], float]:
    """Every class once, in walking order of its first place, and the height of the drawing.

    A class with several parents stands below the first. ``leaf`` gives the height of a class; one with classes below it
    is at least as tall as these together.
    """
    onto = ontology or Ontology.audioset()
    roots = forest([node.mid for node in onto], onto)
    heights: dict[str, float] = {}

    def measure(place: Place) -> float:
        heights[place.mid] = max(leaf(onto[place.mid]), sum(measure(one) for one in place.below if one.first))
        return heights[place.mid]

    total = sum(measure(root) for root in roots)
    found: list[Tile] = []

    def lay(place: Place, top: float) -> None:
        node, height = onto[place.mid], heights[place.mid]
        width = WIDTHS[place.level]
        label = _fitted(node.name, width) if height >= _LINE else None
        left = sum(WIDTHS[: place.level])
        found.append(Tile(node, round(left, 1), round(top, 1), width, round(height, 1), label))
        for one in place.below:
            if one.first:
                lay(one, top)
                top += heights[one.mid]

    top = 0.0
    for root in roots:
        lay(root, top)
        top += heights[root.mid]
    return found, round(total, 1)


def _fitted(name: str, width: float) -> str | None:
    letters = int((width - 2 * _PADDING) / _LETTER)
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1].rstrip(' ,(')}\N{HORIZONTAL ELLIPSIS}" if letters > _SHORTEST else None
