"""What the figures of a board draw on: who may be compared, in which order, and who finds no room."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import polars as pl

from leaderboard import numbers
from leaderboard.context import Column, Site
from leaderboard.figures import failures
from reports.aggregate import column_depth, parse_column
from reports.figures import KINDS, Dot, Drawing, Kind
from reports.tables import Board

LEVEL: Final = "95\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class Plate:
    """A figure with what a reader must know of it; ``notes`` stand under it, one paragraph each."""

    name: str
    heading: str
    caption: str
    drawing: Drawing
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The separators of a figure, in the order of the tables, and in words which they are of more; "" where all."""

    names: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class View:
    """A board as its figures see it, in the column that ranks; with ``only``, of these separators alone."""

    site: Site
    board: Board
    only: tuple[str, ...] = ()

    @property
    def column(self) -> Column:
        """The column that ranks."""
        return self.site.column(self.board.columns[0])

    @property
    def within(self) -> str:
        """How the figure of one target is made."""
        return f"{parse_column(self.board.columns[0])[1].within} over scenes"

    @property
    def axis(self) -> str:
        """The metric with its unit."""
        return f"{self.column.title} in {self.column.unit}" if self.column.unit else self.column.title

    @property
    def what(self) -> str:
        """What a target is called here."""
        return "depth" if self.board.blind else "target"

    def kind(self, separator: str) -> Kind:
        """Whether a separator competes, does next to nothing, or is told a part of the answer."""
        return self.site.kind(separator)

    @cached_property
    def scored(self) -> pl.DataFrame:
        """What enters the figures: ``separator, scene, index, target, state, used`` of the metric, where it has one."""
        rows = self.board.outcomes.filter((pl.col("metric") == self.column.metric) & pl.col("used").is_not_null())
        return rows.select("separator", "scene", "index", "target", "state", "used")

    @cached_property
    def everywhere(self) -> frozenset[str]:
        """Separators that ran on all scenes, and were measured on some of it: they compare target by target."""
        return self._measured(self.scored) & frozenset(
            name for name, ran in self.board.ran.items() if len(ran) == len(self.board.runnable)
        )

    @cached_property
    def whole(self) -> frozenset[str]:
        """Those that besides cover all targets: their figures of the whole board compare."""
        depth, scored = column_depth(self.board.columns[0]), self.scored
        if depth is not None:
            scored = scored.filter(pl.col("index") == depth)
        everything = len(self.board.targets)
        return (self.everywhere & self._measured(scored)) & frozenset(
            name for name, covered in self.board.covered.items() if len(covered) == everything
        )

    def _measured(self, rows: pl.DataFrame) -> frozenset[str]:
        found = frozenset(rows.filter(pl.col("state") == "measured")["separator"].unique())
        return found & frozenset(self.only) if self.only else found

    @cached_property
    def overall(self) -> dict[str, dict[str, Any]]:
        """Rows of :attr:`Board.overall` in the column that ranks, by separator."""
        first = self.board.overall.filter(pl.col("column") == self.board.columns[0])
        return {row["separator"]: row for row in first.iter_rows(named=True)}

    @cached_property
    def _of_targets(self) -> dict[tuple[str, str], dict[str, Any]]:
        rows = self.board.by_target.filter(
            (pl.col("column") == self.board.target_columns[0]) & pl.col("value").is_not_null()
        )
        return {(row["separator"], row["target"]): row for row in rows.iter_rows(named=True)}

    @cached_property
    def by_target(self) -> dict[tuple[str, str], Dot]:
        """The figure of each separator and target that has one."""
        return {name: self.dot(row) for name, row in self._of_targets.items()}

    def dot(self, row: dict[str, Any]) -> Dot:
        """A row of figures that has a value, as a mark."""
        name = row["separator"]
        return Dot(self.label(name), row["value"], row["low"], row["high"], self.kind(name))

    def label(self, separator: str) -> str:
        """What a separator is called in a figure; see :func:`leaderboard.figures.failures.label`."""
        return failures.label(separator, self.overall[separator])

    def failures(self, names: Sequence[str], counts: failures.Counts | None = None) -> str:
        """What a caption says of failures, of figures of the whole board or of ``counts``."""
        overall = {name: self.overall[name] for name in names}
        return failures.failures(self.board, overall.values() if counts is None else [counts], overall)

    def failures_by_target(self, names: Sequence[str], targets: Sequence[str]) -> str:
        """What a caption says of failures, of figures target by target."""
        drawn = [row for (name, target), row in self._of_targets.items() if name in names and target in targets]
        return failures.failures(self.board, drawn, {name: self.overall[name] for name in names})

    def ordered(self, names: Collection[str]) -> list[str]:
        """Oracles, systems, baselines, each the best first, those that cover a part after those that cover all."""
        sign = 1 if self.column.better == "lower" else -1

        def place(name: str) -> tuple[int, bool, float, str]:
            return (
                KINDS.index(self.kind(name)),
                name not in self.whole,
                sign * (self.overall[name]["value"] or 0),
                name,
            )

        return sorted(names, key=place)

    def choose(self, names: Collection[str], *, systems: int, references: int) -> Choice:
        """The best ``systems``, of oracles and of baselines the best ``references`` each; or all that are asked for."""
        ordered = self.ordered(names)
        if self.only:
            return Choice(tuple(ordered), "")
        kept, told = [], []
        for kind in KINDS:
            members = [name for name in ordered if self.kind(name) == kind]
            limit = systems if kind == "system" else references
            kept += members[:limit]
            if len(members) > limit:
                best = "the best" if limit == 1 else f"the {limit} best"
                told.append(f"{best} of {numbers.count(len(members), kind)}")
        partly = "" if set(ordered) <= self.whole else ", those that cover all targets first"
        return Choice(tuple(kept), f" Drawn: {_listed(told)}, by the figure that ranks{partly}." if told else "")

    def choose_targets(self, limit: int) -> Choice:
        """The targets that sound in the most scenes, in the order of the board."""
        counted = self.scored.filter(pl.col("state") == "measured").group_by("target")
        scenes = dict(counted.agg(pl.col("scene").n_unique()).iter_rows())
        known = [target for target in self.board.targets if target in scenes]
        if len(known) <= limit:
            return Choice(tuple(known), "")
        kept = set(sorted(known, key=lambda target: (-scenes[target], target))[:limit])
        words = f" Of {len(known)} targets, the {limit} that sound in the most scenes."
        return Choice(tuple(target for target in known if target in kept), words)

    def intervals(self, dots: Iterable[Dot | None]) -> str:
        """Whether marks have intervals."""
        there = [dot.low is not None and dot.high is not None for dot in dots if dot is not None]
        if all(there):
            return f"with {LEVEL} intervals"
        return f"with {LEVEL} intervals where there are recordings enough" if any(there) else "without intervals"

    def text(self, value: float) -> str:
        """A value of the column without its unit."""
        return numbers.measure(value, self.column.unit)

    def short(self, value: float) -> str:
        """A value in as few digits as a cell of a map has room for."""
        return numbers.decimal(value, 1 if self.column.unit == "dB" or abs(value) >= 10 else 2)

    def title(self, words: str) -> str:
        """``words`` with the name of the board."""
        return f"{words} on {self.site.board_title(self.board)}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
