"""What a metric declares. The functions themselves are pure and know tensors only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch


@dataclass(frozen=True)
class Shared:
    """A computation that several metrics draw on, done at most once per cell and set of targets.

    It is known by what it computes, not by its name: two metrics share it where they name equal objects in ``needs``.
    Nothing is computed where no metric asks for it; where it raises, every metric that asks for it has that error.
    """

    name: str
    """The keyword under which a function receives what this one returns."""
    function: Callable[..., Any]
    needs: tuple[str | Shared, ...]
    """As in :class:`Metric`."""


@dataclass(frozen=True)
class Scored:
    """Values with a word on some of them, for metrics whose one sentence ``undefined`` does not fit every case."""

    values: torch.Tensor
    """float64 ``(targets,)``."""
    reasons: Sequence[str | None]
    """One per target: why there is no value, or what to know about the one there is; None where nothing is to say."""


@dataclass(frozen=True)
class Metric:
    """A function with a name, a version and a definition that never changes under that version.

    ``function`` is called by keyword with what ``needs`` names:

    - ``estimates``  float64 ``(targets, channels, samples)``
    - ``references`` float64 ``(targets, channels, samples)``
    - ``mixture``    float64 ``(channels, samples)``
    - ``sample_rate`` int, Hz
    - ``energies``   :class:`bench.metrics.energy.Energies` of these, computed once for all metrics of a cell
    - ``joint`` :class:`bench.metrics.joint.Joint`: what was found in a blind scene against what is there, at one cut;
      its metrics return one value, ``(1,)``, and have none outside the scene protocol
    - a :class:`Shared` object: what its function returns, under its name

    and returns float64 ``(targets,)``, NaN where the metric is not defined, or :class:`Scored`. A function that raises
    costs its own rows alone. ``scope`` is ``"target"`` where each value depends on its own target alone, ``"scene"``
    where the targets of a scene are scored jointly, ``"set"`` where there is one value for all clips of a data set (a
    distance between distributions): its function takes sequences of clips, and it has no value for a single cell. How
    targets are chosen is said in :mod:`bench.metrics.score`.
    """

    name: str
    version: int | str
    function: Callable[..., torch.Tensor | Scored]
    needs: tuple[str | Shared, ...]
    unit: str
    better: Literal["higher", "lower", "neither"]
    title: str
    """Short heading of its column, e.g. ``"SDRi"``."""
    definition: str
    """Formula and rules in words, with the source."""
    undefined: str
    """Where it has no value, as a sentence that stands as the reason in the row."""
    aggregations: tuple[str, ...] = ("class-median-mean",)
    """How rows become one figure; see :mod:`reports.aggregate`. The first is the metric's own."""
    scope: Literal["target", "scene", "set"] = "target"
    applies_to: Literal["present", "absent"] = "present"
    """Whether it judges targets that sound in the scene, or the leakage into those that do not."""
    weights_sha256: str | None = None
    """SHA-256 of a learnt metric's weights file, in hexadecimal; the function refuses a file with another."""

    @property
    def id(self) -> str:
        """``name@version``, as it stands in every row; ``+`` and eight digits of its weights' hash for a learnt metric.

        Other weights are another definition, and two definitions never share a column: with the hash in the id a
        change of weights cannot be forgotten, and rows computed with other weights are never taken for done.
        """
        weights = f"+{self.weights_sha256[:8]}" if self.weights_sha256 else ""
        return f"{self.name}@{self.version}{weights}"
