"""How figures tell separators apart: by shape and fill first, so that no reader needs to see colours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from reports.figures.canvas import ACCENT, GROUND, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["system", "baseline", "oracle"]
KINDS: Final[tuple[Kind, ...]] = ("oracle", "system", "baseline")
"""In the order of the tables: references frame the systems."""

LEAST_SPAN: Final = 0.1
"""What an axis spans at least: rounding errors about zero must not fill it."""
MARKERS: Final[dict[Kind, str]] = {"system": "o", "baseline": "s", "oracle": "D"}
DASHES: Final = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Dot:
    """The figure of one separator; the interval is None where there is none."""

    label: str
    value: float
    low: float | None
    high: float | None
    kind: Kind


def kind_of(family: str, *, told: bool) -> Kind:
    """What a separator is by its family; ``told``: it is given the true sources, or a part of the answer."""
    if family == "baseline":
        return "baseline"
    return "oracle" if told or family == "oracle" else "system"


def colour_of(kind: Kind) -> str:
    """Systems stand out, references are ink."""
    return ACCENT if kind == "system" else INK


def style_of(kind: Kind, *, size: float, marker: str | None = None) -> dict[str, Any]:
    """Arguments of a mark, ``size`` points wide: systems are filled, references hollow."""
    colour = colour_of(kind)
    return {
        "marker": marker or MARKERS[kind],
        "color": colour,
        "markersize": size,
        "markeredgewidth": 0.22 * size,
        "markeredgecolor": colour,
        "markerfacecolor": colour if kind == "system" else GROUND,
    }


def point_cloud(axes: Axes, points: Sequence[tuple[float, float]], *, colour: str, size: float, alpha: float) -> None:
    """Round points, ``size`` points wide, as one path: a tenth of the bytes of as many marks."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if points:
        path = Path([point for point in points for _ in range(2)], [Path.MOVETO, Path.LINETO] * len(points))
        look: dict[str, Any] = {"edgecolor": colour, "facecolor": "none", "linewidth": size, "alpha": alpha}
        axes.add_patch(PathPatch(path, capstyle="round", **look))


def spanning(low: float, high: float) -> tuple[float, float]:
    """The limits, made wider where they are closer than what an axis spans at least."""
    middle = (low + high) / 2
    return (low, high) if high - low >= LEAST_SPAN else (middle - 0.5, middle + 0.5)


def spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Heights at least ``gap`` apart, in the same order, moved up as far as they must be and not over 1."""
    placed, order = list(heights), sorted(range(len(heights)), key=lambda place: heights[place])
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + gap)
    ceiling = 1.0
    for place in reversed(order):
        placed[place] = min(placed[place], ceiling)
        ceiling = placed[place] - gap
    return placed


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Names down the left side, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", colors=INK, length=0, pad=5)
