"""What every data set does: find its layout, yield scenes, say exactly what is missing or broken."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

from bench.audio import EnergyMatched, Fitted
from bench.datasets.loud import without_silence
from bench.scene import Scene, SceneError, Signal
from ontology.targets import Target

LONGEST_EXAMPLE: Final = 30.0
"""Seconds of an example, from its beginning, that are handed to a separator which does not ask for all there is."""


class DatasetError(ValueError):
    """A data set cannot be opened; the message names the folder or file, what is wrong, and the remedy."""


@dataclass(frozen=True)
class DatasetInfo:
    """Where a data set comes from."""

    title: str
    licence: str
    citation: str
    url: str
    how_to_get: str
    """One line: what to download, and how to lay it out."""


@dataclass(frozen=True)
class Problem:
    """One thing that ``stemtree data verify`` found."""

    path: Path
    what: str
    remedy: str


class Dataset(ABC):
    """A data set in its published layout under ``root``. Subclasses take their options by keyword."""

    name: ClassVar[str]
    info: ClassVar[DatasetInfo]
    splits: ClassVar[tuple[str, ...]]
    default_split: ClassVar[str] = "test"
    metrics: ClassVar[tuple[str, ...]]
    """Ids of the metrics scored by default, e.g. ``"sdri@1"``."""
    columns: ClassVar[tuple[str, ...]]
    """Headline columns as ``metric/aggregation``, the first one ranks; e.g. ``"sdri@1/class-median-mean"``."""
    example_splits: ClassVar[tuple[str, ...]] = ()
    """Splits whose sources may serve as example clips of a class: never one that is scored."""
    example_seconds: ClassVar[float | None] = None
    """First part of a source that is an example by the data set's own definition; None: all of it."""
    loud_examples: ClassVar[bool] = False
    """Whether silence is cut out of whole examples, as the papers' evaluation does on some data sets."""
    weakly_labelled: ClassVar[bool] = False
    """Whether classes that are not listed may sound in its sources."""
    caveat: ClassVar[str | None] = None
    """What a reader of this data set's intervals must know."""

    def __init__(self, root: Path, *, split: str | None = None) -> None:
        self.root = Path(root)
        self.split = split or self.default_split
        if self.split not in self.splits:
            raise DatasetError(f"{self.name}: no split {self.split!r}; it has {', '.join(self.splits)}")
        if not self.root.is_dir():
            raise DatasetError(f"{self.name}: no folder {self.root}. {self.info.how_to_get}")

    @classmethod
    @abstractmethod
    def find(cls, root: Path) -> list[Path]:
        """Folders at or under ``root`` that hold this data set's layout (at most three levels down)."""

    @classmethod
    def prefer(cls, found: list[Path]) -> list[Path]:
        """Of several folders found under a root that nobody chose between, those to take; all unless overridden."""
        return found

    @abstractmethod
    def scenes(self) -> Iterator[Scene]:
        """The scenes of the split in a fixed order, without reading audio.

        Raises:
            DatasetError: nothing of the split is there, or its metadata cannot be read.
        """

    @abstractmethod
    def verify(self) -> Iterator[Problem]:
        """Everything that is missing or broken, file by file; decodes the audio."""

    def unreadable(self, path: Path, error: DatasetError) -> Problem:
        """That the split cannot be read at all, as a finding on ``path``, with which the error's message may begin."""
        return Problem(path, str(error).removeprefix(f"{path}: "), self.info.how_to_get)

    def examples(self, target: Target, *, whole: bool = False) -> Iterator[Signal]:
        """Clips of ``target`` alone, from :attr:`example_splits` other than the scored one; none where absent.

        They end after :data:`LONGEST_EXAMPLE` unless ``whole`` is set; then they have lost their silence where
        :attr:`loud_examples` says so, and one may be empty.
        """
        limits = [self.example_seconds, None if whole else LONGEST_EXAMPLE]
        seconds = min((limit for limit in limits if limit is not None), default=math.inf)
        for signal in self._singles.get(target, ()):
            for example in self._example(signal, seconds):
                yield without_silence(example) if whole and self.loud_examples else example

    @cached_property
    def _singles(self) -> Mapping[Target, Sequence[Signal]]:
        """The single sources of the splits that give examples, by target: one pass over them serves every target."""
        found: dict[Target, list[Signal]] = {}
        for split in self.example_splits:
            if split == self.split:
                continue
            sibling = copy.copy(self)
            sibling.split = split
            with suppress(DatasetError):  # the split was not downloaded
                for scene in sibling.scenes():
                    for wanted in scene.targets:
                        if len(wanted.members) == 1:
                            signal = scene.sources[wanted.members[0]].signal
                            # At its own level: in its scene it was scaled to another clip's.
                            own = signal.signal if isinstance(signal, EnergyMatched) else signal
                            found.setdefault(wanted.target, []).append(own)
        return found

    def _example(self, signal: Signal, seconds: float) -> Iterator[Signal]:
        try:
            signal.fingerprint()
            yield Fitted(signal, round(min(signal.samples, seconds * signal.sample_rate)))
        except SceneError:
            return  # an absent or broken clip is no example; verify names it
