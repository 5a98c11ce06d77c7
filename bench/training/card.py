"""The card of a trained model: what it is, what it was trained on, and whose recordings those were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from bench.training.clips import TrainingData
from bench.training.settings import TrainConfig
from bench.training.trainable import Trainable

CARD: Final = "card.yaml"
_OF_ONE_CALL: Final = ("resume", "until", "test", "publish")
"""Settings that say nothing of what is trained."""
_TRAINED, _UNSETTLED = "trained by stemtree", "to be settled by who publishes it"
GENERATED: Final = (_TRAINED, _UNSETTLED)
"""How summary and licence begin that nobody wrote."""


def write_card(
    path: Path,
    config: TrainConfig,
    trainable: Trainable,
    data: Sequence[TrainingData],
    *,
    settings: Mapping[str, Any],
) -> None:
    """Write the card of a run as YAML: the fields of a model card under ``card``, then command, settings and sources.

    ``settings`` are all that decide the weights. The command names no folder of this machine.
    """
    licences = sorted({one.info.licence for one in data})
    content: dict[str, Any] = {
        "card": {
            "name": path.parent.name or trainable.family,
            "family": trainable.family,
            "summary": f"{_TRAINED} {version('stemtree')} for {config.steps} steps on "
            + ", ".join(one.info.title for one in data),
            "licence": f"{_UNSETTLED}; trained on recordings under: " + "; ".join(licences),
            "parameters": trainable.parameter_count,
            "training_data": [one.info.title for one in data],
        },
        "command": command(trainable.family, config.overrides),
        "settings": dict(settings),
        "sources": [_source(one) for one in data],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8", errors="replace")


def command(family: str, overrides: Sequence[str]) -> str:
    """How such a run is started; values that are paths are left to who starts it.

    >>> command("uss", ["preset=small", "data.esc50=/my/esc50", "out=here", "resume=true", "test=false"])
    'stemtree train uss preset=small data.esc50=PATH out=DIR'
    """
    said = []
    for override in overrides:
        name, _, value = override.partition("=")
        if name in _OF_ONE_CALL:
            continue
        elsewhere = name.startswith("data.") and value != "auto"
        value = "DIR" if name == "out" else "PATH" if elsewhere or "/" in value or "\\" in value else value
        said.append(f"{name}={value}")
    return " ".join(["stemtree train", family, *said])


def _source(data: TrainingData) -> dict[str, Any]:
    clips = [
        {"name": clip.name, "labels": [label.label for label in clip.labels]}
        | ({"credit": clip.credit} if clip.credit else {})
        for clip in data.clips
    ]
    about = data.info
    return {
        "title": about.title,
        "licence": about.licence,
        "citation": about.citation,
        "url": about.url,
        "splits": list(data.splits),
        "clips": clips,
    }
