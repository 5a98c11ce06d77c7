"""Speech in noise: VoiceBank-DEMAND's test pairs, with Speech as the query."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bench.shipped.figures import DRAWS, drawn_figure, with_plain_row
from bench.shipped.harness import SEPARATOR, Models, Ran, finished
from reports.aggregate import weighted_mean
from reports.bootstrap import Resampler

NOISY: Final = "mixture"
"""Gives back what it is given: its scores are those of the noisy input."""
METRICS: Final = ("ssnr@1", "si_sdri@1", "sdri@1", "sdrg@1")


def speech(root: Path, models: Models) -> dict[str, Any]:
    """Means over utterances of what ``mini-uss`` makes of the noisy input and of that input, and their difference.

    Raises:
        ShippedError: the data or weights are not there, or something failed.
    """
    names = (SEPARATOR, NOISY)
    with finished(models, names=names, data={"voicebank_demand": root}, separators=names, metrics=METRICS) as ran:
        utterances = sorted(ran.recordings)
        resampler = Resampler.of(
            [ran.recordings[name] for name in utterances], names=("voicebank_demand", *utterances), draws=DRAWS
        )
        return {
            "utterances": len(utterances),
            "speakers": sorted({name.partition("_")[0] for name in utterances}),
        } | {metric: _compared(ran, metric, utterances, resampler) for metric in METRICS}


def _compared(ran: Ran, metric: str, utterances: list[str], resampler: Resampler) -> dict[str, Any]:
    rows = ran.board.outcomes.filter((pl.col("metric") == metric) & pl.col("value").is_not_null())
    table = rows.pivot("separator", index="scene", values="value").drop_nulls().sort("scene")
    places = np.array([utterances.index(name) for name in table["scene"]], dtype=np.int64)
    weights = with_plain_row(resampler)[:, places]
    ours, noisy = (table[name].to_numpy() for name in (SEPARATOR, NOISY))
    sides = {SEPARATOR: ours, "noisy": noisy, "difference": ours - noisy}
    return {name: drawn_figure(weighted_mean(values, weights), resampler, places) for name, values in sides.items()}
