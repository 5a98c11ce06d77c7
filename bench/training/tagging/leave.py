"""Clips left out of training: to choose thresholds on, or to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.training.clips import RENDERED, TrainingClip, TrainingData, open_data
from bench.training.errors import TrainError
from bench.training.heldout import aside
from bench.training.settings import TrainConfig


def left_out(config: TrainConfig, sources: Sequence[TrainingData]) -> tuple[list[TrainingData], list[TrainingClip]]:
    """What is left to train on, and the clips of the split ``calibrate`` or, where there is none, a share of them.

    Raises:
        TrainError: no data set has the split, or a data set has no other.
    """
    kept: list[TrainingData] = []
    held: list[TrainingClip] = []
    named = (str(config.calibrate), f"fold{config.calibrate}")
    if not any(split in named for source in sources for split in source.splits):
        trained = ", ".join(split for source in sources for split in source.splits) or "none"
        raise TrainError(f"calibrate={config.calibrate}: no such split is trained on; there are {trained}")
    for source in sources:
        split = next((split for split in source.splits if split in named), None)
        if split is None:
            (one,), aside_ = set_aside([source], config.calibration_share)
            kept.append(one)
            held += aside_
            continue
        options = config.options.get(source.name, {}) | {"train": [split]}
        names = {clip.name for clip in open_data(source.name, config.data[source.name], options).clips}
        rest = tuple(clip for clip in source.clips if clip.name not in names)
        if not rest:
            raise TrainError(f"calibrate={config.calibrate}: leaves no clip of data.{source.name} to train on")
        kept.append(replace(source, clips=rest))
        held += [clip for clip in source.clips if clip.name in names]
    return kept, held


def set_aside(sources: Sequence[TrainingData], share: float) -> tuple[list[TrainingData], list[TrainingClip]]:
    """The sources without a share of their recordings, chosen by hashed names, and the clips of these.

    Of rendered clips, a share of the clips: each of their few programs and voices is needed to learn from.
    """
    kept: list[TrainingData] = []
    held: list[TrainingClip] = []
    for source in sources:
        rendered = source.name == RENDERED
        chosen = aside(source.clips, share, by=_name if rendered else _recording)
        out = [clip for clip in source.clips if (_name(clip) if rendered else _recording(clip)) in chosen]
        kept.append(replace(source, clips=tuple(clip for clip in source.clips if clip not in out)))
        held += out
    return kept, held


def _name(clip: TrainingClip) -> str:
    return clip.name


def _recording(clip: TrainingClip) -> str:
    return clip.recording
