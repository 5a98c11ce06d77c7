"""What every executor does: describe separators, and turn jobs into outcomes. It knows nothing of audio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from bench.cells import Job, Outcome, SeparatorSpec, SystemSpec
from bench.describe import Description
from ontology.targets import Target


class Executor(ABC):
    """Runs cells. Used as a context manager, so that workers end with the block."""

    workers: int
    """How many cells it runs at a time."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def describe(self, specs: Sequence[SeparatorSpec | SystemSpec], targets: Sequence[Target]) -> list[Description]:
        """What each separator or system declares, in the order of ``specs``; one that cannot say has failed."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Run all jobs and yield each outcome as it comes; its rows are written before it is yielded."""

    @abstractmethod
    def close(self) -> None:
        """Stop whatever still runs."""
