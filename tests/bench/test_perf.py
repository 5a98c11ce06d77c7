"""The comparison of speed, on clips short enough for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def perf(perf_modules: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    return perf_modules("measure", "table")


def test_a_measurement_in_a_process_of_its_own_tells_time_memory_and_version(perf: SimpleNamespace) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.perf.measure", "framewise_sdr", "0.5"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = perf.measure.Measured(**json.loads(done.stdout))
    assert 0 < found.cpu_seconds < 10
    assert found.version[0].isdigit()


def test_a_row_has_medians_and_ratios_and_says_who_is_absent(perf: SimpleNamespace) -> None:
    measured, absent = perf.measure.Measured, perf.measure.Absent
    table = perf.table
    task = table.Task("a task", 10, "ours", "peer")
    times = {("ours", 10): [(2.0, 50.0), (1.0, 70.0), (9.0, None)], ("peer", 10): [(8.0, 600.0)]}
    results = {entry: [measured(*pair, "1.2") for pair in pairs] for entry, pairs in times.items()}
    row = table.row(task, results)
    assert (row.cpu_seconds, row.cpu_ratio, row.memory_mb, row.memory_ratio) == (2.0, 4.0, 60.0, 10.0)
    assert (row.peer_version, row.rounds, row.note) == ("1.2", 1, None)
    results["peer", 10] = [absent("ModuleNotFoundError: No module named 'peer'")]
    row = table.row(task, results)
    assert row.cpu_ratio is None
    assert "No module named 'peer'" in table.markdown([row])


def test_tasks_share_a_peers_measurement_and_long_ones_run_once(perf: SimpleNamespace) -> None:
    tasks = perf.table.tasks(long=True)
    entries = [entry for task in tasks for entry in task.entries]
    assert len(set(entries)) < len(entries)
    assert {task.seconds for task in tasks if task.once} == {30, 60, 240}
    assert len(perf.table.tasks(long=False)) == len(tasks) - sum(task.once for task in tasks)
