"""Progress on stderr: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

LOG_SECONDS: Final = 10.0
"""Between two lines of a plain log."""

T = TypeVar("T")


def track(items: Iterable[T], *, total: int, label: str) -> Iterator[T]:
    """Yield ``items`` while showing how many of ``total`` are through."""
    if not total:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, total, label)
    else:
        yield from _log(items, total, label)


@contextmanager
def spinner(label: str) -> Iterator[Teller]:
    """Show what is being done while its length is unknown."""
    teller = Teller(label)
    try:
        yield teller
    finally:
        teller.close()


class Teller:
    """Shows messages: in place in a terminal, at most one in a while elsewhere."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()
        if self._terminal:
            from rich.console import Console

            self._status = Console(stderr=True).status(label)
            self._status.start()

    def __call__(self, message: str) -> None:
        """Say what is being done."""
        if self._terminal:
            from rich.text import Text

            self._status.update(Text(f"{self._label}: {message}"))  # as a string, brackets in paths would be markup
        elif time.monotonic() - self._last >= LOG_SECONDS:
            self._last = time.monotonic()
            _say(f"{self._label}: {message}")

    def close(self) -> None:
        """Clear the line."""
        if self._terminal:
            self._status.stop()


def _bar(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        for item in items:
            yield item
            progress.advance(task)


def _log(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    started = last = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_SECONDS or count == total:
            last = now
            left = (now - started) / count * (total - count)
            _say(f"{label}: {count} of {total}, {now - started:.0f} s, about {left:.0f} s left")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
