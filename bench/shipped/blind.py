"""Blind scenes of ESC's fold 4: what is found and extracted where nobody says what sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bench.blind.metrics import HEADLINE_DEPTHS
from bench.shipped.clips import TEST_FOLD
from bench.shipped.figures import DRAWS, drawn_figure, figure, with_plain_row
from bench.shipped.harness import SEPARATOR, TAGGER, Models, Ran, finished
from reports.aggregate import weighted_mean
from reports.blind import RANKED
from reports.bootstrap import Interval, Resampler
from reports.loss_split import SPLITS

SCENES: Final = 24
"""Drawn, a fifth of them empty."""
ORACLE: Final = "labels"
BASELINE: Final = f"{ORACLE}+half"
"""A system that is told what sounds, and turns the mixture down: what there is to beat."""
OURS: Final = f"{TAGGER}+{SEPARATOR}"

_NAMES: Final = ("tagger", "separator", "oracle_tagger", "oracle_separator", "metric")


def blind(root: Path, models: Models) -> dict[str, Any]:
    """CAPI-SDRi (the rules of DCASE 2026) of the pair of models and of each with oracles and ``half``, by depth.

    ``ours_over_labels_half`` is the mean difference over the scenes in which both have a value, ``split`` what is lost
    against the oracles in detection and in separation, ``detection`` what was rightly and wrongly said to sound.

    Raises:
        ShippedError: the data or weights are not there, or something failed.
    """
    taggers, separators = (TAGGER, ORACLE), (SEPARATOR, "half", "irm")
    with finished(
        models,
        names=(*taggers, *separators),
        data={"esc50": root},
        protocol="scene",
        taggers=taggers,
        separators=separators,
        options={"esc50": {"split": TEST_FOLD}},
        scenes={"count": SCENES},
    ) as ran:
        return {
            "scenes": len(ran.board.scenes),
            "systems": _systems(ran),
            "ours_over_labels_half": {f"d{depth}": _difference(ran, depth) for depth in HEADLINE_DEPTHS},
            "split": _splits(ran),
            "detection": {f"d{depth}": _counts(ran, depth) for depth in HEADLINE_DEPTHS},
        }


def _systems(ran: Ran) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in ran.board.overall.to_dicts():
        metric, _, depth = row["column"].partition("/mean/")
        if metric == RANKED:
            interval = Interval(row["low"], row["high"], row["note"])
            found.setdefault(row["separator"], {})[depth] = figure(row["value"], interval) | {"scenes": row["measured"]}
    return found


def _difference(ran: Ran, depth: int) -> dict[str, Any]:
    """Scene by scene, ours less the baseline."""
    rows = ran.board.outcomes.filter(
        (pl.col("metric") == RANKED) & (pl.col("index") == depth) & pl.col("separator").is_in([OURS, BASELINE])
    )
    table = rows.pivot("separator", index="scene", values="value").sort("scene")
    both = table.drop_nulls()
    scenes = both["scene"].to_list()
    left_out = len(table) - len(both)
    if not scenes:
        return {"value": None, "note": "no scene in which both have a value", "scenes": 0, "left_out": left_out}
    resampler = Resampler.of(
        [ran.recordings[scene] for scene in scenes], names=("blind difference", str(depth)), draws=DRAWS
    )
    drawn = weighted_mean((both[OURS] - both[BASELINE]).to_numpy(), with_plain_row(resampler))
    return drawn_figure(drawn, resampler, np.arange(len(scenes))) | {"scenes": len(scenes), "left_out": left_out}


def _splits(ran: Ran) -> list[dict[str, Any]]:
    assert ran.board.blind is not None  # every board of this protocol has one
    kept = [name for name in SPLITS if name not in _NAMES]
    splits = ran.board.blind.splits.filter((pl.col("tagger") == TAGGER) & (pl.col("separator") == SEPARATOR))
    return splits.select(kept).sort("depth").to_dicts()


def _counts(ran: Ran, depth: int) -> dict[str, Any]:
    """Pairs of scene and class at a depth; those of which nobody can tell are left out.

    A scene is empty where nothing sounds at any depth.
    """
    cells = ran.board.cells.filter(pl.col("separator") == OURS).select("key", "scene")
    every = ran.results.detections().join(cells, on="key", how="inner")
    known = every.filter((pl.col("depth") == depth) & pl.col("truth").is_not_null())
    true, said = pl.col("truth") == 1, pl.col("predicted")
    empty = known.join(every.filter(true), on="scene", how="anti")
    hits, alarms, misses = (len(known.filter(kind)) for kind in (true & said, ~true & said, true & ~said))
    return {
        "true_positives": hits,
        "false_positives": alarms,
        "false_negatives": misses,
        "false_positives_in_empty_scenes": len(empty.filter(said)),
    }
