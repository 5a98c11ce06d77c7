"""Small things to train on: three kinds of sound as folders of clips, and settings that take no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from bench.training.settings import TrainConfig
from ontology import Ontology
from taggers.mini.checkpoint import Description, save
from taggers.mini.network import MiniNet

RATE = 32_000
KINDS = {"Rain": 0, "Sine wave": 1, "Dog": 2}
TINY = {"channels": [2, 2, 3, 4, 4, 5, 5], "window": 256, "hop": 128, "level": 0.1, "lr": 5e-3, "warm_up": 2,
        "schedule": "cosine", "precision": "float32", "amsgrad": False}  # fmt: skip


def sound(kind: str, seed: int, seconds: float = 0.6) -> np.ndarray:
    """A clip of one kind: noise, a tone, or clicks."""
    random = np.random.default_rng([seed, KINDS[kind]])
    time = np.arange(int(seconds * RATE)) / RATE
    if kind == "Rain":
        return 0.1 * random.standard_normal(len(time))
    if kind == "Sine wave":
        return 0.2 * np.sin(2 * np.pi * random.uniform(300, 900) * time)
    clicks = np.zeros(len(time))
    clicks[random.integers(0, len(time), 40)] = random.uniform(-0.9, 0.9, 40)
    return clicks


def write_clips(root: Path, *, per_kind: int = 4) -> Path:
    """``ROOT/KIND/N.wav``."""
    for kind in KINDS:
        (root / kind).mkdir(parents=True)
        for number in range(per_kind):
            soundfile.write(root / kind / f"{number}.wav", sound(kind, number), RATE, subtype="FLOAT")
    return root


def write_tagger(path: Path, *kinds: str) -> Path:
    """A small tagger with random weights that knows some kinds of sound."""
    classes = tuple(Ontology.audioset()[kind].mid for kind in kinds)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        module = MiniNet(classes, channels=(4, 4, 4, 4, 8))
    save(path, module, Description(classes=classes, channels=(4, 4, 4, 4, 8), step=0))
    return path


def config(clips: Path, out: Path, **changes: Any) -> TrainConfig:
    """A run of a few steps."""
    settings: dict[str, Any] = {
        "data": {"clips": clips},
        "out": out,
        "steps": 4,
        "batch": 6,
        "segment_seconds": 0.25,
        "checkpoint_every": 100,
        "log_every": 1,
        "validate_every": None,
        "held_out": 0.0,
        "model": TINY,
    }
    return TrainConfig.model_validate(settings | changes)


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint."""
    from safetensors.torch import load_file

    return load_file(path)
