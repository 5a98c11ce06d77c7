"""Draws figures in processes of their own, beside whatever else goes on: Matplotlib takes seconds over a page."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from reports.figures.canvas import Drawing, Sheet

_MOST: Final = 4
"""Processes, where there are so many cores: each takes most of a second to begin."""


@dataclass(frozen=True)
class Printed:
    """A figure in all its forms: those of :class:`reports.figures.Drawn`."""

    page: str
    svg: bytes
    pdf: bytes


def printing(drawing: Drawing, sheet: Sheet) -> Future[Printed]:
    """Begin to draw a figure, and go on; what goes wrong with it is raised where its result is asked for."""
    # joblib's, since it sends functions that stand within others, and does not run the caller's script again.
    from joblib.externals.loky import cpu_count, get_reusable_executor

    workers = max(1, min(_MOST, cpu_count() - 1))
    future: Future[Printed] = get_reusable_executor(max_workers=workers).submit(_print, drawing, sheet)
    return future


def _print(drawing: Drawing, sheet: Sheet) -> Printed:
    drawn = drawing.on(sheet)
    return Printed(drawn.page, drawn.svg, drawn.pdf)
