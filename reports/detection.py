"""Detection over a whole set: average precision, F1 and PSDS of one system, by depth, with intervals.

A class whose state nobody can tell in a scene (truth null) enters nothing there. A class without a row in a scene is
absent from it, was not predicted, and has no score.

A class that ends above a depth stands there only in scenes that are annotated so coarsely. That it is absent elsewhere,
and what a system said of it there, is known from its own depth; scenes in which it is present otherwise say nothing of
it at that depth.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from reports.aggregate import Array, weighted_mean
from reports.bootstrap import Interval, Resampler
from reports.psds import SCENARIOS, Track, psds_draws, statistics

DETECTION_FIGURES: Final = pl.Schema(
    {
        "depth": pl.Int32(),
        "figure": pl.String(),  # map, f1_micro, f1_macro, psds1, psds2
        "value": pl.Float64(),  # 0 to 1; null where no class of the depth sounds anywhere
        "low": pl.Float64(),
        "high": pl.Float64(),
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "scenes": pl.Int64(),
        "classes": pl.Int64(),  # that sound in some scene: those that a mean over classes is taken over
        "unknown": pl.Int64(),  # pairs of scene and class left out: nobody can tell, or finer ones stand for the class
        "untold": pl.Int64(),  # pairs of scene and such a class without a score: ranked below all others
    }
)
_ABSENT: Final = dict.fromkeys(("score", "spans", "segments", "segment_seconds", "hop_seconds")) | {
    "truth": 0,
    "predicted": False,
}
"""What stands for a class in a scene where it has no row."""
_PSDS_DRAWS: Final = 200
"""PSDS is drawn anew from all its curves: more draws would cost minutes."""


def detection_figures(
    detections: pl.DataFrame,
    *,
    recordings: Mapping[str, Sequence[str]],
    seconds: Mapping[str, float],
    names: Iterable[str],
) -> pl.DataFrame:
    """mAP, F1 and PSDS of one system at each depth, with the columns of :data:`DETECTION_FIGURES`.

    - ``map``: average precision of the scores over scenes, mean over classes that sound in some scene. A score that is
      null ranks below all others, so that what a system cannot tell is worth what chance is.
    - ``f1_micro``: 2 TP / (2 TP + FP + FN) of predictions, all scenes and classes pooled.
    - ``f1_macro``: the same within each class that sounds in some scene, mean over these classes.
    - ``psds1``, ``psds2``: see :mod:`reports.psds`; left out where ``detections`` has no scores over time.

    Args:
        detections: one row per scene, class and depth: ``scene, mid, depth, truth`` (1, 0 or null), ``score``,
            ``predicted``, and for PSDS ``spans, segments, segment_seconds, hop_seconds`` as in the results folder.
        recordings: independent recordings behind each scene: what intervals resample.
        seconds: length of each scene that the system was asked about, those without any row among them.
        names: what seeds the draws.

    Raises:
        ValueError: a class is given twice for a scene and depth, sounds there at no time, or in a scene that the system
            was not asked about; the message names both.
    """
    _check(detections, seconds)
    seeds, rows = tuple(names), []
    for (depth,), table in sorted(detections.group_by("depth"), key=lambda item: item[0]):
        complete = pl.concat([table, _carried(table, detections.filter(pl.col("depth") < depth), depth)])
        rows += _at_depth(complete.sort("scene", "mid"), recordings, seconds, (*seeds, f"depth {depth}"))
    return pl.DataFrame(rows, schema=DETECTION_FIGURES, orient="row")


def _check(detections: pl.DataFrame, asked: Collection[str]) -> None:
    key = ["scene", "depth", "mid"]
    twice = detections.filter(pl.struct(key).is_duplicated())
    if len(twice):
        scene, depth, mid = twice.select(key).row(0)
        raise ValueError(f"scene {scene!r} has two rows of {mid} at depth {depth}: give one system's, once")
    elsewhere = detections.filter(~pl.col("scene").is_in(list(asked)))
    if len(elsewhere):
        scene, depth, mid = elsewhere.select(key).row(0)
        raise ValueError(f"scene {scene!r} has a row of {mid} at depth {depth}, but no length: give it in seconds")
    if "spans" in detections:
        never = detections.filter((pl.col("truth") == 1) & (pl.col("spans").list.len().fill_null(0) == 0))
        if len(never):
            scene, depth, mid = never.select(key).row(0)
            raise ValueError(f"scene {scene!r} has {mid} at depth {depth}, but no span says when; give its spans")


def _carried(table: pl.DataFrame, above: pl.DataFrame, depth: int) -> pl.DataFrame:
    """Rows of classes of a depth in scenes where they stand at their own depth alone: absent, or left out."""
    own = above.filter(pl.col("mid").is_in(table["mid"].unique().to_list()))
    first = own.sort("depth").unique(["scene", "mid"], keep="first", maintain_order=True)
    return first.join(table, on=["scene", "mid"], how="anti").with_columns(
        depth=pl.lit(depth, table.schema["depth"]), truth=pl.when(pl.col("truth") == 0).then("truth")
    )


def _at_depth(
    table: pl.DataFrame, recordings: Mapping[str, Sequence[str]], seconds: Mapping[str, float], names: Sequence[str]
) -> list[tuple[Any, ...]]:
    scenes = sorted(seconds)
    resampler = Resampler.of([recordings[scene] for scene in scenes], names=names)
    weights = np.concatenate([np.ones((1, len(scenes))), resampler.weights])
    classes = [_Class(rows, scenes) for _, rows in table.group_by("mid", maintain_order=True)]
    sounding = [one for one in classes if one.truth.any()]
    figures = {
        "map": _mean_over(sounding, [average_precision(c.truth, c.scores, weights[:, c.known]) for c in sounding]),
        "f1_micro": f1(sum((one.counts(weights) for one in classes), np.zeros((3, len(weights))))),
        "f1_macro": _mean_over(sounding, [f1(one.counts(weights)) for one in sounding]),
    }
    if sounding and "segments" in table and table["segments"].is_not_null().any():
        few = dict(zip(scenes, weights[: 1 + _PSDS_DRAWS].T, strict=True))
        tracks = [track for one in sounding for track in one.tracks(seconds)]
        figures |= {one.name: psds_draws(statistics(tracks, one), one, few) for one in SCENARIOS}
    untold = sum(int(np.isneginf(one.scores).sum()) for one in sounding)
    told = (len(scenes), len(sounding), table["truth"].null_count(), untold)
    rows = []
    for name, drawn in figures.items():
        value = None if math.isnan(drawn[0]) else float(drawn[0])
        interval = (
            Interval(None, None, "no class of this depth sounds in any scene")
            if value is None
            else resampler.interval_of(drawn[1:], np.arange(len(scenes)))
        )
        rows.append((table["depth"][0], name, value, interval.low, interval.high, interval.note, *told))
    return rows


class _Class:
    """One class in all scenes where its state is known: ``known`` are their places."""

    def __init__(self, rows: pl.DataFrame, scenes: Sequence[str]) -> None:
        self._mid = rows["mid"][0]
        self._rows = {row["scene"]: row for row in rows.iter_rows(named=True)}
        given = [self._rows.get(scene, _ABSENT) for scene in scenes]
        self.known = np.array([place for place, row in enumerate(given) if row["truth"] is not None], dtype=np.int64)
        self._scenes = [scenes[place] for place in self.known]
        judged = [given[place] for place in self.known]
        self.truth = np.array([row["truth"] == 1 for row in judged], dtype=bool)
        self._predicted = np.array([row["predicted"] for row in judged], dtype=bool)
        scores = np.array([row["score"] for row in judged], dtype=float)
        self.scores = np.where(np.isnan(scores), -np.inf, scores)

    def counts(self, weights: Array) -> Array:
        """Hits, false alarms and misses under each row of ``weights`` (draws, scenes): (3, draws)."""
        kinds = (self.truth & self._predicted, ~self.truth & self._predicted, self.truth & ~self._predicted)
        return np.stack([weights[:, self.known[kind]].sum(axis=1) for kind in kinds])

    def tracks(self, seconds: Mapping[str, float]) -> Iterator[Track]:
        """What PSDS needs to know of the class, scene by scene."""
        for scene in self._scenes:
            row, whole = self._rows.get(scene, _ABSENT), seconds[scene]
            hop, length = row["hop_seconds"] or whole, row["segment_seconds"] or whole
            spans = tuple((start, end) for start, end in row["spans"] or ()) if row["truth"] == 1 else ()
            scores = steps(np.array(row["segments"] or [math.nan], dtype=float), length, hop, whole)
            yield Track(scene, self._mid, spans, scores, step_seconds=hop, seconds=whole)


def average_precision(truth: np.ndarray, scores: Array, weights: Array) -> Array:
    """Sum over distinct scores, the highest first, of what recall gains there times the precision reached.

    No interpolation; equal scores are one step, so that their order does not matter. This is the definition of
    scikit-learn's ``average_precision_score``.

    Args:
        truth: bool (rows,).
        scores: (rows,), none NaN.
        weights: (draws, rows), not negative.

    Returns:
        (draws,), NaN where nothing that is true has weight.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    ranked = weights[:, order]
    hits = np.cumsum(ranked * truth[order], axis=1)[:, last]
    taken = np.cumsum(ranked, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((gained * precision).sum(axis=1) / hits[:, -1])


def f1(counts: Array) -> Array:
    """2 TP / (2 TP + FP + FN) of hits, false alarms and misses (3, draws); NaN where nothing is true."""
    hits, false_alarms, misses = counts
    with np.errstate(invalid="ignore"):
        score = 2 * hits / (2 * hits + false_alarms + misses)
    return np.where(hits + misses > 0, score, np.nan)


def _mean_over(classes: Sequence[_Class], by_class: Sequence[Array]) -> Array:
    """Mean over classes (draws,), those without weight in a draw left out of it."""
    if not classes:
        return np.full(1, np.nan)
    values = np.stack(by_class, axis=1)
    return weighted_mean(values, (~np.isnan(values)).astype(float))


def steps(segments: Array, segment_seconds: float, hop_seconds: float, seconds: float) -> Array:
    """Scores that hold for ``hop_seconds`` each: the mean over the segments that cover a step whole.

    Segment i begins at ``i * hop_seconds`` and lasts ``segment_seconds``; after the last one its own score holds on.
    Returns as many steps as ``seconds`` need.
    """
    count = max(math.ceil(seconds / hop_seconds - 1e-9), 1)
    covering = max(int(segment_seconds / hop_seconds + 1e-9), 1)
    last = np.minimum(np.arange(count), len(segments) - 1)
    first = np.minimum(np.maximum(np.arange(count) - covering + 1, 0), last)
    return np.array([segments[one : other + 1].mean() for one, other in zip(first, last, strict=True)])
