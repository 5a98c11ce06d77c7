"""What stands behind the figures: every score of a scene, every failure and skip of a separator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from leaderboard import numbers
from leaderboard.context import Site
from leaderboard.order import in_order
from leaderboard.statuses import of_any, status_words
from reports.figures import KINDS, Kind
from reports.outcomes import EMPTY
from reports.tables import Board

Score = tuple[float | None, str | None, str | None]
"""A value as a number and as text, or in words why there is none."""


@dataclass(frozen=True)
class Person:
    """A separator as the first cell of its rows shows it."""

    name: str
    href: str
    family: str
    kind: Kind


@dataclass(frozen=True)
class ScoreRow:
    """One separator on one target of a scene."""

    name: str
    scores: tuple[Score, ...]
    happened: tuple[tuple[str, str], ...]
    """Status, and reasons in one text, of what is to be said beside the values."""


@dataclass(frozen=True)
class TargetTable:
    """One target of a scene; ``left_out`` says why nobody is judged on it."""

    label: str
    metrics: tuple[str, ...]
    groups: tuple[tuple[Kind, tuple[ScoreRow, ...]], ...]
    """Oracles, systems and baselines."""
    not_run: tuple[tuple[str, str], ...]
    """Name and address of each separator that has no result here."""
    left_out: str | None
    nothing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Why there is nothing to score for anybody, with the metrics of which that holds; they have no column."""

    @cached_property
    def particular(self) -> bool:
        """Whether there is anything to say of a row beside its values."""
        return any(row.happened for _, rows in self.groups for row in rows)


@dataclass(frozen=True)
class Group:
    """Failures, skips or what has not run, where they share status and reason."""

    status: str
    reason: str
    """Its first line."""
    message: str | None
    """All of it, where it has more lines."""
    count: int
    targets: tuple[str, ...]
    scenes: tuple[tuple[str, str], ...]
    """Name and address of each scene."""
    metrics: tuple[str, ...] | None
    """None where it is all of the board's."""
    traceback: str | None


class SceneTables:
    """The tables of every scene of a board, made when they are asked for."""

    def __init__(self, site: Site, board: Board) -> None:
        self._site, self._board = site, board
        names = board.cells["separator"].unique()
        self.people = {
            name: Person(name, site.separator_href(name), site.families[name], site.kind(name)) for name in names
        }
        self._order = {metric: place for place, metric in enumerate(board.entry.metrics)}

    @cached_property
    def _outcomes(self) -> dict[tuple[Any, ...], pl.DataFrame]:
        columns = ("scene", "index", "target", "separator", "metric", "value", "state", "status", "reason")
        states = pl.col("state") == "not run"
        shown = self._board.outcomes.select(columns).with_columns(states)
        return shown.partition_by("scene", as_dict=True, include_key=False)

    @cached_property
    def _left_out(self) -> dict[tuple[Any, ...], pl.DataFrame]:
        return self._board.left_out.partition_by("scene", as_dict=True)

    def of(self, scene: str) -> list[TargetTable]:
        """A table for each target of a scene, in the order of the scene."""
        tables: dict[int, TargetTable] = {}
        if (scene,) in self._outcomes:
            targets: dict[int, list[tuple[Any, ...]]] = {}
            for index, *row in self._outcomes[scene,].iter_rows():
                targets.setdefault(index, []).append(tuple(row))
            tables = {index: self._table(rows) for index, rows in targets.items()}
        if (scene,) in self._left_out:
            for told in self._left_out[scene,].iter_rows(named=True):
                bare = TargetTable(told["target"], (), (), (), None)
                tables[told["index"]] = replace(tables.get(told["index"], bare), left_out=told["reason"])
        return [table for _, table in sorted(tables.items())]

    def _place(self, metric: str) -> tuple[float, str]:
        return self._order.get(metric, math.inf), metric

    def _table(self, rows: Sequence[tuple[Any, ...]]) -> TargetTable:
        """The table of ``target, separator, metric, value, whether not run, status, reason``."""
        nothing, rows = _with_something_to_score(rows)
        metrics = sorted({row[2] for row in rows}, key=self._place)
        places = {metric: place for place, metric in enumerate(metrics)}
        units = [self._site.metric(metric).unit for metric in metrics]
        broken = {row[2] for row in rows if row[3] is not None and not row[3].is_integer()}
        counts = [not unit and metric not in broken for metric, unit in zip(metrics, units, strict=True)]
        scores: dict[str, list[Score]] = {}
        said: dict[str, dict[int, tuple[str, str]]] = {}
        ran = set()
        for _, name, metric, value, not_run, status, reason in rows:
            if name not in scores:
                scores[name] = [(None, None, None)] * len(metrics)
            place = places[metric]
            if value is None:
                scores[name][place] = None, None, f"{status_words(status)}: {reason}"
                said.setdefault(name, {})[place] = status, reason
            else:
                text = numbers.decimal(value, 0) if counts[place] else numbers.measure(value, units[place])
                scores[name][place] = value, text, None
            if not not_run:
                ran.add(name)
        sign = 1 if self._site.metric(metrics[0]).better == "lower" else -1
        ranked = sorted(ran, key=lambda name: (scores[name][0][0] is None, sign * (scores[name][0][0] or 0.0), name))
        groups: dict[Kind, list[ScoreRow]] = {kind: [] for kind in KINDS}
        for name in ranked:
            person = self.people[name]
            groups[person.kind].append(ScoreRow(person.name, tuple(scores[name]), _happened(said.get(name, {}))))
        return TargetTable(
            label=rows[0][0],
            metrics=tuple(metrics),
            groups=tuple((kind, tuple(members)) for kind, members in groups.items() if members),
            not_run=tuple((name, self.people[name].href) for name in sorted(scores.keys() - ran)),
            left_out=None,
            nothing=tuple((reason, tuple(sorted(found, key=self._place))) for reason, found in sorted(nothing.items())),
        )


