"""One line per system over thresholds or depths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.figures.canvas import GROUND, MUTED, RULE, Drawing, Sheet, axes_of, shown
from reports.figures.marks import DASHES, MARKERS, Kind, colour_of, spanning, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Curve:
    """One system of a curve plot: a value per place, None where there is none, and its interval where it has one."""

    label: str
    places: Sequence[float]
    values: Sequence[float | None]
    lows: Sequence[float | None]
    highs: Sequence[float | None]
    kind: Kind


def curve_drawing(
    curves: Sequence[Curve], *, across: str, axis: str, title: str, description: str, ticks: Sequence[float] = ()
) -> Drawing:
    """One line per system over ``across``, its interval as a band, its name at its right end.

    Kinds differ as in an interval plot, lines of one kind in their dashes. ``title`` and ``description`` are its text
    alternative; ``ticks`` are the only places of ``across`` where there are values, if it is not continuous.
    """

    def paint(figure: Figure, sheet: Sheet) -> None:
        height = max(22.0, 6.2 + 1.5 * len(curves))
        (axes,) = axes_of(figure, sheet, height=height)
        for place, curve in enumerate(curves):
            colour = colour_of(curve.kind)
            values, lows, highs = (_gaps(given) for given in (curve.values, curve.lows, curve.highs))
            axes.fill_between(curve.places, lows, highs, color=colour, alpha=0.1, linewidth=0)
            axes.plot(
                curve.places,
                values,
                color=colour,
                linestyle=DASHES[place % len(DASHES)],
                linewidth=0.15 * sheet.size,
                marker=MARKERS[curve.kind],
                markersize=0.4 * sheet.size,
                markerfacecolor=colour if curve.kind == "system" else GROUND,
            )
        axes.margins(x=0.01)
        low, high = spanning(*axes.get_ylim())
        axes.set_ylim(low, high)
        ended = [(curve, next((one for one in reversed(curve.values) if one is not None), None)) for curve in curves]
        ends = [(curve, (end - low) / (high - low)) for curve, end in ended if end is not None]
        tops = spread([end for _, end in ends], gap=1.15 / (height - 4.2))
        for (curve, end), top in zip(ends, tops, strict=True):
            where, colour = axes.transAxes, colour_of(curve.kind)
            axes.plot([1.01, 1.04], [end, top], transform=where, color=colour, lw=0.06 * sheet.size, clip_on=False)
            axes.text(1.05, top, shown(curve.label), transform=where, color=colour, va="center")
        if ticks:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xlabel(across, color=MUTED)
        axes.set_ylabel(axis, color=MUTED)
        axes.grid(color=RULE, linewidth=0.8)

    return Drawing(title, description, paint)


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
