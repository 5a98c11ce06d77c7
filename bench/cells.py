"""What crosses the wall between planning and execution: which separator, one cell's job, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.settings import AnalysisSettings
from bench.plugins import Kind
from bench.scene import Scene, Signal
from reports.schema import Status

if TYPE_CHECKING:
    from bench.excerpts import Stretch


@dataclass(frozen=True)
class SeparatorSpec:
    """A separator, tagger or parser as a run names it.

    ``name`` is shown in tables, ``path`` is ``module:object``, ``options`` go to its constructor by keyword.
    """

    name: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = "separators"

    @property
    def identity(self) -> str:
        """Equal for separators that are constructed alike."""
        return json.dumps([self.path, self.options], sort_keys=True, default=str)


@dataclass(frozen=True)
class SystemSpec:
    """What finds and extracts the classes of a blind scene: a tagger with separators, or a parser alone.

    ``parts`` are the tagger and then the separators in order of preference, or the parser; ``settings`` decide which
    classes count as active.
    """

    name: str
    parts: tuple[SeparatorSpec, ...]
    settings: AnalysisSettings

    @property
    def path(self) -> str:
        """Where its parts are, as ``module:object`` each."""
        return " + ".join(part.path for part in self.parts)

    @property
    def options(self) -> dict[str, Any]:
        """Options of its parts by their names, and the settings."""
        given = {part.name: dict(part.options) for part in self.parts}
        return {**given, "detect": self.settings.model_dump(mode="json")}

    @property
    def identity(self) -> str:
        """Equal for systems that are constructed and set alike."""
        return json.dumps([self.path, [dict(part.options) for part in self.parts]], sort_keys=True, default=str)


@dataclass(frozen=True)
class Job:
    """One cell to be run: of a separator on a scene's targets, or of a system on a blind scene, which has none.

    ``asked`` are the places, among the scene's targets, of those the separator is asked for; ``refused`` says for the
    others why not. ``metrics`` maps ids to the plug-ins that compute them. ``code`` is the hash of the separator's code
    that the key stands for. ``given`` holds estimates made elsewhere, one per target, instead of a separation.
    """

    key: str
    spec: SeparatorSpec | SystemSpec
    scene: Scene
    asked: tuple[int, ...]
    refused: Mapping[int, str]
    metrics: Mapping[str, str]
    run: str
    results: Path
    code: str = ""
    variant: str = ""
    seed: int = 0
    device: str = "cpu"
    examples: Mapping[int, tuple[Signal, ...]] = field(default_factory=dict)
    given: Mapping[int, Signal] | None = None
    keep_estimates: bool = False
    excerpt: Stretch | None = None
    """The stretch of its estimates that is kept to be listened to."""
    rescoring: bool = False
    """Whether the cell is done but for metrics that are new to it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job; its rows are in the results folder already."""

    key: str
    separator: str
    dataset: str
    scene: str
    status: Status
    reason: str | None
    seconds: float
