"""What happened over the runs: steps of figures and of speed, new bests, separators that came and went, failures.

A step of a figure counts where its level changed by more than its noise explains (:mod:`reports.steps`), by more than
the margin of its unit, and where the interval of the paired difference of a run before and a run after leaves out zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reports.aggregate import parse_column
from reports.archive import PLACE
from reports.changes import Change, Course, course, paired
from reports.event import KINDS, Event, EventKind, causes
from reports.history import History
from reports.outcomes import NO_REASON
from reports.ranks import margin_of
from reports.records import records
from reports.schema import MetricEntry
from reports.speed import speed_steps

TOLERANCE: Final = 1e-3
"""What other libraries and threads may change of a score in dB by rounding."""
_GONE_AFTER: Final = 2
"""Runs in a row without a separator after which it is gone, where it was in as many before: single runs are often of
a few separators alone."""
_STEPS: Final[Mapping[str, EventKind]] = {
    "better": "improvement", "worse": "regression", "differs": "change", "no interval": "change",
}  # fmt: skip
"""Kinds of steps by the verdict on their difference."""


@dataclass(frozen=True)
class Chronicle:
    """The history of a results folder, told: ``events`` are the newest run's first, ``courses`` are all series."""

    history: History
    courses: tuple[Course, ...]
    events: tuple[Event, ...]


def chronicle(history: History, metrics: Mapping[str, MetricEntry]) -> Chronicle:
    """Find all events; ``metrics`` are definitions by id."""

    def unit(column: str) -> str:
        entry = metrics.get(parse_column(column)[0])
        return entry.unit if entry else ""

    courses = tuple(course(series, margin=margin_of(unit(series.column))) for series in history.series)
    found = [
        *(event for one in courses for change in one.changes for event in _step(history, one, change, metrics)),
        *records(history, metrics),
        *speed_steps(history.archive),
        *_failures(history),
        *_changed_scores(history),
        *_restarts(history),
        *_came_and_went(history),
    ]
    order = {run: place for place, run in enumerate(history.archive.manifests)}
    found.sort(key=lambda event: (event.place, KINDS.index(event.kind), event.separator or "", event.column or ""))
    found.sort(key=lambda event: order[event.run], reverse=True)
    return Chronicle(history, courses, tuple(found))


def _step(history: History, one: Course, change: Change, metrics: Mapping[str, MetricEntry]) -> Iterator[Event]:
    place, separator, column = one.series.place, one.series.separator, one.series.column
    base, head = (change.before.run, separator), (change.after.run, separator)
    found = paired(history.archive, place, column, base, head, metrics)
    kind = _STEPS.get(found["verdict"])
    if kind is None or abs(found["difference"]) <= margin_of(found["unit"] or ""):
        return
    former, first = (history.archive.manifests[point.run] for point in (change.former, change.first))
    yield Event(
        kind, place, first.run, former.run, separator, column,
        before=found["base"], after=found["head"], difference=found["difference"],
        low=found["low"], high=found["high"], note=found["note"],
        compared=(change.before.run, change.after.run), runs=change.runs, causes=causes(former, first, separator),
    )  # fmt: skip


def _failures(history: History) -> Iterator[Event]:
    for failing in history.failing:
        said = " ".join((failing.reason or NO_REASON).split())
        former, manifest = history.archive.manifests[failing.former], history.archive.manifests[failing.run]
        yield Event(
            "failing", failing.place, failing.run, failing.former, failing.separator,
            status=failing.status, note=said, scenes=failing.scenes, count=len(failing.scenes),
            causes=causes(former, manifest, failing.separator),
        )  # fmt: skip


def _changed_scores(history: History) -> Iterator[Event]:
    rows = history.archive.changed_scores(TOLERANCE)
    for (run, dataset, split, protocol, separator), part in rows.partition_by(
        "run", *PLACE, "separator", as_dict=True, maintain_order=True
    ).items():
        finite = [change for change in part["change"] if math.isfinite(change)]
        largest = f"by up to {max(finite):.3g}" if finite else "between a value and none"
        yield Event(
            "scores changed", (dataset, split, protocol), run, None, separator,
            note=f"{largest}, under an unchanged key", scenes=tuple(part["scene"].unique().sort()), count=len(part),
        )  # fmt: skip


def _restarts(history: History) -> Iterator[Event]:
    for restart in history.restarts:
        scenes = (
            "" if restart.scenes == restart.former_scenes else f": {restart.former_scenes} to {restart.scenes} scenes"
        )
        yield Event(
            "new data", restart.place, restart.run, restart.former, count=restart.scenes,
            note=f"the data are others than before{scenes}; figures from here on are in series of their own",
        )  # fmt: skip


def _came_and_went(history: History) -> Iterator[Event]:
    for place, runs in history.present.items():
        seen = set(runs[0][1])
        last = {name: number for number, (_, names) in enumerate(runs) for name in names}
        for number, (run, names) in enumerate(runs[1:], start=1):
            former = runs[number - 1][0]
            for separator in sorted(names - seen):
                yield Event("new separator", place, run, former, separator)
            seen |= names
            regulars = frozenset[str].intersection(*(there for _, there in runs[max(0, number - _GONE_AFTER) : number]))
            absent = len(runs) - number
            for separator in sorted(name for name in regulars if last[name] == number - 1):
                if absent >= _GONE_AFTER <= number:
                    yield Event("gone", place, run, former, separator, note=f"in none of the last {absent} runs")
