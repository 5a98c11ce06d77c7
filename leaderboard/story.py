"""Events of the history in words, for the page and for the feed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from leaderboard import numbers
from leaderboard.context import Column, Site
from leaderboard.statuses import status_words
from reports.event import Event, EventKind
from reports.tables import Board

TITLES: Final[dict[EventKind, str]] = {
    "regression": "Regression", "improvement": "Improvement", "change": "Change of level", "new best": "New best",
    "level with the best": "Level with the best", "slower": "Slower", "faster": "Faster", "failing": "Began to fail",
    "scores changed": "Scores changed", "new data": "Other data", "new separator": "New separator", "gone": "Gone",
}  # fmt: skip
MARKS: Final[dict[EventKind, str]] = {"regression": "▼", "improvement": "▲", "change": "◆", "new best": "★"}
"""Drawn at the run in the charts, and set before the title in the table."""
_NAMESPACE: Final = uuid.UUID("8871de32-586a-59a0-b93f-152951abfbfd")
"""Of the ids of events, so that equal events have equal ids in every build."""


@dataclass(frozen=True)
class Told:
    """An event as it is shown. Texts that do not apply are empty."""

    event: Event
    urn: uuid.UUID
    title: str
    where: str
    href: str
    """Address of the board's page."""
    figure: Column | None
    values: str
    size: str
    interval: str
    remarks: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The id of its row."""
        return f"event-{self.urn.hex[:12]}"

    @property
    def line(self) -> str:
        """The gist in one line."""
        figure = self.figure.title if self.figure else ""
        size = f"{self.size} {self.interval}".strip()
        parts = (f"{self.title}: {self.event.separator or self.where}", self.where if self.event.separator else "",
                 f"{figure} {size}".strip())  # fmt: skip
        return ", ".join(part for part in parts if part)


def tell(site: Site, events: Iterable[Event]) -> list[Told]:
    """The events of boards that the site shows; steps of one run in several figures of a separator are one."""
    by_place = {(board.dataset, board.split, board.protocol): board for board in site.boards}
    groups: dict[tuple[object, ...], list[Event]] = {}
    for number, event in enumerate(events):
        if event.place in by_place:
            alone = None if event.column else number
            groups.setdefault((event.kind, event.place, event.run, event.separator, alone), []).append(event)
    return [_told(site, group, by_place[group[0].place]) for group in groups.values()]


def urn_of(*names: str) -> uuid.UUID:
    """An id that is the same for the same names, whenever and wherever it is made."""
    return uuid.uuid5(_NAMESPACE, "\0".join(names))


def _told(site: Site, events: Sequence[Event], board: Board) -> Told:
    """Events of one kind, run and separator; that of the first column of the board stands for them."""
    event, *others = sorted(
        events, key=lambda one: board.columns.index(one.column) if one.column in board.columns else len(board.columns)
    )
    column = site.column(event.column) if event.column else None
    values, size, interval = _figures(event, column)
    about = f"{event.status}: {event.note}" if event.status else ""
    names = (event.kind, *event.place, event.run, event.separator or "", about or "")
    return Told(
        event, urn_of(*names), TITLES[event.kind], site.board_title(board), site.board_href(board), column,
        values, size, interval, (*_remarks(event), *_also(site, others)),
    )  # fmt: skip


def _also(site: Site, events: Sequence[Event]) -> Iterable[str]:
    for event in events:
        if event.column:
            column = site.column(event.column)
            _, size, interval = _figures(event, column)
            yield f"{column.title}, {column.words}: {size} {interval}".strip()


def _figures(event: Event, column: Column | None) -> tuple[str, str, str]:
    """Before and after, the difference, and its interval."""
    if event.before is None or event.after is None or event.difference is None:
        return "", "", ""
    if column is None:  # speed
        ends = "" if event.low is None or event.high is None else f"[{_share(event.low)}, {_share(event.high)}]"
        values = f"{numbers.ratio(event.before)} to {numbers.ratio(event.after)} s per s"
        return values, f"{_share(event.difference)} time", ends
    unit = column.unit
    ends = numbers.difference_interval(event.low, event.high, unit) or ""
    values = f"{numbers.measure(event.before, unit)} to {numbers.measure(event.after, unit)}"
    return values, f"{numbers.difference(event.difference, unit)} {unit}".strip(), ends


def _share(value: float) -> str:
    return f"{numbers.signed(numbers.decimal(100 * value, 0))}\N{NO-BREAK SPACE}%"


def _remarks(event: Event) -> Iterable[str]:
    if event.rival is not None and event.compared:
        best = "its own best" if event.rival == event.separator else f"the best, {event.rival}"
        told = "better than" if event.kind == "new best" else "not told apart from"
        yield f"{told} {best} of run {event.compared[0]}"
    elif event.compared and event.compared != (event.former, event.run):
        yield f"held against each other: runs {event.compared[0]} and {event.compared[1]}, which lie nearest the levels"
    if event.runs is not None:
        before, after = event.runs
        if after == 1:
            yield "seen in one run so far"
        if before == 1:
            yield "the level before stood in one run alone"
    if event.kind == "scores changed":
        yield numbers.count(event.count, "score")
    if event.status:
        yield f"{status_words(event.status)}: {event.note}"
    elif event.note:
        yield event.note
