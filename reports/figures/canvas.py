"""What every figure is drawn on: one drawing becomes a part of a page, an SVG file and a PDF file."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, ACCENT, GROUND = "#1d2126", "#59626c", "#dcdfe0", "#0a5a86", "#fcfcfa"
"""The colours of the light theme. Files keep them; in a page they become its variables."""
_VARIABLES: Final = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    GROUND: "var(--ground)",
}
_LONGEST: Final = 30
"""Letters of a name that a figure shows."""
_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # TrueType, embedded: publishers refuse the default
    "svg.hashsalt": "stemtree",
    "text.parse_math": False,
    "text.color": INK,
    "path.simplify": False,  # it drops marks that are drawn as lines of no length
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True)
class Sheet:
    """What is drawn on: ``width`` in inches, ``size`` of type in points."""

    width: float
    size: float

    @property
    def em(self) -> float:
        """The size of type in inches."""
        return self.size / 72

    @property
    def ems(self) -> float:
        """The width in sizes of type."""
        return self.width / self.em


PAGE: Final = Sheet(6.6, 10.0)
"""A figure of the site, and the files beside it: 168 mm, two columns of most journals."""
LETTER: Final = 0.6
"""Width of a letter in ems, on the wide side of the mean of DejaVu Sans, which is itself wide."""
PAPER_SIZE: Final = 8.0
"""Size of type, in points, of a figure drawn to a width that is asked for."""


@dataclass(frozen=True)
class Drawing:
    """A figure with its text alternative. ``paint`` puts it on an empty figure as wide as the sheet."""

    title: str
    description: str
    paint: Callable[[Figure, Sheet], None]

    def on(self, sheet: Sheet) -> Drawn:
        """The figure, drawn once, to be written in any of its forms."""
        return Drawn(self, sheet)


class Drawn:
    """A figure that is drawn when it is first written. The same content gives the same bytes in every form."""

    def __init__(self, drawing: Drawing, sheet: Sheet) -> None:
        self._drawing, self._sheet = drawing, sheet

    @property
    def page(self) -> str:
        """The ``svg`` element alone, in the page's colours and type, with its text alternative."""
        svg = self._raw
        svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
        for colour, variable in _VARIABLES.items():
            svg = svg.replace(f": {colour}", f": {variable}")
        mark = hashlib.sha256(svg.encode()).hexdigest()[:8]
        opening = f'<svg class="figure" viewBox="{_view(svg)}" role="img" aria-labelledby="t{mark} d{mark}">'
        return self._told(opening, _own_names(svg, mark), mark)

    @property
    def svg(self) -> bytes:
        """A file: light theme, text as text, without a clock."""
        view = _view(self._raw)
        width, height = view.split()[2:]
        opening = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
            f'width="{width}pt" height="{height}pt" viewBox="{view}" role="img" aria-labelledby="t d">'
        )
        return b'<?xml version="1.0" encoding="utf-8"?>\n' + self._told(opening, self._raw, "").encode() + b"\n"

    @cached_property
    def pdf(self) -> bytes:
        """A file: light theme, fonts embedded, without a clock."""
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        self._raw  # noqa: B018  the layout is settled by the first form that is written
        with _settings(self._sheet):
            written = io.BytesIO()
            metadata = {"Title": self._drawing.title, "Creator": None, "Producer": None, "CreationDate": None}
            FigureCanvasPdf(self._figure).print_pdf(written, metadata=metadata)
        self.__dict__.pop("_figure")  # it is megabytes, and every form is written now or kept
        return written.getvalue()

    @cached_property
    def _figure(self) -> Figure:
        from matplotlib.figure import Figure

        with _settings(self._sheet):
            figure = Figure(figsize=(self._sheet.width, self._sheet.width), layout="constrained")
            figure.patch.set_alpha(0)
            figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)  # type: ignore[call-arg, union-attr]
            self._drawing.paint(figure, self._sheet)
        return figure

    @cached_property
    def _raw(self) -> str:
        """The ``svg`` element as Matplotlib writes it."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        text, figure = io.StringIO(), self._figure
        with _settings(self._sheet):
            FigureCanvasSVG(figure).print_svg(
                text, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
            )
            figure.set_layout_engine("none")
        svg = text.getvalue()
        return re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)

    def _told(self, opening: str, svg: str, mark: str) -> str:
        title, description = escape(self._drawing.title), escape(self._drawing.description)
        told = f'<title id="t{mark}">{title}</title><desc id="d{mark}">{description}</desc>'
        return opening + told + svg[svg.index(">") + 1 :].strip()


def axes_of(figure: Figure, sheet: Sheet, *, height: float, rows: int = 1, columns: int = 1, **how: Any) -> list[Axes]:
    """Bare axes, row by row, on a figure made ``height`` ems high; ``how`` goes to :meth:`Figure.subplots`."""
    figure.set_size_inches(sheet.width, height * sheet.em)
    grid = list(figure.subplots(rows, columns, squeeze=False, **how).flat)
    for axes in grid:
        axes.set_axisbelow(True)
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(RULE)
            spine.set_linewidth(0.8)
        axes.tick_params(axis="x", colors=MUTED, length=3)
        axes.tick_params(axis="y", colors=MUTED, length=3)
    return grid


def shown(label: str) -> str:
    """A name as figures show it: printable, and cut where it is very long."""
    plain = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in label)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def fitted(text: str, *, width: float, sheet: Sheet) -> float:
    """The size of type, in points, at which ``text`` fits into ``width`` ems, and two thirds of the usual at least."""
    return sheet.size * max(0.67, min(1.0, width / (LETTER * max(len(text), 1))))


@contextmanager
def _settings(sheet: Sheet) -> Iterator[None]:
    from matplotlib import style

    # Matplotlib's own settings first: those of a user or a notebook are in no other process, and on no other machine.
    with style.context(["default", {**_SETTINGS, "font.size": sheet.size}]), warnings.catch_warnings():
        # A letter that the font lacks is drawn by the page's font; a PDF shows a box in its place.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def _view(svg: str) -> str:
    found = re.search(r'viewBox="([^"]+)"', svg)
    assert found is not None, "Matplotlib wrote no viewBox"
    return found.group(1)


def _own_names(svg: str, mark: str) -> str:
    """The same without the names of parts that nothing refers to, the others made this figure's own."""
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{found[1]}-{mark}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#([^")]+)', rf"\1#\2-{mark}", svg)
    return re.sub(r"<g>\s*</g>", "", svg)
