"""What a board of blind scenes has beside its table, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from reports.blind import SHOWN_DEPTHS, Blind
from reports.terminal import lines_of, number

_FIGURES: Final = {"map": "mAP", "f1_micro": "F1 micro", "f1_macro": "F1 macro"}


def blind_lines(blind: Blind, width: int) -> list[str]:
    """Detection by depth, and the split of the loss where there are the systems for it."""
    return [*_detection(blind, width), *_splits(blind, width)]


def _detection(blind: Blind, width: int) -> list[str]:
    found = {(row["separator"], row["depth"], row["figure"]): row["value"] for row in blind.detection.to_dicts()}
    detectors = blind.detectors | blind.unheard_detectors
    if not detectors:
        return []
    heads = [f"{title}\ndepth {depth}" for title in _FIGURES.values() for depth in SHOWN_DEPTHS]
    rows = []
    for name, system in detectors.items():
        values = [found.get((system, depth, figure)) for figure in _FIGURES for depth in SHOWN_DEPTHS]
        rows.append([name, *(number(value, 3) for value in values), _scenes_of(blind, system)])
    return ["", *_table("detection", ["tagger or parser", *heads, "scenes"], rows, width)]


def _scenes_of(blind: Blind, system: str) -> str:
    """Over how many scenes the figures are, and what became of the others."""
    others = "".join(f", {count} {fate}" for fate, count in blind.unheard(system).items())
    return f"{len(blind.heard(system))} of {len(blind.scenes)}{others}"


def _splits(blind: Blind, width: int) -> list[str]:
    splits = blind.splits.filter(pl.col("total").is_not_null())
    if splits.is_empty():
        return []
    heads = ["system", "against", "depth", "score (dB)", "lost in detection", "lost in separation", "oracles", "scenes"]
    rows = [
        [
            f"{row['tagger']}+{row['separator']}",
            f"{row['oracle_tagger']}+{row['oracle_separator']}",
            str(row["depth"]),
            number(row["score"], 2),
            _with_interval(row, "detection"),
            _with_interval(row, "separation"),
            number(row["score_oracle"], 2),
            f"{row['scenes']} of {row['scenes'] + row['left_out']}",
        ]
        for row in splits.to_dicts()
    ]
    return ["", *_table("what is lost against the oracles", heads, rows, width)]


def _with_interval(row: dict[str, Any], share: str) -> str:
    low, high = row[f"{share}_low"], row[f"{share}_high"]
    interval = "" if low is None else f" [{number(low, 2)}, {number(high, 2)}]"
    return number(row[share], 2) + interval


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None)
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place == 0 else "right", no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
    return lines_of(table, width=width)
