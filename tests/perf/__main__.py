"""``python -m tests.perf [--long] [--rounds N] [--only TEXT] [--out DIR]``: run everything, interleaved."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.perf.measure import Absent, Measured, measure, processor
from tests.perf.table import Entry, Task, as_json, markdown, row, tasks

HIERARCHY = "universal source separation by hierarchy, 10 s, the public code's way"
"""The task that has a table of its own: ``tests.perf.uss``."""
MINI = "mini-tagger and mini-uss on one core"
"""Another: ``tests.perf.mini``."""
SITE = "the site of a million scores"
"""A third: ``tests.perf.site``."""

NOTE = (
    "Medians over {rounds} rounds. In a round every contestant runs once, one after the other, each in a fresh process "
    "with one thread. CPU time is of the process and all its threads; memory is how far the peak of resident memory "
    "rose above what was resident with the input in place. Ratios are peer / ours.\n\n{machine}, Python {python}.\n"
)


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description=__doc__)
    parser.add_argument("--long", action="store_true", help="add comparisons that take many minutes, once each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="tasks whose title, length or peer contains this")
    parser.add_argument("--out", type=Path, default=Path("stemtree-out") / "perf")
    options = parser.parse_args()
    chosen = [
        task for task in tasks(long=options.long) if options.only in f"{task.title}, {task.seconds:g} s, {task.peer}"
    ]
    hierarchy = options.only in HIERARCHY
    mini = options.only in MINI
    site = options.only in SITE
    if not (chosen or hierarchy or mini or site):
        parser.error(f"no task contains {options.only!r}")
    if chosen:
        _compare(chosen, rounds=options.rounds, out=options.out)
    shared = ["--rounds", str(options.rounds), "--out", str(options.out)]
    if hierarchy:
        _other("tests.perf.uss", *shared, *(["--long"] if options.long else []))
    if mini:
        _other("tests.perf.mini", *shared)
    if site:
        _other("tests.perf.site", "--out", str(options.out))


def _other(module: str, *options: str) -> None:
    subprocess.run([sys.executable, "-m", module, *options], check=True)


def _compare(chosen: Sequence[Task], *, rounds: int, out: Path) -> None:
    results: dict[Entry, list[Measured | Absent]] = {}
    for turn in range(rounds):
        due = [task for task in chosen if turn == 0 or not task.once]
        for entry in dict.fromkeys(entry for task in due for entry in task.entries):
            if any(isinstance(result, Absent) for result in results.get(entry, ())):
                continue
            result = measure(*entry)
            results.setdefault(entry, []).append(result)
            sys.stderr.write(f"round {turn + 1}: {entry[0]}, {entry[1]:g} s: {_told(result)}\n")
    rows = [row(task, results) for task in chosen]
    note = NOTE.format(rounds=rounds, machine=processor(), python=platform.python_version())
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(f"{note}\n{markdown(rows)}", encoding="utf-8")
    (out / "table.json").write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{markdown(rows)}\n{out / 'table.md'}\n")


def _told(result: Measured | Absent) -> str:
    return result.reason if isinstance(result, Absent) else f"{result.cpu_seconds:.3f} CPU s"


if __name__ == "__main__":
    main()
