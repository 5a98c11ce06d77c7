"""Small blind scenes and plug-ins for tests of the scene protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.scene import Scene, Signal, Source
from ontology import Ontology

RATE = 8000
ONTO = Ontology.audioset()

PLUGINS = '''
import os, time
import torch
from ontology import Ontology, Target
from separators.base import Estimates, Parser, Separator, Unavailable
from taggers.base import Tagger, Tags


class Dice(Tagger):
    """Draws a score for each class once and for all, whatever it hears."""
    def tag(self, waveforms, *, context):
        drawn = torch.rand(527, generator=torch.Generator().manual_seed(7)) ** 20
        rolled = Ontology.audioset().roll_up(drawn.expand(len(waveforms), -1))
        return Tags(probabilities=rolled, known=~torch.isnan(rolled[0]))


class NeedsWeights(Dice):
    def __init__(self):
        raise Unavailable("weights of NeedsWeights are absent: fetch them")


class Deaf(Tagger):
    def tag(self, waveforms, *, context):
        raise RuntimeError("deaf")


class Good(Separator):
    """Gives back the mixture, scaled."""
    family = "test"
    def __init__(self, *, gain=0.5):
        self.gain = gain
    def separate(self, mixture, queries, *, context):
        with open("calls.txt", "a") as file:
            file.write("call\\n")
        return self.gain * torch.stack([mixture] * len(queries))


class DrumsOnly(Good):
    classes = ("Drum",)


class Exits(Good):
    def separate(self, mixture, queries, *, context):
        os._exit(7)


class NotANumber(Good):
    def separate(self, mixture, queries, *, context):
        return torch.full((len(queries), *mixture.shape), float("nan"))


class Optimist(Parser):
    """Says that there is singing, and gives half of the mixture for it."""
    family = "test"
    classes = ("Singing",)
    def __init__(self, *, score=0.9):
        self.score = score
    def parse(self, mixture, vocabulary, *, context):
        singing = next(target for target in vocabulary if target.label == "Singing")
        return Estimates(audio=0.5 * mixture[None], targets=(singing,), scores=(self.score,))


class Stranger(Optimist):
    def parse(self, mixture, vocabulary, *, context):
        return Estimates(audio=mixture[None], targets=(Target("Dog", ("/m/0bt9lr",)),))
'''


def write_plugins(folder: Path) -> None:
    """Put the module ``blind_plugins`` into a folder."""
    (folder / "blind_plugins.py").write_text(PLUGINS)


class Held(Signal):
    """Samples that are held in memory."""

    def __init__(self, audio: torch.Tensor) -> None:
        self._audio = audio

    sample_rate = RATE

    @property
    def channels(self) -> int:
        return int(self._audio.shape[0])

    @property
    def samples(self) -> int:
        return int(self._audio.shape[1])

    def read(self) -> torch.Tensor:
        return self._audio.clone()

    def fingerprint(self) -> str:
        return str(self._audio.double().sum().item())


def tone(cycles: int, *, seconds: float = 2.0, level: float = 0.1) -> torch.Tensor:
    """A whole number of cycles, so that tones of unlike numbers are orthogonal: float32 (1, samples)."""
    phase = torch.arange(int(seconds * RATE), dtype=torch.float64) / int(seconds * RATE)
    return (level * torch.sin(2 * math.pi * cycles * phase)).float()[None]


def scene(sources: Sequence[tuple[str, torch.Tensor]], *, seconds: float = 2.0) -> Scene:
    """A blind scene of sources by class name, sounding throughout; without any, faint noise."""
    placed = [
        Source(name, (ONTO[name].mid,), Held(audio), recording=f"{name}-{place}")
        for place, (name, audio) in enumerate(sources)
    ]
    faint = 1e-4 * torch.randn((1, int(seconds * RATE)), generator=torch.Generator().manual_seed(0))
    mixture = torch.stack([audio for _, audio in sources]).sum(dim=0) if sources else faint
    return Scene("made", "made-scenes", "test", Held(mixture), tuple(placed), (), ("made",))
