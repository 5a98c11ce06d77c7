"""Small data and plug-ins for tests of the harness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000

PLUGINS = '''
import os, time
import torch
from separators.base import Query, Separator, Unavailable


class Good(Separator):
    """Gives back the mixture, scaled."""
    family = "test"
    def __init__(self, *, gain=1.0):
        self.gain = gain
    def separate(self, mixture, queries, *, context):
        with open("calls.txt", "a") as file:
            file.write("call\\n")
        return self.gain * torch.stack([mixture] * len(queries))


class VocalsOnly(Good):
    classes = ("Singing",)


class NeedsWeights(Good):
    def __init__(self):
        raise Unavailable("weights of NeedsWeights are absent: fetch them")


class Raises(Good):
    def separate(self, mixture, queries, *, context):
        raise RuntimeError("boom")


class Hangs(Good):
    def separate(self, mixture, queries, *, context):
        while True:
            time.sleep(0.1)


class Exits(Good):
    def separate(self, mixture, queries, *, context):
        with open("exits.txt", "a") as file:
            file.write("exit\\n")
        os._exit(7)


class LeavesAChild(Good):
    def separate(self, mixture, queries, *, context):
        child = os.fork()
        if child == 0:
            time.sleep(97)
        with open("children.txt", "a") as file:
            file.write(f"{child}\\n")
        os._exit(7)


class RunsOut(Good):
    def separate(self, mixture, queries, *, context):
        with open("ran_out.txt", "a") as file:
            file.write("out\\n")
        raise MemoryError("no more")


class Unsendable(Good):
    def __init__(self, *, thing=lambda: None):
        super().__init__()


class ExitsWhenMade(Good):
    def __init__(self):
        os._exit(3)


class Eats(Good):
    def separate(self, mixture, queries, *, context):
        eaten = []
        while True:
            eaten.append(torch.ones(2**25))
            time.sleep(0.02)


class WrongShape(Good):
    def separate(self, mixture, queries, *, context):
        return torch.zeros(3)


class NotANumber(Good):
    def separate(self, mixture, queries, *, context):
        return torch.full((len(queries), *mixture.shape), float("nan"))


class Prints(Good):
    def separate(self, mixture, queries, *, context):
        print("noise of a plug-in")
        return super().separate(mixture, queries, context=context)


class Slow(Good):
    def separate(self, mixture, queries, *, context):
        time.sleep(0.3)
        return super().separate(mixture, queries, context=context)


not_a_separator = 3
'''


def write_plugins(folder: Path) -> None:
    """Put the module ``kit_plugins`` into a folder."""
    (folder / "kit_plugins.py").write_text(PLUGINS)


def write_song(folder: Path, *, seconds: float = 1.0, seed: int = 0, channels: int = 2) -> None:
    """Write one song in the MUSDB18-HQ layout: four stems of noise and tones, and their sum."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    total = np.zeros((len(time), channels))
    for number, name in enumerate(("vocals", "drums", "bass", "other")):
        tone = np.sin(2 * np.pi * 110 * (number + 1) * time)[:, None] * rng.uniform(0.05, 0.2, channels)
        stem = np.round((tone + 0.02 * rng.standard_normal((len(time), channels))) * 2**15) / 2**15
        soundfile.write(folder / f"{name}.wav", stem, RATE, subtype="PCM_16")
        total += stem
    soundfile.write(folder / "mixture.wav", total, RATE, subtype="PCM_16")


def write_musdb(root: Path, *, songs: int = 2, seconds: float = 1.0) -> Path:
    """Write a small MUSDB18-HQ test split and return its root."""
    for number in range(songs):
        write_song(root / "test" / f"Band {number} - Song", seconds=seconds, seed=number)
    return root
