"""Run cells one after another in this process: for debugging, and for notebooks. No time or memory limit holds here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.cells import Job, Outcome, SeparatorSpec, SystemSpec
from bench.describe import Description, describe
from bench.execute import Loaded, run_job
from bench.executors.base import Executor
from ontology.targets import Target


class InlineExecutor(Executor):
    """The plainest executor."""

    workers = 1

    def __init__(self) -> None:
        self._loaded = Loaded()

    def describe(self, specs: Sequence[SeparatorSpec | SystemSpec], targets: Sequence[Target]) -> list[Description]:
        return [describe(spec, targets) for spec in specs]

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        places: dict[str, int] = {}
        for job in jobs:
            places.setdefault(job.spec.identity, len(places))
        for job in sorted(jobs, key=lambda job: places[job.spec.identity]):  # each separator is made once
            yield run_job(job, self._loaded)

    def close(self) -> None:
        self._loaded = Loaded()
