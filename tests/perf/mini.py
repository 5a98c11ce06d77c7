"""The models that come with stemtree on one core: ``python -m tests.perf.mini``."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.perf.contestants import mini_classes
from tests.perf.measure import Absent, Measured, measure, processor

TASKS: Final = (("mini-tagger", 60.0), ("mini-uss", 10.0), ("mini-uss", 30.0))
"""Who works on a mono clip of how many seconds."""
_DOES: Final = {
    "mini-tagger": "mini-tagger hears a clip",
    "mini-uss": "mini-uss extracts {} classes of all depths that sound throughout, and writes them",
}
NOTE: Final = (
    "Medians over {rounds} rounds, each in a fresh process with one thread. CPU time is of all threads; the real-time "
    "factor is CPU seconds by second of audio; memory is how far the peak of resident memory rose above what was "
    "resident with models and input in place.\n\n{machine}, Python {python}.\n"
)


@dataclass(frozen=True)
class Row:
    """Medians of one task; None, with a note, where it could not run."""

    task: str
    seconds: float
    cpu_seconds: float | None
    real_time_factor: float | None
    memory_mb: float | None
    note: str | None


def row(contestant: str, seconds: float, results: Sequence[Measured | Absent]) -> Row:
    """The medians of a task, or why there are none."""
    task = _DOES[contestant].format(len(mini_classes()))
    absent = next((result.reason for result in results if isinstance(result, Absent)), None)
    measured = [result for result in results if isinstance(result, Measured)]
    if absent or not measured:
        return Row(task, seconds, None, None, None, f"not measured: {absent}")
    cpu = statistics.median(result.cpu_seconds for result in measured)
    grown = [result.memory_mb for result in measured if result.memory_mb is not None]
    return Row(task, seconds, cpu, cpu / seconds, statistics.median(grown) if grown else None, None)


def markdown(rows: Sequence[Row]) -> str:
    """The table for people."""
    head = ("task", "clip", "CPU s", "real-time factor", "memory, MB")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for found in rows:
        numbers = ((found.cpu_seconds, 2), (found.real_time_factor, 3), (found.memory_mb, 0))
        cells = ["" if value is None else f"{value:.{places}f}" for value, places in numbers]
        task = f"{found.task} ({found.note})" if found.note else found.task
        lines.append("| " + " | ".join([task, f"{found.seconds:g} s", *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.mini", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("stemtree-out") / "perf")
    options = parser.parse_args()
    rows = [row(*task, [measure(*task) for _ in range(options.rounds)]) for task in TASKS]
    note = NOTE.format(rounds=options.rounds, machine=processor(), python=platform.python_version())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "mini.md").write_text(f"{note}\n{markdown(rows)}", encoding="utf-8")
    text = json.dumps([asdict(found) for found in rows], indent=1) + "\n"
    (options.out / "mini.json").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{markdown(rows)}\n{options.out / 'mini.md'}\n")


if __name__ == "__main__":
    main()
