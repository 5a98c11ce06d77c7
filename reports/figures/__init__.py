"""Figures for pages and papers: Matplotlib draws each once, and it is written as part of a page, as SVG and as PDF.

Nothing here knows of a results folder: a figure is made of numbers and names. What is drawn takes a page's colours
where it stands in one, so that one figure serves both themes.
"""

from __future__ import annotations

from reports.figures.boxes import Box, Panel, box_drawing, box_of
from reports.figures.canvas import PAGE, PAPER_SIZE, Drawing, Drawn, Sheet
from reports.figures.classes import SHAPES, Series, class_drawing
from reports.figures.costs import CostPanel, cost_drawing, pareto_front
from reports.figures.curves import Curve, curve_drawing
from reports.figures.heat import HeatCell, heat_drawing
from reports.figures.intervals import interval_drawing
from reports.figures.marks import KINDS, LEAST_SPAN, Dot, Kind, kind_of
from reports.figures.press import Printed, Printing, none_left_over, printing
from reports.figures.trends import Cloud, TrendPoint, trend_drawing

__all__ = [
    "KINDS",
    "LEAST_SPAN",
    "PAGE",
    "PAPER_SIZE",
    "SHAPES",
    "Box",
    "Cloud",
    "CostPanel",
    "Curve",
    "Dot",
    "Drawing",
    "Drawn",
    "HeatCell",
    "Kind",
    "Panel",
    "Printed",
    "Printing",
    "Series",
    "Sheet",
    "TrendPoint",
    "box_drawing",
    "box_of",
    "class_drawing",
    "cost_drawing",
    "curve_drawing",
    "heat_drawing",
    "interval_drawing",
    "kind_of",
    "none_left_over",
    "pareto_front",
    "printing",
    "trend_drawing",
]
