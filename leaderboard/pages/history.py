"""The history of the figures: what happened, a chart per separator, a page per separator with all figures, a feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from leaderboard import kept, numbers
from leaderboard.context import Column
from leaderboard.feed import PATH as FEED
from leaderboard.feed import atom
from leaderboard.history_chart import HEIGHT, WIDTH, Chart, chart, span_of
from leaderboard.page import Page, Studio
from leaderboard.story import MARKS, TITLES, tell
from reports.archive import Archive, Place, state
from reports.changes import Course
from reports.event import EventKind
from reports.events import Chronicle, chronicle
from reports.figures.marks import Kind
from reports.history import Point, history


def pages(studio: Studio) -> Iterator[Page]:
    """The history, a page per separator, and the feed; with one run, that there is no history yet."""
    site = studio.site
    manifests = {manifest.run: manifest for manifest in site.manifests}
    shown = state(site.results, site.manifests)
    if len(manifests) < 2:
        yield studio.page("history.html", "history_none.html", dict, of=site.boards, shows=shown)
        return
    once = kept.recall_history(studio.folder)

    @cache
    def view() -> _View:
        archive = Archive(site.results, site.manifests, once=once)
        return _View(studio, chronicle(history(archive, known=site.boards), site.metrics))

    def feed() -> bytes:
        return atom(view().told, manifests, title=site.title, base_url=studio.base_url)

    yield studio.page("history.html", "history.html", lambda: view().overview(), of=site.boards, shows=shown)
    for separator in sorted(site.families):
        values = partial(_of_separator, view, separator)
        yield studio.page(site.history_href(separator), "history_separator.html", values, of=site.boards, shows=shown)
    yield Page(FEED, feed, site.boards, shown)

    def worked_out() -> str:
        view()
        return kept.history(once)

    yield Page(kept.HISTORY, worked_out, site.boards, shown)


def _of_separator(view: Callable[[], _View], separator: str) -> dict[str, Any]:
    return view().separator(separator)


@dataclass(frozen=True)
class Line:
    """A chart with what stands over and under it."""

    name: str
    href: str
    kind: Kind
    column: Column
    newest: Point
    chart: Chart
    said: str
    """The text alternative of the chart."""


@dataclass(frozen=True)
class Row:
    """Runs in a row of one separator on one board that stood on the same cells; ``points`` are by column."""

    first: str
    last: str
    runs: int
    series: int
    points: tuple[Point | None, ...]
    recomputed: bool


class _View:
    """What the templates show of a chronicle."""

    def __init__(self, studio: Studio, told: Chronicle) -> None:
        self.site, self.chronicle, self.history = studio.site, told, told.history
        self.told = tell(studio.site, told.events)
        self.boards = {
            place: board
            for board in studio.site.boards
            if (place := (board.dataset, board.split, board.protocol)) in told.history.present
        }
        order = {run: number for number, run in enumerate(told.history.archive.manifests)}
        self._courses: dict[tuple[Place, str, str], list[Course]] = {}
        for course in sorted(told.courses, key=lambda one: order[one.series.points[-1].run]):
            series = course.series
            self._courses.setdefault((series.place, series.separator, series.column), []).append(course)

    def overview(self) -> dict[str, Any]:
        """For the page of all boards."""
        sections = []
        for place, board in self.boards.items():
            columns = self.history.columns(place)
            if columns:
                lines = self._lines(place, columns[:1])
                sections.append(
                    {
                        "board": board,
                        "runs": [run for run, _ in self.history.present[place]],
                        "column": self.site.column(columns[0]),
                        "systems": [line for line in lines if line.kind == "system"],
                        "references": [line for line in lines if line.kind != "system"],
                    }
                )
        return self._shared() | {"told": self.told, "sections": sections}

    def separator(self, separator: str) -> dict[str, Any]:
        """For the page of one separator."""
        sections = []
        for place, board in self.boards.items():
            columns = [column for column in self.history.columns(place) if (place, separator, column) in self._courses]
            if columns:
                sections.append(
                    {
                        "board": board,
                        "columns": [self.site.column(column) for column in columns],
                        "lines": self._lines(place, columns, separator),
                        "rows": list(reversed(list(self._rows(place, separator, columns)))),
                    }
                )
        own = [one for one in self.told if one.event.separator == separator]
        return self._shared() | {"separator": separator, "told": own, "sections": sections}

    def _shared(self) -> dict[str, Any]:
        return {
            "manifests": self.history.archive.manifests,
            "marks": MARKS,
            "feed": FEED,
            "chart_width": WIDTH,
            "chart_height": HEIGHT,
        }

    def _lines(self, place: Place, columns: Sequence[str], separator: str | None = None) -> list[Line]:
        """Charts by column and separator; those of one column and kind of separator have one scale."""
        found = []
        runs = [run for run, _ in self.history.present[place]]
        for column in columns:
            shown = {
                name: courses
                for (where, name, what), courses in self._courses.items()
                if (where, what) == (place, column) and separator in (None, name)
            }
            shown = dict(sorted(shown.items()))
            spans = {
                system: span_of(
                    courses for name, courses in shown.items() if (self.history.kind(name) == "system") == system
                )
                for system in (True, False)
            }
            for name, courses in shown.items():
                kind = self.history.kind(name)
                drawn = chart(courses, runs, span=spans[kind == "system"], marked=self._marked(place, name, column))
                href, newest = self.site.history_href(name), courses[-1].series.points[-1]
                said = self._said(courses, column)
                found.append(Line(name, href, kind, self.site.column(column), newest, drawn, said))
        return found

    def _marked(self, place: Place, separator: str, column: str) -> dict[str, tuple[EventKind, str]]:
        """What to mark in a chart, by run: of several events at one run that which comes first among the marks."""
        about = [
            event
            for event in self.chronicle.events
            if (event.place, event.separator, event.column) == (place, separator, column) and event.kind in MARKS
        ]
        ranked = sorted(about, key=lambda event: list(MARKS).index(event.kind), reverse=True)
        return {event.run: (event.kind, f"{TITLES[event.kind]} in run {event.run}") for event in ranked}

    def _said(self, courses: Sequence[Course], column: str) -> str:
        points, unit = courses[-1].series.points, self.site.column(column).unit
        first, last = points[0], points[-1]
        apart = "" if len(courses) == 1 else f"; {numbers.count(len(courses) - 1, 'former series')} not comparable"
        return (
            f"{numbers.count(len(points), 'run')} from {first.run}, {numbers.measure(first.value, unit)} {unit}, "
            f"to {last.run}, {numbers.measure(last.value, unit)} {unit}{apart}"
        )

    def _rows(self, place: Place, separator: str, columns: list[str]) -> Iterator[Row]:
        """The figures of every run, those of runs on the same cells in one row."""
        at: dict[str, list[Point | None]] = {}
        bases: dict[str, list[str | None]] = {}
        for number, column in enumerate(columns):
            for course in self._courses[place, separator, column]:
                for point in course.series.points:
                    at.setdefault(point.run, [None] * len(columns))[number] = point
                    bases.setdefault(point.run, [None] * len(columns))[number] = course.series.basis
        known: dict[tuple[str | None, ...], int] = {}
        rows: list[Row] = []
        for run in self.history.archive.manifests:
            if run not in at:
                continue
            points, series = tuple(at[run]), known.setdefault(tuple(bases[run]), len(known) + 1)
            recomputed = any(point is not None and point.recomputed for point in points)
            if rows and not recomputed and rows[-1].series == series:
                rows[-1] = replace(rows[-1], last=run, runs=rows[-1].runs + 1)
            else:
                rows.append(Row(run, run, 1, series, points, recomputed))
        yield from rows
