"""The card of a trained model: what it is, what it was trained on, and whose recordings those were."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from bench.training.clips import TrainingData
from bench.training.settings import TrainConfig
from bench.training.trainable import Trainable

CARD: Final = "card.yaml"


def write_card(path: Path, config: TrainConfig, trainable: Trainable, data: Sequence[TrainingData]) -> None:
    """Write the card of a run as YAML: the fields of a model card under ``card``, then settings and sources."""
    licences = sorted({one.info.licence for one in data})
    content: dict[str, Any] = {
        "card": {
            "name": path.parent.name or trainable.family,
            "family": trainable.family,
            "summary": f"trained by stemtree {version('stemtree')} for {config.steps} steps on "
            + ", ".join(one.info.title for one in data),
            "licence": "to be settled by who publishes it; trained on recordings under: " + "; ".join(licences),
            "parameters": trainable.parameter_count,
            "training_data": [one.info.title for one in data],
        },
        "settings": config.deciding(),
        "sources": [_source(one) for one in data],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8", errors="replace")


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
