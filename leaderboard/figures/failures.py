"""What a caption says of scores that failed: how they count, and which separators have too few that did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from leaderboard import numbers
from reports.outcomes import BLIND_FALLBACK, FALLBACK
from reports.tables import RANKED_COVERAGE, Board

_MARK: Final = "\N{DAGGER}"

Counts = Mapping[str, Any]
"""A row of :data:`reports.blocks.FIGURES`, or of :func:`counts_of`."""


def covers_little(overall: Counts) -> bool:
    """Whether too little was measured for a rank."""
    return overall["coverage"] is not None and overall["coverage"] < RANKED_COVERAGE


def label(separator: str, overall: Counts) -> str:
    """The name of a separator in a figure, with a mark where too little of its whole board was measured.

    The mark stands in front, as the end of a long name is cut off.
    """
    return f"{_MARK} {separator}" if covers_little(overall) else separator


def counts_of(outcomes: pl.DataFrame) -> Counts:
    """What failed among ``outcomes``, of one metric, and how it counts."""
    failed, used = pl.col("state") == "failed", pl.col("used").is_not_null()
    return outcomes.select(
        due=(failed | (pl.col("state") == "measured")).sum(),
        imputed=(failed & used).sum(),
        dropped=(failed & ~used).sum(),
    ).row(0, named=True)


def failures(board: Board, drawn: Iterable[Counts], overall: Mapping[str, Counts]) -> str:
    """Sentences for a caption, each after a space; "" where nothing failed.

    Args:
        board: of which the figure is.
        drawn: the counts behind all that is drawn.
        overall: by separator that is drawn, its figure over the whole board.
    """
    rows = list(drawn)
    due, imputed, dropped = (sum(row[name] for row in rows) for name in ("due", "imputed", "dropped"))
    fallback = BLIND_FALLBACK if board.blind else FALLBACK
    said = ""
    if imputed:
        said += f" Failed, and counted with the score of {fallback}: {imputed:,} of {due:,} scores."
    if dropped:
        said += f" Failed, and left out: {dropped:,} of {due:,} scores."
    little = [f"{name} ({row['measured']:,} of {row['due']:,})" for name, row in overall.items() if covers_little(row)]
    if little:
        share = numbers.percent(RANKED_COVERAGE)
        said += f" {_MARK} Without a rank, as under {share} of the scores were measured: {', '.join(little)}."
    return said
