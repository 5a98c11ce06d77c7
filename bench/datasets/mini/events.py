"""Sound events in the layout of FSDKaggle2018: two CSV files and ``FSDKaggle2018.audio_{train,test}``, mono, 44.1 kHz.

Sixteen of its 41 classes: those that a General MIDI soundfont or a few lines of synthesis give recognisably.
Percussive clips last 0.3 to 1 s, shorter than the 2 s segments they are padded to. Numbers in the column
``freesound_id`` start at 900,000,000, where Freesound has none: every clip is a recording of its own.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.mini import pcm, soundfont, synthesis
from bench.datasets.mini.compose import Note
from bench.datasets.mini.pcm import Audio, generator

_RATE = soundfont.SAMPLE_RATE
_FIRST_ID = 900_000_000
_LICENCE = "Made on this machine"
_CLIPS = {"train": 2, "test": 2}
_CSV = {
    "train": ("train_post_competition.csv", "manually_verified", "1"),
    "test": ("test_post_competition_scoring_clips.csv", "usage", "Private"),
}


@dataclass(frozen=True)
class _Synthesised:
    """A class made by one function of ``synthesis``; the length of a clip is drawn from ``seconds``."""

    make: Callable[[float, np.random.Generator], Audio]
    seconds: tuple[float, float]

    def clip(self, seconds: float, rng: np.random.Generator) -> Audio:
        return self.make(seconds, rng)


@dataclass(frozen=True)
class _Played:
    """A class played on the soundfont: programs (kits with ``drum``), pitches (drum keys), and notes in a clip."""

    programs: tuple[int, ...]
    pitches: tuple[int, ...]
    notes: tuple[int, int]
    seconds: tuple[float, float]
    drum: bool = False

    def clip(self, seconds: float, rng: np.random.Generator) -> Audio:
        program = int(rng.choice(self.programs))
        count = int(rng.integers(self.notes[0], self.notes[1] + 1))
        starts = np.linspace(0, 0.92 * seconds, count + 1)[:-1] + 0.005
        notes = [
            Note(start, start + 0.85 * seconds / count, int(rng.choice(self.pitches)), int(rng.integers(75, 120)))
            for start in map(float, starts)
        ]
        return soundfont.render(notes, program, seconds, drum=self.drum).mean(axis=1)


CLASSES: dict[str, _Synthesised | _Played] = {
    "Acoustic_guitar": _Played((24, 25), (52, 55, 57, 60, 64, 67), (2, 5), (0.7, 1.1)),
    "Applause": _Synthesised(synthesis.applause, (0.7, 1.1)),
    "Bass_drum": _Synthesised(synthesis.bass_drum, (0.3, 0.6)),
    "Electric_piano": _Played((4, 5), (48, 55, 60, 64, 67, 72), (2, 4), (0.7, 1.1)),
    "Fireworks": _Synthesised(synthesis.fireworks, (1.0, 1.4)),
    "Flute": _Played((73,), (67, 69, 72, 74, 76, 79), (1, 3), (0.5, 1.0)),
    "Glockenspiel": _Played((9,), (72, 74, 76, 79, 84), (1, 4), (0.5, 1.0)),
    "Gong": _Synthesised(synthesis.gong, (1.0, 1.8)),
    "Hi-hat": _Played((0, 8, 16, 32), (42, 44, 46), (1, 4), (0.3, 0.8), drum=True),
    "Knock": _Synthesised(synthesis.knock, (0.4, 0.9)),
    "Oboe": _Played((68,), (60, 62, 65, 67, 70, 74), (1, 3), (0.5, 1.0)),
    "Shatter": _Synthesised(synthesis.shatter, (0.6, 1.0)),
    "Snare_drum": _Played((0, 8, 16, 40), (38, 40), (1, 3), (0.3, 0.7), drum=True),
    "Tambourine": _Played((0,), (54,), (1, 4), (0.3, 0.9), drum=True),
    "Telephone": _Synthesised(synthesis.telephone, (0.8, 1.2)),
    "Violin_or_fiddle": _Played((40, 110), (55, 60, 64, 67, 71, 76), (1, 4), (0.5, 1.0)),
}
"""Labels of FSDKaggle2018 and how each is made."""


def make(folder: Path, progress: Callable[[str], None]) -> None:
    """Write both parts under ``folder``."""
    number = _FIRST_ID
    for part, count in _CLIPS.items():
        progress(f"dcase2018: {count * len(CLASSES)} clips of {part}")
        rows = []
        for label, recipe in CLASSES.items():
            for take in range(count):
                rng = generator("event", part, label, take)
                seconds = float(rng.uniform(*recipe.seconds))
                clip = pcm.with_peak(pcm.faded(recipe.clip(seconds, rng), _RATE), float(rng.uniform(0.3, 0.9)))
                name = hashlib.sha256(f"mini {part} {label} {take}".encode()).hexdigest()[:8] + ".wav"
                pcm.write(folder / f"FSDKaggle2018.audio_{part}" / name, pcm.to_pcm(clip), _RATE)
                rows.append((name, label, _CSV[part][2], str(number), _LICENCE))
                number += 1
        _write_csv(folder / "FSDKaggle2018.meta" / _CSV[part][0], _CSV[part][1], sorted(rows))


def _write_csv(path: Path, third: str, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("fname", "label", third, "freesound_id", "license"))
        writer.writerows(rows)
