"""What a separator gains against how hard its input is: a mark per scene and target, and a trend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.figures.canvas import INK, MUTED, RULE, Drawing, Sheet, axes_of, fitted, shown
from reports.figures.marks import Kind, colour_of, point_cloud, spanning, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROWEST: Final = 12.0
"""Width of a panel in ems at which its axis can still be read."""


@dataclass(frozen=True)
class TrendPoint:
    """The median of one bin, at the median of its inputs; the interval is None where there is none."""

    input: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cloud:
    """One separator: ``marks`` are (input, value) of its pairs of scene and target, ``trend`` goes from bin to bin."""

    label: str
    kind: Kind
    marks: tuple[tuple[float, float], ...]
    trend: tuple[TrendPoint, ...]


def trend_drawing(clouds: Sequence[Cloud], *, across: str, axis: str, title: str, description: str) -> Drawing:
    """A panel per separator, all to one scale, with its marks and over them its trend with a band."""

    def paint(figure: Figure, sheet: Sheet) -> None:
        columns = max(1, min(int((sheet.ems - 4) // _NARROWEST), 3, len(clouds)))
        rows = math.ceil(len(clouds) / columns)
        columns = math.ceil(len(clouds) / rows)
        grid = axes_of(figure, sheet, height=3.2 + 12.5 * rows, rows=rows, columns=columns, sharex=True, sharey=True)
        for place, (axes, cloud) in enumerate(zip(grid, clouds, strict=False)):
            axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
            heading, wide = shown(cloud.label), (sheet.ems - 4) / columns - 0.7
            axes.set_title(heading, fontsize=fitted(heading, width=wide, sheet=sheet), color=INK, loc="left")
            axes.grid(color=RULE, linewidth=0.8)
            if place % columns:
                axes.tick_params(axis="y", labelleft=False, length=0)
            axes.tick_params(axis="x", labelbottom=place + columns >= len(clouds))
            point_cloud(axes, cloud.marks, colour=MUTED, size=0.28 * sheet.size, alpha=0.6)
            if cloud.marks:
                axes.update_datalim(cloud.marks)
                axes.autoscale_view()
            _trend(axes, cloud, sheet)
        axes = grid[0]
        axes.set_xlim(*spanning(*axes.get_xlim()))
        axes.set_ylim(*spanning(*axes.get_ylim()))
        for axes in grid[len(clouds) :]:
            axes.set_visible(False)
        figure.supxlabel(across, color=MUTED, fontsize=sheet.size)
        figure.supylabel(axis, color=MUTED, fontsize=sheet.size)

    return Drawing(title, description, paint)


def _trend(axes: Axes, cloud: Cloud, sheet: Sheet) -> None:
    if not cloud.trend:
        return
    colour, xs = colour_of(cloud.kind), [point.input for point in cloud.trend]
    lows, highs = ([math.nan if end is None else end for end in ends] for ends in
                   zip(*((point.low, point.high) for point in cloud.trend), strict=True))  # fmt: skip
    axes.fill_between(xs, lows, highs, color=colour, alpha=0.2, linewidth=0, zorder=2)
    style = style_of(cloud.kind, size=0.42 * sheet.size)
    axes.plot(xs, [point.value for point in cloud.trend], **style, linewidth=0.16 * sheet.size, zorder=3)
