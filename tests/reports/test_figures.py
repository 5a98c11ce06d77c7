"""What every figure must be: in the page's colours, a whole file by itself, the same every time, safe with any name."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures import (
    PAGE,
    PAPER_SIZE,
    Cloud,
    CostPanel,
    Curve,
    Dot,
    Drawing,
    HeatCell,
    Panel,
    Series,
    Sheet,
    TrendPoint,
    box_drawing,
    box_of,
    class_drawing,
    cost_drawing,
    curve_drawing,
    heat_drawing,
    interval_drawing,
    printing,
    trend_drawing,
)
from reports.figures.boxes import Box

HOSTILE = '<script>alert("x")</script> & $\\frac{1}{2}$\x07 \N{SNOWMAN} _^' + "w" * 300
BOX = Box(0.0, 1.0, 2.0, -1.0, 3.0, (-9.0, 4.0))
DOT, BASE = Dot("good", 2.0, 1.0, 3.0, "system"), Dot("mixture", 0.0, None, None, "baseline")
TEXTS = {"title": "T & <t>", "description": "D"}


def boxes(name: str) -> Drawing:
    panels = [Panel("vocals", (BOX, BOX)), Panel(name, (BOX, None))]
    return box_drawing(panels, [name, "irm"], ["system", "oracle"], axis="SDRi in dB", **TEXTS)


def classes(name: str) -> Drawing:
    series = [Series(name, "system", (DOT, None)), Series("mixture", "baseline", (BASE, BASE))]
    return class_drawing(["Dog", name], series, axis="SDRi in dB", **TEXTS)


def heat(name: str) -> Drawing:
    cells: list[list[HeatCell | None]] = [[HeatCell(-1.0, "−1.0"), None], [HeatCell(9.0, "9.0"), HeatCell(0.0, "0.0")]]
    return heat_drawing(["Dog", name], [name, "b"], cells, unit="dB", lower_is_better=False, **TEXTS)


def costs(name: str) -> Drawing:
    dots = ((Dot(name, 2.0, 1.0, 3.0, "system"), 0.5), (BASE, 0.0))
    return cost_drawing([CostPanel("RTF", 0.001, dots, (1, 0))] * 2, axis="SDRi in dB", **TEXTS)


def trends(name: str) -> Drawing:
    trend = (TrendPoint(-3.0, 5.0, 4.0, 6.0), TrendPoint(3.0, 2.0, None, None))
    clouds = [Cloud(name, "system", ((-3.0, 5.0), (3.0, 2.0)), trend), Cloud("none", "baseline", (), ())]
    return trend_drawing(clouds, across="Input SDR in dB", axis="SDRi in dB", **TEXTS)


def curves(name: str) -> Drawing:
    curve = Curve(name, (1, 2), (1.0, 2.0), (0.0, None), (2.0, None), "system")
    return curve_drawing([curve], across="Depth", axis="SDRi in dB", ticks=(1, 2), **TEXTS)


def intervals(name: str) -> Drawing:
    return interval_drawing([Dot(name, 2.0, 1.0, 3.0, "system"), BASE], axis="SDRi in dB", **TEXTS)


ALL = (boxes, classes, costs, curves, heat, intervals, trends)


@pytest.mark.parametrize("make", ALL)
def test_a_figure_stands_in_a_page_and_in_files_whatever_its_names(make: Callable[[str], Drawing]) -> None:
    drawn = make(HOSTILE).on(PAGE)
    page, file, pdf = drawn.page, drawn.svg, drawn.pdf
    for svg in (page.replace("xlink:href", "href"), file.decode()):
        assert "script" not in [element.tag.rsplit("}")[-1] for element in ElementTree.fromstring(svg).iter()]
    assert "<title" in page
    assert "T &amp; &lt;t&gt;" in page
    assert page.count("w" * 40) == 0, "a very long name is not cut"
    assert not re.findall(r"(?:fill|stroke): #(?!000000)\w+", page)
    assert {"var(--accent)", "var(--ink)"} & set(re.findall(r"var\(--\w+\)", page))
    assert b"var(" not in file
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf, "no font is embedded"


@pytest.mark.parametrize("make", [boxes, costs, trends])
def test_equal_content_gives_equal_bytes_without_a_clock(make: Callable[[str], Drawing]) -> None:
    one, other = make("a").on(Sheet(3.3, PAPER_SIZE)), make("a").on(Sheet(3.3, PAPER_SIZE))
    assert (one.page, one.svg) == (other.page, other.svg)
    pdf = one.pdf
    assert pdf == other.pdf
    assert b"CreationDate" not in pdf
    assert one.pdf == pdf, "written twice it differs"


def test_no_two_figures_of_a_page_share_the_name_of_a_part() -> None:
    found: list[str] = []
    for figure in (heat("a").on(PAGE).page, boxes("a").on(PAGE).page):
        names = re.findall(r' id="([^"]+)"', figure)
        assert len(names) == len(set(names))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', figure)) <= set(names)
        found += names
    assert len(found) == len(set(found))


def test_a_width_is_kept() -> None:
    file = boxes("a").on(Sheet(84 / 25.4, PAPER_SIZE)).svg.decode()
    width = re.search(r'width="([\d.]+)pt"', file)
    assert width is not None
    assert float(width[1]) * 25.4 / 72 == pytest.approx(84, abs=0.1)


def test_rounding_errors_about_zero_do_not_fill_the_axis() -> None:
    dots = [Dot("silence", 0.0, -8e-8, 8e-8, "baseline")]
    figure = interval_drawing(dots, axis="SDRi in dB", **TEXTS).on(PAGE).page
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", figure)
    assert not [label for label in labels if re.search(r"\de", label)], labels
    ticks = [float(label.replace("\N{MINUS SIGN}", "-")) for label in labels if re.fullmatch(r"\W?\d\.\d", label)]
    assert max(ticks) >= 0.4
    assert min(ticks) <= -0.4


@pytest.mark.parametrize("lowest", [-0.35, -0.46, -0.58, -0.74])
def test_an_outlier_at_the_end_of_the_scale_is_no_triangle(lowest: float) -> None:
    outer = box_of(np.append(np.linspace(0.0, 0.1, 21), lowest))
    drawn = Figure()
    box_drawing(
        [Panel("vocals", (box_of(np.arange(11.0)), outer))], ["a", "b"], ["system"] * 2, axis="", **TEXTS
    ).paint(drawn, PAGE)
    assert outer.outliers == (lowest,)
    assert not [line for line in drawn.axes[0].lines if line.get_marker() in ("<", ">") and np.size(line.get_xdata())]


def test_a_figure_is_the_same_drawn_in_another_process() -> None:
    drawing = heat(HOSTILE)
    elsewhere, here = printing(drawing, PAGE).result(), drawing.on(PAGE)
    assert (elsewhere.page, elsewhere.svg, elsewhere.pdf) == (here.page, here.svg, here.pdf)


def test_what_goes_wrong_in_another_process_is_raised_where_the_figure_is_asked_for() -> None:
    def paint(figure: Figure, sheet: Sheet) -> None:
        raise ZeroDivisionError("no room")

    future = printing(Drawing("T", "D", paint), PAGE)
    with pytest.raises(ZeroDivisionError, match="no room"):
        future.result()
