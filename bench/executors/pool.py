"""Run cells in spawned worker processes, each cell under a hard limit of time and memory.

A worker that hangs, outgrows its memory or dies costs its cell one more attempt, then a row; the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

import psutil

from bench.cells import Job, Outcome, SeparatorSpec
from bench.describe import Description
from bench.execute import write_outcome
from bench.executors.base import Executor
from bench.executors.worker import DescribeTask, RunTask, Task, worker_main
from bench.limits import Limits
from ontology.targets import Target
from reports.schema import Status

ATTEMPTS: Final = 2
"""Times a cell is tried whose worker died or was stopped."""
POLL_SECONDS: Final = 0.1
START_SECONDS: Final = 120.0
"""How long a worker may take to start: it imports torch, which can take long on a cold disk."""
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    since: float
    """When it began what it is doing: starting up, or its task."""
    ready: bool = False
    task: Task | None = None
    identity: str = ""
    """The separator it has loaded."""


class PoolExecutor(Executor):
    """``workers`` spawned processes, each keeping one separator loaded."""

    def __init__(self, *, workers: int | None = None, limits: Limits | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        self.workers = workers or cores
        self._threads = max(1, cores // self.workers)
        self._limits = limits or Limits()
        self._crew: list[_Worker] = []

    def describe(self, specs: Sequence[SeparatorSpec], targets: Sequence[Target]) -> list[Description]:
        described: dict[str, Description] = {}

        def finish(task: Task, result: object, status: Status | None, reason: str) -> None:
            assert isinstance(task, DescribeTask)
            if isinstance(result, Description):
                described[task.spec.name] = result
            else:
                described[task.spec.name] = Description(spec=task.spec, failure=f"{task.spec.name}: {reason}")

        for _ in self._work([DescribeTask(spec, targets) for spec in specs], finish):
            pass
        return [described[spec.name] for spec in specs]

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        outcomes: list[Outcome] = []

        def finish(task: Task, result: object, status: Status | None, reason: str) -> None:
            assert isinstance(task, RunTask)
            if isinstance(result, Outcome):
                outcomes.append(result)
            else:
                assert status is not None
                spent = self._limits.seconds if status == "timeout" else 0.0
                outcomes.append(write_outcome(task.job, status, reason, attempt=task.attempt, total_seconds=spent))

        for _ in self._work([RunTask(job) for job in jobs], finish):
            yield from outcomes
            outcomes.clear()

    def close(self) -> None:
        for worker in self._crew:
            _kill(worker)
        self._crew.clear()

    def _work(
        self, tasks: Sequence[Task], finish: Callable[[Task, object, Status | None, str], None]
    ) -> Iterator[None]:
        """Do all tasks; ``finish`` gets each with its result, or with the status and reason of its failure."""
        waiting = _Queue(tasks)
        while waiting or any(worker.task for worker in self._crew):
            self._assign(waiting)
            self._collect(waiting, finish)
            yield
            self._enforce(waiting, finish)
            yield

    def _assign(self, waiting: _Queue) -> None:
        busy = sum(worker.task is not None for worker in self._crew)
        for _ in range(min(self.workers, busy + len(waiting)) - len(self._crew)):
            self._crew.append(self._start())
        for worker in self._crew:
            if worker.ready and worker.task is None and waiting:
                task = waiting.take(worker.identity)
                try:
                    worker.connection.send(task)
                except OSError:  # it died while idle; another one takes the task
                    waiting.put_back(task)
                    continue
                worker.task, worker.since, worker.identity = task, time.monotonic(), _identity(task)

    def _collect(self, waiting: _Queue, finish: Callable[[Task, object, Status | None, str], None]) -> None:
        by_connection = {worker.connection: worker for worker in self._crew}
        for connection in wait(list(by_connection), timeout=POLL_SECONDS):
            assert isinstance(connection, Connection)
            worker = by_connection[connection]
            try:
                message = connection.recv()
            except (EOFError, OSError):
                worker.process.join(timeout=5)
                self._lose(worker, waiting, finish, "error", f"worker died ({_exit(worker.process)})")
                continue
            if worker.task is None:
                worker.ready = True
            else:
                task, worker.task = worker.task, None
                finish(task, message, None, "")

    def _enforce(self, waiting: _Queue, finish: Callable[[Task, object, Status | None, str], None]) -> None:
        now = time.monotonic()
        for worker in list(self._crew):
            if not worker.ready:
                if now - worker.since > START_SECONDS:
                    _kill(worker)
                    raise RuntimeError(f"a worker process did not start within {START_SECONDS:.0f} s")
                continue
            if worker.task is None:
                continue
            if now - worker.since > self._limits.seconds:
                _kill(worker)
                reason = f"stopped after {self._limits.seconds:g} s (limits.seconds)"
                self._lose(worker, waiting, finish, "timeout", reason)
            elif _resident_gb(worker.process) > self._limits.memory_gb:
                _kill(worker)
                reason = f"stopped above {self._limits.memory_gb:g} GB of memory (limits.memory_gb)"
                self._lose(worker, waiting, finish, "oom", reason)

    def _lose(
        self,
        worker: _Worker,
        waiting: _Queue,
        finish: Callable[[Task, object, Status | None, str], None],
        status: Status,
        reason: str,
    ) -> None:
        """Give up a worker; its task gets another attempt, or its failure becomes its result."""
        self._crew.remove(worker)
        _kill(worker)
        if not worker.ready:
            raise RuntimeError(f"a worker process could not start: {reason}")
        task = worker.task
        if isinstance(task, RunTask) and task.attempt < ATTEMPTS:
            waiting.put_back(RunTask(task.job, attempt=task.attempt + 1))
        elif task is not None:
            finish(task, None, status, reason)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=worker_main, args=(theirs, self._threads), daemon=True)
        with _threads_in_environment(self._threads):
            process.start()
        theirs.close()
        return _Worker(process, ours, since=time.monotonic())


class _Queue:
    """Tasks in order, handed out so that a worker keeps the separator it has loaded where it can."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._by_identity: dict[str, deque[Task]] = {}
        for task in tasks:
            self._by_identity.setdefault(_identity(task), deque()).append(task)

    def __len__(self) -> int:
        return sum(map(len, self._by_identity.values()))

    def take(self, identity: str) -> Task:
        """The next task of ``identity``, or the next of the separator with most work left."""
        queue = self._by_identity.get(identity) or max(self._by_identity.values(), key=len)
        return queue.popleft()

    def put_back(self, task: Task) -> None:
        self._by_identity.setdefault(_identity(task), deque()).append(task)


def _identity(task: Task) -> str:
    return task.spec.identity if isinstance(task, DescribeTask) else task.job.spec.identity


def _kill(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join(timeout=10)
    worker.connection.close()


def _exit(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None:
        return "closed its pipe"
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def _resident_gb(process: BaseProcess) -> float:
    try:
        return psutil.Process(process.pid).memory_info().rss / 2**30
    except psutil.Error:
        return 0.0  # it is gone; its closed pipe tells


@contextmanager
def _threads_in_environment(threads: int) -> Iterator[None]:
    """Numerical libraries read their thread counts once, when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: str(threads) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
