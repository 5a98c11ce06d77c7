"""What a class page shows of blind scenes in which the class sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from leaderboard import rankings
from leaderboard.blind_board import unheard_words
from leaderboard.context import Site
from leaderboard.order import in_order
from ontology import Node
from reports.blind_classes import DETECTED, SEPARATED, BlindClasses
from reports.blocks import FIGURES
from reports.figures import Kind
from reports.schema import MetricEntry
from reports.tables import Board


@dataclass(frozen=True)
class BlindRow:
    """One system, tagger or parser."""

    name: str
    href: str | None
    """None for a tagger, which has no page."""
    kind: Kind
    cells: tuple[rankings.Cell, ...]
    counted: int
    """Scenes that its figures are over, of ``scenes`` that they might be over."""
    scenes: int
    others: str
    """Why they are not over the others, with counts, where that is no property of the system; else ""."""


@dataclass(frozen=True)
class BlindSection:
    """One data set of blind scenes."""

    board: Board
    scenes: tuple[str, ...]
    metric: MetricEntry
    metric_href: str
    heads: tuple[str, ...]
    detection: tuple[BlindRow, ...]
    separation: tuple[BlindRow, ...]


def blind_section(site: Site, board: Board, classes: BlindClasses, node: Node) -> BlindSection:
    """What one board has of a class that sounds in its scenes."""
    entry = site.metric(SEPARATED)
    separated = {name: [row] for name, row in classes.separation(node.mid).items()}
    found = {name: (row["measured"], row["measured"] + row["skipped"], "") for name, (row,) in separated.items()}
    detected = {name: [figures[figure] for figure in DETECTED] for name, figures in classes.detection(node.mid).items()}
    everywhere = len(board.scenes)
    heard = {
        name: (figures[0]["scenes"], everywhere, unheard_words(classes.unheard(name)))
        for name, figures in detected.items()
    }
    known = set(board.covered)
    return BlindSection(
        board=board,
        scenes=tuple(in_order(classes.scenes[node.mid])),
        metric=entry,
        metric_href=site.metric_href(SEPARATED),
        heads=tuple(DETECTED.values()),
        detection=_rows(site, detected, heard, known, [""] * len(DETECTED)),
        separation=_rows(site, separated, found, known, [entry.unit]),
    )


def _rows(
    site: Site,
    figures: Mapping[str, Sequence[Mapping[str, Any]]],
    scenes: Mapping[str, tuple[int, int, str]],
    known: set[str],
    units: Sequence[str],
) -> tuple[BlindRow, ...]:
    """The best first, by the first column; ``scenes`` are the last fields of each row."""
    complete = {
        name: [{field: row.get(field) for field in FIGURES} | {"separator": name} for row in rows]
        for name, rows in figures.items()
    }
    columns = list(zip(*complete.values(), strict=True))
    scales = [rankings.scale_of(pl.DataFrame(list(column), schema=FIGURES)) for column in columns]

    def order(name: str) -> tuple[bool, float, str]:
        value = complete[name][0]["value"]
        return value is None, -(value or 0.0), name

    return tuple(
        BlindRow(
            name,
            site.separator_href(name) if name in known else None,
            site.kind(name),
            tuple(map(rankings.figure_cell, complete[name], units, scales)),
            *scenes[name],
        )
        for name in sorted(complete, key=order)
    )
