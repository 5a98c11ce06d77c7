"""Synthetic speech by espeak-ng, from the library and data of the espeakng-loader wheel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from bench.datasets.mini.extras import RenderingError, require
from bench.datasets.mini.pcm import FULL_SCALE, Audio

_WORKERS = 2
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Utterance:
    """What is said and how: an espeak-ng voice, words per minute, pitch from 0 to 100."""

    text: str
    voice: str
    rate: int = 165
    pitch: int = 50


def speak(utterances: Sequence[Utterance], sample_rate: int) -> list[Audio]:
    """Each utterance as mono samples at ``sample_rate``, in order; native is 22,050 Hz.

    Raises:
        RenderingError: espeak-ng is absent or failed; the message has its last line.
    """
    loader = require("espeakng_loader")
    library, data = str(loader.get_library_path()), str(loader.get_data_path())
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda utterance: _speak(utterance, library, data, sample_rate), utterances))


def _speak(utterance: Utterance, library: str, data: str, sample_rate: int) -> Audio:
    script = Path(__file__).with_name("espeak.py")
    said = [utterance.voice, str(utterance.rate), str(utterance.pitch), utterance.text]
    result = subprocess.run(
        [sys.executable, "-I", str(script), library, data, *said],
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode != 0 or len(result.stdout) <= 4:
        last = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RenderingError(
            f"espeak-ng did not speak {utterance.text!r} with voice {utterance.voice} "
            f"(exit status {result.returncode}: {last}); pip install --force-reinstall espeakng-loader"
        )
    native = int.from_bytes(result.stdout[:4], "little")
    samples = np.frombuffer(result.stdout[4:], dtype="<i2").astype(np.float64) / FULL_SCALE
    resampled: Audio = soxr.resample(samples, native, sample_rate, quality="HQ")
    return resampled
