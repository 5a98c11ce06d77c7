"""Classes by separators as cells in steps of grey, with their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.figures.canvas import GROUND, INK, LETTER, MUTED, RULE, Drawing, Sheet, axes_of, shown
from reports.figures.marks import LEAST_SPAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEPS: Final = 5
_SHADES: Final = (0.0, 0.12, 0.24, 0.36, 0.72, 0.9)
"""Ink laid on the ground in each step. Between 0.36 and 0.72 neither ink nor ground could be read on it in both themes
(contrast 4.5, WCAG 2.2)."""
_DARK: Final = 0.5
_MISSING: Final[dict[str, Any]] = {"edgecolor": MUTED, "hatch": "////"}
_SMALL: Final = 0.82
"""Size of the values to that of the names."""


@dataclass(frozen=True)
class HeatCell:
    """A value with its text, short enough to stand in a cell."""

    value: float
    text: str


def heat_drawing(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[HeatCell | None]],
    *,
    unit: str,
    lower_is_better: bool,
    title: str,
    description: str,
) -> Drawing:
    """A cell for each of ``rows`` and ``columns``, the better the stronger its shade, one without value hatched.

    ``cells`` are (rows, columns). Where values lie on both sides of zero one step is all that is not above it, and its
    texts have the sign. Values are written where the cells are wide enough for them.
    """
    edges = step_edges([cell.value for row in cells for cell in row if cell is not None])
    shades = _SHADES[: len(edges) - 1]
    shades = shades[::-1] if lower_is_better else shades
    names, heads = [shown(name) for name in rows], [shown(name) for name in columns]

    def paint(figure: Figure, sheet: Sheet) -> None:
        depth = LETTER * max(map(len, heads))
        (axes,) = axes_of(figure, sheet, height=4.2 + depth + 1.55 * len(names))
        wide = (sheet.ems - LETTER * max(map(len, names)) - 1.5) / len(heads)
        longest = max((len(cell.text) for row in cells for cell in row if cell is not None), default=0)
        written = LETTER * _SMALL * longest + 0.3 <= wide
        placed = [(x, y, cell) for y, row in enumerate(cells) for x, cell in enumerate(row)]
        steps = [(x, y, cell, _step(cell.value, edges)) for x, y, cell in placed if cell is not None]
        for step, shade in enumerate(shades):
            _tiles(axes, [(x, y) for x, y, _, own in steps if own == step], facecolor=(INK, shade), edgecolor=RULE)
        _tiles(axes, [(x, y) for x, y, cell in placed if cell is None], facecolor="none", **_MISSING)
        if written:
            for x, y, cell, step in steps:
                colour = GROUND if shades[step] > _DARK else INK
                axes.text(x, y, cell.text, color=colour, ha="center", va="center", fontsize=_SMALL * sheet.size)
        axes.set_xlim(-0.5, len(heads) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.set_xticks(range(len(heads)), heads, rotation=90 if wide < LETTER * max(map(len, heads)) + 0.6 else 0)
        axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0, colors=INK, pad=4)
        axes.spines["bottom"].set_visible(False)
        _key(figure, sheet, edges, shades, unit, hatched=any(cell is None for _, _, cell in placed))

    return Drawing(title, description, paint)


def step_edges(values: Sequence[float]) -> list[float]:
    """Round edges of the steps of lightness around ``values``; where some are below zero and some above, zero is one.

    Returns 2 to 7 ascending numbers; the first is minus infinity where all below zero are one step.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = min(values, default=0.0), max(values, default=0.0)
    crossing = low < 0 < high
    if crossing:
        low = 0.0
    if high - low < LEAST_SPAN:
        high = low + LEAST_SPAN
    ticks = MaxNLocator(_STEPS - 1, steps=[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]).tick_values(low, high)
    inside = [float(tick) for tick in ticks]
    while len(inside) > 2 and inside[1] <= low:
        del inside[0]
    while len(inside) > 2 and inside[-2] >= high:
        del inside[-1]
    return [-math.inf, *inside] if crossing else inside


def _step(value: float, edges: Sequence[float]) -> int:
    """The step of a value: it lies above the lower edge and not above the upper one."""
    return max(0, min(sum(value > edge for edge in edges) - 1, len(edges) - 2))


def _tiles(axes: Axes, places: Sequence[tuple[int, int]], **look: Any) -> None:
    """Many cells as one path, which keeps the file small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not places:
        return
    corners = [(-0.47, -0.44), (0.47, -0.44), (0.47, 0.44), (-0.47, 0.44), (-0.47, -0.44)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    vertices = [(x + across, y + down) for x, y in places for across, down in corners]
    axes.add_patch(PathPatch(Path(vertices, codes * len(places)), linewidth=0.6, **look))


def _key(
    figure: Figure, sheet: Sheet, edges: Sequence[float], shades: Sequence[float], unit: str, *, hatched: bool
) -> None:
    from matplotlib.patches import Patch

    def said(low: float, high: float) -> str:
        return "not above 0" if math.isinf(low) else f"{_plain(low)} to {_plain(high)}"

    handles = [
        Patch(facecolor=(INK, shade), edgecolor=MUTED, linewidth=0.6, label=said(low, high))
        for shade, (low, high) in zip(shades, itertools.pairwise(edges), strict=True)
    ]
    if hatched:
        handles.append(Patch(facecolor="none", linewidth=0.6, label="none", **_MISSING))
    columns = min(max(1, int(sheet.ems // 8.5)), len(handles))
    small = _SMALL * sheet.size
    figure.legend(
        handles=[handle for column in range(columns) for handle in handles[column::columns]],  # read line by line
        loc="outside lower left",
        ncols=columns,
        title=unit or None,
        alignment="left",
        frameon=False,
        fontsize=small,
        title_fontsize=small,
        labelcolor=MUTED,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def _plain(number: float) -> str:
    return f"{number:g}".replace("-", "\N{MINUS SIGN}")
