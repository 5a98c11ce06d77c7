"""Rows of detections that cannot be, whatever made them: no figure can rest on them."""

from __future__ import annotations

from typing import Final

import polars as pl

LEAST_HOP: Final = 0.001
"""Seconds. Nothing that listens moves on by less, and a scene of shorter steps would fill the memory."""
_ROUNDING: Final = 1e-6
"""Seconds that a span may end after its scene, as of lengths that are rounded."""


def odd_detections(seconds: pl.Expr) -> dict[str, pl.Expr]:
    """By what there is to say of it: whether a row cannot be. ``seconds`` is the length of its scene."""
    sounding, spans = pl.col("truth") == 1, pl.col("spans")
    start, end = (pl.element().list.get(place, null_on_oob=True) for place in range(2))
    stretch = (pl.element().list.len() == 2) & (start >= 0) & (start < end) & end.is_finite()
    last = spans.list.eval(end).list.max()
    found = {
        "truth is 1, but spans say never": sounding & (spans.list.len().fill_null(0) == 0),
        "spans holds what is no stretch of time": sounding & ~spans.list.eval(stretch.fill_null(False)).list.all(),
        "spans ends after the scene does": sounding & (last > seconds + _ROUNDING),
        f"hop_seconds is under {LEAST_HOP:g}": pl.col("hop_seconds").is_between(0, LEAST_HOP, closed="none"),
    }
    return {said: odd.fill_null(False) for said, odd in found.items()}
