"""The life of one worker process: take a task, do it, send the result, until the pipe closes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.cells import Job, SeparatorSpec, SystemSpec
from ontology.targets import Target


@dataclass(frozen=True)
class DescribeTask:
    """Ask a separator what it declares."""

    spec: SeparatorSpec | SystemSpec
    targets: Sequence[Target]


@dataclass(frozen=True)
class RunTask:
    """Run one cell."""

    job: Job
    attempt: int = 1


Task = DescribeTask | RunTask


def worker_main(connection: Connection, threads: int, last_attempt: int) -> None:
    """Serve tasks until the other end of ``connection`` closes."""
    # A group of its own: an interrupt at the terminal reaches the parent alone, and what a plug-in starts can be ended
    # with it.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a plug-in that prints must not spoil the results on stdout

    import torch

    from bench.describe import describe
    from bench.execute import Loaded, run_job

    torch.set_num_threads(threads)
    loaded = Loaded()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is done with this worker
        connection.send("ready")
        while True:
            task: Task = connection.recv()
            if isinstance(task, DescribeTask):
                connection.send(describe(task.spec, task.targets))
            else:
                last = task.attempt >= last_attempt
                connection.send(run_job(task.job, loaded, attempt=task.attempt, last=last))


def _die_with_parent() -> None:
    """End this process when its parent is gone, even in the middle of a separator that never returns."""
    parent = os.getppid()
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # from <linux/prctl.h>
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
