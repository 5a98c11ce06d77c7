"""Tables and numbers as plain text, for a terminal or a log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def lines_of(table: Table, *, width: int) -> list[str]:
    """A table in ``width`` columns. Names stand as they are: brackets are no markup, and ``:dog:`` is no picture."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, markup=False, emoji=False).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def number(value: float | None, places: int, *, sign: str = "") -> str:
    """A number of so many decimals, a dash for none; ``sign`` is that of the format, such as ``+``."""
    # Adding zero drops the sign of a negative zero.
    return "–" if value is None else f"{round(value, places) + 0.0:{sign}.{places}f}"
