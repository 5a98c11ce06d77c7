"""One figure of a table: what one separator's outcomes come to in one column, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from reports.aggregate import Aggregation, Array, Codes
from reports.bootstrap import Resampler
from reports.draws import Rows
from reports.outcomes import STATES

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


_CODE: Final = {state: code for code, state in enumerate(STATES)}
_NOTHING: Final = dict.fromkeys(("due", "measured", "imputed", "dropped", "skipped", "not_run"), 0) | {
    "note": "no target sounds in any scene"
}


@dataclass(frozen=True)
class Block:
    """The outcomes of one separator and metric as arrays of one length."""

    state: np.ndarray
    """Numbers of the states in :data:`reports.outcomes.STATES`."""
    used: Array
    targets: Codes
    scenes: Codes
    reasons: pl.Series

    def commonest_reason(self, inside: np.ndarray) -> str:
        asked = inside & (self.state != _CODE["not run"])
        said = self.reasons.filter(pl.Series(asked if asked.any() else inside)).drop_nulls()
        if not len(said):
            return "nothing was measured"
        counted = said.value_counts().sort("count", said.name, descending=[True, False])
        return str(counted[said.name][0])


def figures(
    blocks: Sequence[Block | None],
    codes: Codes,
    rule: Aggregation,
    resampler: Resampler,
    *,
    among: Codes | None = None,
) -> list[dict[str, Any]]:
    """A row of :data:`FIGURES` but for its names for each of several blocks.

    Args:
        blocks: the outcomes; None where there are none.
        codes: the targets that enter.
        rule: how rows become one figure.
        resampler: draws the scenes.
        among: the scenes that enter; None for all.
    """
    found: list[dict[str, Any]] = []
    sets: dict[int, Rows] = {}
    for place, block in enumerate(blocks):
        if block is None:
            found.append(dict(_NOTHING))
            continue
        inside = np.isin(block.targets, codes)
        if among is not None:
            inside &= np.isin(block.scenes, among)
        found.append(tally(block, inside))
        if found[-1]["measured"]:
            chosen = np.flatnonzero(inside & ~np.isnan(block.used))
            sets[place] = Rows(block.used[chosen], block.targets[chosen], block.scenes[chosen])
    intervals = resampler.intervals(list(sets.values()), rule)
    for (place, one), interval in zip(sets.items(), intervals, strict=True):
        value = rule.unweighted(one.values, one.classes)
        found[place] |= {"value": value, "low": interval.low, "high": interval.high, "note": interval.note}
    return found


def figure(block: Block | None, codes: Codes, rule: Aggregation, resampler: Resampler) -> dict[str, Any]:
    """As :func:`figures`, of one block."""
    return figures([block], codes, rule, resampler)[0]


def tally(block: Block, inside: np.ndarray) -> dict[str, Any]:
    """What became of the pairs ``inside`` (bool, as long as the block): the counts of a row of :data:`FIGURES`.

    Where nothing was measured, ``note`` says why.
    """
    state, has_value = block.state[inside], ~np.isnan(block.used[inside])
    failed, measured, skipped, not_run = (
        int((state == _CODE[name]).sum()) for name in ("failed", "measured", "skipped", "not run")
    )
    # Where nothing was measured there is no figure for a failure to be counted in.
    imputed = int(((state == _CODE["failed"]) & has_value).sum()) if measured else 0
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
