"""Signals for tests of speech metrics: no recordings, but tonal, modulated and paused as speech is."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter


def voice(seed: int, seconds: float, rate: int) -> np.ndarray:
    """A buzz through three moving resonances, syllables apart by near silence; peak 0.5, one dimension."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * rate)
    time = np.arange(samples) / rate
    buzz = np.sign(np.sin(2 * np.pi * (110 + 20 * np.sin(2 * np.pi * time)) * time)) + 0.1 * rng.standard_normal(
        samples
    )
    for centre in rng.uniform([300, 900, 2000], [800, 1800, 3400]):
        pole = 0.97 * np.exp(2j * np.pi * centre / rate)
        buzz = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], buzz)
    syllables = 0.97 * np.clip(np.sin(2 * np.pi * 3 * time + rng.uniform(0, 6)), 0, None) ** 0.5 + 0.03
    sound = buzz * syllables
    return 0.5 * sound / np.abs(sound).max()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)
