"""How much of what a blind system loses against the oracles is lost in detection, and how much in separation.

With V(d, s) the score with oracle (1) or real (0) detection and separation, detection's share of the loss is the mean
of what oracle detection adds with either separator, 1/2 [V(1,0) - V(0,0) + V(1,1) - V(0,1)], and likewise for
separation: the Shapley value of a game of two, so that the shares add up to V(1,1) - V(0,0).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from reports.aggregate import Array, weighted_mean
from reports.bootstrap import Resampler

SPLITS: Final = pl.Schema(
    {
        "tagger": pl.String(),
        "separator": pl.String(),
        "oracle_tagger": pl.String(),
        "oracle_separator": pl.String(),
        "metric": pl.String(),
        "depth": pl.Int32(),
        "score": pl.Float64(),  # V(0,0): tagger and separator; null where the four share no scene
        "score_detected": pl.Float64(),  # V(1,0): oracle detection, the separator
        "score_separated": pl.Float64(),  # V(0,1): the tagger, oracle separation
        "score_oracle": pl.Float64(),  # V(1,1)
        "detection": pl.Float64(),  # what is lost in detection
        "detection_low": pl.Float64(),
        "detection_high": pl.Float64(),
        "separation": pl.Float64(),
        "separation_low": pl.Float64(),
        "separation_high": pl.Float64(),
        "total": pl.Float64(),  # their sum, V(1,1) - V(0,0)
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "scenes": pl.Int64(),  # in which all four have a value
        "left_out": pl.Int64(),  # in which one of them has none, of all that the board has
    }
)


@dataclass(frozen=True)
class Quadruple:
    """A real tagger and separator with the oracles that take their places."""

    tagger: str
    separator: str
    oracle_tagger: str
    oracle_separator: str

    @property
    def systems(self) -> tuple[str, str, str, str]:
        """Names of the systems of V(0,0), V(1,0), V(0,1) and V(1,1)."""
        separators, taggers = (self.separator, self.oracle_separator), (self.tagger, self.oracle_tagger)
        real, detected, separated, both = (f"{tagger}+{one}" for one in separators for tagger in taggers)
        return real, detected, separated, both


def quadruples(
    systems: Iterable[str], *, oracle_taggers: Collection[str], oracle_separators: Collection[str]
) -> list[Quadruple]:
    """Every real system ``TAGGER+SEPARATOR`` with each pair of oracles of which all four systems are there, sorted."""
    names = set(systems)
    parts = sorted(tuple(name.split("+", 1)) for name in names if "+" in name)
    real = [(one, other) for one, other in parts if one not in oracle_taggers and other not in oracle_separators]
    oracles = [(one, other) for one, other in parts if one in oracle_taggers and other in oracle_separators]
    possible = (Quadruple(*pair, *pair_of_oracles) for pair, pair_of_oracles in itertools.product(real, oracles))
    return [one for one in possible if names.issuperset(one.systems)]


def loss_split(rows: pl.DataFrame, quadruple: Quadruple, *, recordings: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The split by metric and depth, with the columns of :data:`SPLITS`.

    Only scenes in which all four systems have a value count: none that a rule leaves out for one of them, such as one
    in which nothing sounds and nothing was found. Oracles find nothing in an empty scene, so that no empty scene
    counts, and false alarms in them enter neither share. Intervals are those of scenes drawn alike for all four.

    Args:
        rows: ``separator, scene, metric, depth, value``, one row per system, scene, metric and depth; value null where
            there is none.
        quadruple: the four systems.
        recordings: independent recordings behind each scene; a scene without any row is left out, and counted as that.

    Raises:
        ValueError: a system has two rows of one metric and depth in a scene.
    """
    own = rows.filter(pl.col("separator").is_in(quadruple.systems))
    key = ["separator", "scene", "metric", "depth"]
    twice = own.filter(pl.struct(key).is_duplicated())
    if len(twice):
        system, scene, metric, depth = twice.select(key).row(0)
        raise ValueError(f"{system} has two rows of {metric} at depth {depth} in scene {scene!r}: one is wanted")
    table = (
        own.select(*key, pl.when(pl.col("value").is_finite()).then("value"))
        .pivot("separator", index=["metric", "depth", "scene"], values="value")
        .with_columns(
            pl.lit(None, pl.Float64).alias(name) for name in quadruple.systems if name not in own["separator"]
        )
        .sort("metric", "depth", "scene")
    )
    found = [
        _split(group, quadruple, recordings) for _, group in table.group_by("metric", "depth", maintain_order=True)
    ]
    return pl.DataFrame(found, schema=SPLITS)


def _split(table: pl.DataFrame, quadruple: Quadruple, recordings: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    shared = table.drop_nulls(quadruple.systems)
    row: dict[str, Any] = {
        "tagger": quadruple.tagger,
        "separator": quadruple.separator,
        "oracle_tagger": quadruple.oracle_tagger,
        "oracle_separator": quadruple.oracle_separator,
        "metric": table["metric"][0],
        "depth": table["depth"][0],
        "scenes": len(shared),
        "left_out": len(recordings) - len(shared),
    }
    if shared.is_empty():
        return row | {"note": "no scene in which all four systems have a value"}
    metric, depth = row["metric"], row["depth"]
    resampler = Resampler.of(
        [recordings[scene] for scene in shared["scene"]], names=(*quadruple.systems, metric, str(depth))
    )
    weights = np.concatenate([np.ones((1, len(shared))), resampler.weights])
    scores = [weighted_mean(shared[name].to_numpy(), weights) for name in quadruple.systems]
    detection, separation = shares(*scores)
    names = ("score", "score_detected", "score_separated", "score_oracle")
    row |= {name: float(drawn[0]) for name, drawn in zip(names, scores, strict=True)}
    for name, drawn in (("detection", detection), ("separation", separation)):
        interval = resampler.interval_of(drawn[1:], np.arange(len(shared)))
        row |= {name: float(drawn[0]), f"{name}_low": interval.low, f"{name}_high": interval.high}
        row["note"] = interval.note
    return row | {"total": row["detection"] + row["separation"]}


def shares(real: Array, detected: Array, separated: Array, both: Array) -> tuple[Array, Array]:
    """The shares of detection and of separation in ``both - real``, from V(0,0), V(1,0), V(0,1) and V(1,1)."""
    detection = (detected - real + both - separated) / 2
    separation = (separated - real + both - detected) / 2
    return detection, separation
