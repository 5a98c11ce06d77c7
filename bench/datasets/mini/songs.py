"""Five short songs in the layout of MUSDB18-HQ: ``SPLIT/SONG/{mixture,vocals,drums,bass,other}.wav``, stereo, 44.1 kHz.

Four are for test: a plain one whose mixture is the sum of its stems; one without vocals (a silent stem); one whose
stems enter and leave (partial overlap), with speech as vocals; and one with a limiter on the mixture, so that
the mixture is not the sum of the stems, as in most of MUSDB18. A few seconds for training are there for separators
that learn from examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.mini import compose, pcm, soundfont, voice
from bench.datasets.mini.compose import Harmony, Note
from bench.datasets.mini.pcm import Audio, Pcm, generator
from bench.datasets.mini.speech import Utterance, speak

STEMS = ("vocals", "drums", "bass", "other")
_RATE = soundfont.SAMPLE_RATE
_PEAK = 0.9
_Play = Callable[[Harmony, np.random.Generator], list[Note]]


@dataclass(frozen=True)
class Part:
    """One instrument of a song: General MIDI program or drum kit, RMS level in dB, and place from -1 (left) to 1."""

    play: _Play
    program: int
    level: float
    pan: float = 0.0
    drum: bool = False


@dataclass(frozen=True)
class Song:
    """A song: its harmony, its instruments by stem, how its vocals are made, and its limiter's drive if it has one."""

    title: str
    harmony: Harmony
    parts: dict[str, tuple[Part, ...]]
    vocals: Callable[[Song], Audio] | None
    limiter_drive: float | None = None
    split: str = "test"


def make(folder: Path, progress: Callable[[str], None]) -> None:
    """Write every song under ``folder``."""
    for number, song in enumerate(SONGS, 1):
        progress(f"musdb18: song {number} of {len(SONGS)}")
        for name, audio in _render(song).items():
            pcm.write(folder / song.split / song.title / f"{name}.wav", audio, _RATE)


def _render(song: Song) -> dict[str, Pcm]:
    stems = {name: _stem(song, name) for name in STEMS}
    gain = _PEAK / np.abs(sum(stems.values())).max()
    written = {name: pcm.to_pcm(stem * gain) for name, stem in stems.items()}
    mixture = pcm.total(list(written.values()))
    if song.limiter_drive is not None:  # the stems leave the desk before the limiter
        mixture = pcm.to_pcm(np.tanh(song.limiter_drive * mixture / pcm.FULL_SCALE) / song.limiter_drive)
    return {"mixture": mixture, **written}


def _stem(song: Song, name: str) -> Audio:
    out = np.zeros((round(song.harmony.seconds * _RATE), 2))
    if name == "vocals":
        return out if song.vocals is None else song.vocals(song)
    for number, part in enumerate(song.parts[name]):
        notes = part.play(song.harmony, generator("song", song.title, name, number))
        audio = soundfont.render(notes, part.program, song.harmony.seconds, drum=part.drum)
        out += _placed(audio, part.pan) * _gain_to(audio, part.level)
    return out


def _placed(audio: Audio, pan: float) -> Audio:
    """Balance by the equal-power law, 0 dB in the centre."""
    angle = (pan + 1) * np.pi / 4
    return audio * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)])


def _gain_to(audio: Audio, level: float) -> float:
    """The gain that brings the RMS of what sounds (above -60 dB of the peak) to ``level`` dB."""
    loud = np.abs(audio).max(axis=1)
    sounding = audio[loud > 1e-3 * loud.max()]
    return float(10 ** (level / 20) / np.sqrt((sounding**2).mean()))


def _sung(
    singer: voice.Singer, vowels: str, low: int, rhythm: str, level: float, choir: float | None = None
) -> Callable[[Song], Audio]:
    """A lead voice, over a choir an octave below where ``choir`` gives its level."""

    def vocals(song: Song) -> Audio:
        rng = generator("vocals", song.title)
        seconds = song.harmony.seconds
        notes = compose.melody(song.harmony, rhythm, low, rng, velocity=105)
        lead = voice.sing(notes, vowels, seconds, singer, rng, _RATE)
        out = voice.room(lead * _gain_to(lead[:, None], level), rng, _RATE, wet=0.2)
        if choir is not None:
            chords = soundfont.render(compose.pattern(song.harmony, "c...............", low - 12, rng), 52, seconds)
            out += chords * _gain_to(chords, choir)
        return out

    return vocals


def _spoken(lines: tuple[tuple[float, Utterance], ...], level: float) -> Callable[[Song], Audio]:
    """Spoken vocals: each line starts at its beat."""

    def vocals(song: Song) -> Audio:
        mono = np.zeros(round(song.harmony.seconds * _RATE))
        spoken = speak([utterance for _, utterance in lines], _RATE)
        for (beat, _), line in zip(lines, spoken, strict=True):
            at = round(beat * 60 / song.harmony.tempo * _RATE)
            mono[at : at + len(line)] += line[: max(len(mono) - at, 0)]
        return voice.room(mono * _gain_to(mono[:, None], level), generator("vocals", song.title), _RATE, wet=0.12)

    return vocals


