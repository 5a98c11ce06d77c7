"""What the page of a data set of blind scenes shows beside its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from leaderboard import numbers
from leaderboard.context import Site
from reports.blind import RANKED, SHOWN_DEPTHS
from reports.tables import Board
from reports.thresholds import threshold_figure

_DETECTION: Final = {"map": "mAP", "f1_micro": "F1 micro", "f1_macro": "F1 macro", "psds1": "PSDS 1", "psds2": "PSDS 2"}


@dataclass(frozen=True)
class Figure:
    """A value with its interval as text, or why there is none."""

    value: float | None
    text: str | None
    interval: str | None
    note: str | None


@dataclass(frozen=True)
class DetectionRow:
    """One tagger or parser; one figure for each depth and kind."""

    name: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class SplitRow:
    """How one system's loss at one depth divides; ``oracles`` is the system that it is held against."""

    name: str
    href: str
    oracles: str
    depth: int
    score: Figure
    detection: Figure
    separation: Figure
    best: Figure
    scenes: int


@dataclass(frozen=True)
class BlindSections:
    """Detection by system, the split of the loss, and curves over thresholds as SVG with their captions."""

    detection_heads: tuple[tuple[str, int], ...]
    detection: tuple[DetectionRow, ...]
    splits: tuple[SplitRow, ...]
    curves: tuple[tuple[str, str], ...]


def blind_sections(site: Site, board: Board) -> BlindSections:
    """The sections of a board of blind scenes."""
    assert board.blind is not None
    by_place = {(row["separator"], row["figure"], row["depth"]): row for row in board.blind.detection.to_dicts()}
    names = {name for _, name, _ in by_place}
    heads = tuple((name, depth) for name in _DETECTION if name in names for depth in SHOWN_DEPTHS)
    detection = tuple(
        DetectionRow(
            name,
            tuple(
                _figure(by_place.get((system, figure, depth)), "value", "low", "high", "") for figure, depth in heads
            ),
        )
        for name, system in board.blind.detectors.items()
    )
    return BlindSections(
        tuple((_DETECTION[name], depth) for name, depth in heads),
        detection,
        tuple(_split(site, row) for row in board.blind.splits.to_dicts() if row["total"] is not None),
        _curves(site, board),
    )


def _split(site: Site, row: dict[str, Any]) -> SplitRow:
    name = f"{row['tagger']}+{row['separator']}"
    shares = {
        share: _figure(row, share, f"{share}_low", f"{share}_high", "dB") for share in ("detection", "separation")
    }
    return SplitRow(
        name=name,
        href=site.separator_href(name),
        oracles=f"{row['oracle_tagger']}+{row['oracle_separator']}",
        depth=row["depth"],
        score=_figure(row, "score", "", "", "dB"),
        best=_figure(row, "score_oracle", "", "", "dB"),
        scenes=row["scenes"],
        **shares,
    )


def _figure(row: dict[str, Any] | None, value: str, low: str, high: str, unit: str) -> Figure:
    if row is None or row[value] is None:
        return Figure(None, None, None, (row and row["note"]) or "nothing was measured")
    ends = row.get(low), row.get(high)
    interval = None if ends[0] is None or ends[1] is None else numbers.interval(ends[0], ends[1], unit)
    return Figure(row[value], numbers.measure(row[value], unit), interval, row["note"])


def _curves(site: Site, board: Board) -> tuple[tuple[str, str], ...]:
    """One figure per depth, of the systems whose score changes with the threshold."""
    assert board.blind is not None
    entry = site.metric(RANKED)
    curves = board.blind.curves
    moving = (
        curves.group_by("separator", "depth")
        .agg(several=pl.col("value").drop_nulls().n_unique() > 1)
        .filter("several")
        .select("separator", "depth")
    )
    shown = curves.join(moving, on=["separator", "depth"], how="semi")
    found = []
    for (depth,), part in sorted(shown.partition_by("depth", as_dict=True).items()):
        kinds = {name: site.kind(name) for name in part["separator"].unique()}
        axis = f"{entry.title} in {entry.unit}" if entry.unit else entry.title
        title = f"{entry.title} on {site.board_title(board)} against the threshold, depth {depth}"
        found.append((f"Depth {depth}", threshold_figure(part, kinds=kinds, title=title, axis=axis)))
    return tuple(found)
