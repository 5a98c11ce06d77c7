"""Small scores: chord progressions, patterns on a grid of sixteenths, and seeded melodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
_STEPS = 16
_LOOSE = 0.008
"""How far players are off the grid, in seconds."""


class Note(NamedTuple):
    """One note: times in seconds, MIDI pitch and velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Harmony:
    """Tempo in beats per minute (four to a bar), tonic as a MIDI pitch class, and one scale degree per bar, from 0."""

    tempo: float
    tonic: int
    minor: bool
    degrees: tuple[int, ...]

    @property
    def bar(self) -> float:
        """Seconds in a bar."""
        return 240 / self.tempo

    @property
    def seconds(self) -> float:
        """Seconds in the whole progression."""
        return self.bar * len(self.degrees)

    def scale(self, degree: int) -> int:
        """Semitones of a scale degree above the tonic; degrees go on past the octave."""
        steps = _MINOR if self.minor else _MAJOR
        return 12 * (degree // 7) + steps[degree % 7]

    def triad(self, bar: int, low: int) -> tuple[int, int, int, int]:
        """The bar's root, third, fifth and octave, the root being the first at or above ``low``."""
        degree = self.degrees[bar]
        root = self.tonic + self.scale(degree)
        base = low + (root - low) % 12
        third, fifth = (self.scale(degree + up) - self.scale(degree) for up in (2, 4))
        return base, base + third, base + fifth, base + 12


def pattern(harmony: Harmony, steps: str, low: int, rng: np.random.Generator, *, velocity: int = 88) -> list[Note]:
    """Play one bar's pattern over the progression: ``c`` the chord, 1 to 4 one of its tones, ``.`` goes on sounding.

    ``steps`` has a character per sixteenth; a pattern of several bars is played in turn.
    """
    bars = _bars(steps)
    notes: list[Note] = []
    for bar in range(len(harmony.degrees)):
        tones = harmony.triad(bar, low)
        grid = bars[bar % len(bars)]
        onsets = [step for step, char in enumerate(grid) if char != "."]
        for step, following in zip(onsets, [*onsets[1:], _STEPS], strict=True):
            start, end = _time(harmony, bar, step, rng), _time(harmony, bar, following) - 0.02
            chosen = tones[:3] if grid[step] == "c" else (tones[int(grid[step]) - 1],)
            notes += [Note(start, end, pitch, _loudness(velocity, rng)) for pitch in chosen]
    return notes


def drums(harmony: Harmony, kit: Mapping[int, str], rng: np.random.Generator, *, velocity: int = 92) -> list[Note]:
    """Play one pattern per General MIDI drum key: ``x`` a stroke, ``X`` an accent, ``o`` a soft one."""
    accents = {"x": 0, "X": 20, "o": -30}
    notes = []
    for key, steps in kit.items():
        bars = _bars(steps)
        for bar in range(len(harmony.degrees)):
            for step, char in enumerate(bars[bar % len(bars)]):
                if char in accents:
                    start = _time(harmony, bar, step, rng)
                    notes.append(Note(start, start + 0.1, key, _loudness(velocity + accents[char], rng)))
    return sorted(notes)


def melody(harmony: Harmony, steps: str, low: int, rng: np.random.Generator, *, velocity: int = 92) -> list[Note]:
    """A walk on the scale in the rhythm of ``steps`` (``x`` an onset), on chord tones at the beats."""
    bars = _bars(steps)
    notes: list[Note] = []
    degree = int(rng.integers(0, 5))
    base = low + (harmony.tonic - low) % 12
    for bar in range(len(harmony.degrees)):
        grid = bars[bar % len(bars)]
        onsets = [step for step, char in enumerate(grid) if char == "x"]
        for step, following in zip(onsets, [*onsets[1:], _STEPS], strict=True):
            degree = int(np.clip(degree + rng.integers(-2, 3), -2, 9))
            if step % 4 == 0:
                chord = {(harmony.degrees[bar] + up) % 7 for up in (0, 2, 4)}
                degree = min((d for d in range(-2, 10) if d % 7 in chord), key=lambda d: (abs(d - degree), d))
            start, end = _time(harmony, bar, step, rng), _time(harmony, bar, following) - 0.03
            notes.append(Note(start, end, base + harmony.scale(degree), _loudness(velocity, rng)))
    return notes


def within(notes: Iterable[Note], spans: Sequence[tuple[float, float]]) -> list[Note]:
    """Keep the notes that belong to one of the spans (seconds), early players too, cut where it ends."""
    kept = []
    for note in notes:
        for start, end in spans:
            if start <= note.start + _LOOSE < end:
                kept.append(note._replace(end=min(note.end, end)))
    return kept


def _bars(steps: str) -> list[str]:
    packed = steps.replace(" ", "").replace("|", "")
    return [packed[at : at + _STEPS] for at in range(0, len(packed), _STEPS)]


def _time(harmony: Harmony, bar: int, step: int, rng: np.random.Generator | None = None) -> float:
    exact = harmony.bar * (bar + step / _STEPS)
    # Players are some milliseconds off the grid; copies of one sample exactly on it would favour repetition methods.
    return max(exact + (float(rng.uniform(-_LOOSE, _LOOSE)) if rng else 0.0), 0.0)


def _loudness(velocity: int, rng: np.random.Generator) -> int:
    return int(np.clip(velocity + rng.integers(-10, 11), 20, 127))
