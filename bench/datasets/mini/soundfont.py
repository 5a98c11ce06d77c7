"""Notes to sound through the soundfont that the pretty_midi wheel brings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.datasets.mini.compose import Note
from bench.datasets.mini.extras import require, soundfont_path
from bench.datasets.mini.pcm import Audio, faded

SAMPLE_RATE = 44_100
_DRUM_CHANNEL, _DRUM_BANK = 9, 128
_HEADROOM_DB = -6.0


def render(notes: Sequence[Note], program: int, seconds: float, *, drum: bool = False) -> Audio:
    """One instrument in stereo, ``(samples, 2)`` at 44.1 kHz, cut at ``seconds``.

    ``program`` is a General MIDI program from 0, or with ``drum`` the number of a drum kit. A fresh synthesiser
    is used for each call, so that the samples depend on the arguments alone.
    """
    synth = require("tinysoundfont").Synth(gain=_HEADROOM_DB, samplerate=SAMPLE_RATE)
    font = synth.sfload(str(soundfont_path()))
    channel, bank = (_DRUM_CHANNEL, _DRUM_BANK) if drum else (0, 0)
    synth.program_select(channel, font, bank, program, drum)
    samples = round(seconds * SAMPLE_RATE)
    out = np.zeros((samples, 2))
    at = 0
    for time, sounding, pitch, velocity in _events(notes):
        until = min(round(time * SAMPLE_RATE), samples)
        if until > at:
            out[at:until] = np.frombuffer(bytes(synth.generate(until - at)), dtype="<f4").reshape(-1, 2)
            at = until
        if sounding:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    if samples > at:
        out[at:] = np.frombuffer(bytes(synth.generate(samples - at)), dtype="<f4").reshape(-1, 2)
    return faded(out, SAMPLE_RATE)


def _events(notes: Sequence[Note]) -> list[tuple[float, bool, int, int]]:
    """Note-offs come before note-ons of the same instant (False sorts first), so that a repeated pitch sounds anew."""
    ons = [(note.start, True, note.pitch, note.velocity) for note in notes]
    offs = [(note.end, False, note.pitch, 0) for note in notes]
    return sorted(ons + offs)
