"""Figures of scores against something else: how hard the input is, what a separator costs, the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from leaderboard import numbers
from leaderboard.figures.failures import Counts, counts_of
from leaderboard.figures.view import LEVEL, Plate, View
from reports.aggregate import AGGREGATIONS, Array
from reports.blind import RANKED
from reports.bootstrap import Resampler
from reports.figures import Cloud, CostPanel, TrendPoint, cost_drawing, pareto_front, trend_drawing
from reports.outcomes import FALLBACK
from reports.thresholds import threshold_drawing

INPUT: Final = "sdr@1"
"""Metric that the mixture's own score in is the input SDR."""
_PAIR: Final = ["scene", "index"]
_MARKS: Final = 400
"""Marks of one separator in a figure."""
_LEAST_RANGE: Final = 1.0
"""In dB: with a smaller range of inputs there is nothing to set a score against."""
_BINS: Final = 6
_IN_A_BIN: Final = 8
"""Pairs in a bin at least, and twice as many for any trend."""
_DRAWS: Final = 500
"""Of the bands: enough for the eye."""
_NOISE: Final = {"real_time_factor": 0.001, "peak_mb": 1.0}
"""What is less than this is noise, as in the tables."""


def input_lacks(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if view.board.blind:
        return "in blind scenes a score is of a scene as a whole, not of a target with an input"
    if _inputs(view).is_empty():
        return f"the input SDR is the {INPUT} of the separator {FALLBACK!r}, which has none here"
    known = _inputs(view)["input"]
    if known.max() - known.min() < _LEAST_RANGE:  # type: ignore[operator]
        return f"the input SDR is {numbers.decimal(float(known.median()), 1)} dB in all scenes"  # type: ignore[arg-type]
    named = _judged(view)
    pairs = _measured(view).filter(pl.col("separator").is_in(named))
    return None if len(pairs) else f"no separator but {FALLBACK!r} was measured where the input SDR is known"


def inputs(view: View) -> Plate:
    """The score of each scene and target against the SDR of the mixture there."""
    chosen, pairs = view.choose(_judged(view), systems=4, references=1), _measured(view)
    places = {scene: code for code, scene in enumerate(view.board.scenes["scene"])}
    resampler = Resampler.of(
        [list(recordings) for recordings in view.board.scenes["recordings"]],
        names=("input SDR", view.board.dataset, view.board.split, view.board.protocol),
        draws=_DRAWS,
    )
    known = _inputs(view)["input"].to_numpy()
    bins = min(_BINS, len(known) // _IN_A_BIN)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1))) if bins > 1 else np.empty(0)
    clouds, said, every = [], [], 1
    for name in chosen.names:
        own = pairs.filter(pl.col("separator") == name).sort("input", *_PAIR)
        scenes = np.array([places[scene] for scene in own["scene"]], dtype=np.int64)
        trend = _trend(own["input"].to_numpy(), own["used"].to_numpy(), scenes, edges, resampler)
        step = -(-len(own) // _MARKS)
        every = max(every, step)
        marks = own.gather_every(step).select("input", "used").iter_rows() if len(own) else ()
        clouds.append(Cloud(view.label(name), view.kind(name), tuple((float(x), float(y)) for x, y in marks), trend))
        if trend:
            said.append(
                f"{name}: {view.text(trend[0].value)} at {numbers.decimal(trend[0].input, 1)} dB, "
                f"{view.text(trend[-1].value)} at {numbers.decimal(trend[-1].input, 1)} dB"
            )
    thinned = f" Of more than {_MARKS} marks one in {every} is drawn; lines are of all." if every > 1 else ""
    lines = (
        f" Lines: medians of {len(edges) - 1} bins with equally many pairs, with bands of {LEVEL}."
        if len(edges)
        else " Too few pairs for a trend."
    )
    return Plate(
        "input",
        "Against the input",
        f"{view.column.title} of each scene and target against the SDR of the mixture there, measured pairs alone."
        f"{lines}{thinned}{view.failures(chosen.names, _not_drawn(view, chosen.names))}{chosen.words}",
        trend_drawing(
            clouds,
            across="Input SDR in dB",
            axis=view.axis,
            title=view.title(f"{view.column.title} against input SDR"),
            description=f"Medians of the hardest and the easiest inputs. {'; '.join(said)}." if said else "No trend.",
        ),
    )


def _inputs(view: View) -> pl.DataFrame:
    own = (pl.col("separator") == FALLBACK) & (pl.col("metric") == INPUT) & (pl.col("state") == "measured")
    return view.board.outcomes.filter(own).select(*_PAIR, input="value")


def _measured(view: View) -> pl.DataFrame:
    return view.scored.filter(pl.col("state") == "measured").join(_inputs(view), on=_PAIR, how="inner")


def _not_drawn(view: View, names: Sequence[str]) -> Counts:
    """What failed where the input is known: none of it is drawn, whatever it counts with elsewhere."""
    own = (pl.col("metric") == view.column.metric) & pl.col("separator").is_in(names)
    known = view.board.outcomes.filter(own).join(_inputs(view), on=_PAIR, how="semi")
    return counts_of(known.with_columns(used="value"))


def _judged(view: View) -> list[str]:
    """The mixture itself is what the others are held against."""
    return sorted(view.everywhere - {FALLBACK})


def _trend(
    inputs: Array, values: Array, scenes: np.ndarray, edges: Array, resampler: Resampler
) -> tuple[TrendPoint, ...]:
    """Medians between ``edges`` with their intervals, pairs of one recording drawn together."""
    found = []
    bins = np.clip(np.searchsorted(edges, inputs, side="right") - 1, 0, max(len(edges) - 2, 0))
    for place in range(len(edges) - 1):
        inside = bins == place
        if inside.sum() < _IN_A_BIN // 2:
            continue
        codes = np.zeros(int(inside.sum()), dtype=np.int64)
        interval = resampler.interval(values[inside], codes, scenes[inside], AGGREGATIONS["median"])
        point = TrendPoint(
            float(np.median(inputs[inside])), float(np.median(values[inside])), interval.low, interval.high
        )
        found.append(point)
    return tuple(found)


def cost_lacks(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if view.column.better == "neither":
        return "this column has no better or worse"
    if any(len(_known(view, cost)) > 1 for cost in _NOISE):
        return None
    return "fewer than two separators that cover everything were timed: their cells were not computed here"


def cost(view: View) -> Plate:
    """The figure that ranks against computing time and memory."""
    chosen = view.choose(view.whole, systems=24, references=3)
    lower = view.column.better == "lower"
    panels, said, notes = [], [], []
    for what, axis in (
        ("real_time_factor", "Real-time factor, log scale"),
        ("peak_mb", "Growth of memory in MB, log scale"),
    ):
        known = _known(view, what)
        dots = tuple((view.dot(view.overall[name]), known[name]) for name in chosen.names if name in known)
        if len(dots) < 2:
            notes.append(f"{axis.removesuffix(', log scale')}: known of fewer than two of these separators.")
            continue
        able = [place for place, (dot, _) in enumerate(dots) if dot.kind != "oracle"]
        points = [(max(dots[place][1], _NOISE[what]), dots[place][0].value) for place in able]
        front = tuple(able[place] for place in pareto_front(points, lower_is_better=lower))
        panels.append(CostPanel(axis, _NOISE[what], dots, front))
        members = ", ".join(f"{dots[place][0].label} ({_cost_text(what, dots[place][1])})" for place in front)
        said.append(f"{axis.removesuffix(', log scale')}, on the front: {members or 'none'}.")
    untimed = [name for name in view.ordered(view.whole) if name not in _known(view, "real_time_factor")]
    if untimed:
        notes.append(f"Never timed, as their cells were not computed here: {', '.join(untimed)}.")
    notes += _machines(view, chosen.names)
    return Plate(
        "pareto",
        "Quality and cost",
        f"{view.column.title}, {view.column.words}, against seconds of computing per second of audio (median over "
        "cells) and the greatest growth of memory in a cell; computed cells alone. Dashed: the Pareto front of systems "
        f"and baselines, which no other one beats in both; its members are named, others where "
        f"there is room. {' '.join(said)}{view.failures(chosen.names)}{chosen.words}",
        cost_drawing(
            panels,
            axis=view.axis,
            title=view.title(f"{view.column.title} against computing time and memory"),
            description=" ".join(said),
        ),
        tuple(notes),
    )


def _known(view: View, cost: str) -> Mapping[str, float]:
    """What each separator costs that covers everything, where any of its cells was computed."""
    rows = view.board.separators.filter(pl.col("separator").is_in(view.whole) & pl.col(cost).is_not_null())
    return dict(rows.select("separator", cost).iter_rows())


def _cost_text(cost: str, value: float) -> str:
    return numbers.ratio(value) if cost == "real_time_factor" else numbers.megabytes(value)


def _machines(view: View, names: Sequence[str]) -> list[str]:
    """A note where not all were timed on the same kind of device."""
    timed = view.board.cells.filter(pl.col("separator").is_in(names) & pl.col("seconds").is_not_null())
    devices = timed.group_by("device").agg(pl.col("separator").unique().sort()).drop_nulls("device").sort("device")
    if len(devices) < 2:
        return []
    told = "; ".join(f"{device}: {', '.join(own)}" for device, own in devices.iter_rows())
    return [f"Not all were timed on one kind of device, which is no fair comparison. {told}."]


def thresholds_lack(view: View) -> str | None:
    """Why there are no such figures; None where there are some."""
    if view.board.blind is None:
        return "only blind scenes have a threshold of detection"
    return None if len(_moving(view)) else "no score changes with the threshold"


def thresholds(view: View) -> list[Plate]:
    """The ranked metric of blind scenes against the threshold of detection, a figure per depth."""
    entry = view.site.metric(RANKED)
    axis = f"{entry.title} in {entry.unit}" if entry.unit else entry.title
    found = []
    for (depth,), part in sorted(_moving(view).partition_by("depth", as_dict=True).items()):
        names = part["separator"].unique().sort().to_list()
        labels = {name: view.label(name) for name in names}
        kinds = {labels[name]: view.kind(name) for name in names}
        own = (pl.col("metric") == RANKED) & (pl.col("index") == depth) & pl.col("separator").is_in(names)
        failed = view.failures(names, counts_of(view.board.outcomes.filter(own)))
        title = view.title(f"{entry.title} against the threshold, depth {depth},")
        curves = part.with_columns(pl.col("separator").replace(labels))
        found.append(
            Plate(
                f"thresholds-{depth}",
                f"Against the threshold, depth {depth}",
                f"{entry.title} with one threshold for all classes, depth {depth}. Systems whose score does not change "
                f"with it are not drawn.{failed}",
                threshold_drawing(curves, kinds=kinds, title=title, axis=axis),
            )
        )
    return found


def _moving(view: View) -> pl.DataFrame:
    """The curves of systems whose score changes with the threshold."""
    assert view.board.blind is not None
    curves = view.board.blind.curves
    if view.only:
        curves = curves.filter(pl.col("separator").is_in(view.only))
    moving = (
        curves.group_by("separator", "depth")
        .agg(several=pl.col("value").drop_nulls().n_unique() > 1)
        .filter("several")
        .select("separator", "depth")
    )
    return curves.join(moving, on=["separator", "depth"], how="semi")
