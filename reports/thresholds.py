"""Scores against the threshold of detection: what a blind system gains by saying more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from reports.aggregate import weighted_mean
from reports.bootstrap import Resampler
from reports.figures import Curve, Drawing, Kind, curve_drawing

CURVES: Final = pl.Schema(
    {
        "separator": pl.String(),
        "metric": pl.String(),
        "depth": pl.Int32(),
        "threshold": pl.Float64(),
        "value": pl.Float64(),  # mean over scenes; null where none has a value
        "low": pl.Float64(),
        "high": pl.Float64(),
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "scenes": pl.Int64(),  # that have a value
        "left_out": pl.Int64(),  # that have none: by the metric's rules, or because something failed
    }
)


def threshold_curves(rows: pl.DataFrame, *, recordings: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The mean over scenes at each threshold, with the columns of :data:`CURVES`.

    All thresholds, metrics and systems share their draws, so that a curve moves as one. Which scenes have a value may
    change along a curve: an empty scene in which nothing is found any more is left out by the joint scores.

    Args:
        rows: ``separator, scene, metric, depth, threshold, value``; rows whose threshold is null (the run's own) stand
            on no curve.
        recordings: independent recordings behind each scene.

    Raises:
        ValueError: a scene has two rows of one system, metric, depth and threshold.
    """
    own = rows.filter(pl.col("threshold").is_not_null())
    key = ["separator", "metric", "depth", "threshold", "scene"]
    twice = own.filter(pl.struct(key).is_duplicated())
    if len(twice):
        system, metric, depth, threshold, scene = twice.select(key).row(0)
        raise ValueError(f"{system} has two rows of {metric} at depth {depth}, threshold {threshold}, scene {scene!r}")
    scenes = sorted(own["scene"].unique())
    resampler = Resampler.of([recordings[scene] for scene in scenes], names=("thresholds", *scenes))
    codes = {scene: place for place, scene in enumerate(scenes)}
    found = []
    for point, group in own.sort(key).group_by(key[:-1], maintain_order=True):
        measured = group.filter(pl.col("value").is_finite())
        row = dict(zip(key[:-1], point, strict=True)) | {
            "scenes": len(measured),
            "left_out": len(group) - len(measured),
        }
        columns = np.array([codes[scene] for scene in measured["scene"]], dtype=np.int64)
        interval = resampler.interval_of(
            weighted_mean(measured["value"].to_numpy(), resampler.weights[:, columns]), columns
        )
        value = measured["value"].mean()
        found.append(row | {"value": value, "low": interval.low, "high": interval.high, "note": interval.note})
    return pl.DataFrame(found, schema=CURVES)


def threshold_drawing(curves: pl.DataFrame, *, kinds: Mapping[str, Kind], title: str, axis: str) -> Drawing:
    """A figure of :func:`threshold_curves` of one metric and depth, one line per system.

    Args:
        curves: of one metric and one depth.
        kinds: what each system is; those it does not name are real ones.
        title: what the figure shows.
        axis: what the score is called, with its unit.

    Raises:
        ValueError: there are no curves, or those of several metrics or depths.
    """
    shown = curves.select("metric", "depth").unique()
    if len(shown) != 1:
        raise ValueError(f"curves of one metric at one depth make a figure, not of {len(shown)}; filter them first")
    lines, best = [], []
    for (system,), points in curves.sort("separator", "threshold").group_by("separator", maintain_order=True):
        thresholds, values, lows, highs = (points[name].to_list() for name in ("threshold", "value", "low", "high"))
        lines.append(Curve(str(system), thresholds, values, lows, highs, kinds.get(str(system), "system")))
        top = points.drop_nulls("value").sort("value", descending=True, maintain_order=True).head(1)
        best += [f"{system} is highest at {row['threshold']:g} with {row['value']:.2f}" for row in top.to_dicts()]
    said = "; ".join(best) or "No values."
    return curve_drawing(lines, across="Threshold", axis=axis, title=title, description=said)