def _pattern(steps: str, low: int) -> _Play:
    return lambda harmony, rng: compose.pattern(harmony, steps, low, rng)


def _melody(steps: str, low: int) -> _Play:
    return lambda harmony, rng: compose.melody(harmony, steps, low, rng)


def _drums(kit: dict[int, str]) -> _Play:
    return lambda harmony, rng: compose.drums(harmony, kit, rng)


def _between(play: _Play, *bars: tuple[float, float]) -> _Play:
    """Only in the given stretches, in bars."""
    return lambda harmony, rng: compose.within(
        play(harmony, rng), [(start * harmony.bar, end * harmony.bar) for start, end in bars]
    )


_CRASH = "X" + "." * 63  # once in four bars

_AMBER = Song(
    "Mini Ensemble - Amber Lines",
    Harmony(136, 0, False, (0, 5, 3, 4)),
    {
        "drums": (
            Part(
                _drums({36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.xo", 49: _CRASH}),
                0,
                -17,
                drum=True,
            ),
        ),
        "bass": (Part(_pattern("1..1..3.1...4.3.", 33), 33, -19),),
        "other": (
            Part(_pattern("c...c..c....c...", 57), 0, -23, pan=-0.4),
            Part(_pattern("1.2.3.4.3.2.3.2.", 52), 24, -24, pan=0.5),
        ),
    },
    vocals=_sung("high", "aeioa", 64, "x.x.x...x..xx...", -19),
)
_LANTERNS = Song(
    "Paper Lanterns - Low Tide (Instrumental)",
    Harmony(108, 9, True, (0, 5, 6)),
    {
        "drums": (
            Part(_drums({36: "x.........x.....", 38: "....o..o....x..o", 51: "x...x.x.x...x.x."}), 40, -22, drum=True),
        ),
        "bass": (Part(_pattern("1.....3.4.....3.", 33), 32, -19),),
        "other": (
            Part(_pattern("c.....c...c.....", 57), 4, -21, pan=0.35),
            Part(_pattern("c...............", 62), 48, -25, pan=-0.2),
            Part(_melody("x...x.x.x.....x.", 72), 73, -24, pan=-0.5),
        ),
    },
    vocals=None,
)
_STREETLIGHTS = Song(
    "Night Bus - Count the Streetlights",
    Harmony(112, 7, True, (0, 0, 5)),
    {
        "drums": (
            Part(
                _between(_drums({36: "x..x..x...x.....", 39: "....x.......x...", 42: "x.xox.x.x.xox.xx"}), (1, 3)),
                25,
                -18,
                drum=True,
            ),
        ),
        "bass": (Part(_between(_pattern("1.....1...4.....", 31), (0, 1), (2, 3)), 38, -18),),
        "other": (
            Part(_between(_pattern("c...............", 55), (0, 2)), 89, -25, pan=-0.3),
            Part(_pattern("..1..3..4..3..2.", 67), 11, -25, pan=0.4),
        ),
    },
    vocals=_spoken(
        (
            (2, Utterance("Count the streetlights, one by one.", "en-us+m3", 190, 35)),
            (6, Utterance("Last bus home and the night is young.", "en-us+m3", 195, 35)),
            (10, Utterance("Hold on tight!", "en-us+f3", 170, 60)),
        ),
        -18,
    ),
)
_VOLUME = Song(
    "Copper Hill - Full Volume",
    Harmony(152, 4, True, (0, 5, 2, 6)),
    {
        "drums": (
            Part(
                _drums({36: "x.x...x.x.x.....", 38: "....X.......X..x", 46: "x...x...x...x...", 49: _CRASH}),
                16,
                -16,
                drum=True,
            ),
        ),
        "bass": (Part(_pattern("1.1.1.1.1.1.1.3.", 28), 34, -18),),
        "other": (
            Part(_pattern("c.c.c...c.c.c...", 45), 30, -21, pan=-0.7),
            Part(_pattern("c...c.c.c...c.c.", 52), 29, -22, pan=0.7),
        ),
    },
    vocals=_sung("low", "oaeau", 52, "x...x.x.x.x.x...", -18, choir=-28),
    limiter_drive=1.6,
)
_WARM_UP = Song(
    "Garden Radio - Warm-Up",
    Harmony(190, 2, False, (0, 3)),
    {
        "drums": (
            Part(
                _drums({36: "x.......x.......", 38: "....x.......x...", 42: "x...x...x...x...", 49: _CRASH}),
                8,
                -18,
                drum=True,
            ),
        ),
        "bass": (Part(_pattern("1...3...4...3...", 31), 35, -19),),
        "other": (
            Part(_pattern("c.......c.......", 57), 1, -22, pan=-0.3),
            Part(_pattern("1...2...3...4...", 52), 27, -23, pan=0.3),
        ),
    },
    vocals=_sung("high", "iaoe", 60, "x.....x...x.....", -19, choir=-26),
    split="train",
)
SONGS = (_AMBER, _LANTERNS, _STREETLIGHTS, _VOLUME, _WARM_UP)
