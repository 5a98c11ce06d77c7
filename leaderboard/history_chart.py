"""The course of one figure over the runs of a board, laid out for a small chart: lines, bands and marks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leaderboard import numbers
from reports.changes import Course
from reports.event import EventKind
from reports.figures import LEAST_SPAN
from reports.history import Point

WIDTH: Final = 280.0
HEIGHT: Final = 104.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 10.0, 8.0, 8.0


@dataclass(frozen=True)
class Mark:
    """What happened at a run."""

    kind: EventKind
    x: float
    y: float
    said: str


@dataclass(frozen=True)
class Chart:
    """Paths and places in a view box of :data:`WIDTH` by :data:`HEIGHT`.

    ``former`` are lines of series that ended: not to be compared with the last one.
    """

    ticks: tuple[tuple[float, str], ...]
    band: str
    line: str
    former: str
    dots: tuple[tuple[float, float], ...]
    """Points without a neighbour."""
    strays: tuple[tuple[float, float], ...]
    breaks: tuple[float, ...]
    """Where another series begins."""
    marks: tuple[Mark, ...]
    end: tuple[float, float]


def span_of(courses: Iterable[Sequence[Course]]) -> float:
    """What charts must span so that all of some figures, each with all its series, fit on one scale."""
    widths = [high - low for low, high in map(_ends, courses)]
    return max([LEAST_SPAN, *widths])


def _ends(courses: Sequence[Course]) -> tuple[float, float]:
    points = [point for one in courses for point in one.series.points]
    lows = [point.value if point.low is None else min(point.low, point.value) for point in points]
    highs = [point.value if point.high is None else max(point.high, point.value) for point in points]
    return min(lows), max(highs)


def chart(
    courses: Sequence[Course], runs: Sequence[str], *, span: float, marked: Mapping[str, tuple[EventKind, str]]
) -> Chart:
    """Lay out the series of one figure; ``marked`` are kind and words of events by run.

    Args:
        courses: the series, that of the newest point last.
        runs: all runs of the board, in their order: a run without a point is a gap in the line.
        span: from the bottom to the top, in the unit of the figure.
        marked: what to mark.
    """
    places = {run: number for number, run in enumerate(runs)}
    low, high = _ends(courses)
    bottom = (low + high - span) / 2
    layout = _Layout(len(runs), bottom, span)
    last = courses[-1]
    pieces = [list(_pieces(one.series.points, places)) for one in courses]
    figures = {point.run: point for one in courses for point in one.series.points}
    marks = [
        Mark(kind, *layout.at(places[run], figures[run].value), said)
        for run, (kind, said) in marked.items()
        if run in figures
    ]
    lone = [piece[0] for found in pieces for piece in found if len(piece) == 1]
    stray_runs = {point.run for one in courses for point in one.strays}
    return Chart(
        ticks=tuple(_ticks(layout)),
        band="".join(layout.band(piece) for found in pieces for piece in found),
        line="".join(map(layout.line, pieces[-1])),
        former="".join(layout.line(piece) for found in pieces[:-1] for piece in found),
        dots=tuple(layout.at(number, point.value) for number, point in lone),
        strays=tuple(layout.at(places[run], figures[run].value) for run in places if run in stray_runs),
        breaks=tuple(_breaks(courses, places, layout)),
        marks=tuple(marks),
        end=layout.at(places[last.series.points[-1].run], last.series.points[-1].value),
    )


@dataclass(frozen=True)
class _Layout:
    runs: int
    bottom: float
    span: float

    def x(self, number: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (number / (self.runs - 1) if self.runs > 1 else 0.5), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - self.bottom) / self.span, 1)

    def at(self, number: int, value: float) -> tuple[float, float]:
        return self.x(number), self.y(value)

    def line(self, piece: Sequence[tuple[int, Point]]) -> str:
        return _path([self.at(number, point.value) for number, point in piece]) if len(piece) > 1 else ""

    def band(self, piece: Sequence[tuple[int, Point]]) -> str:
        """The area between the ends of the intervals, for as long as there are any."""
        found = ""
        for there, group in itertools.groupby(
            piece, key=lambda one: one[1].low is not None and one[1].high is not None
        ):
            if there:
                ends = [
                    (self.x(number), self.y(point.low or 0.0), self.y(point.high or 0.0)) for number, point in group
                ]
                if len(ends) == 1:  # so narrow an area would not be seen
                    x, low, high = ends[0]
                    ends = [(x - 0.6, low, high), (x + 0.6, low, high)]
                around = [(x, low) for x, low, _ in ends] + [(x, high) for x, _, high in reversed(ends)]
                found += _path(around) + "Z"
        return found


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A path through ``points``, less those in the middle of a level stretch."""
    kept = [
        point
        for number, point in enumerate(points)
        if not 0 < number < len(points) - 1 or not points[number - 1][1] == point[1] == points[number + 1][1]
    ]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept)


def _pieces(points: Sequence[Point], places: Mapping[str, int]) -> Iterator[list[tuple[int, Point]]]:
    """Points in runs that follow each other."""
    piece: list[tuple[int, Point]] = []
    for point in points:
        if piece and places[point.run] != piece[-1][0] + 1:
            yield piece
            piece = []
        piece.append((places[point.run], point))
    yield piece


def _breaks(courses: Sequence[Course], places: Mapping[str, int], layout: _Layout) -> Iterator[float]:
    owner = {places[point.run]: number for number, one in enumerate(courses) for point in one.series.points}
    for before, after in itertools.pairwise(sorted(owner)):
        if owner[before] != owner[after]:
            yield layout.x((before + after) / 2)


def _ticks(layout: _Layout) -> Iterator[tuple[float, str]]:
    """Height and label of two to five rules at round figures."""
    most = layout.span / 2
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * factor for factor in (5, 2, 1) if power * factor <= most)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    for number in range(math.ceil(layout.bottom / step), math.floor((layout.bottom + layout.span) / step) + 1):
        yield layout.y(number * step), numbers.decimal(number * step, places)
