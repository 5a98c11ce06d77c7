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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

import psutil

from bench.cells import Job, Outcome, SeparatorSpec, SystemSpec
from bench.describe import Description
from bench.execute import write_outcome
from bench.executors.base import Executor
from bench.executors.worker import DescribeTask, RunTask, Task, worker_main
from bench.limits import Limits
from ontology.targets import Target
from reports.schema import Status

ATTEMPTS: Final = 2
"""Times a cell is tried whose worker died, was stopped, or ran out of memory."""
POLL_SECONDS: Final = 0.1
START_SECONDS: Final = 120.0
"""How long a worker may take to start: it imports torch, which can take long on a cold disk."""
STARTS: Final = 4
"""Failed starts in a row after which the pool gives up."""
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

Finish = Callable[[Task, object, Status | None, str], None]
"""Takes a task with its result, or with the status and reason of its failure."""


class PoolError(RuntimeError):
    """No worker process can be started; the message says what became of the last one."""


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
        self._failed_starts = 0

    def describe(self, specs: Sequence[SeparatorSpec | SystemSpec], targets: Sequence[Target]) -> list[Description]:
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
            _end(worker)
        self._crew.clear()

    def _work(self, tasks: Sequence[Task], finish: Finish) -> Iterator[None]:
        """Do all tasks, handing each to ``finish`` when it is done or given up."""
        waiting = _Queue(tasks)
        while waiting or any(worker.task for worker in self._crew):
            self._assign(waiting, finish)
            self._collect(waiting, finish)
            self._enforce(waiting, finish)
            yield

    def _assign(self, waiting: _Queue, finish: Finish) -> None:
        busy = sum(worker.task is not None for worker in self._crew)
        for _ in range(min(self.workers, busy + len(waiting)) - len(self._crew)):
            self._crew.append(self._start())
        for worker in self._crew:
            if not worker.ready or worker.task is not None or not waiting:
                continue
            task = waiting.take(worker.identity)
            try:
                worker.connection.send(task)
            except OSError:  # it died while idle; another one takes the task
                waiting.put_back(task)
                continue
            except Exception as error:  # pickling raises whatever the object at fault does
                finish(task, None, "error", f"cannot be sent to a worker: {type(error).__name__}: {error}")
                continue
            worker.task, worker.since, worker.identity = task, time.monotonic(), _identity(task)

    def _collect(self, waiting: _Queue, finish: Finish) -> None:
        by_connection = {worker.connection: worker for worker in self._crew}
        for connection in wait(list(by_connection), timeout=POLL_SECONDS):
            assert isinstance(connection, Connection)
            self._receive(by_connection[connection], waiting, finish)

    def _receive(self, worker: _Worker, waiting: _Queue, finish: Finish) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker, waiting, finish, "error")
            return
        except Exception as error:  # unpickling, too
            reason = f"its result cannot be read: {type(error).__name__}: {error}"
            self._lose(worker, waiting, finish, "error", reason)
            return
        if worker.task is None:
            worker.ready, self._failed_starts = True, 0
            return
        task, worker.task = worker.task, None
        if isinstance(message, Outcome) and message.status == "oom" and self._again(task, waiting):
            self._lose(worker, waiting, finish, "oom")  # a fresh process starts with fresh memory
        else:
            finish(task, message, None, "")

    def _enforce(self, waiting: _Queue, finish: Finish) -> None:
        for worker in list(self._crew):
            spent = time.monotonic() - worker.since
            if worker.connection.poll():
                continue  # it has something to say; that counts, however late
            if worker.process.exitcode is not None:  # a process of its own making may hold its pipe open
                self._lose(worker, waiting, finish, "error")
            elif not worker.ready:
                if spent > START_SECONDS:
                    self._lose(worker, waiting, finish, "error", f"did not start within {START_SECONDS:.0f} s")
            elif worker.task is None:
                continue
            elif spent > self._limits.seconds:
                reason = f"stopped after {self._limits.seconds:g} s (limits.seconds)"
                self._lose(worker, waiting, finish, "timeout", reason)
            elif _resident_gb(worker.process) > self._limits.memory_gb:
                reason = f"stopped above {self._limits.memory_gb:g} GB of memory (limits.memory_gb)"
                self._lose(worker, waiting, finish, "oom", reason)

    def _lose(
        self, worker: _Worker, waiting: _Queue, finish: Finish, status: Status, reason: str | None = None
    ) -> None:
        """Give up a worker; its task gets another attempt, or its failure becomes its result.

        Without a ``reason`` it died by itself, and how it ended is the reason.
        """
        self._crew.remove(worker)
        ended = _end(worker)
        reason = reason or f"worker died ({ended})"
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise PoolError(f"no worker process can be started: {reason}; executor=inline runs without any")
        elif worker.task is not None and not self._again(worker.task, waiting):
            finish(worker.task, None, status, reason)

    @staticmethod
    def _again(task: Task, waiting: _Queue) -> bool:
        """Put a cell back for another attempt if it has one left."""
        if not isinstance(task, RunTask) or task.attempt >= ATTEMPTS:
            return False
        waiting.put_back(RunTask(task.job, attempt=task.attempt + 1))
        return True

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=worker_main, args=(theirs, self._threads, ATTEMPTS), daemon=True)
        with _threads_in_environment(self._threads), _interrupts_held_back():
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


def _end(worker: _Worker) -> str:
    """End a worker with all it started, and say how it had ended if it had."""
    process = worker.process
    ended = _how(process.exitcode) if _exited_within(process, 0.2) else "closed its pipe"
    with suppress(ProcessLookupError, PermissionError):
        if process.pid:  # the group outlives its leader while anything it started does
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    _exited_within(process, 5.0)
    worker.connection.close()
    return ended


def _exited_within(process: BaseProcess, seconds: float) -> bool:
    """Wait for a process by asking for its status: joining would wait for whatever inherited its pipes as well."""
    end = time.monotonic() + seconds
    while process.exitcode is None and time.monotonic() < end:
        time.sleep(0.01)
    return process.exitcode is not None


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # real-time signals have no name
        return f"signal {-code}"


def _resident_gb(process: BaseProcess) -> float:
    """Resident memory of a process and of all it started."""
    total = 0
    with suppress(psutil.Error):  # it is gone; its closed pipe tells
        root = psutil.Process(process.pid)
        for one in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total / 2**30


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start a process with interrupts blocked, which it inherits: one while it still imports would end in a traceback.

    An interrupt that comes meanwhile reaches this process right after.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it unblocks interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
