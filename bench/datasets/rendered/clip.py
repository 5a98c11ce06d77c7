"""A labelled clip and how each is recorded: tuning, microphone, room and level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
import soxr

from bench.datasets.mini.pcm import Audio, faded, with_peak
from bench.datasets.mini.voice import room

SAMPLE_RATE = 32_000
"""Of every clip, in Hz: that of the taggers that are trained on them."""

_DRY_SHARE = 0.3
"""Of clips without a room."""
_WET = (0.05, 0.6)
_ROOM_SECONDS = (0.2, 1.2)
"""Gain of the echo, and the time in which it falls by 60 dB."""
_TILT_DB = 6.0
_CENTS = 40.0
"""At most, up or down."""
_PEAK_DB = (-18.0, -2.0)
"""Of full scale."""


@dataclass(frozen=True)
class Clip:
    """Mono samples at ``SAMPLE_RATE`` and what is written of them in the table of their split."""

    split: str
    folder: str
    """Below the split's audio: one for each class or kind of sound."""
    recording: str
    """What it is cut from: clips of one program, voice or song are not independent."""
    take: int
    labels: tuple[str, ...]
    """Display names of AudioSet, none where no declared class sounds."""
    licence: str
    audio: Audio

    @property
    def path(self) -> str:
        """Where its audio lies, from the data set's folder on."""
        name = f"{self.recording.replace(' ', '-')}-{self.take:03}.flac"
        return f"audio/{self.split}/{self.folder}/{name}"


def counted(number: int, share: float) -> int:
    """A share of ``number`` clips, never none."""
    return max(1, round(number * share))


def recorded(audio: Audio, sample_rate: int, rng: np.random.Generator, *, tuned: bool = True) -> Audio:
    """Mono samples as one of many microphones in one of many rooms would have them, at ``SAMPLE_RATE``.

    One soundfont and one speech synthesiser are all there is to learn from; without changes of timbre, room and
    level between clips, a model learns these recordings by heart instead of the instruments.

    Args:
        audio: ``(samples,)`` in -1..1.
        sample_rate: of ``audio``, in Hz.
        rng: draws all of it.
        tuned: move the tuning by up to 40 cents, formants and length with it.
    """
    ratio = 2 ** (rng.uniform(-_CENTS, _CENTS) / 1200) if tuned else 1.0
    out = soxr.resample(audio, sample_rate * ratio, SAMPLE_RATE, quality="HQ")
    out = _tilted(out, rng)
    if rng.random() >= _DRY_SHARE:
        wet, seconds = rng.uniform(*_WET), rng.uniform(*_ROOM_SECONDS)
        out = room(out, rng, SAMPLE_RATE, wet=wet, seconds=seconds).mean(axis=1)
    return levelled(out, rng)


def levelled(audio: Audio, rng: np.random.Generator) -> Audio:
    """At a peak drawn between -18 and -2 dB of full scale, without clicks at its ends."""
    ended = faded(faded(audio, SAMPLE_RATE)[::-1], SAMPLE_RATE, seconds=0.005)[::-1]
    return with_peak(ended, float(10 ** (rng.uniform(*_PEAK_DB) / 20)))


def _tilted(audio: Audio, rng: np.random.Generator) -> Audio:
    """A shelf of first order: what lies below a corner gains or loses up to 6 dB."""
    corner = np.exp(rng.uniform(np.log(400), np.log(4000)))
    gain = 10 ** (rng.uniform(-_TILT_DB, _TILT_DB) / 20)
    low = scipy.signal.sosfilt(scipy.signal.butter(1, corner, fs=SAMPLE_RATE, output="sos"), audio)
    tilted: Audio = audio + (gain - 1) * low
    return tilted
