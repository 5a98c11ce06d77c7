"""The site of a million scores: ``python -m tests.perf.site`` builds it from nothing, and again after new runs."""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.perf.big_results import BigResults
from tests.perf.measure import processor

ROWS: Final = 1_000_000
SEPARATORS: Final = 50
_GLANCE: Final = 0.05
"""Seconds between two looks at how much memory is taken."""
NOTE: Final = (
    "{scores:,} score rows of {separators} separators in {scenes:,} scenes. Each build is a process of its own, which "
    "draws figures in further ones; wall time hangs on what else the machine does. CPU time and memory are of all of "
    "them, memory being the peak of the sum of their resident sizes. "
    "First load of the overall page: {first_load:.0f} kB, compressed.\n\n{machine}, Python {python}.\n"
)


@dataclass(frozen=True)
class Row:
    """One build."""

    build: str
    files: int
    wall_seconds: float
    cpu_seconds: float
    memory_mb: float


def first_load(page: Path) -> int:
    """Bytes of a page with the style sheets and scripts that it asks for, each compressed by gzip."""
    source = page.read_text(encoding="utf-8")
    asked = re.findall(r'<link rel="stylesheet" href="([^"]+)"|<script src="([^"]+)"', source)
    parts = [page, *(page.parent / (sheet or script) for sheet, script in asked)]
    return sum(len(gzip.compress(part.read_bytes(), mtime=0)) for part in parts)


def changes(results: BigResults) -> Iterator[tuple[str, Callable[[], object]]]:
    """What may happen to a folder between two builds."""
    scene = results.scenes["songs"][0].name
    names = list(results.separators)
    yield "nothing new", lambda: None
    yield "a run of all that found every cell done", lambda: results.run("night-89", names, done=True)
    yield (
        "cells of one scene, new for all separators",
        lambda: results.run("night-90", names, attempt=1, only={"songs": [scene]}),
    )
    songs = {"songs": [one.name for one in results.scenes["songs"]]}
    yield "one separator more, on one data set", lambda: results.run("night-91", ["newcomer"], only=songs)
    yield "one separator more, on all data sets", lambda: results.run("night-92", ["late-comer"])


def _build(results: Path, site: Path) -> None:
    """Build in this process, and print how long it took."""
    from leaderboard import build

    began = time.perf_counter()
    build(results, site)
    sys.stdout.write(f"{time.perf_counter() - began}\n")


def _row(title: str, results: Path, site: Path) -> Row:
    command = [sys.executable, "-m", "tests.perf.site", "--build", str(results), str(site)]
    former, peak = _cpu_of_children(), 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, _resident_mb(process.pid))
            time.sleep(_GLANCE)
        assert process.stdout is not None
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{title}: the build ended with status {process.returncode}")
    wall, cpu = float(told.splitlines()[-1]), _cpu_of_children() - former
    files = sum(path.is_file() for path in site.rglob("*"))
    sys.stderr.write(f"{title}: {wall:.1f} s, {cpu:.1f} CPU s, {peak:.0f} MB\n")
    return Row(title, files, wall, cpu, peak)


def _cpu_of_children() -> float:
    """CPU seconds of all processes that this one has begun and that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_mb(pid: int) -> float:
    """Resident size of a process and all below it, what they share counted for each of them."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total / 1e6


def markdown(rows: list[Row]) -> str:
    """The table for people."""
    lines = ["| build | files | wall s | CPU s | memory, MB |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.build} | {row.files:,} | {row.wall_seconds:.1f} | {row.cpu_seconds:.1f} | {row.memory_mb:.0f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.site", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path, default=Path("stemtree-out") / "perf")
    parser.add_argument("--build", type=Path, nargs=2, metavar=("RESULTS", "SITE"), help="build once and say the cost")
    options = parser.parse_args()
    if options.build:
        _build(*options.build)
        return
    folder = Path(tempfile.mkdtemp(prefix="stemtree-perf-"))
    try:
        rows = _measure(folder, options.rows, options.out)
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(f"{markdown(rows)}\n{options.out / 'site.md'}\n")


def _measure(folder: Path, rows: int, out: Path) -> list[Row]:
    results, site = BigResults(folder / "results", rows=rows, count=SEPARATORS), folder / "site"
    scores = results.write()
    found = [_row("from nothing", results.results.folder, site)]
    load = first_load(site / "index.html") / 1000
    for title, change in changes(results):
        change()
        found.append(_row(title, results.results.folder, site))
    out.mkdir(parents=True, exist_ok=True)
    note = NOTE.format(
        scores=scores, separators=SEPARATORS, scenes=sum(map(len, results.scenes.values())), first_load=load,
        machine=processor(), python=platform.python_version(),
    )  # fmt: skip
    (out / "site.md").write_text(f"{note}\n{markdown(found)}", encoding="utf-8")
    text = json.dumps([asdict(row) for row in found], indent=1) + "\n"
    (out / "site.json").write_text(text, encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
