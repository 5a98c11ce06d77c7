"""``python -m tests.perf [--long] [--rounds N] [--only TEXT] [--out DIR]``: run everything, interleaved."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from tests.perf.measure import Absent, Measured, measure
from tests.perf.table import Entry, as_json, markdown, row, tasks

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
    if not chosen:
        parser.error(f"no task contains {options.only!r}")
    results: dict[Entry, list[Measured | Absent]] = {}
    for turn in range(options.rounds):
        due = [task for task in chosen if turn == 0 or not task.once]
        for entry in dict.fromkeys(entry for task in due for entry in task.entries):
            if any(isinstance(result, Absent) for result in results.get(entry, ())):
                continue
            result = measure(*entry)
            results.setdefault(entry, []).append(result)
            sys.stderr.write(f"round {turn + 1}: {entry[0]}, {entry[1]:g} s: {_told(result)}\n")
    rows = [row(task, results) for task in chosen]
    note = NOTE.format(rounds=options.rounds, machine=_processor(), python=platform.python_version())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(f"{note}\n{markdown(rows)}", encoding="utf-8")
    (options.out / "table.json").write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{markdown(rows)}\n{options.out / 'table.md'}\n")


def _told(result: Measured | Absent) -> str:
    return result.reason if isinstance(result, Absent) else f"{result.cpu_seconds:.3f} CPU s"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
