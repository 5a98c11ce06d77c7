"""What every data set does: find its layout, yield scenes, say exactly what is missing or broken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.scene import Scene


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

    @abstractmethod
    def scenes(self) -> Iterator[Scene]:
        """The scenes of the split in a fixed order, without reading audio.

        Raises:
            DatasetError: nothing of the split is there, or its metadata cannot be read.
        """

    @abstractmethod
    def verify(self) -> Iterator[Problem]:
        """Everything that is missing or broken, file by file; decodes the audio."""
