"""Draws figures in processes of their own, beside whatever else goes on: Matplotlib takes seconds over a page."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from multiprocessing import current_process
from threading import Thread
from typing import Final
from weakref import WeakSet

from reports.figures.canvas import Drawing, Sheet

_LOG: Final = logging.getLogger("stemtree")
_MOST: Final = 4
"""Processes, where there are so many cores: each takes most of a second to begin."""
_LOOK_SECONDS: Final = 1.0
"""Between two looks whether the process that asked for figures is still there."""


@dataclass(frozen=True)
class Printed:
    """A figure in all its forms: those of :class:`reports.figures.Drawn`."""

    page: str
    svg: bytes
    pdf: bytes


class Printing:
    """A figure on its way."""

    def __init__(self, drawing: Drawing, sheet: Sheet) -> None:
        self._drawing, self._sheet = drawing, sheet
        self._future = _begin(drawing, sheet)

    def result(self) -> Printed:
        """The figure, waited for; what went wrong with it is raised here, each time."""
        return self._printed

    @cached_property
    def _printed(self) -> Printed:
        if self._future is not None:
            try:
                return self._future.result()
            except CancelledError:
                pass
            except BrokenExecutor as error:
                _say_slower(f"since a process that drew some ended: {str(error).partition('.')[0]}")
        return _print(self._drawing, self._sheet)


_ON_THEIR_WAY: Final[WeakSet[Future[Printed]]] = WeakSet()


def printing(drawing: Drawing, sheet: Sheet) -> Printing:
    """Begin to draw a figure, and go on.

    Where no process can be started, or one is lost, figures are drawn by whoever asks for them: with the same bytes.
    """
    return Printing(drawing, sheet)


@contextmanager
def none_left_over() -> Iterator[None]:
    """Where an error leaves this block, drop what is not drawn yet: else the process would draw it before it ends."""
    try:
        yield
    except BaseException:
        for future in list(_ON_THEIR_WAY):
            future.cancel()
        raise


def _begin(drawing: Drawing, sheet: Sheet) -> Future[Printed] | None:
    if current_process().daemon:  # it may start no process
        return None
    try:
        # joblib's, since it sends functions that stand within others, and does not run the caller's script again.
        from joblib.externals.loky import cpu_count, get_reusable_executor

        workers = max(1, min(_MOST, cpu_count() - 1))
        executor = get_reusable_executor(max_workers=workers, initializer=_end_with, initargs=(os.getpid(),))
        future: Future[Printed] = executor.submit(_print, drawing, sheet)
    except (OSError, ImportError, RuntimeError) as error:  # no memory, no semaphores, no working directory, too deep
        _say_slower(f"since no process can be started for them: {error}")
        return None
    _ON_THEIR_WAY.add(future)
    return future


@cache
def _say_slower(why: str) -> None:
    _LOG.warning("figures are drawn one by one, which takes longer, %s", why)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, however it went; else it would wait for ever to hand over a figure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which says that it was interrupted

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _print(drawing: Drawing, sheet: Sheet) -> Printed:
    drawn = drawing.on(sheet)
    return Printed(drawn.page, drawn.svg, drawn.pdf)
