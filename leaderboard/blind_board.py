"""What the page of a data set of blind scenes shows beside its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from leaderboard import numbers
from leaderboard.context import Site
from reports.blind import SHOWN_DEPTHS
from reports.tables import Board

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
    """Detection by system, and the split of the loss."""

    detection_heads: tuple[tuple[str, int], ...]
    detection: tuple[DetectionRow, ...]
    splits: tuple[SplitRow, ...]


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
