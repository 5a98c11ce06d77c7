"""What the page of a data set of blind scenes shows beside its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from leaderboard import numbers
from leaderboard.context import Site
from reports.blind import SHOWN_DEPTHS
from reports.loss_split import Quadruple
from reports.tables import Board

_DETECTION: Final = {"map": "mAP", "f1_micro": "F1 micro", "f1_macro": "F1 macro", "psds1": "PSDS 1", "psds2": "PSDS 2"}


@dataclass(frozen=True)
class Figure:
    """A value with its interval as text; ``note`` says why one of them is missing, None where there is to be none."""

    value: float | None
    text: str | None
    interval: str | None
    note: str | None


@dataclass(frozen=True)
class DetectionRow:
    """One tagger or parser; one figure for each depth and kind, over ``scenes``."""

    name: str
    figures: tuple[Figure, ...]
    scenes: int
    unheard: str
    """Why they are not over the other scenes, with counts; "" where there are none."""


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
    failed: int
    """Scenes that are left out as one of the four systems failed there."""


@dataclass(frozen=True)
class BlindSections:
    """Detection by system, and the split of the loss; of so many ``scenes``."""

    scenes: int
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
            len(board.blind.heard(system)),
            unheard_words(board.blind.unheard(system)),
        )
        for name, system in (board.blind.detectors | board.blind.unheard_detectors).items()
    )
    return BlindSections(
        len(board.blind.scenes),
        tuple((_DETECTION[name], depth) for name, depth in heads),
        detection,
        tuple(_split(site, board, row) for row in board.blind.splits.to_dicts() if row["total"] is not None),
    )


def unheard_words(counts: Mapping[str, int]) -> str:
    """Why figures of detection are not over all scenes, from :meth:`reports.blind.Blind.unheard`."""
    return ", ".join(f"{count:,} {fate}" for fate, count in counts.items())


def _split(site: Site, board: Board, row: dict[str, Any]) -> SplitRow:
    name = f"{row['tagger']}+{row['separator']}"
    four = Quadruple(row["tagger"], row["separator"], row["oracle_tagger"], row["oracle_separator"]).systems
    of_them = (pl.col("metric") == row["metric"]) & (pl.col("index") == row["depth"]) & pl.col("separator").is_in(four)
    failed = board.outcomes.filter(of_them & (pl.col("state") == "failed"))["scene"].n_unique()
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
        failed=failed,
        **shares,
    )


def _figure(row: dict[str, Any] | None, value: str, low: str, high: str, unit: str) -> Figure:
    if row is None or row[value] is None:
        return Figure(None, None, None, (row and row["note"]) or "nothing was measured")
    ends = row.get(low), row.get(high)
    interval = None if ends[0] is None or ends[1] is None else numbers.interval(ends[0], ends[1], unit)
    return Figure(row[value], numbers.measure(row[value], unit), interval, row["note"] if low else None)
