"""What crosses the wall between planning and execution: which separator, one cell's job, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.scene import Scene, Signal
from reports.schema import Status


@dataclass(frozen=True)
class SeparatorSpec:
    """A separator as a run names it.

    ``name`` is shown in tables, ``path`` is ``module:object``, ``options`` go to its constructor by keyword.
    """

    name: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Equal for separators that are constructed alike."""
        return json.dumps([self.path, self.options], sort_keys=True, default=str)


@dataclass(frozen=True)
class Job:
    """One cell to be run.

    ``asked`` are the places, among the scene's targets, of those the separator is asked for; ``refused`` says for the
    others why not. ``metrics`` maps ids to the plug-ins that compute them. ``code`` is the hash of the separator's code
    that the key stands for. ``given`` holds estimates made elsewhere, one per target, instead of a separation.
    """

    key: str
    spec: SeparatorSpec
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
