"""Figures drawn in other processes: whatever becomes of these, a figure is drawn, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.figures import PAGE, Drawing, Sheet, none_left_over, printing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = """
import os, time
from pathlib import Path
from reports.figures import PAGE, Drawing, printing
def paint(figure, sheet):
    part = Path(r"{told}.part")
    part.write_text(str(os.getpid()))
    part.rename(r"{told}")
    time.sleep(60)
printing(Drawing("T", "D", paint), PAGE).result()
"""


def line(figure: Figure, sheet: Sheet) -> None:
    figure.subplots().plot([0, 1])


def test_a_figure_whose_process_is_lost_is_drawn_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    here = os.getpid()

    def paint(figure: Figure, sheet: Sheet) -> None:
        if os.getpid() != here:
            os._exit(9)
        line(figure, sheet)

    figures = [printing(Drawing("T", "D", paint), PAGE) for _ in range(2)]
    assert {figure.result().page for figure in figures} == {Drawing("T", "D", line).on(PAGE).page}
    assert len([record for record in caplog.records if "one by one" in record.message]) <= 1
    assert printing(Drawing("T", "D", line), PAGE).result().svg == Drawing("T", "D", line).on(PAGE).svg


def test_settings_of_a_notebook_change_no_figure() -> None:
    from matplotlib import rc_context

    with rc_context({"lines.linewidth": 9, "axes.grid": True, "font.family": "serif"}):
        here = Drawing("T", "D", line).on(PAGE).svg
    assert printing(Drawing("T", "D", line), PAGE).result().svg == here


def test_a_daemon_which_may_start_no_process_draws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _end_workers()
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert printing(Drawing("T", "D", line), PAGE).result().svg == Drawing("T", "D", line).on(PAGE).svg


def test_where_the_working_directory_is_gone_figures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _end_workers()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        svg = printing(Drawing("T", "D", line), PAGE).result().svg
    finally:
        os.chdir(tmp_path)
    assert svg == Drawing("T", "D", line).on(PAGE).svg


def test_after_an_error_nobody_waits_for_figures_that_are_not_begun() -> None:
    drawn = []

    def paint(figure: Figure, sheet: Sheet) -> None:
        time.sleep(0.05)
        drawn.append(figure)

    def failing() -> None:
        with none_left_over():
            figures.extend(printing(Drawing("T", "D", paint), PAGE) for _ in range(40))
            raise ZeroDivisionError

    figures = list[object]()
    with pytest.raises(ZeroDivisionError):
        failing()
    assert printing(Drawing("T", "D", line), PAGE).result().svg
    assert not drawn
    assert figures[-1].result().svg  # type: ignore[attr-defined]
    assert len(drawn) == 1, "what was dropped is drawn by whoever asks for it after all"


@pytest.mark.skipif(sys.platform == "win32", reason="there a process does not learn that its parent is gone")
def test_a_process_that_draws_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", LINE.format(told=told)], cwd=root)
    until = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < until
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    child = int(told.read_text())
    while _alive(child):
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            pytest.fail("it goes on without its parent")
        time.sleep(0.1)


def _end_workers() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown()


def _alive(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked about yet does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
