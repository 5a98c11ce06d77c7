"""Eight small songs by held-out programs alone: two to four classes at once, in harmonies and patterns of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.datasets.mini import compose, soundfont
from bench.datasets.mini.compose import Harmony, Note
from bench.datasets.mini.pcm import Audio, generator
from bench.datasets.rendered.clip import Clip, counted, recorded
from bench.datasets.rendered.instruments import DECLARED, KIT, Instrument
from bench.datasets.rendered.playing import LICENCE, in_range

SPLIT = "songs"
_CLIPS = 40
_SECONDS = (6.0, 8.0)
_PARTS = (2, 5)
"""Half-open: two to four parts of a song are heard in one clip."""
_BALANCE_DB = (-5.0, 0.0)
"""Between the parts by their energy: each can be heard."""


@dataclass(frozen=True)
class _Part:
    """A held-out program or kit with a chord pattern, the rhythm of a melody, or a pattern for each drum."""

    program: int
    steps: str | Mapping[int, str]
    low: int = 0
    melody: bool = False

    @property
    def instrument(self) -> Instrument:
        drum = not isinstance(self.steps, str)
        return next(i for i in DECLARED if i.held_out and i.program == self.program and (i.label == KIT) == drum)


_SONGS: dict[str, tuple[Harmony, tuple[_Part, ...]]] = {
    "harbour lights": (
        Harmony(92, 2, minor=False, degrees=(0, 4, 1, 3, 0, 4, 5, 4)),
        (
            _Part(2, "c.c.....c.....c.", 55),
            _Part(35, "1.....1.3...4...", 33),
            _Part(65, "..x.x...x.....x.|x.......x.x.....", 58, melody=True),
            _Part(40, {36: "X.....x.X.......", 38: "....X.......X..o", 42: "x.x.x.x.x.x.x.x."}),
        ),
    ),
    "paper boats": (
        Harmony(76, 9, minor=True, degrees=(0, 6, 5, 6, 0, 2, 4, 4)),
        (
            _Part(25, "1..2..3.4..3..2.", 48),
            _Part(74, "x.....x...x.x...|x.......x.......", 69, melody=True),
            _Part(44, "c...............", 52),
            _Part(13, "4.3.1.3.4.3.1.3.", 72),
        ),
    ),
    "brick lane": (
        Harmony(124, 7, minor=True, degrees=(0, 0, 3, 3, 5, 4, 0, 0)),
        (
            _Part(29, "c.c...c...c.c...", 45),
            _Part(37, "1..11...1..1.44.", 31),
            _Part(59, "x..x..x...x.....|..x.x...x.......", 62, melody=True),
            _Part(25, {36: "X...X...X...X...", 39: "....X.......X...", 42: "..x...x...x...x."}),
        ),
    ),
    "slow procession": (
        Harmony(70, 5, minor=False, degrees=(0, 1, 4, 0, 5, 1, 4, 0)),
        (
            _Part(20, "c.......c.......", 53),
            _Part(58, "1.......3.......", 36),
            _Part(69, "x...x...x.x.x...|x.......x.......", 60, melody=True),
            _Part(42, "4.......2.......", 48),
        ),
    ),
    "kitchen dance": (
        Harmony(136, 0, minor=False, degrees=(0, 3, 0, 4, 0, 3, 4, 0)),
        (
            _Part(3, "1.c.3.c.1.c.3.c.", 48),
            _Part(72, "x.x.xx x.x.x.x...|x.x.x...xxxxx...", 79, melody=True),
            _Part(58, "1...3...1...3...", 34),
            _Part(40, {36: "X.......X.......", 38: "..x...x...x...xo", 51: "x...x.x.x...x.x."}),
        ),
    ),
    "night shift": (
        Harmony(104, 4, minor=True, degrees=(0, 5, 2, 6, 0, 5, 3, 4)),
        (
            _Part(27, "1.3.4.3.2.3.4.3.", 52),
            _Part(35, "1...1.1...1.4...", 33),
            _Part(18, "c.............c.", 57),
            _Part(67, "x.....x.x...x...|..x...x.x.......", 45, melody=True),
            _Part(25, {36: "X..x......X.....", 37: "....x.......x...", 44: "x...x...x...x...", 45: "..............x."}),
        ),
    ),
    "cold orchard": (
        Harmony(84, 10, minor=False, degrees=(5, 3, 0, 4, 5, 1, 4, 0)),
        (
            _Part(42, "x...x.x.x.......|x...x...x.x.x...", 48, melody=True),
            _Part(70, "1...2...3...2...", 41),
            _Part(2, "c..c..c.c..c..c.", 58),
            _Part(13, "1...4...3...4...", 70),
        ),
    ),
    "long road north": (
        Harmony(112, 6, minor=False, degrees=(0, 0, 5, 5, 3, 3, 4, 4)),
        (
            _Part(25, "c...c.cc..c.c...", 46),
            _Part(37, "1.....1.1...3...", 30),
            _Part(42, "x.......x.x.x...|x...x.....x.....", 50, melody=True),
            _Part(59, "....x...x.......|....x.x.x.......", 62, melody=True),
            _Part(40, {36: "X.......x.x.....", 38: "....X.......X...", 42: "x...x...x...x..."}),
        ),
    ),
}


def clips(split: str, share: float) -> Iterator[Clip]:
    """The clips of songs, in turn from each."""
    if split != SPLIT:
        return
    names = tuple(_SONGS)
    for number in range(counted(_CLIPS, share)):
        yield _clip(names[number % len(names)], number // len(names))


def _clip(name: str, take: int) -> Clip:
    harmony, parts = _SONGS[name]
    rng = generator("rendered", "song", name, take)
    count = int(rng.integers(_PARTS[0], min(_PARTS[1], len(parts) + 1)))
    chosen = [parts[int(at)] for at in sorted(rng.choice(len(parts), count, replace=False))]
    seconds = float(rng.uniform(*_SECONDS))
    bars = int((harmony.seconds - seconds) / harmony.bar)
    start = harmony.bar * int(rng.integers(0, bars + 1))
    mixed: Audio = np.zeros(round(seconds * soundfont.SAMPLE_RATE))
    for part in chosen:
        # Seeded by song and part alone: a song is the same in all its clips.
        notes = _score(harmony, part, generator("rendered", "song", name, part.instrument.name))
        heard = [
            Note(max(note.start - start, 0.0), note.end - start, note.pitch, note.velocity)
            for note in compose.within(notes, [(start, start + seconds)])
        ]
        player = part.instrument
        audio = soundfont.render(heard, player.program, seconds, drum=player.drum).mean(axis=1)
        mixed += audio / np.sqrt((audio**2).mean()) * 10 ** (rng.uniform(*_BALANCE_DB) / 20)
    sounding = {part.instrument.label for part in chosen}
    labels = tuple(dict.fromkeys(one.label for one in DECLARED if one.label in sounding and one.label))
    heard_mix = recorded(mixed / len(chosen), soundfont.SAMPLE_RATE, rng, tuned=False)
    return Clip(SPLIT, name.replace(" ", "_"), name, take, labels, LICENCE, heard_mix)


def _score(harmony: Harmony, part: _Part, rng: np.random.Generator) -> list[Note]:
    if not isinstance(part.steps, str):
        return compose.drums(harmony, part.steps, rng)
    play = compose.melody if part.melody else compose.pattern
    return in_range(play(harmony, part.steps, part.low, rng), part.instrument)
