"""One measurement in a process of its own: ``python -m tests.perf.measure CONTESTANT SECONDS`` prints JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Measured:
    """CPU seconds over all threads, and growth of the peak resident memory in MB (2**20 bytes) where it is known."""

    cpu_seconds: float
    memory_mb: float | None
    version: str


@dataclass(frozen=True)
class Absent:
    """Why a contestant could not run."""

    reason: str


def measure(contestant: str, seconds: float) -> Measured | Absent:
    """Run a contestant once in a fresh process with one thread."""
    command = [sys.executable, "-m", "tests.perf.measure", contestant, str(seconds)]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Absent(lines[-1] if lines else f"exit status {done.returncode}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _run(name: str, seconds: float) -> Measured:
    import torch

    from bench.memory import PeakMemory
    from tests.perf.contestants import CONTESTANTS

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    contestant = CONTESTANTS[name]
    contestant.make(contestant.warm_seconds, 1)()
    work = contestant.make(seconds, contestant.sources)
    peak, start = PeakMemory(), time.process_time()
    work()
    cpu, grown = time.process_time() - start, peak.growth_mb()
    try:
        known = version(contestant.distribution)
    except PackageNotFoundError:
        known = "unknown"
    return Measured(cpu, grown, known)


def processor() -> str:
    """Name of the machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(_run(sys.argv[1], float(sys.argv[2])))) + "\n")
