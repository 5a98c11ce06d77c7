"""Figures as SVG text that stands in a page and takes the page's colours, so that one figure serves both themes."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["system", "baseline", "oracle"]

LEAST_SPAN: Final = 0.1
"""What an axis spans at least: rounding errors about zero must not fill it."""

# Matplotlib wants real colours: these stand for the page's variables until the SVG is written.
_VARIABLES: Final = {"#010203": "var(--ink)", "#040506": "var(--muted)", "#070809": "var(--rule)",
                     "#0a0b0c": "var(--accent)", "#0d0e0f": "var(--ground)"}  # fmt: skip
_INK, _MUTED, _RULE, _ACCENT, _GROUND = _VARIABLES
_MARKERS: Final[dict[Kind, str]] = {"system": "o", "baseline": "s", "oracle": "D"}
_DASHES: Final = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Dot:
    """One separator of an interval plot; the interval is None where there is none."""

    label: str
    value: float
    low: float | None
    high: float | None
    kind: Kind


@dataclass(frozen=True)
class Curve:
    """One system of a curve plot: a value per place, None where there is none, and its interval where it has one."""

    label: str
    places: Sequence[float]
    values: Sequence[float | None]
    lows: Sequence[float | None]
    highs: Sequence[float | None]
    kind: Kind


def interval_plot(dots: Sequence[Dot], *, axis: str, title: str, description: str) -> str:
    """An SVG with one line per separator: its value as a mark, its interval as a line, zero as a rule.

    Kinds differ in shape as well as in colour: systems are filled circles, baselines hollow squares, oracles hollow
    diamonds. ``title`` and ``description`` are its text alternative.
    """

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=_MUTED, linewidth=0.8, zorder=1)
        for place, dot in enumerate(dots):
            colour = _ACCENT if dot.kind == "system" else _INK
            if dot.low is not None and dot.high is not None:
                axes.plot([dot.low, dot.high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(
                [dot.value],
                [place],
                marker=_MARKERS[dot.kind],
                color=colour,
                markersize=6,
                markeredgewidth=1.4,
                markeredgecolor=colour,
                markerfacecolor=colour if dot.kind == "system" else _GROUND,
                zorder=3,
            )
        axes.set_yticks(range(len(dots)), [dot.label for dot in dots], parse_math=False)
        axes.set_ylim(len(dots) - 0.4, -0.6)
        axes.set_xlim(*_spanning(*axes.get_xlim()))
        axes.set_xlabel(axis, parse_math=False, color=_MUTED)
        axes.tick_params(axis="x", colors=_MUTED, length=3)
        axes.tick_params(axis="y", colors=_INK, length=0, pad=6)
        axes.grid(axis="x", color=_RULE, linewidth=0.8)

    return _for_page(_svg(draw, height=0.62 + 0.27 * len(dots)), title=title, description=description)


def curve_plot(curves: Sequence[Curve], *, across: str, axis: str, title: str, description: str) -> str:
    """An SVG with one line per system over ``across``, its interval as a band, its name at its right end.

    Kinds differ as in :func:`interval_plot`, lines of one kind in their dashes. ``title`` and ``description`` are its
    text alternative.
    """
    height = max(2.6, 0.9 + 0.22 * len(curves))

    def draw(axes: Axes) -> None:
        for place, curve in enumerate(curves):
            colour = _ACCENT if curve.kind == "system" else _INK
            values, lows, highs = (_gaps(given) for given in (curve.values, curve.lows, curve.highs))
            axes.fill_between(curve.places, lows, highs, color=colour, alpha=0.12, linewidth=0)
            axes.plot(
                curve.places,
                values,
                color=colour,
                linestyle=_DASHES[place % len(_DASHES)],
                linewidth=1.6,
                marker=_MARKERS[curve.kind],
                markersize=3.5,
                markerfacecolor=colour if curve.kind == "system" else _GROUND,
            )
        low, high = _spanning(*axes.get_ylim())
        axes.set_ylim(low, high)
        ended = [(curve, next((one for one in reversed(curve.values) if one is not None), None)) for curve in curves]
        ends = [(curve, (end - low) / (high - low)) for curve, end in ended if end is not None]
        for (curve, _), top in zip(ends, _spread([end for _, end in ends], gap=0.16 / (height - 0.6)), strict=True):
            colour = _ACCENT if curve.kind == "system" else _INK
            axes.text(1.01, top, curve.label, transform=axes.transAxes, color=colour, va="center", parse_math=False)
        axes.set_xlabel(across, parse_math=False, color=_MUTED)
        axes.set_ylabel(axis, parse_math=False, color=_MUTED)
        axes.tick_params(colors=_MUTED, length=3)
        axes.grid(color=_RULE, linewidth=0.8)

    return _for_page(_svg(draw, height=height), title=title, description=description)


def _spanning(low: float, high: float) -> tuple[float, float]:
    """The limits, made wider where they are closer than what an axis spans at least."""
    middle = (low + high) / 2
    return (low, high) if high - low >= LEAST_SPAN else (middle - 0.5, middle + 0.5)


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Heights at least ``gap`` apart, in the same order, moved up as far as they must be and not over 1."""
    placed, order = list(heights), sorted(range(len(heights)), key=lambda place: heights[place])
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + gap)
    ceiling = 1.0
    for place in reversed(order):
        placed[place] = min(placed[place], ceiling)
        ceiling = placed[place] - gap
    return placed


def _svg(draw: Callable[[Axes], None], *, height: float) -> str:
    """What ``draw`` draws, ``height`` inches high, on axes that are bare but for the rule under them."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "stemtree", "font.size": 10.5}):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.set_axisbelow(True)
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_RULE)
        figure.patch.set_alpha(0)
        text = io.StringIO()
        canvas.print_svg(text, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()


def _for_page(svg: str, *, title: str, description: str) -> str:
    """The ``svg`` element alone, in the page's colours and type, with its text alternative."""
    from xml.sax.saxutils import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for sentinel, variable in _VARIABLES.items():
        svg = svg.replace(sentinel, variable)
    view = re.search(r'viewBox="([^"]+)"', svg)
    assert view is not None, "Matplotlib wrote no viewBox"
    head = (
        f'<svg class="figure" viewBox="{view.group(1)}" role="img" aria-labelledby="figure-title figure-text">'
        f'<title id="figure-title">{escape(title)}</title><desc id="figure-text">{escape(description)}</desc>'
    )
    return head + svg[svg.index(">") + 1 :].strip()
