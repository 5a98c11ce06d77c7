"""Seeded randomness and 16-bit files: what every part of ``mini`` is written with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Audio = NDArray[np.float64]
"""Samples in -1..1, ``(samples,)`` or ``(samples, channels)``."""
Pcm = NDArray[np.int16]
"""The same as 16-bit integers."""

FULL_SCALE = 32768


def generator(*names: object) -> np.random.Generator:
    """A generator seeded by names alone, so that no part depends on what was made before it."""
    digest = hashlib.sha256("\n".join(map(str, ("mini", *names))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def to_pcm(audio: Audio) -> Pcm:
    """Round to 16 bit.

    Raises:
        ValueError: samples reach full scale or are not finite; a rendering must set its level itself.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if not peak < (FULL_SCALE - 1) / FULL_SCALE:  # also catches NaN
        raise ValueError(f"peak {peak} does not fit into 16 bit")
    return np.rint(audio * FULL_SCALE).astype(np.int16)


def total(parts: list[Pcm]) -> Pcm:
    """The exact sum of 16-bit signals.

    Raises:
        ValueError: the sum does not fit into 16 bit.
    """
    wide = np.sum([part.astype(np.int64) for part in parts], axis=0)
    if np.abs(wide).max(initial=0) >= FULL_SCALE:
        raise ValueError("the sum of the parts does not fit into 16 bit")
    return wide.astype(np.int16)


def write(path: Path, pcm: Pcm, sample_rate: int) -> None:
    """Write wav or flac, as the name ends, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pcm, sample_rate, subtype="PCM_16")


def with_peak(audio: Audio, peak: float) -> Audio:
    """Scale to a peak; silence stays silence."""
    highest = float(np.abs(audio).max(initial=0.0))
    return audio * (peak / highest) if highest > 0 else audio


def faded(audio: Audio, sample_rate: int, *, seconds: float = 0.02) -> Audio:
    """End without a click: a raised-cosine fade over the last ``seconds``."""
    length = min(int(seconds * sample_rate), len(audio))
    slope = 0.5 * (1 + np.cos(np.pi * np.arange(1, length + 1) / length))
    out = audio.copy()
    out[len(out) - length :] *= slope.reshape(-1, *[1] * (audio.ndim - 1))
    return out
