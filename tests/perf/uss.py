"""Universal source separation by hierarchy, against the public code's way of working: ``python -m tests.perf.uss``.

Every contestant lives in a process of its own with one thread, and in each round each does its share of the work, one
after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from tests.perf.measure import ONE_THREAD, processor
from tests.perf.uss_scene import RATE, SEGMENT, jobs
from tests.perf.uss_worker import ENGINES, REFERENCE, SEGMENTS, TAGGER, TOLERANCE, Done

SAMPLE: Final = 8
"""Jobs of one segment in a round, for contestants that do not merge."""
MERGING: Final = {"torch bfloat16, merged": "torch bfloat16"}
"""Contestants that merge, and their like that do not."""
AIMS: Final = {
    "torch float32": (2, 100), "torch bfloat16": (4, 35), "compile float32": (3, 100), "openvino float32": (3, 100),
    "compile bfloat16": (10, 35), "openvino bfloat16": (10, 35), "torch bfloat16, merged": (20, 30),
}  # fmt: skip
"""Ratio of CPU time and signal-to-error ratio in dB that are aimed at; the tens on processors with AMX."""

NOTE: Final = """\
Separation of {classes} classes of depth 1 to 3 from a mono clip of {seconds} s, of which {active} are active in {jobs}
(class, segment) pairs, by ResUNet30 at its published size; untrained weights. CPU time of all threads with one thread,
medians over {rounds} rounds in which all take turns, ratios within a round. {how}
The public code's way of working is written from its description: each class by itself, its segments in batches of at
most 8, query net and transforms repeated, transforms by convolution, float32. SNR is the energy of an estimate over
that of its error, for the worst job of those compared: against the public way, for merged conditions against the same
unmerged. Conditions are merged within a distance of {tolerance} (5 % of the features' spread, root mean square).
Weights "rule" are those of the tests' fixed rule, "start" those with which training starts; trained ones are not
distributed with this code. What merging costs depends on them: under "rule" a condition changes an estimate by little
(estimates of two classes agree to 36 dB or more), under "start" by more (to 13 to 24 dB), and trained weights must be
expected to be worse still. The engine measures the error of the farthest merge in every run.

{machine}, Python {python}, torch {torch}.
"""
SAMPLED: Final = (
    "The public way was run\non one class a round, ours on 8 jobs of one segment, and their CPU time is scaled to all "
    "jobs by count;\nwhat merges was run on the whole clip. Add --long to run everything in full."
)
IN_FULL: Final = "Everything was run in full, once."


@dataclass(frozen=True)
class Row:
    """One contestant: CPU seconds for the whole clip, the public way's over them, and the error."""

    contestant: str
    weights: str
    passes: int
    cpu_seconds: float
    cpu_ratio: float | None
    snr_db: float | None
    peak_mb: float | None
    aim: str


class Worker:
    """A contestant's process."""

    def __init__(self, contestant: str, weights: str) -> None:
        command = [sys.executable, "-m", "tests.perf.uss_worker", contestant, weights]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, env=os.environ | ONE_THREAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            text=True,
        )  # fmt: skip

    def do(self, rows: Sequence[int], path: Path | None = None) -> Done:
        """Let it separate these jobs and keep the estimates.

        Raises:
            RuntimeError: it cannot; the message is its last line.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # where it has ended it says why
            self._process.stdin.write(json.dumps([list(rows), path and str(path)]) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            status = self._process.wait()
            self._said.seek(0)
            raise RuntimeError((self._said.read().strip().splitlines() or [f"exit status {status}"])[-1])
        return Done(**json.loads(answer))

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.communicate()
        self._said.close()


class Comparison:
    """The contestants on one set of weights, each with the rows of jobs that it works on."""

    def __init__(self, weights: str, contestants: Sequence[str], *, long: bool) -> None:
        self.weights, self.contestants, self._long = weights, contestants, long
        class_of, segment_of, _, _ = jobs(SEGMENTS)
        self.every = list(range(len(class_of)))
        self.classes = [(class_of == number).nonzero()[:, 0].tolist() for number in range(int(class_of.max()) + 1)]
        self.segments = [(segment_of == number).nonzero()[:, 0].tolist() for number in range(SEGMENTS)]
        self.throughout = [rows for rows in self.classes if len(rows) == SEGMENTS]

    def run(self, rounds: int) -> list[Row]:
        """Rows of the contestants, the public way first; one that cannot run is told of and left out."""
        workers = {name: Worker(name, self.weights) for name in (REFERENCE, TAGGER, *self.contestants)}
        spent: dict[str, list[float]] = {name: [] for name in workers}
        last: dict[str, Done] = {}
        with tempfile.TemporaryDirectory() as folder:
            errors = self._warm(workers, Path(folder))
            for turn in range(1 if self._long else rounds):
                for name, worker in workers.items():
                    shares = self._shares(name, turn)
                    done = [worker.do(rows) for rows in shares]
                    scale = 1 if self._whole(name) else len(self.every) / sum(map(len, shares))
                    spent[name].append(scale * sum(one.cpu_seconds for one in done))
                    last[name] = done[-1]
                    _tell(f"{self.weights}, round {turn + 1}: {name}: {spent[name][-1]:.1f} CPU s for the clip")
        for worker in workers.values():
            worker.end()
        return [self._row(name, spent, last[name], errors.get(name)) for name in workers if name != TAGGER]

    def _warm(self, workers: dict[str, Worker], folder: Path) -> dict[str, float]:
        """Run each once, before any clock, and compare the estimates. Who cannot run is taken out of ``workers``."""
        found: dict[str, torch.Tensor] = {}
        for name, worker in list(workers.items()):
            rows = self.segments[0] if name in MERGING else self.throughout[0]
            try:
                worker.do(rows, folder / "estimates.pt")
            except RuntimeError as error:
                _tell(f"{self.weights}: {name} is left out: {error}")
                workers.pop(name).end()
                continue
            found[name] = torch.load(folder / "estimates.pt")
            _tell(f"{self.weights}: {name} is ready")
        unmerged = set(ENGINES) - set(MERGING)
        errors = {name: worst_snr_db(found[REFERENCE], found[name]) for name in found if name in unmerged}
        for name in set(MERGING) & set(found):
            workers[MERGING[name]].do(self.segments[0], folder / "unmerged.pt")
            errors[name] = worst_snr_db(torch.load(folder / "unmerged.pt"), found[name])
        return errors

    def _whole(self, name: str) -> bool:
        return self._long or name in MERGING or name == TAGGER

    def _shares(self, name: str, turn: int) -> list[list[int]]:
        """What a contestant does in a round: the public way goes class by class."""
        if name == REFERENCE:
            return self.classes if self._long else [self.throughout[turn * 7 % len(self.throughout)]]
        return [self.every] if self._whole(name) else [self.segments[turn % SEGMENTS][:SAMPLE]]

    def _row(self, name: str, spent: Mapping[str, list[float]], last: Done, snr_db: float | None) -> Row:
        rounds = list(zip(spent[REFERENCE], spent[TAGGER], spent[name], strict=True))
        public = name == REFERENCE
        return Row(
            contestant=name,
            weights=self.weights,
            passes=last.passes if name in MERGING else len(self.every),
            cpu_seconds=statistics.median(tagger + own for _, tagger, own in rounds),
            cpu_ratio=None if public else statistics.median((p + tagger) / (own + tagger) for p, tagger, own in rounds),
            snr_db=snr_db,
            peak_mb=last.peak_mb,
            aim="" if public else "{} x at {} dB".format(*AIMS[name]),
        )


def worst_snr_db(signal: torch.Tensor, other: torch.Tensor) -> float:
    """Energy over that of the difference in dB, of the row ``(rows, samples)`` where it is lowest."""
    signal, other = signal.double(), other.double()
    return float(10 * torch.log10(signal.square().sum(1) / (signal - other).square().sum(1)).min())


def markdown(rows: Sequence[Row], *, rounds: int, long: bool) -> str:
    """The table for people, with what it says above it."""
    class_of, _, _, asked = jobs(SEGMENTS)
    note = NOTE.format(
        classes=asked, seconds=SEGMENTS * SEGMENT // RATE, active=int(class_of.max()) + 1, jobs=len(class_of),
        rounds=1 if long else rounds, how=IN_FULL if long else SAMPLED, tolerance=TOLERANCE, machine=processor(),
        python=platform.python_version(), torch=torch.__version__,
    )  # fmt: skip
    head = ("weights", "contestant", "passes", "CPU s per clip", "CPU ratio", "SNR, dB", "aim", "peak, MB")
    lines = [note, "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (
            row.weights, row.contestant, row.passes, _number(row.cpu_seconds), _number(row.cpu_ratio, "x"),
            _number(row.snr_db), row.aim, _number(row.peak_mb),
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table, and write it and the chart."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.uss", description=__doc__)
    parser.add_argument("--long", action="store_true", help="run every job of every contestant, once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("stemtree-out") / "perf")
    options = parser.parse_args()
    plan = {"rule": tuple(ENGINES), "start": tuple(name for name in ENGINES if name.startswith("torch"))}
    rows = [
        row
        for weights, contestants in plan.items()
        for row in Comparison(weights, contestants, long=options.long).run(options.rounds)
    ]
    table = markdown(rows, rounds=options.rounds, long=options.long)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "uss.md").write_text(table, encoding="utf-8")
    (options.out / "uss.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    chart = options.out / "uss.svg"
    subprocess.run([sys.executable, "-m", "tests.perf.uss_chart", str(chart)], env=os.environ | ONE_THREAD, check=True)
    sys.stdout.write(f"{table}\n{options.out / 'uss.md'}\n{chart}\n")


def _number(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:.1f}{unit}"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
