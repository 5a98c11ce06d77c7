"""What stands behind the figures: every score of a scene, every failure and skip of a separator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from leaderboard import numbers
from leaderboard.context import Site
from reports.figures import Kind
from reports.tables import Board


@dataclass(frozen=True)
class Score:
    """One value of one separator, or why there is none."""

    value: float | None
    text: str | None
    status: str
    reason: str | None


@dataclass(frozen=True)
class ScoreRow:
    """One separator on one target of a scene."""

    name: str
    href: str
    family: str
    kind: Kind
    scores: tuple[Score, ...]


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

    @property
    def particular(self) -> bool:
        """Whether there is anything to say of a row beside its values."""
        return any(score.reason is not None for _, rows in self.groups for row in rows for score in row.scores)


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


def scene_tables(site: Site, board: Board) -> Iterable[tuple[dict[str, Any], list[TargetTable]]]:
    """Each scene of a board with a table for each of its targets, in the order of the scene."""
    outcomes = board.outcomes.partition_by("scene", as_dict=True)
    left_out = board.left_out.partition_by("scene", as_dict=True)
    order = {metric: place for place, metric in enumerate(board.entry.metrics)}
    for scene in board.scenes.iter_rows(named=True):
        tables: dict[int, TargetTable] = {}
        if (scene["scene"],) in outcomes:
            for (index,), part in outcomes[scene["scene"],].partition_by("index", as_dict=True).items():
                tables[int(index)] = _target_table(site, part, order)
        if (scene["scene"],) in left_out:
            for row in left_out[scene["scene"],].iter_rows(named=True):
                bare = TargetTable(row["target"], (), (), (), None)
                tables[row["index"]] = replace(tables.get(row["index"], bare), left_out=row["reason"])
        yield scene, [table for _, table in sorted(tables.items())]


def _target_table(site: Site, part: pl.DataFrame, order: dict[str, int]) -> TargetTable:
    metrics = tuple(sorted(part["metric"].unique(), key=lambda metric: (order.get(metric, len(order)), metric)))
    found = {(row["separator"], row["metric"]): row for row in part.iter_rows(named=True)}
    units = {metric: site.metric(metric) for metric in metrics}

    def score(separator: str, metric: str) -> Score:
        row = found[separator, metric]
        text = numbers.measure(row["value"], units[metric].unit) if row["value"] is not None else None
        return Score(row["value"], text, row["status"], row["reason"])

    def rank(row: ScoreRow) -> tuple[bool, float, str]:
        first = row.scores[0].value
        sign = 1 if units[metrics[0]].better == "lower" else -1
        return (first is None, sign * (first or 0.0), row.name)

    rows = [
        ScoreRow(
            name=name,
            href=site.separator_href(name),
            family=site.families[name],
            kind=site.kind(name),
            scores=tuple(score(name, metric) for metric in metrics),
        )
        for name in part.filter(pl.col("state") != "not run")["separator"].unique()
    ]
    rows.sort(key=rank)
    kinds: tuple[Kind, ...] = ("oracle", "system", "baseline")
    groups = tuple((kind, tuple(row for row in rows if row.kind == kind)) for kind in kinds)
    waiting = sorted({*part["separator"]} - {row.name for row in rows})
    return TargetTable(
        label=part["target"][0],
        metrics=metrics,
        groups=tuple(group for group in groups if group[1]),
        not_run=tuple((name, site.separator_href(name)) for name in waiting),
        left_out=None,
    )


def failures(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that failed, by separator, grouped by status and reason; the commonest first."""
    return _grouped(site, board, "failed")


def not_run(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that nobody asked for yet, by separator, grouped by reason; the commonest first."""
    return _grouped(site, board, "not run")


def skips(site: Site, board: Board) -> dict[str, list[Group]]:
    """Everything that was skipped, by separator, grouped by reason; the commonest first."""
    return _grouped(site, board, "skipped")


def _grouped(site: Site, board: Board, state: str) -> dict[str, list[Group]]:
    tracebacks = board.cells.select("separator", "scene", "traceback").unique(["separator", "scene"], keep="first")
    chosen = board.outcomes.filter(pl.col("state") == state).join(tracebacks, on=["separator", "scene"], how="left")
    groups = (
        chosen.group_by("separator", "status", "reason")
        .agg(
            pairs=pl.struct("scene", "index").n_unique(),
            targets=pl.col("target").unique().sort(),
            scenes=pl.col("scene").unique().sort(),
            metrics=pl.col("metric").unique().sort(),
            traceback=pl.col("traceback").sort_by("scene").drop_nulls().first(),
        )
        .sort("separator", "pairs", "status", "reason", descending=[False, True, False, False])
    )
    everything = set(board.outcomes["metric"].unique())
    found: dict[str, list[Group]] = {}
    for row in groups.iter_rows(named=True):
        scenes = tuple((scene, site.scene_href(board, scene)) for scene in row["scenes"])
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
