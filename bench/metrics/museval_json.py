"""museval's files: one JSON per track, with SDR, ISR, SIR and SAR in dB of each target in each frame.

::

    {"targets": [{"name": "vocals", "frames": [
        {"time": 0.0, "duration": 1.0, "metrics": {"SDR": 5.12345, "SIR": 9.1, "SAR": 6.0, "ISR": 10.2}}]}],
     "museval_version": "0.4.1"}

Values are rounded to five decimals, and what is not finite is NaN, as museval writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.metrics.tensors import SignalLike

MEASURES: Final = ("SDR", "SIR", "SAR", "ISR")
"""What a frame holds, in museval's order."""

Frames = Mapping[str, Mapping[str, Sequence[float]]]
"""Target, measure, and its values in dB by frame; NaN where a frame has none."""


class MusevalError(ValueError):
    """A file is not what museval writes; the message names the file, the field and what is wanted there."""


@dataclass(frozen=True)
class TrackScores:
    """The scores of one track. ``window`` and ``hop`` in seconds."""

    frames: Frames
    window: float = 1.0
    hop: float = 1.0

    def medians(self) -> dict[str, dict[str, float | None]]:
        """Median over the frames that have a finite value, by target and measure; None where no frame has one."""
        return {
            target: {measure: _median(values) for measure, values in by_measure.items()}
            for target, by_measure in self.frames.items()
        }


def track_scores(
    targets: Sequence[str], estimates: SignalLike, references: SignalLike, *, sample_rate: int
) -> TrackScores:
    """BSS Eval v4 of one track in frames of one second, equal to ``museval.evaluate`` of museval 0.4.1.

    Args:
        targets: names, one per source, all different.
        estimates: ``(sources, channels, samples)``.
        references: the same shape.
        sample_rate: in Hz.

    Raises:
        ValueError: names and sources do not fit, or the shapes differ.
    """
    from bench.metrics.bss_eval import bss_eval_v4

    if len(targets) != len(estimates) or len(set(targets)) < len(targets):
        raise ValueError(f"targets {list(targets)}: {len(estimates)} different names are wanted, one per source")
    found = bss_eval_v4(estimates, references, window=sample_rate, silence="museval")
    ratios = {"SDR": found.sdr, "SIR": found.sir, "SAR": found.sar, "ISR": found.isr}
    return TrackScores(
        {
            target: {measure: ratios[measure][place].tolist() for measure in MEASURES}
            for place, target in enumerate(targets)
        }
    )


def write_museval(path: Path, scores: TrackScores) -> None:
    """Write a track's scores as museval does, so that ``museval.EvalStore`` reads them. ``path`` is TRACK.json.

    Raises:
        ValueError: a target lacks a measure, or its measures have different numbers of frames.
    """
    targets = [
        {"name": name, "frames": _frames(name, by_measure, scores)} for name, by_measure in scores.frames.items()
    ]
    content = {"targets": targets, "museval_version": f"stemtree {version('stemtree')}"}
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def read_museval(path: Path) -> TrackScores:
    """Read what museval or :func:`write_museval` wrote.

    Raises:
        MusevalError: the file cannot be read, a field is missing or has the wrong type, a target stands there twice, or
            frames have different lengths or distances.
    """
    try:
        content = _File.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise MusevalError(f"{path}: {field or 'the file'}: {first['msg']}; one JSON per track is wanted") from error
    except (OSError, ValueError) as error:
        raise MusevalError(f"{path}: not a JSON file of museval: {error}") from error
    names = [target.name for target in content.targets]
    for name in names:
        if names.count(name) > 1:
            raise MusevalError(f"{path}: targets: {name!r} stands there twice; keep one")
    windows = {frame.duration for target in content.targets for frame in target.frames}
    hops = {
        round(after.time - before.time, 6)
        for target in content.targets
        for before, after in zip(target.frames, target.frames[1:], strict=False)
    }
    if len(windows) > 1 or len(hops) > 1:
        what = f"durations of {sorted(windows)} s, distances of {sorted(hops)} s"
        raise MusevalError(f"{path}: frames have {what}; one window and one hop are wanted")
    window = windows.pop() if windows else 1.0
    return TrackScores(
        {target.name: _by_measure(target.frames) for target in content.targets},
        window=window,
        hop=hops.pop() if hops else window,
    )


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Frame(_Model):
    time: float
    duration: float = Field(gt=0)
    metrics: dict[str, float | None]


class _Target(_Model):
    name: str = Field(min_length=1)
    frames: list[_Frame]


class _File(_Model):
    targets: list[_Target] = Field(min_length=1)


def _by_measure(frames: Sequence[_Frame]) -> dict[str, list[float]]:
    there = [measure for measure in MEASURES if any(measure in frame.metrics for frame in frames)]
    return {measure: [_number(frame.metrics.get(measure)) for frame in frames] for measure in there}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _frames(target: str, by_measure: Mapping[str, Sequence[float]], scores: TrackScores) -> list[dict[str, object]]:
    counts = {len(by_measure.get(measure, ())) for measure in MEASURES}
    if len(counts) > 1:
        raise ValueError(f"{target}: {', '.join(MEASURES)} with the same number of frames are wanted")
    return [
        {
            "time": place * scores.hop,
            "duration": scores.window,
            "metrics": {measure: _rounded(by_measure[measure][place]) for measure in MEASURES},
        }
        for place in range(counts.pop())
    ]


def _rounded(value: float) -> float:
    return round(value, 5) if math.isfinite(value) else math.nan


def _median(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else None
