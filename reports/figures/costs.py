"""Quality against what it costs: computing time and memory, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.figures.canvas import INK, MUTED, RULE, Drawing, Sheet, axes_of, shown
from reports.figures.labels import place_labels
from reports.figures.marks import Dot, colour_of, spanning, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE_BY_SIDE: Final = 44.0
"""Width in ems from which two panels fit beside each other."""


@dataclass(frozen=True)
class CostPanel:
    """One kind of cost: a dot with what it costs for each separator that has both.

    Costs under ``least`` are noise, and stand at it. ``front`` are places of dots, from cheap to dear.
    """

    axis: str
    least: float
    dots: tuple[tuple[Dot, float], ...]
    front: tuple[int, ...]


def pareto_front(points: Sequence[tuple[float, float]], *, lower_is_better: bool) -> list[int]:
    """Places of the ``(cost, value)`` that no other one beats in one without being beaten in the other, cheap first.

    Of equal points all are members.
    """
    sign = -1.0 if lower_is_better else 1.0
    beaten = [
        any(
            cost <= own_cost and sign * value >= sign * own and (cost < own_cost or sign * value > sign * own)
            for cost, value in points
        )
        for own_cost, own in points
    ]
    members = [place for place, lost in enumerate(beaten) if not lost]
    return sorted(members, key=lambda place: (points[place][0], place))


def cost_drawing(panels: Sequence[CostPanel], *, axis: str, title: str, description: str) -> Drawing:
    """A panel per kind of cost with a logarithmic axis, a mark per separator with its interval, the front as a step.

    Members of the front are named, the others where there is room, systems first.
    """

    def paint(figure: Figure, sheet: Sheet) -> None:
        columns = len(panels) if sheet.ems >= _SIDE_BY_SIDE else 1
        rows = math.ceil(len(panels) / columns)
        grid = axes_of(figure, sheet, height=25.0 * rows, rows=rows, columns=columns, sharey=True)
        for place, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
            _front(axes, panel, sheet)
            _dots(axes, panel, sheet)
            axes.set_xlabel(panel.axis, color=MUTED)
            axes.grid(color=RULE, linewidth=0.8)
            if place % columns:
                axes.tick_params(axis="y", labelleft=False, length=0)
        grid[0].set_ylim(*spanning(*grid[0].get_ylim()))
        figure.supylabel(axis, color=MUTED, fontsize=sheet.size)
        figure.draw_without_rendering()  # names are placed where there is room once the axes stand
        for axes, panel in zip(grid, panels, strict=True):
            _names(axes, panel, sheet)

    return Drawing(title, description, paint)


def _dots(axes: Axes, panel: CostPanel, sheet: Sheet) -> None:
    for dot, cost in panel.dots:
        x = max(cost, panel.least)
        if dot.low is not None and dot.high is not None:
            axes.plot([x, x], [dot.low, dot.high], color=colour_of(dot.kind), linewidth=0.1 * sheet.size, alpha=0.55)
        axes.plot([x], [dot.value], **style_of(dot.kind, size=0.58 * sheet.size), zorder=3)
    costs = [max(cost, panel.least) for _, cost in panel.dots]
    axes.set_xscale("log")
    # Room for names on the right, and two powers of ten at least, which have ticks.
    low, high = min(costs) / 1.6, max(costs) * 2.5
    second = 10.0 ** (math.ceil(math.log10(low)) + 1)
    axes.set_xlim(low, max(high, 1.2 * second))
    axes.xaxis.set_major_formatter(_tick(panel.least))
    axes.xaxis.set_minor_formatter("")


def _front(axes: Axes, panel: CostPanel, sheet: Sheet) -> None:
    members = [panel.dots[place] for place in panel.front]
    xs, ys = [max(cost, panel.least) for _, cost in members], [dot.value for dot, _ in members]
    axes.step(xs, ys, where="post", color=INK, linewidth=0.1 * sheet.size, linestyle="--", zorder=2)


def _names(axes: Axes, panel: CostPanel, sheet: Sheet) -> None:
    others = [place for place in range(len(panel.dots)) if place not in panel.front]
    order = [*panel.front, *sorted(others, key=lambda place: panel.dots[place][0].kind != "system")]
    dots = [(panel.dots[place][0], max(panel.dots[place][1], panel.least)) for place in order]
    points = [tuple(axes.transData.transform((x, dot.value))) for dot, x in dots]
    box = axes.get_window_extent()
    inch = axes.get_figure().dpi  # type: ignore[union-attr]
    placed = place_labels(
        [shown(dot.label) for dot, _ in dots],
        [(float(x), float(y)) for x, y in points],
        within=(box.x0, box.y0, box.x1, box.y1),
        em=sheet.em * inch * 0.9,
        needed=len(panel.front),
    )
    for (dot, x), member, side in zip(dots, [True] * len(panel.front) + [False] * len(dots), placed, strict=False):
        if side is not None:
            axes.annotate(
                shown(dot.label), (x, dot.value), side.offset, textcoords="offset points", ha=side.across, va="center",
                fontsize=0.9 * sheet.size, color=INK if member else MUTED, zorder=4,
            )  # fmt: skip


def _tick(least: float) -> Callable[[float, float], str]:
    def said(value: float, _: float) -> str:
        return f"{'≤' if value <= least else ''}{value:,.10g}"

    return said
