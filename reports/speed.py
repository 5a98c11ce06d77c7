"""Steps of speed over the runs, from cells that were computed, never from the cache."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from reports.aggregate import AGGREGATIONS
from reports.archive import Archive, Computed, Place
from reports.bootstrap import Interval, Resampler
from reports.changes import course
from reports.event import Event, causes
from reports.history import Point, Series
from reports.schema import Manifest

MARGIN: Final = 0.1
"""Share by which the time must change: what is timed once a scene is never so exact (airspeed velocity's own margin,
of repeated timings, is 5 %)."""
_HARDWARE: Final = ("hardware", "system", "cpu", "cores", "gpu")


def speed_steps(archive: Archive) -> Iterator[Event]:
    """Runs from which on a separator is slower or faster, on equal scenes and an equal machine.

    The figure of a run is the median over scenes of the real-time factor; its logarithm is the series in which steps
    are sought. The difference is the median ratio of times scene by scene, less 1, with its interval over recordings.
    """
    known: dict[tuple[Any, ...], dict[str, Computed]] = {}
    for manifest in archive.manifests.values():
        machine = json.dumps([manifest.provenance.get(name) for name in _HARDWARE], sort_keys=True)
        for one in archive.computed(manifest.run):
            name = (one.place, one.separator, one.device, machine, _executor(manifest), tuple(one.cells["scene"]))
            known.setdefault(name, {})[manifest.run] = one
    for (place, separator, *_), by_run in known.items():
        yield from _steps(archive, place, separator, by_run)


def _executor(manifest: Manifest) -> str:
    """What runs beside a cell slows it down."""
    return json.dumps(manifest.configuration.get("executor"), sort_keys=True, default=str)


def _steps(archive: Archive, place: Place, separator: str, by_run: dict[str, Computed]) -> Iterator[Event]:
    points = tuple(
        Point(
            run,
            float(np.median(np.log(one.cells["factor"].to_numpy()))),
            None,
            None,
            None,
            len(one.cells),
            len(one.cells),
            True,
            True,
        )
        for run, one in by_run.items()
    )
    for change in course(Series(place, separator, "", "", points), margin=math.log1p(MARGIN)).changes:
        before, after = by_run[change.before.run], by_run[change.after.run]
        ratio, interval = _ratio(archive, place, separator, before, after)
        if interval.low is None or interval.high is None or interval.low <= 0 <= interval.high or abs(ratio) <= MARGIN:
            continue
        yield Event(
            "slower" if ratio > 0 else "faster", place, change.first.run, change.former.run, separator,
            before=math.exp(change.before.value), after=math.exp(change.after.value),
            difference=ratio, low=interval.low, high=interval.high, note=interval.note,
            compared=(change.before.run, change.after.run), runs=change.runs,
            causes=causes(archive.manifests[change.former.run], archive.manifests[change.first.run], separator),
        )  # fmt: skip


def _ratio(archive: Archive, place: Place, separator: str, before: Computed, after: Computed) -> tuple[float, Interval]:
    """The median ratio of times, less 1, and its interval over recordings."""
    recordings = archive.recordings(place)
    scenes = list(before.cells["scene"])
    logs = np.log(after.cells["factor"].to_numpy()) - np.log(before.cells["factor"].to_numpy())
    resampler = Resampler.of([recordings.get(scene) or [scene] for scene in scenes], names=("speed", *place, separator))
    places = np.arange(len(scenes))
    interval = resampler.interval(logs, np.zeros(len(scenes), dtype=np.int64), places, AGGREGATIONS["median"])
    ends = [None if end is None else math.expm1(end) for end in (interval.low, interval.high)]
    return math.expm1(float(np.median(logs))), Interval(ends[0], ends[1], interval.note)