def _with_something_to_score(rows: Sequence[tuple[Any, ...]]) -> tuple[dict[str, list[str]], list[tuple[Any, ...]]]:
    """Metrics that have nothing to score in any separator, by the reason, and the rows of the others."""
    empty = {row[2]: row[6] for row in rows if row[5] == EMPTY}
    for _, _, metric, _, not_run, status, _ in rows:
        if status != EMPTY and not not_run:
            empty.pop(metric, None)
    others = [row for row in rows if row[2] not in empty]
    if not others:
        return {}, list(rows)
    nothing: dict[str, list[str]] = {}
    for metric, reason in empty.items():
        nothing.setdefault(reason, []).append(metric)
    return nothing, others


def _happened(said: dict[int, tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Status and reasons, each once, in the order of the columns."""
    reasons: dict[str, dict[str, None]] = {}
    for _, (status, reason) in sorted(said.items()):
        reasons.setdefault(status, {})[reason] = None
    return tuple((status, "; ".join(found)) for status, found in sorted(reasons.items()))


def failures(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that failed, by separator, grouped by status and reason; the commonest first."""
    return _grouped(site, board, "failed")


def not_run(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that nobody asked for yet, by separator, grouped by reason; the commonest first."""
    return _grouped(site, board, "not run")


def skips(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that was skipped, by separator, grouped by reason; the commonest first.

    Reasons that differ in nothing but the target that they name are one, and name none.
    """
    return {name: _alike(groups) for name, groups in _grouped(site, board, "skipped").items()}


def _alike(groups: Sequence[Group]) -> list[Group]:
    """Groups of one target each, whose reasons are the same but for its name, as one group."""
    alike: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        named = group.targets[0] if len(group.targets) == 1 else None
        reason = group.reason if named is None else of_any(group.reason, [named])
        alike.setdefault((group.status, reason), []).append(group)
    merged = [members[0] if len(members) == 1 else _together(members, reason) for (_, reason), members in alike.items()]
    return sorted(merged, key=lambda group: -group.count)


def _together(groups: Sequence[Group], reason: str) -> Group:
    scenes = dict(scene for group in groups for scene in group.scenes)
    return replace(
        groups[0],
        reason=reason,
        count=sum(group.count for group in groups),
        targets=tuple(sorted({target for group in groups for target in group.targets})),
        scenes=tuple((scene, scenes[scene]) for scene in in_order(scenes)),
    )


def _grouped(site: Site, board: Board, state: str) -> dict[str, list[Group]]:
    tracebacks = board.cells.select("separator", "scene", "traceback").unique(["separator", "scene"], keep="first")
    chosen = board.outcomes.filter(pl.col("state") == state).join(tracebacks, on=["separator", "scene"], how="left")
    groups = (
        chosen.group_by("separator", "status", "reason")
        .agg(
            pairs=pl.struct("scene", "index").n_unique(),
            targets=pl.col("target").unique().sort(),
            scenes=pl.col("scene").unique(),
            metrics=pl.col("metric").unique().sort(),
            traceback=pl.col("traceback").sort_by("scene").drop_nulls().first(),
        )
        .sort("separator", "pairs", "status", "reason", descending=[False, True, False, False])
    )
    everything = set(board.outcomes["metric"].unique())
    found: dict[str, list[Group]] = {}
    for row in groups.iter_rows(named=True):
        scenes = tuple((scene, site.scene_href(board, scene)) for scene in in_order(row["scenes"]))
        group = Group(
            status=row["status"],
            reason=row["reason"].strip().partition("\n")[0],
            message=row["reason"] if "\n" in row["reason"].strip() else None,
            count=row["pairs"],
            targets=tuple(row["targets"]),
            scenes=scenes,
            metrics=None if set(row["metrics"]) == everything else tuple(row["metrics"]),
            traceback=row["traceback"],
        )
        found.setdefault(row["separator"], []).append(group)
    return found
