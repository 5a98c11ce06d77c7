"""One figure per separator, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.figures.canvas import MUTED, RULE, Drawing, Sheet, axes_of, shown
from reports.figures.marks import Dot, colour_of, name_rows, spanning, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def interval_drawing(dots: Sequence[Dot], *, axis: str, title: str, description: str) -> Drawing:
    """One line per separator: its value as a mark, its interval as a line, zero as a rule.

    Kinds differ in shape as well as in colour: systems are filled circles, baselines hollow squares, oracles hollow
    diamonds. ``title`` and ``description`` are its text alternative.
    """

    def paint(figure: Figure, sheet: Sheet) -> None:
        (axes,) = axes_of(figure, sheet, height=4.2 + 1.8 * len(dots))
        axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
        for place, dot in enumerate(dots):
            if dot.low is not None and dot.high is not None:
                axes.plot(
                    [dot.low, dot.high],
                    [place, place],
                    color=colour_of(dot.kind),
                    linewidth=0.2 * sheet.size,
                    solid_capstyle="round",
                )
            axes.plot([dot.value], [place], **style_of(dot.kind, size=0.58 * sheet.size), zorder=3)
        name_rows(axes, [shown(dot.label) for dot in dots])
        axes.set_xlim(*spanning(*axes.get_xlim()))
        axes.set_xlabel(axis, color=MUTED)
        axes.grid(axis="x", color=RULE, linewidth=0.8)

    return Drawing(title, description, paint)
