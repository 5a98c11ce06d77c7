"""Box plots as in the papers on music separation: a panel per target, a box per separator over scenes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from reports.figures.canvas import ACCENT, GROUND, INK, LETTER, MUTED, RULE, Drawing, Sheet, axes_of, fitted, shown
from reports.figures.marks import Kind, colour_of, name_rows, point_cloud, spanning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REACH: Final = 1.5
"""Times the interquartile range to which a whisker may reach."""
_WIDE, _NARROW, _MANY = 11.0, 8.0, 14
"""Width of a panel in ems at which it can be read with ease, and at all: of more rows than this, panels are narrow so
that all fit beside each other."""
_GRAINS: Final = 200
"""Places of outliers on the scale: more could not be told apart, and there may be thousands of scenes."""
_LOOKS: Final[dict[Kind, dict[str, str]]] = {
    "system": {"facecolor": ACCENT, "linestyle": "-"},
    "baseline": {"facecolor": GROUND, "linestyle": "-"},
    "oracle": {"facecolor": GROUND, "linestyle": "--"},
}


@dataclass(frozen=True)
class Box:
    """One box: quartiles, the ends of the whiskers, and what lies beyond them."""

    lower: float
    median: float
    upper: float
    least: float
    greatest: float
    outliers: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """The boxes of one target, one for each separator of the figure; None where it has no score."""

    title: str
    boxes: tuple[Box | None, ...]


def box_of(values: npt.NDArray[np.float64]) -> Box:
    """The box of ``values`` (n,), n > 0, by Tukey's rule.

    Quartiles are interpolated (definition 7 of Hyndman & Fan 1996, doi:10.1080/00031305.1996.10473566). Whiskers end at
    the last value within 1.5 interquartile ranges of the quartiles (Tukey 1977, Exploratory Data Analysis); what lies
    beyond is an outlier.
    """
    lower, median, upper = (float(quartile) for quartile in np.quantile(values, (0.25, 0.5, 0.75)))
    reach = _REACH * (upper - lower)
    inside = (values >= lower - reach) & (values <= upper + reach)
    beyond = tuple(float(value) for value in np.sort(values[~inside]))
    # An interpolated quartile may lie beyond every value that its whisker could end at.
    least, greatest = min(float(values[inside].min()), lower), max(float(values[inside].max()), upper)
    return Box(lower, median, upper, least, greatest, beyond)


def box_drawing(
    panels: Sequence[Panel],
    labels: Sequence[str],
    kinds: Sequence[Kind],
    *,
    axis: str,
    title: str,
    description: str,
) -> Drawing:
    """A panel per target with one box per separator, all to one scale.

    Systems are filled boxes, baselines hollow ones, oracles hollow ones with a dashed edge. The scale spans the
    whiskers and a tenth more on either side; an outlier beyond is a triangle at the edge.
    """
    names = [shown(label) for label in labels]
    boxes = [box for panel in panels for box in panel.boxes if box is not None]
    low, high = spanning(min([0.0, *(box.least for box in boxes)]), max([0.0, *(box.greatest for box in boxes)]))
    margin = 0.1 * (high - low)
    ends = [end for box in boxes for end in (box.least, box.greatest, *box.outliers)]
    low, high = max(low - margin, min([low, *ends])), min(high + margin, max([high, *ends]))

    def paint(figure: Figure, sheet: Sheet) -> None:
        room = sheet.ems - LETTER * max(map(len, names)) - 1
        across = int(room // (_WIDE if len(names) <= _MANY else _NARROW))
        columns = max(1, min(across, len(panels)))
        rows = math.ceil(len(panels) / columns)
        columns = math.ceil(len(panels) / rows)
        wide = room / columns - 0.7
        height = rows * (3.6 + 1.45 * len(names)) + 1.4
        grid = axes_of(figure, sheet, height=height, rows=rows, columns=columns, sharex=True, sharey=True)
        pad = 0.03 * (high - low)
        for place, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            if place == 0:
                name_rows(axes, names)
                axes.set_xlim(low - pad, high + pad)
            axes.tick_params(axis="y", colors=INK, length=0, labelleft=place % columns == 0)
            axes.tick_params(axis="x", labelbottom=place + columns >= len(panels))
            heading = shown(panel.title)
            axes.set_title(heading, fontsize=fitted(heading, width=wide, sheet=sheet), color=INK, loc="left")
            axes.grid(axis="x", color=RULE, linewidth=0.8)
            axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
            _draw(axes, panel.boxes, kinds, sheet, low, high)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(axis, color=MUTED, fontsize=sheet.size)

    return Drawing(title, description, paint)


def _draw(
    axes: Axes, boxes: Sequence[Box | None], kinds: Sequence[Kind], sheet: Sheet, low: float, high: float
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    for kind, look in _LOOKS.items():
        placed = [
            (place, box) for place, (box, own) in enumerate(zip(boxes, kinds, strict=True)) if box and own == kind
        ]
        if not placed:
            continue
        colour = colour_of(kind)
        whiskers = [
            [(end, place), (start, place)]
            for place, box in placed
            for end, start in ((box.least, box.lower), (box.greatest, box.upper))
        ]
        corners = [
            [(box.lower, place - 0.3), (box.upper, place - 0.3), (box.upper, place + 0.3), (box.lower, place + 0.3)]
            for place, box in placed
        ]
        medians = [[(box.median, place - 0.38), (box.median, place + 0.38)] for place, box in placed]
        axes.add_collection(LineCollection(whiskers, colors=colour, linewidths=0.09 * sheet.size))
        filled = 0.3 if kind == "system" else 1.0
        axes.add_collection(PolyCollection(corners, facecolor=GROUND, edgecolor="none", zorder=2))
        axes.add_collection(PolyCollection(corners, facecolor=look["facecolor"], alpha=filled, lw=0, zorder=2.1))
        axes.add_collection(
            PolyCollection(corners, facecolor="none", edgecolor=colour, lw=0.08 * sheet.size, ls=look["linestyle"],
                           zorder=2.2)
        )  # fmt: skip
        axes.add_collection(LineCollection(medians, colors=colour, linewidths=0.2 * sheet.size, zorder=3))
        grain = (high - low) / _GRAINS
        points = {(value, place) for place, box in placed for value in box.outliers}
        inside = {(low + round((x - low) / grain) * grain, y) for x, y in points if low <= x <= high}
        point_cloud(axes, sorted(inside), colour=colour, size=0.22 * sheet.size, alpha=1.0)
        for marker, edge, rows in (
            ("<", low, sorted({y for x, y in points if x < low})),
            (">", high, sorted({y for x, y in points if x > high})),
        ):
            triangle: dict[str, Any] = {"color": colour, "markersize": 0.35 * sheet.size, "markeredgewidth": 0.0}
            axes.plot([edge] * len(rows), rows, linestyle="", marker=marker, **triangle)
