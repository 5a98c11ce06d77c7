"""Noise and other sounds made from scratch, as mono samples at 32 kHz."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import scipy.signal

from bench.datasets.mini import synthesis
from bench.datasets.mini.pcm import Audio, generator, with_peak
from bench.datasets.rendered.clip import SAMPLE_RATE, Clip, counted, levelled, recorded

WHITE, PINK = "White noise", "Pink noise"
LICENCE = "synthesised by stemtree (MIT)"
_SECONDS = (2.0, 4.0)
_EVENTS = ("telephone", "applause", "gong", "shatter", "knock", "fireworks")
_EVENT_CLIPS = 5

Maker = Callable[[int, np.random.Generator], Audio]


def clips(split: str, share: float) -> Iterator[Clip]:
    """The synthesised clips of a split."""
    for kind, count in _CLIPS.get(split, {}).items():
        make, label = _MAKERS[kind]
        for take in range(counted(count, share)):
            rng = generator("rendered", split, kind, take)
            audio = make(round(rng.uniform(*_SECONDS) * SAMPLE_RATE), rng)
            # Each is a recording of its own: nothing but the recipe is common to two of them.
            name, labels = f"{kind} {take}", (label,) if label else ()
            at_level = audio if kind in _AT_THEIR_LEVEL else levelled(audio, rng)
            yield Clip(split, kind.replace(" ", "_"), name, 0, labels, LICENCE, at_level)
    if split == "unknown":
        yield from _events(share)


def _events(share: float) -> Iterator[Clip]:
    for kind in _EVENTS:
        for take in range(counted(_EVENT_CLIPS, share)):
            rng = generator("rendered", "unknown", kind, take)
            audio = getattr(synthesis, kind)(float(rng.uniform(*_SECONDS)), rng)
            heard = recorded(audio, synthesis.SAMPLE_RATE, rng, tuned=False)
            yield Clip("unknown", "events", f"{kind} {take}", 0, (), LICENCE, heard)


def _coloured(samples: int, rng: np.random.Generator, *, slope: float) -> Audio:
    """Gaussian noise whose power falls as frequency to the power of ``slope``, from 20 Hz on."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 20.0)
    coloured: Audio = np.fft.irfft(spectrum * frequencies ** (-slope / 2), samples)
    return with_peak(coloured, 1.0)


def _drifting(samples: int, rng: np.random.Generator, *, decibels: float = 8.0) -> Audio:
    """A gain that wanders by some decibels, with about one turn in a second."""
    knots = np.arange(-(-samples // SAMPLE_RATE) + 2) * SAMPLE_RATE
    wanders = np.interp(np.arange(samples), knots, rng.uniform(-decibels, 0.0, len(knots)))
    return np.asarray(10 ** (wanders / 20))


def _white(samples: int, rng: np.random.Generator) -> Audio:
    return _coloured(samples, rng, slope=0.0) * _drifting(samples, rng)


def _pink(samples: int, rng: np.random.Generator) -> Audio:
    return _coloured(samples, rng, slope=1.0) * _drifting(samples, rng)


def _brown(samples: int, rng: np.random.Generator) -> Audio:
    return _coloured(samples, rng, slope=2.0) * _drifting(samples, rng)


def _band(samples: int, rng: np.random.Generator) -> Audio:
    """At most an octave and a half wide: wider would be the white or pink noise that it is to be told from."""
    centre = np.exp(rng.uniform(np.log(200), np.log(6000)))
    half = 2 ** (rng.uniform(0.2, 1.5) / 2)
    sections = scipy.signal.butter(4, (centre / half, centre * half), btype="bandpass", fs=SAMPLE_RATE, output="sos")
    noise: Audio = scipy.signal.sosfilt(sections, rng.standard_normal(samples))
    return noise * _drifting(samples, rng)


def _modulated(samples: int, rng: np.random.Generator) -> Audio:
    """Band noise that beats 3 to 12 times a second; slower swells would be surf, which other clips may be labelled."""
    time = np.arange(samples) / SAMPLE_RATE
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(3.0, 12.0) * time + rng.random()))
    return _band(samples, rng) * beat ** rng.uniform(0.5, 3.0)


def _hum(samples: int, rng: np.random.Generator) -> Audio:
    """Mains hum: harmonics of 50 or 60 Hz with levels that fall, the even ones stronger, as transformers have."""
    time = np.arange(samples) / SAMPLE_RATE
    mains = float(rng.choice((50.0, 60.0))) + rng.uniform(-0.1, 0.1)
    out = np.zeros(samples)
    for harmonic in range(1, 25):
        level = rng.uniform(0.2, 1.0) * harmonic ** -rng.uniform(0.6, 1.4) * (1.0 if harmonic % 2 == 0 else 0.5)
        out += level * np.sin(2 * np.pi * (harmonic * mains * time + rng.random()))
    return out * _drifting(samples, rng, decibels=3.0)


def _clicks(samples: int, rng: np.random.Generator) -> Audio:
    """Faults of a line at odd times: regular ones would be a clock, dense ones a fire."""
    out = np.zeros(samples)
    out[0] = 1e-6
    for at in rng.integers(0, samples - 400, int(rng.integers(3, 12))):
        decay = np.exp(-np.arange(400) / rng.uniform(4, 60))
        out[at : at + 400] += rng.uniform(0.3, 1.0) * rng.choice((-1, 1)) * decay * rng.uniform(0.2, 1.0, 400)
    return out


def _beeps(samples: int, rng: np.random.Generator) -> Audio:
    """Pure tones and sweeps one after the other: what a signal generator gives."""
    edges = np.sort(rng.integers(0, samples, int(rng.integers(2, 7))))
    out = np.zeros(samples)
    for first, last in zip((0, *edges), (*edges, samples), strict=True):
        begin, end = np.exp(rng.uniform(np.log(150), np.log(7000), 2))
        end = end if rng.random() < 0.4 else begin
        phase = 2 * np.pi * np.cumsum(np.geomspace(begin, end, max(last - first, 1))) / SAMPLE_RATE
        ramp = np.minimum(np.minimum(np.arange(last - first), np.arange(last - first)[::-1]) / 160, 1.0)
        out[first:last] = rng.uniform(0.3, 1.0) * (np.sin(phase[: last - first]) * ramp)
    return out


def _silence(samples: int, _rng: np.random.Generator) -> Audio:
    return np.zeros(samples)


def _faint(samples: int, rng: np.random.Generator) -> Audio:
    """The brown noise of a quiet room, with a peak of -66 to -54 dB of full scale."""
    return with_peak(_brown(samples, rng), float(10 ** (rng.uniform(-66.0, -54.0) / 20)))


_MAKERS: dict[str, tuple[Maker, str | None]] = {
    "white noise": (_white, WHITE),
    "pink noise": (_pink, PINK),
    "brown noise": (_brown, None),
    "band noise": (_band, None),
    "modulated noise": (_modulated, None),
    "hum": (_hum, None),
    "clicks": (_clicks, None),
    "beeps": (_beeps, None),
    "silence": (_silence, None),
    "faint noise": (_faint, None),
}
_AT_THEIR_LEVEL = ("silence", "faint noise")
_CLIPS = {
    "train": {
        "white noise": 40, "pink noise": 40, "brown noise": 12, "band noise": 12, "modulated noise": 12, "hum": 10,
        "clicks": 6, "beeps": 8,
    },
    "noise": {"silence": 2, "faint noise": 4, "brown noise": 4, "hum": 4, "white noise": 3, "pink noise": 3},
}  # fmt: skip
"""How many clips of each kind a split has. None that is trained on is silent: there is nothing to mix it at."""
