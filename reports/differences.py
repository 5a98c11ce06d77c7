"""Paired differences of headline figures: a board in one state of results against the same board in another.

The figure of each side is taken over the pairs of scene and target that both sides have done, so that neither gains by
what it leaves out (see :mod:`reports.sides`: a blind scene that is empty for one side is done), and its difference is
drawn with the same recordings on both sides: the estimand is the difference of the figures themselves, medians of
medians included, no median of differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from reports.aggregate import column_depth, parse_column
from reports.bootstrap import Resampler
from reports.outcomes import is_done
from reports.schema import MetricEntry
from reports.tables import Board

DIFFERENCES: Final = pl.Schema(
    {
        "dataset": pl.String(),
        "split": pl.String(),
        "protocol": pl.String(),
        "separator": pl.String(),
        "column": pl.String(),
        "unit": pl.String(),
        "better": pl.String(),  # higher, lower or neither; null where no definition of the metric is there
        "base": pl.Float64(),  # null where there is no pair to compare
        "head": pl.Float64(),
        "difference": pl.Float64(),  # HEAD minus BASE
        "low": pl.Float64(),  # null where there is no interval, or nothing was recomputed
        "high": pl.Float64(),
        "verdict": pl.String(),
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "pairs": pl.Int64(),  # of scene and target that both have done
        "cells": pl.Int64(),  # behind these pairs
        "recomputed": pl.Int64(),  # of these cells, those whose key changed
        "base_imputed": pl.Int64(),  # of the pairs, those that failed and count with the mixture's score
        "head_imputed": pl.Int64(),
        "base_only": pl.Int64(),  # pairs that only one side has done: they enter neither figure
        "head_only": pl.Int64(),
    }
)

_PAIR: Final = ["separator", "scene", "index", "target", "metric"]


def differences(
    base: Sequence[Board],
    head: Sequence[Board],
    recomputed: pl.DataFrame,
    *,
    metrics: Sequence[str],
    definitions: Mapping[str, MetricEntry],
    tolerance: float,
) -> pl.DataFrame:
    """One row per board, separator and headline column that are on both sides, with those of :data:`DIFFERENCES`.

    Args:
        base: boards of the older state.
        head: boards of the newer state; their headline columns count.
        recomputed: ``dataset, split, protocol, separator, scene`` of the cells on both sides whose key changed.
        metrics: ids of the metrics to look at instead of the headline columns. One that is no headline metric is
            aggregated by the first rule that it declares.
        definitions: of the metrics, by id.
        tolerance: greatest difference of a figure that counts as none, in its unit.
    """
    of_base = {_place(board): board for board in base}
    rows: list[dict[str, Any]] = []
    for board in head:
        other = of_base.get(_place(board))
        if other is None:
            continue
        changed = recomputed.filter(dataset=board.dataset, split=board.split, protocol=board.protocol)
        columns = list(_columns(board, metrics, definitions))
        rows += _Paired(other, board, changed, tolerance).rows(columns, definitions)
    return pl.DataFrame(rows, schema=DIFFERENCES)


def _place(board: Board) -> tuple[str, str, str]:
    return board.dataset, board.split, board.protocol


def _columns(board: Board, metrics: Sequence[str], definitions: Mapping[str, MetricEntry]) -> Iterator[str]:
    if not metrics:
        yield from board.columns
        return
    depths = list(dict.fromkeys(column_depth(column) for column in board.columns))
    for metric in metrics:
        headline = [column for column in board.columns if parse_column(column)[0] == metric]
        rule = definitions[metric].aggregations[0]
        yield from headline or [f"{metric}/{rule}" + (f"/d{depth}" if depth else "") for depth in depths]


@dataclass(frozen=True)
class _Paired:
    """One board on both sides; ``recomputed`` are its cells whose key changed."""

    base: Board
    head: Board
    recomputed: pl.DataFrame
    tolerance: float

    def rows(self, columns: Sequence[str], definitions: Mapping[str, MetricEntry]) -> Iterator[dict[str, Any]]:
        """Rows of :data:`DIFFERENCES`, of every separator that is on both sides."""
        wanted = ["state", "used"]
        outcomes = self.base.outcomes.select(*_PAIR, *wanted).join(
            self.head.outcomes.select(*_PAIR, *wanted), on=_PAIR, how="full", coalesce=True, suffix="_head"
        )
        parts = outcomes.partition_by("separator", "metric", as_dict=True)
        for separator in sorted({*self.base.covered} & {*self.head.covered}):
            for column in columns:
                metric, depth = parse_column(column)[0], column_depth(column)
                part = parts.get((separator, metric), outcomes.clear())
                if depth is not None:
                    part = part.filter(pl.col("index") == depth)
                entry = definitions.get(metric)
                found = self._figure(separator, column, part.sort(_PAIR))
                yield {
                    "dataset": self.head.dataset,
                    "split": self.head.split,
                    "protocol": self.head.protocol,
                    "separator": separator,
                    "column": column,
                    "unit": entry.unit if entry else None,
                    "better": entry.better if entry else None,
                    **found,
                    "verdict": self._verdict(found, entry.better if entry else "neither"),
                }

    def _figure(self, separator: str, column: str, part: pl.DataFrame) -> dict[str, Any]:
        done, done_head = is_done(), is_done("used_head", "state_head")
        pairs = part.filter(done & done_head)
        scenes = pairs.select("scene").unique()
        found: dict[str, Any] = {
            "pairs": len(pairs),
            "cells": len(scenes),
            "recomputed": len(self.recomputed.filter(separator=separator).join(scenes, on="scene", how="semi")),
            "base_imputed": int((pairs["state"] == "failed").sum()),
            "head_imputed": int((pairs["state_head"] == "failed").sum()),
            "base_only": len(part.filter(done & ~done_head)),
            "head_only": len(part.filter(~done & done_head)),
        }
        for side, state in (("BASE", "state"), ("HEAD", "state_head")):
            if not (pairs[state] == "measured").any():
                return found | {"note": f"{side} has no measured score of what the other has"}
        rule, drawing = parse_column(column)[1], bool(found["recomputed"])
        classes = np.unique(pairs["target"].to_numpy(), return_inverse=True)[1]
        place = {scene: code for code, scene in enumerate(self.head.scenes["scene"])}
        where = np.array([place[scene] for scene in pairs["scene"]], dtype=np.int64)
        values, drawn = [], []
        for name in ("used", "used_head"):
            chosen = pairs[name].is_not_null().to_numpy()  # a pair that is empty has no score and is done
            used = pairs[name].drop_nulls().to_numpy()
            values.append(rule.unweighted(used, classes[chosen]))
            if drawing:
                drawn.append(self._resampler.draws(used, classes[chosen], where[chosen], rule))
        found |= {"base": values[0], "head": values[1], "difference": values[1] - values[0]}
        if not drawing:
            return found
        interval = self._resampler.interval_of(drawn[1] - drawn[0], where)
        return found | {"low": interval.low, "high": interval.high, "note": interval.note}

    @cached_property
    def _resampler(self) -> Resampler:
        recordings = [list(of_scene) for of_scene in self.head.scenes["recordings"]]
        return Resampler.shared(recordings, names=("compare", *_place(self.head)))

    def _verdict(self, found: Mapping[str, Any], better: str) -> str:
        difference, low, high = (found.get(name) for name in ("difference", "low", "high"))
        if difference is None:
            return "nothing in both"
        if not found["recomputed"]:
            return "not recomputed"
        if low is None or high is None:
            return "no interval"
        if abs(difference) <= self.tolerance or low <= 0 <= high:
            return "no difference told apart"
        if better == "neither":
            return "differs"
        return "better" if (difference > 0) == (better == "higher") else "worse"
