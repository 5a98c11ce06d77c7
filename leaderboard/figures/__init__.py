"""The figures of a board: which there are, and why one is missing. A page and the files for a paper show the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from leaderboard.figures import relations, scores
from leaderboard.figures.view import Choice, Plate, View

__all__ = ["KINDS", "Choice", "FigureKind", "Plate", "View", "plates_of", "shown_kinds"]

_MANY: Final = 8
"""Targets from which on a figure goes class by class; with fewer a box plot has a panel for each."""


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure. ``lacks`` says why a board has none, from its rows alone; where it is None there are some."""

    title: str
    lacks: Callable[[View], str | None]
    plates: Callable[[View], list[Plate]]


def _one(plate: Callable[[View], Plate]) -> Callable[[View], list[Plate]]:
    return lambda view: [plate(view)]


KINDS: Final = {
    "intervals": FigureKind("overall, with intervals", scores.intervals_lack, _one(scores.intervals)),
    "box": FigureKind("box plots over scenes", scores.box_lacks, _one(scores.box)),
    "classes": FigureKind("class by class", scores.classes_lack, _one(scores.classes)),
    "heat": FigureKind("class by separator", scores.heat_lacks, _one(scores.heat)),
    "depths": FigureKind("by depth", scores.depths_lack, _one(scores.depths)),
    "input": FigureKind("against the input SDR", relations.input_lacks, _one(relations.inputs)),
    "pareto": FigureKind("quality and cost", relations.cost_lacks, _one(relations.cost)),
    "thresholds": FigureKind("against the threshold", relations.thresholds_lack, relations.thresholds),
}


def shown_kinds(view: View) -> tuple[str, ...]:
    """The kinds that say most of a board: those of its page."""
    if view.board.blind:
        return ("intervals", "depths", "pareto")
    if len(view.board.targets) > _MANY:
        return ("intervals", "classes", "heat", "input", "pareto")
    return ("intervals", "box", "input", "pareto")


def plates_of(view: View, kind: str) -> list[Plate] | str:
    """The figures of one kind, or why there are none."""
    return KINDS[kind].lacks(view) or KINDS[kind].plates(view)
