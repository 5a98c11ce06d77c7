"""One figure of a table: what one separator's outcomes come to in one column, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from reports.aggregate import Aggregation, Array, Codes
from reports.bootstrap import Resampler

FIGURES: Final = pl.Schema(
    {
        "separator": pl.String(),
        "column": pl.String(),
        "value": pl.Float64(),  # null where nothing was measured
        "low": pl.Float64(),
        "high": pl.Float64(),
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "due": pl.Int64(),  # pairs of scene and target that ran and were not skipped
        "measured": pl.Int64(),
        "imputed": pl.Int64(),  # failed, and counted with the mixture's score
        "dropped": pl.Int64(),  # failed, and left out because the mixture has no score there
        "skipped": pl.Int64(),
        "not_run": pl.Int64(),  # no entry or no result yet: neither counted nor imputed
        "coverage": pl.Float64(),  # measured / due; null where nothing is due
    }
)


@dataclass(frozen=True)
class Block:
    """The outcomes of one separator and metric as arrays of one length."""

    state: np.ndarray
    used: Array
    targets: Codes
    scenes: Codes
    reasons: pl.Series

    def commonest_reason(self, inside: np.ndarray) -> str:
        asked = inside & (self.state != "not run")
        said = self.reasons.filter(pl.Series(asked if asked.any() else inside)).drop_nulls()
        if not len(said):
            return "nothing was measured"
        counted = said.value_counts().sort("count", said.name, descending=[True, False])
        return str(counted[said.name][0])


def figure(
    block: Block | None, codes: Codes, rule: Aggregation, resampler: Resampler, *, among: Codes | None = None
) -> dict[str, Any]:
    """A row of :data:`FIGURES` but for its names.

    Args:
        block: the outcomes; None where there are none.
        codes: the targets that enter.
        rule: how rows become one figure.
        resampler: draws the scenes.
        among: the scenes that enter; None for all.
    """
    if block is None:
        return dict.fromkeys(("due", "measured", "imputed", "dropped", "skipped", "not_run"), 0) | {
            "note": "no target sounds in any scene"
        }
    inside = np.isin(block.targets, codes)
    if among is not None:
        inside &= np.isin(block.scenes, among)
    figure = tally(block, inside)
    if not figure["measured"]:
        return figure
    chosen = np.flatnonzero(inside & ~np.isnan(block.used))
    values, classes, scenes = block.used[chosen], block.targets[chosen], block.scenes[chosen]
    value = rule(values, classes, np.ones((1, len(values))))[0]
    interval = resampler.interval(values, classes, scenes, rule)
    return figure | {"value": float(value), "low": interval.low, "high": interval.high, "note": interval.note}


def tally(block: Block, inside: np.ndarray) -> dict[str, Any]:
    """What became of the pairs ``inside`` (bool, as long as the block): the counts of a row of :data:`FIGURES`.

    Where nothing was measured, ``note`` says why.
    """
    state, has_value = block.state[inside], ~np.isnan(block.used[inside])
    failed, measured, skipped, not_run = (
        int((state == name).sum()) for name in ("failed", "measured", "skipped", "not run")
    )
    # Where nothing was measured there is no figure for a failure to be counted in.
    imputed = int(((state == "failed") & has_value).sum()) if measured else 0
    due = failed + measured
    counts = {
        "due": due,
        "measured": measured,
        "imputed": imputed,
        "dropped": failed - imputed,
        "skipped": skipped,
        "not_run": not_run,
        "coverage": measured / due if due else None,
    }
    return counts if measured else counts | {"note": block.commonest_reason(inside)}
