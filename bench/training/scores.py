"""Scores of pairs, and their medians by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch

from bench.metrics.energy import sdrg, sdri


@dataclass(frozen=True)
class Score:
    """One target of one scene; all figures in dB, NaN where they are not defined."""

    scene: str
    label: str
    recordings: tuple[str, ...]
    sdri: float
    sdrg: float
    wrong: float
    """SDRi of what comes out where another class of the scene is asked for, against the same reference."""
    half: float
    """SDRi of the mixture at half its amplitude: what turning it down already earns."""

    def plain(self) -> dict[str, Any]:
        """JSON-ready: None where a figure is not defined."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class Line:
    """Medians over pairs; None where nothing is defined."""

    label: str
    pairs: int
    sdri: float | None
    sdrg: float | None
    wrong: float | None
    half: float | None


@dataclass(frozen=True)
class Summary:
    """Medians of all pairs, and of those of each class."""

    whole: Line
    classes: tuple[Line, ...]

    def plain(self) -> dict[str, Any]:
        """For the log: medians over all pairs, and those of each class under ``classes``."""
        whole = {key: value for key, value in asdict(self.whole).items() if key != "label"}
        return whole | {"classes": {line.label: asdict(line) for line in self.classes}}

    def line(self) -> str:
        """The medians over all pairs, in one line."""
        whole = self.whole
        named = (("SDRi", whole.sdri), ("SDRg", whole.sdrg), ("wrong class", whole.wrong), ("half", whole.half))
        told = ", ".join(f"{name} {value:.2f} dB" for name, value in named if value is not None)
        return f"{told or 'nothing is defined'} (medians of {whole.pairs} pairs)"


def score(
    scene: str,
    label: str,
    recordings: tuple[str, ...],
    *,
    estimate: torch.Tensor,
    wrong: torch.Tensor | None,
    reference: torch.Tensor,
    mixture: torch.Tensor,
) -> Score:
    """Score one estimate; all signals ``(channels, samples)``."""
    return Score(
        scene,
        label,
        recordings,
        sdri=float(sdri(estimate, reference, mixture)),
        sdrg=float(sdrg(estimate, reference, mixture)),
        wrong=math.nan if wrong is None else float(sdri(wrong, reference, mixture)),
        half=float(sdri(0.5 * mixture, reference, mixture)),
    )


def summary(scores: Sequence[Score]) -> Summary:
    """Medians of ``scores``, by class in alphabetical order and of all."""
    labels = sorted({score.label for score in scores})
    return Summary(
        _line("all", scores), tuple(_line(label, [s for s in scores if s.label == label]) for label in labels)
    )


def _line(label: str, scores: Sequence[Score]) -> Line:
    def middle(name: str) -> float | None:
        values = [value for score in scores if math.isfinite(value := getattr(score, name))]
        return median(values) if values else None

    return Line(label, len(scores), middle("sdri"), middle("sdrg"), middle("wrong"), middle("half"))
