"""What a class page shows of blind scenes in which the class sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from leaderboard import rankings
from leaderboard.context import Site
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
    found: int
    """Scenes in which it found the class, of those in which it is known to have looked."""
    asked: int


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
    detected = {name: [figures[figure] for figure in DETECTED] for name, figures in classes.detection(node.mid).items()}
    known = set(board.covered)
    return BlindSection(
        board=board,
        scenes=classes.scenes[node.mid],
        metric=entry,
        metric_href=site.metric_href(SEPARATED),
        heads=tuple(DETECTED.values()),
        detection=_rows(site, detected, known, [""] * len(DETECTED)),
        separation=_rows(site, separated, known, [entry.unit]),
    )


def _rows(
    site: Site, figures: Mapping[str, Sequence[Mapping[str, Any]]], known: set[str], units: Sequence[str]
) -> tuple[BlindRow, ...]:
    """The best first, by the first column."""
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
            name=name,
            href=site.separator_href(name) if name in known else None,
            kind=site.kind(name),
            cells=tuple(map(rankings.figure_cell, complete[name], units, scales)),
            found=complete[name][0]["measured"] or 0,
            asked=(complete[name][0]["measured"] or 0) + (complete[name][0]["skipped"] or 0),
        )
        for name in sorted(complete, key=order)
    )
