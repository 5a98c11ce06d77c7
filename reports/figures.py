"""Figures as SVG text that stands in a page and takes the page's colours, so that one figure serves both themes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["system", "baseline", "oracle"]

LEAST_SPAN: Final = 0.1
"""What an axis spans at least: rounding errors about zero must not fill it."""

# Matplotlib wants real colours: these stand for the page's variables until the SVG is written.
_VARIABLES: Final = {"#010203": "var(--ink)", "#040506": "var(--muted)", "#070809": "var(--rule)",
                     "#0a0b0c": "var(--accent)", "#0d0e0f": "var(--ground)"}  # fmt: skip
_INK, _MUTED, _RULE, _ACCENT, _GROUND = _VARIABLES
_MARKERS: Final[dict[Kind, str]] = {"system": "o", "baseline": "s", "oracle": "D"}


@dataclass(frozen=True)
class Dot:
    """One separator of an interval plot; the interval is None where there is none."""

    label: str
    value: float
    low: float | None
    high: float | None
    kind: Kind


def interval_plot(dots: Sequence[Dot], *, axis: str, title: str, description: str) -> str:
    """An SVG with one line per separator: its value as a mark, its interval as a line, zero as a rule.

    Kinds differ in shape as well as in colour: systems are filled circles, baselines hollow squares, oracles hollow
    diamonds. ``title`` and ``description`` are its text alternative.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "stemtree", "font.size": 10.5}):
        figure = Figure(figsize=(7.2, 0.62 + 0.27 * len(dots)), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
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
        low, high = axes.get_xlim()
        if high - low < LEAST_SPAN:
            axes.set_xlim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)
        axes.set_xlabel(axis, parse_math=False, color=_MUTED)
        axes.tick_params(axis="x", colors=_MUTED, length=3)
        axes.tick_params(axis="y", colors=_INK, length=0, pad=6)
        axes.grid(axis="x", color=_RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_RULE)
        figure.patch.set_alpha(0)
        text = io.StringIO()
        canvas.print_svg(text, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(text.getvalue(), title=title, description=description)


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
