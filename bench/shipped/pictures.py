"""Two pictures as SVG that can be read in grey: what is taken for what, and how well each class does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _MUTED = "#1d2126", "#59626c"
_HALF: Final = 0.5
"""Share of a row from which a field is so dark that its number is written in white."""
_OFFSET: Final = 0.13
"""Between two marks of one class."""
_Marks = dict[str, dict[str, dict[str, Any]]]
"""What is compared, then the class: a figure with its interval."""


def draw_confusion(confusion: dict[str, Any], path: Path) -> None:
    """What the first training takes for what.

    Rows are labels, columns what was most probable; classes that nothing was taken for are listed below.
    """
    counts = np.array(confusion["counts"])
    kept = [
        place for place, name in enumerate(confusion["said"]) if counts[:, place].any() or name in confusion["labels"]
    ]
    never = [name for place, name in enumerate(confusion["said"]) if place not in kept]
    shown, names = counts[:, kept], [confusion["said"][place] for place in kept]
    shares = shown / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        for row, column in np.argwhere(shown > 0).tolist():
            colour = "white" if shares[row, column] > _HALF else _INK
            axes.text(column, row, str(shown[row, column]), ha="center", va="center", color=colour)
        axes.set_yticks(range(len(confusion["labels"])), confusion["labels"])
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_ylabel("label")
        told = f"most probable of {len(confusion['said'])} declared classes"
        axes.set_xlabel(told + (f"\n{_wrapped(never)}" if never else ""))
        axes.set_title(f"accuracy {confusion['accuracy']['by_seed'][0]:.3f}", loc="left")  # of the counts shown

    _write(path, draw, size=(2.6 + 0.45 * len(names), 3.2 + 0.36 * len(shown)))


def draw_by_class(figures: dict[str, Any], path: Path) -> bool:
    """Average precision by class on single clips and on mixtures; SDRg by class of ``mini-uss`` and others.

    Returns:
        Whether there was something to draw.
    """
    made = {"tagger": (_precisions, "average precision"), "separator": (_gains, "SDRg in dB")}
    panels = [(of(figures[part]), title) for part, (of, title) in made.items() if part in figures]
    panels = [(marks, title) for marks, title in panels if _names(marks)]
    if not panels:
        return False
    rows = max(len(_names(marks)) for marks, _ in panels)

    def draw(figure: Figure) -> None:
        for axes, (marks, title) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            _marks(axes, marks, title)

    _write(path, draw, size=(5.5 * len(panels), 1.8 + 0.42 * rows))
    return True


def _precisions(tagger: dict[str, Any]) -> _Marks:
    titles = {"fold4_single": "single clips", "fold4_mixtures": "two at 0 dB"}
    return {
        title: {name: row["ap"] for name, row in tagger[part]["classes"].items() if "ap" in row}
        for part, title in titles.items()
        if part in tagger
    }


def _gains(separator: dict[str, Any]) -> _Marks:
    beside = ("mini-uss", "irm", "nmf")
    found = {
        name: {label: row["sdrg"] for label, row in separator["separators"][name].get("classes", {}).items()}
        for name in beside
        if name in separator["separators"]
    }
    wrong = separator["wrong_query"]["classes"]
    return found | {"mini-uss, wrong query": {label: row["sdrg"] for label, row in wrong.items() if "sdrg" in row}}


def _names(marks: _Marks) -> list[str]:
    return sorted({name for rows in marks.values() for name in rows})


def _marks(axes: Axes, marks: _Marks, title: str) -> None:
    """A line per class; what is compared differs in shape and filling."""
    names = _names(marks)
    shapes = ("o", "s", "D", "^")
    for number, (label, rows) in enumerate(marks.items()):
        here = [names.index(name) + _OFFSET * (number - (len(marks) - 1) / 2) for name in rows]
        values = [row["value"] for row in rows.values()]
        for place, row in zip(here, rows.values(), strict=True):
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [place, place], color=_MUTED, linewidth=1)
        fill = _INK if number == 0 else "white"
        axes.plot(values, here, shapes[number % 4], color=_INK, markerfacecolor=fill, markersize=5, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color="#dcdfe0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(title)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def _wrapped(names: Sequence[str], width: int = 60) -> str:
    import textwrap

    return "\n".join(textwrap.wrap("never: " + ", ".join(names), width))


def _write(path: Path, draw: Callable[[Figure], None], *, size: tuple[float, float]) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "stemtree", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        draw(figure)
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
