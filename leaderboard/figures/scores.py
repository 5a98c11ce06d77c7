"""Figures of the scores themselves: overall, over scenes, class by class, by depth."""

from __future__ import annotations

from typing import Final

import polars as pl

from leaderboard import numbers
from leaderboard.figures.view import LEVEL, Plate, View
from reports.figures import (
    SHAPES,
    Curve,
    HeatCell,
    Panel,
    Series,
    box_drawing,
    box_of,
    class_drawing,
    curve_drawing,
    heat_drawing,
    interval_drawing,
)

FEWEST: Final = 5
"""Scenes from which a box says more than its values."""
_FEW: Final = 4
"""Curves up to which all have bands: more bands would hide each other."""
_SHAPES: Final = "Circles: systems; squares: baselines; diamonds: oracles."


def intervals_lack(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    return None if view.whole else "no separator ran on all scenes and covers all targets"


def intervals(view: View) -> Plate:
    """The figure that ranks, separator by separator."""
    chosen, column = view.choose(view.whole, systems=24, references=4), view.column
    dots = [view.dot(view.overall[name]) for name in chosen.names]
    said = "; ".join(
        f"{dot.label} {view.text(dot.value)} "
        + (
            "without interval"
            if dot.low is None or dot.high is None
            else numbers.interval(dot.low, dot.high, column.unit)
        )
        for dot in dots
    )
    return Plate(
        "intervals",
        "Overall",
        f"{column.title}, {column.words}, {view.intervals(dots)}, for separators that ran on all scenes and "
        f"cover all targets. {_SHAPES}{view.failures(chosen.names)}{chosen.words}",
        interval_drawing(
            dots,
            axis=view.axis,
            title=view.title(f"{column.title}, separator by separator,"),
            description=f"{view.axis}: {said}.",
        ),
    )


def box_lacks(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if not view.everywhere:
        return "no separator ran on all scenes"
    scenes = view.scored.filter(pl.col("separator").is_in(view.everywhere))["scene"].n_unique()
    if scenes < FEWEST:
        return f"{numbers.count(scenes, 'scene')}: a box sums up {FEWEST} or more"
    return None


def box(view: View) -> Plate:
    """The spread over scenes, target by target."""
    chosen = view.choose(view.everywhere, systems=24, references=3)
    targets = view.choose_targets(8)
    rows = view.scored.filter(pl.col("separator").is_in(chosen.names) & pl.col("target").is_in(targets.names))
    parts = {
        (str(name), str(target)): box_of(part["used"].to_numpy())
        for (name, target), part in rows.partition_by("separator", "target", as_dict=True).items()
        if (name, target) in view.by_target  # where nothing was measured all scores are the mixture's
    }
    panels = [Panel(target, tuple(parts.get((name, target)) for name in chosen.names)) for target in targets.names]
    said = []
    for target in targets.names:
        medians = sorted((parts[name, target].median, name) for name in chosen.names if (name, target) in parts)
        (low, lowest), (high, highest) = medians[0], medians[-1]
        said.append(f"{target}: from {view.text(low)} ({lowest}) to {view.text(high)} ({highest})")
    return Plate(
        "box",
        "Over scenes",
        f"{view.column.title} of the scenes, by {view.what}. Boxes end at the quartiles, with a bar at the median; "
        "whiskers end at the last scene within 1.5 interquartile ranges of the box, and points are the scenes beyond, "
        "triangles those off the scale. Filled: systems; hollow: baselines; dashed: oracles."
        f"{view.failures_by_target(chosen.names, targets.names)}{chosen.words}{targets.words}",
        box_drawing(
            panels,
            [view.label(name) for name in chosen.names],
            [view.kind(name) for name in chosen.names],
            axis=view.axis,
            title=view.title(f"{view.column.title} of the scenes by {view.what}"),
            description=f"Medians over scenes in {view.column.unit or 'its own unit'}, the lowest and the highest. "
            f"{'; '.join(said)}.",
        ),
    )


def classes_lack(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if not view.everywhere:
        return "no separator ran on all scenes"
    for kind, shapes in SHAPES.items():
        if view.only and sum(view.kind(name) == kind for name in view.everywhere) > len(shapes):
            return f"no more than {numbers.count(len(shapes), kind)} can be told apart; name fewer"
    return _one_target(view)


def _one_target(view: View) -> str | None:
    return None if len(view.choose_targets(2).names) > 1 else f"there is one {view.what} alone"


def classes(view: View) -> Plate:
    """The best systems and references, class by class."""
    chosen, targets = view.choose(view.everywhere, systems=3, references=1), view.choose_targets(20)
    by_kind = sorted(chosen.names, key=lambda name: view.kind(name) != "system")
    leader = by_kind[0]
    ordered = _sorted_targets(view, targets.names, leader)
    series = [
        Series(view.label(name), view.kind(name), tuple(view.by_target.get((name, target)) for target in ordered))
        for name in by_kind
    ]
    return Plate(
        "classes",
        "Class by class",
        f"{view.column.title}, {view.within}, {view.intervals(dot for one in series for dot in one.dots)}, sorted by "
        f"{leader}. Filled marks: systems; hollow: baselines and oracles."
        f"{view.failures_by_target(chosen.names, targets.names)}{chosen.words}{targets.words}",
        class_drawing(
            ordered,
            series,
            axis=view.axis,
            title=view.title(f"{view.column.title} by {view.what} of {', '.join(by_kind)}"),
            description=_extremes(view, leader, ordered),
        ),
    )


def heat_lacks(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if len(view.everywhere) < 2:
        return "fewer than two separators ran on all scenes"
    return _one_target(view)


def heat(view: View) -> Plate:
    """Every class by every separator."""
    chosen, targets = view.choose(view.everywhere, systems=12, references=2), view.choose_targets(48)
    leader = min(chosen.names, key=lambda name: view.kind(name) != "system")
    ordered = _sorted_targets(view, targets.names, leader)
    cells = [
        [
            HeatCell(dot.value, view.short(dot.value)) if (dot := view.by_target.get((name, target))) else None
            for name in chosen.names
        ]
        for target in ordered
    ]
    why = f" Hatched: no value, for the reason that the table by {view.what} gives."
    hatched = why if any(cell is None for row in cells for cell in row) else ""
    return Plate(
        "heat",
        "Class by separator",
        f"{view.axis}, {view.within}; the stronger the shade, the better.{hatched} Sorted by {leader}."
        f"{view.failures_by_target(chosen.names, targets.names)}{chosen.words}{targets.words}",
        heat_drawing(
            ordered,
            [view.label(name) for name in chosen.names],
            cells,
            unit=view.axis,
            lower_is_better=view.column.better == "lower",
            title=view.title(f"{view.column.title} by {view.what} and separator"),
            description=_extremes(view, leader, ordered) + f" The table by {view.what} has all values.",
        ),
    )


def depths_lack(view: View) -> str | None:
    """Why there is no such figure; None where there is one."""
    if not view.board.blind:
        return "only blind scenes are scored by depth"
    return _one_target(view) if view.everywhere else "no separator ran on all scenes"


def depths(view: View) -> Plate:
    """The score against the depth of the ontology."""
    chosen, targets = view.choose(view.everywhere, systems=6, references=3), view.choose_targets(6).names
    places = [float(target.rsplit(" ", 1)[-1]) for target in targets]
    curves, few, bands = [], len(chosen.names) <= _FEW, set()
    for name in chosen.names:
        dots = [view.by_target.get((name, target)) for target in targets]
        banded = few or view.kind(name) == "system"
        bands |= {dot.low is not None for dot in dots if dot and banded}
        curves.append(
            Curve(
                view.label(name),
                places,
                [None if dot is None else dot.value for dot in dots],
                [dot.low if dot and banded else None for dot in dots],
                [dot.high if dot and banded else None for dot in dots],
                view.kind(name),
            )
        )
    enough = " where there are recordings enough" if False in bands else ""
    of_whom = "" if few else " for systems"
    banding = f"with bands of {LEVEL}{of_whom}{enough}" if True in bands else "without intervals"
    return Plate(
        "depths",
        "By depth",
        f"{view.column.title} against the depth of the ontology at which classes are told apart, {view.within}, "
        f"{banding}. {_SHAPES}"
        f"{view.failures_by_target(chosen.names, targets)}{chosen.words}",
        curve_drawing(
            curves,
            across="Depth of the ontology",
            axis=view.axis,
            title=view.title(f"{view.column.title} against depth"),
            description=" ".join(_extremes(view, name, targets) for name in chosen.names),
            ticks=places,
        ),
    )


def _sorted_targets(view: View, targets: tuple[str, ...], leader: str) -> list[str]:
    """The best first by ``leader``; those of which it has no value last."""
    sign = 1 if view.column.better == "lower" else -1

    def place(target: str) -> tuple[bool, float, str]:
        dot = view.by_target.get((leader, target))
        return dot is None, sign * dot.value if dot else 0.0, target

    return sorted(targets, key=place)


def _extremes(view: View, name: str, targets: list[str] | tuple[str, ...]) -> str:
    """What a reader who does not see the figure should know of one separator."""
    there = [(dot.value, target) for target in targets if (dot := view.by_target.get((name, target)))]
    if not there:
        return f"{name} has no value."
    (low, lowest), (high, highest) = min(there), max(there)
    return f"{name} is highest at {highest} with {view.text(high)}, lowest at {lowest} with {view.text(low)}."
