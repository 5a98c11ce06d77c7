"""How loud a signal sounds: integrated loudness after Recommendation ITU-R BS.1770-5 (2023), annex 1.

The recommendation gives the two filters of its K-weighting as coefficients for 48 kHz. The analogue prototypes behind
them, which serve any rate, are those of libebur128 1.2 (https://github.com/jiixyj/libebur128, ``ebur128.c``).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

BLOCK_SECONDS: Final = 0.4
STEP_SECONDS: Final = 0.1
ABSOLUTE_GATE: Final = -70.0
"""LUFS: blocks softer than this do not count."""
RELATIVE_GATE: Final = -10.0
"""LU: nor do blocks so far under the loudness of those that are left."""
_OFFSET: Final = -0.691
"""dB, by which the gain of the weighting at 997 Hz is taken back."""
_SHELF: Final = (1681.974450955533, 3.999843853973347, 0.7071752369554196)
"""Hz, dB and Q of the high shelf, which stands for the head."""
_SHELF_EXPONENT: Final = 0.4996667741545416
_HIGHPASS: Final = (38.13547087602444, 0.5003270373238773)
"""Hz and Q of the high-pass."""


def integrated_loudness(audio: np.ndarray, sample_rate: int) -> float | None:
    """Integrated loudness in LUFS of left, right or single channels, each of weight 1.

    A signal shorter than a block of 0.4 s, which the recommendation leaves open, is one block.

    Args:
        audio: ``(channels, samples)``, full scale is 1.
        sample_rate: in Hz.

    Returns:
        None where every block is softer than -70 LUFS.

    >>> sine = np.sin(2 * np.pi * 997 * np.arange(48_000) / 48_000)[None]
    >>> round(integrated_loudness(sine, 48_000), 2)
    -3.01
    """
    if audio.shape[-1] == 0:
        return None
    power = np.square(_weighted(audio.astype(np.float64), sample_rate)).sum(axis=0)
    size = min(round(BLOCK_SECONDS * sample_rate), len(power))
    step = max(1, round(STEP_SECONDS * sample_rate))
    total = np.concatenate([[0.0], np.cumsum(power)])
    starts = np.arange(0, len(power) - size + 1, step)
    blocks = np.maximum(total[starts + size] - total[starts], 0.0) / size
    loud = blocks[blocks > _power(ABSOLUTE_GATE)]
    if not len(loud):
        return None
    return _lufs(loud[loud > loud.mean() * 10 ** (RELATIVE_GATE / 10)].mean())


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power)


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _weighted(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    from scipy.signal import sosfilt

    return np.asarray(sosfilt(k_weighting(sample_rate), audio, axis=-1))


def k_weighting(sample_rate: int) -> np.ndarray:
    """The filters of the K-weighting as second-order sections, ``(2, 6)``, by the bilinear transform."""
    hz, decibels, q = _SHELF
    k = math.tan(math.pi * min(hz, 0.49 * sample_rate) / sample_rate)
    high = 10 ** (decibels / 20)
    band = high**_SHELF_EXPONENT
    norm = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / norm, 2 * (k * k - high) / norm, (high - band * k / q + k * k) / norm,
        1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm,
    ]  # fmt: skip
    hz, q = _HIGHPASS
    k = math.tan(math.pi * hz / sample_rate)
    norm = 1 + k / q + k * k
    return np.array([shelf, [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]])
