"""What every page draws on: the boards, cards, metrics and manifests of a results folder, and the address of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from leaderboard.cards import Card, read_card
from leaderboard.paths import slug
from reports.aggregate import column_depth, parse_column
from reports.figures import Kind, kind_of
from reports.results import Results, ResultsError, file_name
from reports.schema import Manifest, MetricEntry, Problem, SeparatorEntry
from reports.tables import Board, boards


@dataclass(frozen=True)
class Column:
    """A headline column as its heading shows it."""

    id: str
    metric: str
    title: str
    unit: str
    better: str
    words: str
    href: str


@dataclass(frozen=True)
class Site:
    """Everything that is shown. Addresses are relative to the folder of the site."""

    title: str
    run: str | None
    boards: tuple[Board, ...]
    manifests: tuple[Manifest, ...]
    metrics: Mapping[str, MetricEntry]
    cards: Mapping[str, Mapping[str, Any]]
    families: Mapping[str, str]
    results: Results

    @property
    def newest(self) -> Manifest:
        """The newest run that is shown."""
        return self.manifests[-1]

    @property
    def problems(self) -> list[tuple[Manifest, list[Problem]]]:
        """Problems by run, the newest first, but for those that a later run repeats or no longer has."""
        found, later = [], set[str]()
        for manifest in reversed(self.manifests):
            standing = [problem for problem in manifest.problems if problem.subject not in later]
            if standing:
                found.append((manifest, standing))
            later |= {problem.subject for problem in manifest.problems} | set(manifest.datasets)
        return found

    def metric(self, name: str) -> MetricEntry:
        """The definition of a metric, or one that says that there is none."""
        if name in self.metrics:
            return self.metrics[name]
        missing = "This results folder does not define the metric."
        return MetricEntry(
            title=name, unit="", better="neither", definition=missing, undefined=missing, aggregations=()
        )

    def column(self, column: str) -> Column:
        """The heading of a headline column."""
        metric, rule = parse_column(column)
        entry, depth = self.metric(metric), column_depth(column)
        words = rule.words if depth is None else f"{rule.within} over scenes, depth {depth}"
        return Column(column, metric, entry.title, entry.unit, entry.better, words, self.metric_href(metric))

    def kind(self, separator: str) -> Kind:
        """Whether a separator competes, does next to nothing, or is told a part of the answer."""
        return kind_of(self.families.get(separator, ""), told=separator in self._told)

    @cached_property
    def _told(self) -> frozenset[str]:
        marked = (board.cells.filter(pl.col("oracle").fill_null(False)) for board in self.boards)
        return frozenset(name for cells in marked for name in cells["separator"].unique())

    def card(self, separator: str) -> Card | None:
        """The model card of a separator, where there is one that can be read."""
        return read_card(self.cards.get(file_name(separator)))

    def variants(self, separator: str) -> list[tuple[SeparatorEntry, list[str]]]:
        """Each code, options and weights behind the figures of a separator, with the data sets that it stands on."""
        known = {entry.variant: entry for manifest in self.manifests for entry in manifest.separators.values()}
        found: dict[str, list[str]] = {}
        for board in self.boards:
            for variant in board.cells.filter(pl.col("separator") == separator)["variant"].drop_nulls().unique():
                found.setdefault(variant, []).append(self.board_title(board))
        return [(known[variant], titles) for variant, titles in found.items() if variant in known]

    def board_name(self, board: Board) -> str:
        """The data set's name, with split and protocol where it has several boards."""
        if Counter(other.dataset for other in self.boards)[board.dataset] == 1:
            return board.dataset
        return f"{board.dataset} {board.split} {board.protocol}"

    def board_title(self, board: Board) -> str:
        """The data set's title and name, with split and protocol where it has several boards."""
        title = dataset_title(board.dataset, board.entry.title)
        if Counter(other.dataset for other in self.boards)[board.dataset] == 1:
            return title
        return f"{title} ({board.split}, {board.protocol})"

    def board_href(self, board: Board) -> str:
        """Address of the page of a data set."""
        return f"datasets/{slug(self.board_name(board))}.html"

    def scene_href(self, board: Board, scene: str) -> str:
        """Address of the page of a scene."""
        return f"scenes/{slug(self.board_name(board))}/{slug(scene)}.html"

    def compare_href(self, board: Board) -> str:
        """Address of the page that holds the separators of a data set against each other."""
        return f"compare/{slug(self.board_name(board))}.html"

    def separator_href(self, separator: str) -> str:
        """Address of the page of a separator."""
        return f"separators/{slug(separator)}.html"

    @property
    def has_history(self) -> bool:
        """Whether there are runs to be compared over time."""
        return len(self.manifests) > 1

    def history_href(self, separator: str) -> str:
        """Address of the page that tells of a separator's figures over the runs, where there are several runs."""
        return f"history/{slug(separator)}.html"

    def run_href(self, run: str) -> str:
        """Address of the page of a run."""
        return f"runs/{slug(run)}.html"

    def metric_href(self, metric: str) -> str:
        """Address of the definition of a metric."""
        return f"metrics.html#{metric_anchor(metric)}"


def dataset_title(name: str, title: str) -> str:
    """The title of a data set, with its own name where several data sets may share the title."""

    def letters(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    return title if letters(name) == letters(title) else f"{title} · {name}"


def count_left_out(board: Board) -> dict[str, int]:
    """How many pairs of scene and target count for nobody, by the rule that leaves them out."""
    return dict(board.left_out.group_by("left_out").len().sort("left_out").iter_rows())


def metric_anchor(metric: str) -> str:
    """The id of a metric's definition in its page."""
    return f"metric-{slug(metric)}"


def read(results: Results, *, run: str | None, title: str) -> Site:
    """Read a results folder.

    Raises:
        ResultsError: there is no such run, or a file of the folder cannot be used.
    """
    if not results.exists():
        raise ResultsError(f"{results.folder}: no results folder; `stemtree run` makes one")
    found = boards(results, run)
    manifests = [manifest for manifest in results.runs() if run is None or manifest.run == run]
    families = {
        separator: family
        for board in found
        for separator, family in board.cells.select("separator", "family")
        .unique()
        .sort("separator", "family")
        .iter_rows()
    }
    return Site(title, run, tuple(found), tuple(manifests), results.metrics(), results.cards(), families, results)
