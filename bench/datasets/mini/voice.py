"""A sung voice: a glottal source with vibrato through the formants of sung vowels.

Formants F1 to F3 are the averages of Peterson and Barney, "Control methods used in a study of the vowels",
JASA 24 (1952), table II; bandwidths are round figures of the size found in speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy.signal

from bench.datasets.mini.compose import Note
from bench.datasets.mini.pcm import Audio, faded, with_peak

Singer = Literal["low", "high"]
_FORMANTS: dict[Singer, dict[str, tuple[float, float, float]]] = {
    "low": {
        "a": (730, 1090, 2440),
        "e": (530, 1840, 2480),
        "i": (270, 2290, 3010),
        "o": (570, 840, 2410),
        "u": (300, 870, 2240),
    },
    "high": {
        "a": (850, 1220, 2810),
        "e": (610, 2330, 2990),
        "i": (310, 2790, 3310),
        "o": (590, 920, 2710),
        "u": (370, 950, 2670),
    },
}
_FOURTH: dict[Singer, float] = {"low": 3400.0, "high": 4200.0}
_BANDWIDTHS = (80.0, 100.0, 140.0, 220.0)
_CONTROL = 128
"""Samples between two values of the slowly moving controls."""
_TOP_HZ = 9000.0
_VIBRATO_HZ, _VIBRATO_SEMITONES = 5.6, 0.35


def sing(
    notes: Sequence[Note], vowels: str, seconds: float, singer: Singer, rng: np.random.Generator, sample_rate: int
) -> Audio:
    """One voice, mono ``(samples,)`` with a peak of 0.5; each note takes the next of ``vowels``, over and over.

    Every second note opens with a sibilant, so that the voice also has noise in it, as sung words have.
    """
    samples = round(seconds * sample_rate)
    ticks = np.arange(-(-samples // _CONTROL) + 1) * _CONTROL / sample_rate
    pitch, level, formants = _controls(notes, vowels, ticks, singer, rng)
    time = np.arange(samples) / sample_rate
    f0 = np.interp(time, ticks, 440.0 * 2.0 ** ((pitch - 69.0) / 12.0))
    envelope = np.interp(time, ticks, level)
    voiced = _harmonics(f0, formants, time, ticks, pitch, sample_rate)
    voiced *= envelope
    breath = _band(rng.standard_normal(samples), 1500.0, 7000.0, sample_rate) * envelope
    out = with_peak(voiced, 1.0) + 0.02 * breath
    for note in notes[::2]:
        out += 0.12 * _sibilant(note.start, samples, rng, sample_rate)
    return faded(with_peak(out, 0.5), sample_rate)


def room(audio: Audio, rng: np.random.Generator, sample_rate: int, *, wet: float, seconds: float = 0.7) -> Audio:
    """Put a mono signal into a stereo room: decaying noise, different on the two sides, ``(samples, 2)``."""
    length = int(seconds * sample_rate)
    decay = np.exp(-6.9 * np.arange(length) / length)[:, None]  # 60 dB over its length
    response = _band(rng.standard_normal((length, 2)), 200.0, 6000.0, sample_rate) * decay
    response /= np.sqrt((response**2).sum(axis=0))
    echo = scipy.signal.oaconvolve(audio[:, None], response, axes=0)[: len(audio)]
    return faded(audio[:, None] + wet * echo, sample_rate)


def _controls(
    notes: Sequence[Note], vowels: str, ticks: Audio, singer: Singer, rng: np.random.Generator
) -> tuple[Audio, Audio, Audio]:
    """Pitch (MIDI, fractional), level, and four formants in Hz at each tick."""
    pitch = np.full(len(ticks), float(notes[0].pitch))
    level = np.zeros(len(ticks))
    vibrato = np.zeros(len(ticks))
    formants = np.zeros((4, len(ticks)))
    for index, note in enumerate(notes):
        since = ticks - note.start
        from_here = since >= 0
        pitch[from_here] = note.pitch
        vowel = _FORMANTS[singer][vowels[index % len(vowels)]]
        formants[:, (from_here if index else slice(None))] = np.array([*vowel, _FOURTH[singer]])[:, None]
        during = from_here & (ticks < note.end)
        level[during] = note.velocity / 127
        vibrato[during] = np.clip((since[during] - 0.15) / 0.25, 0, 1)
    step = float(ticks[1] - ticks[0])
    pitch = _smooth(pitch, 0.03 / step) + vibrato * _VIBRATO_SEMITONES * np.sin(2 * np.pi * _VIBRATO_HZ * ticks)
    pitch += 0.08 * _smooth(rng.standard_normal(len(ticks)), 0.05 / step)  # no voice holds a pitch exactly
    return pitch, _smooth(level, 0.025 / step), np.stack([_smooth(row, 0.03 / step) for row in formants])


def _harmonics(f0: Audio, formants: Audio, time: Audio, ticks: Audio, pitch: Audio, sample_rate: int) -> Audio:
    phase = 2 * np.pi * np.cumsum(f0) / sample_rate
    slow_f0 = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    twice_cosine = 2 * np.cos(phase)
    before, current = np.zeros_like(phase), np.sin(phase)  # sin(kx) = 2 cos(x) sin((k-1)x) - sin((k-2)x)
    out = np.zeros_like(phase)
    harmonic = 1
    while harmonic * slow_f0.min() < _TOP_HZ:
        frequency = harmonic * slow_f0
        gain = _tract(frequency, formants) / harmonic * (frequency < _TOP_HZ)
        out += np.interp(time, ticks, gain) * current
        before, current = current, twice_cosine * current - before
        harmonic += 1
    return out


def _tract(frequency: Audio, formants: Audio) -> Audio:
    """Magnitude of a cascade of resonances, each 1 at 0 Hz."""
    gain = np.ones_like(frequency)
    for centre, bandwidth in zip(formants, _BANDWIDTHS, strict=True):
        gain *= centre**2 / np.sqrt((centre**2 - frequency**2) ** 2 + (frequency * bandwidth) ** 2)
    return gain


def _sibilant(start: float, samples: int, rng: np.random.Generator, sample_rate: int) -> Audio:
    length = int(0.09 * sample_rate)
    burst = _band(rng.standard_normal(length), 4500.0, 10000.0, sample_rate) * np.hanning(length)
    out = np.zeros(samples)
    first = max(int(start * sample_rate) - length // 2, 0)
    out[first : first + length] = burst[: max(samples - first, 0)]
    return out


def _band(noise: Audio, low: float, high: float, sample_rate: int) -> Audio:
    sections = scipy.signal.butter(2, (low, high), btype="bandpass", fs=sample_rate, output="sos")
    filtered: Audio = scipy.signal.sosfilt(sections, noise, axis=0)
    return filtered


def _smooth(values: Audio, ticks: float) -> Audio:
    """A one-pole low pass with a time constant of ``ticks``, settled at the first value."""
    keep = float(np.exp(-1 / ticks))
    settled = np.array([keep * values[0]])
    smoothed, _ = scipy.signal.lfilter([1 - keep], [1, -keep], values, zi=settled)
    return np.asarray(smoothed, dtype=np.float64)
