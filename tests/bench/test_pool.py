"""Worker processes: separators that hang, die or eat memory, and a run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from bench.config import compose
from bench.run import run
from harness_kit import write_musdb, write_plugins
from reports.results import Results


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_plugins(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def overrides(workplace: Path, separators: list[str], *more: str) -> list[str]:
    return [
        f"separators=[{','.join(separators)}]", "datasets=[musdb18]", f"data.musdb18={workplace / 'musdb'}",
        f"results={workplace / 'results'}", "executor.workers=2", *more,
    ]  # fmt: skip


def test_misbehaving_separators_cost_their_own_cells_only(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=1)
    bad = ["Hangs", "Exits", "ExitsWhenMade", "Eats", "Raises"]
    names = ["mixture", *(f"kit_plugins:{name}" for name in bad), "kit_plugins:Good"]
    report = run(compose(overrides(workplace, names, "limits.seconds=6", "limits.memory_gb=1.5")))
    cells = Results(workplace / "results").run_cells(report.run)
    columns = cells.select("separator", "status", "reason", "attempts").iter_rows()
    found = {name.rpartition(":")[2]: tuple(rest) for name, *rest in columns}
    assert found["mixture"][0] == found["Good"][0] == "ok"
    assert found["Hangs"] == ("timeout", "stopped after 6 s (limits.seconds)", 2)
    assert found["Exits"] == ("error", "worker died (exit status 7)", 2)
    assert found["Eats"] == ("oom", "stopped above 1.5 GB of memory (limits.memory_gb)", 2)
    assert found["Raises"] == ("error", "RuntimeError: boom", 1)
    assert found["ExitsWhenMade"][0] == "error"
    assert "worker died (exit status 3)" in found["ExitsWhenMade"][1]
    assert (workplace / "exits.txt").read_text().count("exit") == 2, "a dead worker is tried once more"


def test_a_worker_that_leaves_a_child_behind_is_seen_to_be_dead_and_the_child_ends(workplace: Path) -> None:
    import psutil

    write_musdb(workplace / "musdb", songs=1)
    started = time.monotonic()
    report = run(compose(overrides(workplace, ["kit_plugins:LeavesAChild"], "limits.seconds=100")))
    assert time.monotonic() - started < 60, "its pipe is still open, but it is dead"
    cell = Results(workplace / "results").run_cells(report.run).row(0, named=True)
    assert (cell["status"], cell["attempts"]) == ("error", 2)
    children = [int(line) for line in (workplace / "children.txt").read_text().split()]
    assert len(children) == 2
    assert not any(psutil.pid_exists(child) and psutil.Process(child).status() != "zombie" for child in children)


def test_running_out_of_memory_is_tried_once_more_in_a_fresh_process(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=1)
    report = run(compose(overrides(workplace, ["kit_plugins:RunsOut", "kit_plugins:Unsendable"])))
    cells = Results(workplace / "results").run_cells(report.run).sort("separator").to_dicts()
    assert [(cell["status"], cell["attempts"]) for cell in cells] == [("oom", 2), ("ok", 1)]
    assert (workplace / "ran_out.txt").read_text().count("out") == 2


def test_pool_and_inline_give_the_same_rows(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=2)
    names = ["mixture", "irm", "kit_plugins:Good"]
    run(compose(overrides(workplace, names, "run=a")))
    inline = [f"results={workplace / 'inline'}" if item.startswith("results=") else item
              for item in overrides(workplace, names, "run=a") if not item.startswith("executor")]  # fmt: skip
    run(compose([*inline, "executor=inline"]))
    assert Results(workplace / "results").rows().equals(Results(workplace / "inline").rows())


def start(workplace: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "bench.cli", "run", *arguments]
    return subprocess.Popen(
        command, cwd=workplace, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_killed_three_times_the_last_run_ends_like_an_undisturbed_one(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=5)
    arguments = overrides(workplace, ["mixture", "kit_plugins:Slow"], "run=night")
    parts = workplace / "results" / "cells"
    for seen in (1, 4, 7):
        process = start(workplace, *arguments)
        wait_for(lambda seen=seen: parts.is_dir() and len(list(parts.glob("[!.]*.parquet"))) >= seen)  # type: ignore[misc]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    cells = Results(workplace / "results").run_cells("night")
    done = cells["status"].is_not_null().sum()
    slow_left = cells.filter(pl.col("separator") == "kit_plugins:Slow", pl.col("status").is_null()).height
    before = (workplace / "calls.txt").read_text().count("call")
    finished = start(workplace, *arguments)
    output, errors = finished.communicate(timeout=120)
    assert finished.returncode == 0, errors
    assert f"{done} reused" in output
    assert (workplace / "calls.txt").read_text().count("call") - before == slow_left
    undisturbed = start(workplace, *arguments, f"results={workplace / 'other'}")
    undisturbed.communicate(timeout=120)
    rows = [Results(workplace / name).rows("night") for name in ("results", "other")]
    assert rows[0].equals(rows[1])
    assert set(rows[0]["status"]) == {"ok"}


@pytest.mark.parametrize(("asked", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_what_is_done_and_leaves_no_worker(workplace: Path, asked: int, status: int) -> None:
    import psutil

    write_musdb(workplace / "musdb", songs=5)
    process = start(workplace, *overrides(workplace, ["kit_plugins:Slow"], "run=night"))
    parts = workplace / "results" / "cells"
    wait_for(lambda: parts.is_dir() and len(list(parts.glob("[!.]*.parquet"))) >= 1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, asked)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "interrupted" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert Results(workplace / "results").runs()[0].state == "interrupted"
    wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def test_what_a_plugin_prints_does_not_spoil_standard_output(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=1)
    process = start(workplace, *overrides(workplace, ["kit_plugins:Prints"]))
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "noise of a plug-in" in errors
    assert "noise of a plug-in" not in output


def test_an_interrupt_while_workers_start_shows_no_traceback(workplace: Path) -> None:
    write_musdb(workplace / "musdb", songs=2)
    process = start(workplace, *overrides(workplace, ["kit_plugins:Slow"], "run=night"))

    def a_worker_starts() -> bool:
        import psutil

        return bool(psutil.Process(process.pid).children())

    wait_for(a_worker_starts)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
