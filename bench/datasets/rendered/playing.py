"""Single instruments: isolated notes and chords, and short phrases, over the range that the real ones have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.datasets.mini import compose, soundfont
from bench.datasets.mini.compose import Harmony, Note
from bench.datasets.mini.pcm import generator
from bench.datasets.rendered.clip import Clip, counted, recorded
from bench.datasets.rendered.instruments import INSTRUMENT_CLASSES, UNDECLARED, Instrument, programs

LICENCE = "rendered with TimGM6mb.sf2 (GPL-2) by TinySoundFont; score by stemtree (MIT)"
_CLIPS = {"train": 80, "held_out": 20}
_UNDECLARED_CLIPS = {"train": 60, "unknown": 30}
_SECONDS = (3.0, 4.0)
_ISOLATED = 3
"""Every third clip of a program has isolated sounds: a model that hears only phrases learns music, not timbre."""

_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 2, 3, 4), (1, 4, 0, 0), (0, 0, 3, 4))
_COMPING = (
    "c.......c.......", "c...c...c...c...", "c..c..c.c..c..c.", "..c...c...c...c.",
    "c.....c.c.......", "c...............", "1.2.3.4.3.2.1.2.", "1.3.2.3.4.3.2.3.",
    "1..3..4.1..3..4.", "1234321212343212", "1...c...3...c...", "4.3.2.1.4.3.2.1.",
)  # fmt: skip
_LINES = (
    "x...x...x...x...", "x.......x...x...", "x..x..x.x...x...", "x.x.x.x.x.x.x.x.",
    "x.....x.x.......", "x...x.x.x...x.x.", "x.xx x.x. x.xx x.x.", "x...............",
    "....x.x.x.......", "xxxxx.x.x...x...", "x..x....x..x..x.",
)  # fmt: skip
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 7), (0, 12), (0, 4, 7, 10), (0, 5, 7), (0, 3, 7, 12), (0, 4, 7, 11))
_KICKS = (35, 36)
_SNARES = (37, 38, 40)
_TOMS = (41, 43, 45, 47, 48, 50)
_TIMEKEEPERS = (42, 42, 44, 46, 51)
_CRASHES = (49, 57)
_KICK_ODDS = [0.0, 0.03, 0.15, 0.15, 0.0, 0.03, 0.25, 0.15, 0.6, 0.03, 0.35, 0.1, 0.0, 0.03, 0.2, 0.1]
"""Of each sixteenth of a bar, after the first."""


def clips(split: str, share: float) -> Iterator[Clip]:
    """The clips of single instruments in a split, class after class."""
    if split in _CLIPS:
        for label in INSTRUMENT_CLASSES:
            players = programs(label, held_out=split == "held_out")
            yield from _played(split, players, counted(_CLIPS[split], share))
    if split in _UNDECLARED_CLIPS:
        players = tuple(one for one in UNDECLARED if one.held_out == (split == "unknown"))
        yield from _played(split, players, counted(_UNDECLARED_CLIPS[split], share))


def _played(split: str, players: Sequence[Instrument], count: int) -> Iterator[Clip]:
    for number in range(count):
        player, take = players[number % len(players)], number // len(players)
        rng = generator("rendered", split, player.name, take)
        seconds = float(rng.uniform(*_SECONDS))
        notes = _score(player, seconds, rng, isolated=take % _ISOLATED == 0)
        audio = soundfont.render(notes, player.program, seconds, drum=player.drum).mean(axis=1)
        labels = (player.label,) if player.label else ()
        folder = (player.label or "undeclared").split(",")[0].lower().replace(" ", "_")
        yield Clip(split, folder, player.name, take, labels, LICENCE, recorded(audio, soundfont.SAMPLE_RATE, rng))


def _score(player: Instrument, seconds: float, rng: np.random.Generator, *, isolated: bool) -> list[Note]:
    if player.drum:
        return _strokes(seconds, rng) if isolated else _groove(rng)
    if isolated:
        return _isolated(player, seconds, rng)
    return in_range(_phrase(player, rng), player)


def _isolated(player: Instrument, seconds: float, rng: np.random.Generator) -> list[Note]:
    """One to four sounds with room to ring, held or short, each a note or, where the instrument can, a chord."""
    count = int(rng.integers(1, 5))
    starts = np.sort(rng.uniform(0.0, seconds - 0.8, count))
    starts[0] = rng.uniform(0.0, 0.15)
    notes = []
    for start, following in zip(starts, [*starts[1:], seconds - 0.1], strict=True):
        root = int(rng.integers(player.low, player.high + 1))
        intervals = _CHORDS[int(rng.integers(len(_CHORDS)))] if player.chords and rng.random() < 0.4 else (0,)
        velocity = int(rng.integers(45, 122))
        end = start + max(0.15, (following - start) * rng.uniform(0.3, 1.0))
        notes += [Note(float(start), float(end), root + up, velocity) for up in intervals if root + up <= player.high]
    return notes


def _phrase(player: Instrument, rng: np.random.Generator) -> list[Note]:
    """A few bars in a key and tempo of their own, from a random place of the range, detached or bound."""
    harmony = Harmony(
        tempo=float(rng.uniform(72, 160)),
        tonic=int(rng.integers(12)),
        minor=bool(rng.random() < 0.5),
        degrees=_PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))],
    )
    low = int(rng.integers(player.low, max(player.high - 18, player.low + 1)))
    velocity = int(rng.integers(58, 112))
    if player.chords and rng.random() < 0.6:
        notes = compose.pattern(harmony, _COMPING[int(rng.integers(len(_COMPING)))], low, rng, velocity=velocity)
    else:
        steps = "".join(_LINES[int(at)] for at in rng.integers(len(_LINES), size=2))
        notes = compose.melody(harmony, steps, low, rng, velocity=velocity)
    bound = rng.uniform(0.35, 1.0)
    return [note._replace(end=note.start + max(0.08, (note.end - note.start) * bound)) for note in notes]


def in_range(notes: Sequence[Note], player: Instrument) -> list[Note]:
    """The notes with those that the instrument cannot play moved by octaves into its range."""
    moved = []
    for note in notes:
        pitch = note.pitch
        while pitch < player.low:
            pitch += 12
        while pitch > player.high:
            pitch -= 12
        moved.append(note._replace(pitch=pitch))
    return moved


def _groove(rng: np.random.Generator) -> list[Note]:
    """A bar over and over: beats on the kick and the backbeat, a timekeeper, and now and then a fill or a crash."""
    harmony = Harmony(float(rng.uniform(72, 160)), 0, minor=False, degrees=(0, 0, 0, 0))
    kick = "".join("X" if step == 0 or rng.random() < _KICK_ODDS[step] else "." for step in range(16))
    snare = "".join("X" if step in (4, 12) else "o" if rng.random() < 0.08 else "." for step in range(16))
    every = int(rng.choice((1, 2, 2, 4)))
    time = "".join(("x" if step % 4 == 0 else "o") if step % every == 0 else "." for step in range(16))
    kit = {
        int(rng.choice(_KICKS)): kick,
        int(rng.choice(_SNARES)): snare,
        int(rng.choice(_TIMEKEEPERS)): time,
    }
    if rng.random() < 0.5:
        kit[int(rng.choice(_CRASHES))] = "x..............." + "." * 48
    if rng.random() < 0.5:
        fill = "".join("x" if rng.random() < 0.6 else "." for _ in range(8))
        kit[int(rng.choice(_TOMS))] = "." * 24 + fill
    return compose.drums(harmony, kit, rng, velocity=int(rng.integers(70, 106)))


def _strokes(seconds: float, rng: np.random.Generator) -> list[Note]:
    """A loose row of strokes on all parts of the kit, as when it is tried out."""
    count = int(rng.integers(5, 14))
    keys = (*_KICKS, *_SNARES, *_TOMS, *_TIMEKEEPERS, *_CRASHES)
    starts = [0.03, *np.sort(rng.uniform(0.1, seconds - 0.4, count - 1))]
    return [Note(float(at), float(at) + 0.1, int(rng.choice(keys)), int(rng.integers(60, 120))) for at in starts]
