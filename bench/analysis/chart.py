"""The activity chart: one line per class, its probability over time, in the order and indentation of the tree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.analysis.tree import ClassEntry, SceneTree
from leaderboard.activity import steps
from leaderboard.clock import time_ticks
from ontology.forest import forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHART_FILE: Final = "activity.svg"
"""Beside it lies ``activity.png``, on a white ground, for where SVG does not do."""
_FILL: Final = 0.86
"""Height of probability 1; the rest of the line keeps classes apart."""
_TOLD: Final = 0.3
"""Height where no tagger was asked, and spans are all there is."""
_UNKNOWN_HEIGHT: Final = 0.3
_DPI: Final = 160
_TALLEST: Final = 16_000
"""Pixels of the PNG: image viewers refuse much more."""
_INDENT: Final = "\N{EM SPACE}"
_WIDTH, _ROW, _MARGIN = 9.0, 0.3, 0.55

# Light and dark shade of every ink: the dark ones are a rule in the SVG, which viewers without style sheets ignore.
_GROUND, _INK, _MUTED, _RULE, _ACTIVE, _HEARD, _UNKNOWN = (
    "#fcfcfa", "#1d2126", "#59626c", "#dcdfe0", "#0a5a86", "#9fc3d8", "#c9cdd0",
)  # fmt: skip
_DARK: Final = {
    _GROUND: "#14171a", _INK: "#e6e8ea", _MUTED: "#a0a9b1", _RULE: "#2e343a", _ACTIVE: "#7fc1e8", _HEARD: "#33586e",
    _UNKNOWN: "#4a5157",
}  # fmt: skip


def draw_chart(folder: Path, tree: SceneTree) -> str:
    """Write ``activity.svg`` and ``activity.png``, and return the SVG's path relative to ``folder``.

    Dark fills are where the class counts as active, light ones where the tagger heard it without that; grey is where
    nobody can tell. The two differ in lightness, so that no colour vision is needed.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "stemtree", "font.size": 10}):
        figure = Figure(figsize=(_WIDTH, _MARGIN + _ROW * len(tree.classes)), layout="constrained")
        figure.set_facecolor(_GROUND)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw(axes, tree)
        # Names are aligned on the left, where indentation shows depth: move them out by the width of the widest. One
        # renderer measures them all; each would make its own, as large as the figure.
        renderer = canvas.get_renderer()
        widest = max(label.get_window_extent(renderer).width for label in axes.get_yticklabels())
        axes.tick_params(axis="y", pad=8 + widest * 72 / figure.dpi)
        dpi = min(_DPI, _TALLEST / figure.get_figheight())
        figure.savefig(folder / Path(CHART_FILE).with_suffix(".png"), dpi=dpi, metadata={"Software": None})
        FigureCanvasSVG(figure)
        figure.savefig(folder / CHART_FILE, metadata={"Date": None, "Creator": None})
    path = folder / CHART_FILE
    path.write_text(_with_dark_shades(path.read_text(encoding="utf-8")), encoding="utf-8")
    return CHART_FILE


def _draw(axes: Axes, tree: SceneTree) -> None:
    seconds = tree.recording.seconds
    entries = {entry.mid: entry for entry in tree.classes}
    places = [one for root in forest(list(entries)) for one in root.walk() if one.first]
    for bottom, place in enumerate(reversed(places)):
        entry = entries[place.mid]
        axes.axhline(bottom, color=_RULE, linewidth=0.8, zorder=1)
        _draw_class(axes, entry, bottom, step=tree.activity_seconds, seconds=seconds)
    names = [_INDENT * place.level + entries[place.mid].name for place in reversed(places)]
    middles = [(_FILL if entries[place.mid].activity else _TOLD) / 2 for place in reversed(places)]
    axes.set_yticks(np.arange(len(names)) + middles, names, parse_math=False, ha="left", color=_INK)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, seconds)
    axes.set_ylim(-0.1, len(names))
    marks = time_ticks(seconds)
    axes.set_xticks([place * seconds for place, _ in marks], [label for _, label in marks], parse_math=False)
    axes.tick_params(axis="x", colors=_MUTED, length=3)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_MUTED)


def _draw_class(axes: Axes, entry: ClassEntry, bottom: float, *, step: float, seconds: float) -> None:
    spans = [(span.start, span.end) for span in entry.spans]
    drawn = steps(entry.activity, spans, step_seconds=step, seconds=seconds)
    # Each step is drawn by its two corners: what begins or ends with it ends there, and not at its neighbour.
    times = np.array([(one.start, one.end) for one in drawn]).ravel()
    heard = [_UNKNOWN_HEIGHT if one.probability is None else one.probability for one in drawn]
    fill = _FILL if entry.activity else _TOLD
    heights = bottom + fill * np.array(heard).repeat(2)
    unknown = np.array([one.probability is None for one in drawn], dtype=bool)
    active = np.array([one.active for one in drawn], dtype=bool)
    for where, colour in ((unknown, _UNKNOWN), (~unknown & ~active, _HEARD), (~unknown & active, _ACTIVE)):
        axes.fill_between(times, bottom, heights, where=where.repeat(2), color=colour, linewidth=0, zorder=2)
    bars = [(start, end - start) for start, end in spans]
    axes.broken_barh(bars, (bottom - 0.04, 0.1), color=_ACTIVE, linewidth=0, zorder=3)


def _with_dark_shades(svg: str) -> str:
    """The SVG with a style sheet that gives every ink its dark shade where the viewer prefers dark."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark} !important}}'
        for light, dark in _DARK.items()
        for kind in ("fill", "stroke")
    )
    sheet = f"<style>text{{font-family:system-ui,sans-serif}}@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda found: found.group(1) + sheet, svg, count=1)
