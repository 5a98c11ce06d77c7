"""Sound events made from scratch: each function gives one clip, mono ``(samples,)`` at 44.1 kHz, at any level."""

from __future__ import annotations

import numpy as np
import scipy.signal

from bench.datasets.mini.pcm import Audio

SAMPLE_RATE = 44_100


def bass_drum(seconds: float, rng: np.random.Generator) -> Audio:
    """A membrane whose pitch falls after the blow, and the click of the beater."""
    time = _time(seconds)
    rest, sweep = rng.uniform(45, 62), rng.uniform(60, 140)
    frequency = rest + sweep * np.exp(-time / rng.uniform(0.02, 0.04))
    body = np.sin(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE) * np.exp(-time / rng.uniform(0.08, 0.16))
    click = _band(rng.standard_normal(len(time)), 1500, 6000) * np.exp(-time / 0.004)
    return body + rng.uniform(0.1, 0.3) * click


def telephone(seconds: float, rng: np.random.Generator) -> Audio:
    """A bell telephone: two gongs struck in turn some 22 times a second, ringing and pausing."""
    strikes = np.arange(0, seconds, 0.5 / rng.uniform(20, 24))
    strikes = strikes[(strikes % rng.uniform(0.8, 1.1)) < 0.6]
    gongs = rng.uniform(900, 1250) * np.array([1.0, rng.uniform(1.15, 1.3)])
    out = np.zeros(len(_time(seconds)))
    for number, strike in enumerate(strikes):
        partials = gongs[number % 2] * np.array([1.0, 2.76, 5.4])  # those of a free bar, as bells come near them
        _add(out, _ring(partials, np.array([1.0, 0.6, 0.3]), np.array([0.25, 0.12, 0.05]), 0.4, rng), strike)
    return out


def applause(seconds: float, rng: np.random.Generator) -> Audio:
    """Some thirty people clapping, each at a pace and with a cupped-hand resonance of their own."""
    out = np.zeros(len(_time(seconds)))
    for _ in range(int(rng.integers(25, 40))):
        pace, centre, near = rng.uniform(2.5, 4.5), rng.uniform(700, 2600), rng.uniform(0.2, 1.0)
        clap = _band(rng.standard_normal(int(0.03 * SAMPLE_RATE)), 0.6 * centre, 1.6 * centre)
        clap *= np.exp(-np.arange(len(clap)) / SAMPLE_RATE / 0.006)
        for at in np.arange(rng.uniform(0, 1 / pace), seconds, 1 / pace):
            _add(out, near * rng.uniform(0.7, 1.0) * clap, at + rng.normal(0, 0.015))
    return out


def fireworks(seconds: float, rng: np.random.Generator) -> Audio:
    """A whistle on the way up, a bang that rolls away, and crackling."""
    time = _time(seconds)
    bang_at = 0.3 * seconds
    before = np.clip((bang_at - time) / bang_at, 0, 1)
    whistle = np.sin(2 * np.pi * np.cumsum(rng.uniform(1800, 2600) + 900 * (1 - before)) / SAMPLE_RATE) * (before > 0)
    out = 0.06 * whistle * before
    after = np.clip(time - bang_at, 0, None)
    started = time >= bang_at
    rumble = _band(rng.standard_normal(len(time)), 40, 350) * np.exp(-after / 0.25)
    crack = _band(rng.standard_normal(len(time)), 400, 9000) * np.exp(-after / 0.04)
    out += started * (2.0 * rumble + 0.8 * crack)
    for at in bang_at + 0.15 + rng.exponential(0.35, int(rng.integers(40, 80))):
        pop = rng.standard_normal(int(0.008 * SAMPLE_RATE)) * np.exp(-np.arange(int(0.008 * SAMPLE_RATE)) / 60)
        _add(out, rng.uniform(0.05, 0.25) * pop, at)
    return out


def knock(seconds: float, rng: np.random.Generator) -> Audio:
    """Knuckles on a wooden door: a few blows that excite the modes of one panel."""
    modes = np.sort(rng.uniform(90, 1100, 9))
    decays = rng.uniform(0.015, 0.05, 9)
    levels = rng.uniform(0.3, 1.0, 9) / np.sqrt(modes / modes[0])
    out = np.zeros(len(_time(seconds)))
    at = 0.02
    while at < seconds - 0.1:
        _add(out, rng.uniform(0.6, 1.0) * _ring(modes, levels, decays, 0.25, rng), at)
        at += rng.uniform(0.16, 0.26)
    return out


def shatter(seconds: float, rng: np.random.Generator) -> Audio:
    """Glass: a crash, then splinters that ring high as they fall."""
    time = _time(seconds)
    out = _band(rng.standard_normal(len(time)), 1500, 14_000) * np.exp(-time / 0.05)
    for _ in range(140):
        pitch = np.exp(rng.uniform(np.log(2200), np.log(15_000), 2))
        splinter = _ring(pitch, np.array([1.0, 0.5]), rng.uniform(0.01, 0.07, 2), 0.2, rng)
        _add(out, rng.uniform(0.05, 0.3) * splinter, min(rng.exponential(0.22), seconds))
    return out


def gong(seconds: float, rng: np.random.Generator) -> Audio:
    """A plate with many inharmonic modes; the high ones swell after the blow."""
    time = _time(seconds)
    modes = np.sort(rng.uniform(70, 3200, 45))
    out = np.zeros(len(time))
    for mode in modes:
        swell = 1 - np.exp(-time / (0.005 + 0.12 * mode / 3200))
        decay = np.exp(-time / (1.6 - mode / 3200))
        tone = np.sin(2 * np.pi * (mode * time + rng.random()))
        out += rng.uniform(0.3, 1.0) * (modes[0] / mode) ** 0.4 * swell * decay * tone
    return out


def _time(seconds: float) -> Audio:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _ring(modes: Audio, levels: Audio, decays: Audio, seconds: float, rng: np.random.Generator) -> Audio:
    """Decaying sinusoids at ``modes`` Hz, with time constants ``decays`` in seconds and random phases."""
    time = _time(seconds)[:, None]
    phases = rng.random(len(modes))
    tones = levels * np.sin(2 * np.pi * (modes * time + phases)) * np.exp(-time / decays)
    onset = np.minimum(np.arange(len(time)) / 20, 1.0)  # half a millisecond: a blow is no step
    summed: Audio = tones.sum(axis=1) * onset
    return summed


def _add(out: Audio, sound: Audio, at: float) -> None:
    """Add ``sound`` at a time in seconds, cut at the ends of ``out``."""
    first = max(round(at * SAMPLE_RATE), 0)
    room = max(len(out) - first, 0)
    out[first : first + len(sound)] += sound[:room]


def _band(noise: Audio, low: float, high: float) -> Audio:
    sections = scipy.signal.butter(2, (low, high), btype="bandpass", fs=SAMPLE_RATE, output="sos")
    filtered: Audio = scipy.signal.sosfilt(sections, noise)
    return filtered
