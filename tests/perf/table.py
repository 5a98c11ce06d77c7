"""The rows of the table, and how it is written."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from tests.perf.contestants import PRIMITIVES
from tests.perf.measure import Absent, Measured

Entry = tuple[str, float]
"""A contestant and the length of the clip in seconds."""


@dataclass(frozen=True)
class Task:
    """One comparison."""

    title: str
    seconds: float
    ours: str
    peer: str
    once: bool = False
    """Whether it takes so long that one round has to do."""

    @property
    def entries(self) -> tuple[Entry, Entry]:
        """Who runs on what; tasks with the same entry share its measurement."""
        return (self.ours, self.seconds), (self.peer, self.seconds)


@dataclass(frozen=True)
class Row:
    """Medians of a task over its rounds; ratios are peer / ours, so that more is better for ours."""

    task: str
    seconds: float
    peer: str
    peer_version: str | None
    cpu_seconds: float | None
    peer_cpu_seconds: float | None
    cpu_ratio: float | None
    memory_mb: float | None
    peer_memory_mb: float | None
    memory_ratio: float | None
    rounds: int
    note: str | None


def tasks(*, long: bool) -> list[Task]:
    """All comparisons; ``long`` adds those of several minutes."""
    stereo, mono = "4 stereo stems", "4 mono sources"
    rows = [
        *(Task(f"BSS Eval v4, {stereo}", length, "bss_eval_v4", "museval") for length in (10, 30, 60)),
        *(Task(f"SDR alone, {stereo}", length, "framewise_sdr", "museval") for length in (10, 30, 60)),
        *(Task(f"all of musdb18's scores, {stereo}", length, "cell", "museval") for length in (10, 30, 60)),
        *(Task(f"the same with ISR, SIR, SAR, {stereo}", n, "cell with filters", "museval") for n in (10, 30, 60)),
        *(Task(f"BSS Eval v3 permuted, {mono}", length, "bss_eval_v3", "fast_bss_eval") for length in (10, 30, 60)),
        Task(f"BSS Eval v3 permuted, {mono}", 10, "bss_eval_v3", "mir_eval"),
        *(Task(f"{name}, a stereo clip", 10, name, f"nussl-{name}") for name in PRIMITIVES),
    ]
    if long:
        rows += [Task(f"BSS Eval v3 permuted, {mono}", n, "bss_eval_v3", "mir_eval", once=True) for n in (30, 60)]
        rows += [
            Task(f"{title}, {stereo}", 240, ours, "museval", once=True)
            for title, ours in (("BSS Eval v4", "bss_eval_v4"), ("SDR alone", "framewise_sdr"))
        ]
    return rows


LEAST_MB: Final = 1.0
"""Growth below which a ratio of memory says nothing: it is of the size of a page or two."""


def row(task: Task, results: Mapping[Entry, Sequence[Measured | Absent]]) -> Row:
    """The medians of a task; a contestant that could not run leaves its columns empty and says why."""
    ours, peer = (results[entry] for entry in task.entries)
    note = next((result.reason for result in (*ours, *peer) if isinstance(result, Absent)), None)
    sides = [[result for result in side if isinstance(result, Measured)] for side in (ours, peer)]
    cpu, peer_cpu = (_median([result.cpu_seconds for result in side]) for side in sides)
    memory, peer_memory = (_median([result.memory_mb for result in side]) for side in sides)
    return Row(
        task=task.title,
        seconds=task.seconds,
        peer=task.peer,
        peer_version=sides[1][0].version if sides[1] else None,
        cpu_seconds=cpu,
        peer_cpu_seconds=peer_cpu,
        cpu_ratio=_ratio(peer_cpu, cpu),
        memory_mb=memory,
        peer_memory_mb=peer_memory,
        memory_ratio=_ratio(peer_memory, memory) if memory and memory >= LEAST_MB else None,
        rounds=min(len(side) for side in sides),
        note=f"not compared: {note}" if note else None,
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table for people."""
    head = ("task", "clip", "peer", "ours, CPU s", "peer, CPU s", "CPU ratio", "ours, MB", "peer, MB", "memory ratio")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for found in rows:
        name = f"{found.peer} {found.peer_version or 'absent'}"
        cells = [
            found.task, f"{found.seconds:g} s", name,
            _number(found.cpu_seconds, 3), _number(found.peer_cpu_seconds, 3), _number(found.cpu_ratio, 1, "x"),
            _number(found.memory_mb, 0), _number(found.peer_memory_mb, 0), _number(found.memory_ratio, 1, "x"),
        ]  # fmt: skip
        lines.append("| " + " | ".join([*cells[:2], found.note if found.note else cells[2], *cells[3:]]) + " |")
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The table for programs."""
    return [asdict(found) for found in rows]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratio(peer: float | None, ours: float | None) -> float | None:
    return peer / ours if peer is not None and ours else None


def _number(value: float | None, places: int, unit: str = "") -> str:
    return "" if value is None else f"{value:.{places}f}{unit}"
