"""What a metric declares. The functions themselves are pure and know tensors only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True)
class Metric:
    """A function with a name, a version and a definition that never changes under that version.

    ``function`` is called by keyword with the tensors named in ``needs``:

    - ``estimates``  float64 ``(targets, channels, samples)``
    - ``references`` float64 ``(targets, channels, samples)``
    - ``mixture``    float64 ``(channels, samples)``
    - ``sample_rate`` int, Hz
    - ``energies``   :class:`bench.metrics.energy.Energies` of these, computed once for all metrics of a cell

    and returns float64 ``(targets,)``, NaN where the metric is not defined. ``scope`` is ``"target"`` where each value
    depends on its own target alone, ``"scene"`` where the targets of a scene are scored jointly; how targets are
    chosen is said in :mod:`bench.metrics.score`.
    """

    name: str
    version: int
    function: Callable[..., torch.Tensor]
    needs: tuple[str, ...]
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
    scope: Literal["target", "scene"] = "target"
    applies_to: Literal["present", "absent"] = "present"
    """Whether it judges targets that sound in the scene, or the leakage into those that do not."""

    @property
    def id(self) -> str:
        """``name@version``, as it stands in every row."""
        return f"{self.name}@{self.version}"
