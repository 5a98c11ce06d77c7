"""What a run came to, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.training.clips import TrainingData


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run came to."""

    out: Path
    done: int
    """Steps done, those before a resumption included."""
    steps: int
    checkpoint: Path
    notes: tuple[str, ...]
    main: bool = True
    """False in all processes but the first, which have nothing to say."""

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.done >= self.steps

    def lines(self) -> Iterator[str]:
        """What is shown of validation and test, block by block."""
        yield from ()


def told(source: TrainingData) -> str:
    """How many clips a source has."""
    absent = f"; {source.absent} more are listed and not there" if source.absent else ""
    return f"{source.name}: {len(source.clips)} clips to train on{absent}"


def few(what: str, reasons: Sequence[str]) -> list[str]:
    """One line for many reasons."""
    return [f"{len(reasons)} {what}, e.g. {reasons[0]}"] if reasons else []
