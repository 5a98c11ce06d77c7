"""Which General MIDI programs stand for which class, and on which side of the split each one is.

Programs are numbered from 0. A model is only known to hear "Guitar" rather than certain samples when it hears a guitar
that it was not trained on, so a program is either trained on or held out, never both. Programs of one soundfont may
still play the same recordings with another filter, envelope or tuning. In TimGM6mb all four pianos do, tremolo strings
play those of the ensemble, and the kits share all but a few strokes; there, held-out figures flatter. The others share
a few recordings or none, and viola and slow strings are trained on because violin and ensemble have the same.
"""

from __future__ import annotations

from dataclasses import dataclass

PIANO = "Piano"
ORGAN = "Organ"
MALLETS = "Mallet percussion"
GUITAR = "Guitar"
BASS = "Bass guitar"
BOWED = "Bowed string instrument"
BRASS = "Brass instrument"
WIND = "Wind instrument, woodwind instrument"
KIT = "Drum kit"


@dataclass(frozen=True)
class Instrument:
    """A program, or a drum kit, its class in AudioSet and the lowest and highest MIDI pitch that real ones play."""

    program: int
    label: str | None
    low: int
    high: int
    chords: bool = False
    held_out: bool = False

    @property
    def drum(self) -> bool:
        """Whether the program is a drum kit's number."""
        return self.label == KIT

    @property
    def name(self) -> str:
        """What its clips are grouped by."""
        return f"{'kit' if self.drum else 'program'} {self.program}"


def _all(label: str | None, *rows: tuple[int, int, int], chords: bool = False, held: bool = False) -> list[Instrument]:
    return [Instrument(program, label, low, high, chords, held) for program, low, high in rows]


DECLARED: tuple[Instrument, ...] = (
    *_all(PIANO, (0, 28, 98), (1, 28, 98), chords=True),
    *_all(PIANO, (2, 28, 98), (3, 28, 98), chords=True, held=True),
    *_all(ORGAN, (16, 36, 96), (17, 36, 96), (19, 36, 96), chords=True),
    *_all(ORGAN, (18, 36, 96), (20, 36, 89), chords=True, held=True),
    # Celesta and music box sound like a glockenspiel but belong to no class of AudioSet: on neither side.
    *_all(MALLETS, (9, 72, 103), (11, 53, 89), (12, 45, 96), chords=True),
    *_all(MALLETS, (13, 65, 105), chords=True, held=True),
    *_all(GUITAR, (24, 40, 83), (26, 40, 86), (28, 40, 80), (30, 40, 86), chords=True),
    *_all(GUITAR, (25, 40, 84), (27, 40, 86), (29, 40, 86), chords=True, held=True),
    *_all(BASS, (33, 28, 60), (34, 28, 60), (36, 28, 60)),
    *_all(BASS, (35, 28, 60), (37, 28, 60), held=True),
    *_all(BOWED, (40, 55, 98), (41, 48, 86), (43, 28, 62)),
    *_all(BOWED, (48, 36, 93), (49, 36, 93), chords=True),
    *_all(BOWED, (42, 36, 76), held=True),
    *_all(BOWED, (44, 36, 93), chords=True, held=True),
    *_all(BRASS, (56, 54, 84), (57, 40, 74), (60, 35, 77)),
    *_all(BRASS, (61, 36, 84), chords=True),
    *_all(BRASS, (58, 28, 60), (59, 54, 84), held=True),
    *_all(WIND, (64, 56, 87), (66, 44, 75), (68, 58, 91), (71, 50, 91), (73, 60, 96), (75, 60, 93)),
    *_all(WIND, (65, 49, 80), (67, 36, 69), (69, 52, 81), (70, 34, 72), (72, 74, 106), (74, 60, 93), held=True),
    *_all(KIT, (0, 35, 59), (8, 35, 59), (16, 35, 59), (24, 35, 59), (32, 35, 59)),
    *_all(KIT, (25, 35, 59), (40, 35, 59), held=True),
)
"""Ranges are those of orchestration books, rounded inwards; pitches are as they sound."""

_PLUCKED = ((104, 48, 77), (46, 36, 96)), ((105, 48, 84), (107, 45, 84))
_KEYS = ((6, 36, 88), (21, 53, 89)), ((22, 60, 88),)
_STRUCK = ((47, 36, 57), (14, 60, 77), (108, 60, 88)), ((113, 55, 84), (115, 55, 84), (112, 60, 96))
_PADS = ((80, 48, 96), (90, 36, 84), (52, 48, 79)), ((81, 48, 96), (101, 36, 84), (53, 48, 79))

UNDECLARED: tuple[Instrument, ...] = tuple(
    instrument
    for trained, held in (_PLUCKED, _KEYS, _STRUCK, _PADS)
    for instrument in (*_all(None, *trained, chords=True), *_all(None, *held, chords=True, held=True))
)
"""Instruments that are no declared class and that no declared class includes: one half says in training what none of
the classes is, the other half is kept to count false alarms on.

The halves are of like kinds: sitar and harp, banjo and koto; harpsichord and accordion, harmonica; timpani, tubular
bells and kalimba, agogo, wood block and chimes; square lead, poly synth and choir, saw lead, a pad and a voice. Left
out are kin of a declared class, whose absence could not be claimed: electric pianos, steel drums (AudioSet has Steelpan
below mallet percussion), pizzicato and synthetic strings, synthetic brass, whistles, shawms, bagpipes, toms, and the
dulcimer, which TimGM6mb plays with the recordings of a guitar.
"""


def programs(label: str, *, held_out: bool) -> tuple[Instrument, ...]:
    """The instruments of a class on one side of the split."""
    return tuple(one for one in DECLARED if one.label == label and one.held_out == held_out)


INSTRUMENT_CLASSES = tuple(dict.fromkeys(one.label for one in DECLARED if one.label))
"""Classes that are played, in the order of the table."""
