"""Clips left out of training: to choose thresholds on, or to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

from bench.training.clips import RENDERED, TrainingClip, TrainingData, open_data
from bench.training.errors import TrainError
from bench.training.heldout import aside
from bench.training.settings import TrainConfig


def left_out(config: TrainConfig, sources: Sequence[TrainingData]) -> tuple[list[TrainingData], list[TrainingClip]]:
    """What is left to train on, and the clips that thresholds are chosen on.

    These are, of a data set that has the split ``calibrate``, the clips of that split, and of any other the share
    ``calibration_share`` of its recordings.

    Raises:
        TrainError: no data set is trained on the split, or one is trained on no other.
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
    """The sources without a share of their recordings, chosen by hashed names, and the clips of those recordings.

    Of rendered clips a share of the clips is taken instead: each of their few programs and voices is needed to learn
    from.
    """
    kept: list[TrainingData] = []
    held: list[TrainingClip] = []
    for source in sources:
        unit = attrgetter("name" if source.name == RENDERED else "recording")
        chosen = aside(source.clips, share, by=unit)
        kept.append(replace(source, clips=tuple(clip for clip in source.clips if unit(clip) not in chosen)))
        held += [clip for clip in source.clips if unit(clip) in chosen]
    return kept, held
