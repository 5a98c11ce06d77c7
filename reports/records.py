"""The best system of each board over the runs: who took it from whom, and who is level with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reports.aggregate import parse_column
from reports.archive import Place
from reports.changes import paired
from reports.event import Event, causes
from reports.history import History, Point
from reports.ranks import margin_of
from reports.schema import MetricEntry


@dataclass
class _Record:
    """The best figure so far over the same pairs, and the best that was held against it and not told apart."""

    run: str
    separator: str
    point: Point
    tried: float
    level: set[str] = field(default_factory=set)


def records(history: History, metrics: Mapping[str, MetricEntry]) -> Iterator[Event]:
    """New bests in the column that ranks, of systems whose figure is over all scenes and targets.

    A figure is a new best where it is better than the former best by more than the margin of its unit and the interval
    of their paired difference leaves out zero; where it is better, and is not told apart, it is level with the best.
    Baselines and oracles hold no record, nor does anything in a metric that has no better and worse.
    """
    for place in history.places:
        column = next(iter(history.columns(place)), None)
        entry = metrics.get(parse_column(column)[0]) if column else None
        if column and entry and entry.better != "neither":
            yield from _of_board(history, place, column, entry, metrics)


def _of_board(
    history: History, place: Place, column: str, entry: MetricEntry, metrics: Mapping[str, MetricEntry]
) -> Iterator[Event]:
    sign = 1.0 if entry.better == "higher" else -1.0
    best: dict[str, _Record] = {}
    former: str | None = None
    for run, standing in _standings(history, place, column).items():
        ranked = sorted(standing, key=lambda one: (-sign * one[1].value, one[0]))
        for separator, point, basis in ranked:
            record = best.get(basis)
            if record is None:
                best[basis] = _Record(run, separator, point, point.value)
                continue
            if sign * (point.value - record.tried) <= (
                margin_of(entry.unit) if record.tried == record.point.value else 0
            ):
                continue
            record.tried = point.value
            found = paired(history.archive, place, column, (record.run, record.separator), (run, separator), metrics)
            told = found["verdict"] == "better"
            if not told and separator in record.level | {record.separator}:
                continue
            yield Event(
                "new best" if told else "level with the best", place, run, former, separator, column,
                before=found["base"], after=found["head"], difference=found["difference"],
                low=found["low"], high=found["high"], note=found["note"], rival=record.separator,
                compared=(record.run, run),
                causes=_causes(history, former, run, separator),
            )  # fmt: skip
            if told:
                best[basis] = _Record(run, separator, point, point.value)
            else:
                record.level.add(separator)
        former = run


def _causes(history: History, former: str | None, run: str, separator: str) -> tuple[str, ...]:
    manifests = history.archive.manifests
    return causes(manifests[former], manifests[run], separator) if former else ()


def _standings(history: History, place: Place, column: str) -> dict[str, list[tuple[str, Point, str]]]:
    """Separator, figure and basis of the systems that stand for the whole board, by run in the order of the runs."""
    found: dict[str, list[tuple[str, Point, str]]] = {run: [] for run, _ in history.present[place]}
    for series in history.series:
        if (series.place, series.column) != (place, column) or history.kind(series.separator) != "system":
            continue
        for point in series.points:
            if point.whole:
                found[point.run].append((series.separator, point, series.basis))
    return found
