"""Figures that others have published, each with its source: to be shown beside what was measured, never ranked with it.

A published figure keeps the name that its source gives the metric, for it is seldom known which definition, clips and
queries stand behind it.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

_FILE: Final = "published.csv"


@dataclass(frozen=True)
class Published:
    """One figure as its source gives it."""

    separator: str
    dataset: str
    """The data set's name where it is one of the harness's, else its own."""
    target: str
    """Empty: over all targets."""
    metric: str
    aggregation: str
    value: float
    unit: str
    source: str
    url: str
    note: str
    """What a reader must know to compare it; may be empty."""


@cache
def published() -> tuple[Published, ...]:
    """Every published figure, in the order of the table.

    Raises:
        ValueError: a line of the table is incomplete; the message names it.
    """
    text = resources.files("reports").joinpath("data", _FILE).read_text(encoding="utf-8")
    figures = []
    for number, row in enumerate(csv.DictReader(text.splitlines(), strict=True), 2):
        value = float(row.pop("value") or "nan")
        empty = [name for name, said in row.items() if not said and name not in ("target", "note")]
        if empty or not math.isfinite(value):
            raise ValueError(f"{_FILE}:{number}: {', '.join(empty) or 'value'} is missing")
        figures.append(Published(value=value, **row))
    return tuple(figures)


def published_on(dataset: str) -> tuple[Published, ...]:
    """The published figures on one data set, whichever edition of it they are on."""
    return tuple(figure for figure in published() if figure.dataset == dataset.removesuffix("-hq"))
