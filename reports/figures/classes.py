"""Several separators class by class, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.figures.canvas import LETTER, MUTED, RULE, Drawing, Sheet, axes_of, shown
from reports.figures.marks import Dot, Kind, colour_of, name_rows, spanning, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPES: Final[dict[Kind, str]] = {"system": "o^vPX*", "baseline": "sph8", "oracle": "Dd<>"}
"""As many separators of each kind can be told apart."""


@dataclass(frozen=True)
class Series:
    """One separator: a dot for each class of the figure, None where it has no value."""

    label: str
    kind: Kind
    dots: tuple[Dot | None, ...]


def class_drawing(
    classes: Sequence[str], series: Sequence[Series], *, axis: str, title: str, description: str
) -> Drawing:
    """A band per class, in it a mark with its interval for each separator, one under the other.

    Separators differ in the shape of their marks: systems are filled, references hollow.
    """
    shapes = _shapes(series)

    def paint(figure: Figure, sheet: Sheet) -> None:
        pitch = 0.75 / len(series)
        height = 4.6 + max(1.5, 0.72 * len(series)) * len(classes) + 1.6 * -(-len(series) // 3)
        (axes,) = axes_of(figure, sheet, height=height)
        name_rows(axes, [shown(name) for name in classes])
        axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
        for place in range(1, len(classes)):
            axes.axhline(place - 0.5, color=RULE, linewidth=0.8, zorder=0.5)
        for order, (one, shape) in enumerate(zip(series, shapes, strict=True)):
            offset = (order - (len(series) - 1) / 2) * pitch
            style = style_of(one.kind, size=0.46 * sheet.size, marker=shape)
            there = [(dot, place + offset) for place, dot in enumerate(one.dots) if dot is not None]
            spans = [(dot.low, dot.high, y) for dot, y in there if dot.low is not None and dot.high is not None]
            if spans:
                lows, highs, heights = zip(*spans, strict=True)
                axes.hlines(heights, lows, highs, colors=colour_of(one.kind), linewidths=0.11 * sheet.size)
            axes.plot(
                [dot.value for dot, _ in there],
                [y for _, y in there],
                **style,
                linestyle="",
                zorder=3,
                label=shown(one.label),
            )
        axes.set_xlim(*spanning(*axes.get_xlim()))
        axes.set_xlabel(axis, color=MUTED)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        fit = max(1, int(sheet.ems / (LETTER * max(len(shown(one.label)) for one in series) + 3.5)))
        figure.legend(loc="outside upper left", ncols=min(fit, len(series)), frameon=False, handletextpad=0.2,
                      columnspacing=1.2, borderpad=0.0, fontsize=sheet.size)  # fmt: skip

    return Drawing(title, description, paint)


def _shapes(series: Sequence[Series]) -> list[str]:
    """A shape of its kind for each; they come round again where there are more than shapes."""
    found: list[str] = []
    for place, one in enumerate(series):
        before = sum(other.kind == one.kind for other in series[:place])
        found.append(SHAPES[one.kind][before % len(SHAPES[one.kind])])
    return found
