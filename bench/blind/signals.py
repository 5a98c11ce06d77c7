"""The signals that blind scenes are made of: parts of recordings put somewhere at some level, over pink noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
import torch

from bench.audio import Derived, FileSignal, digest
from bench.scene import SceneError, Signal

FADE_SECONDS: Final = 0.01
"""Length of the ramp where a recording is cut, so that the cut is no click."""
LOWEST_HZ: Final = 20.0
"""Pink noise starts here: below nobody hears it, and it would hold much of the energy."""


@dataclass(frozen=True)
class Part(Derived):
    """``length`` samples of a signal from ``start`` on, faded where they are cut out of it."""

    start: int
    length: int

    @property
    def samples(self) -> int:
        return self.length

    def read(self) -> torch.Tensor:
        whole = self.signal.samples
        if self.start + self.length > whole:
            raise SceneError(
                f"a source has {whole} samples where the manifest takes {self.length} from sample {self.start}; "
                "use the data that the manifest was drawn from, or draw it anew with `stemtree data scenes`"
            )
        audio = self._slice()
        ramp = torch.linspace(0, 1, min(round(FADE_SECONDS * self.sample_rate), self.length))
        if self.start > 0:
            audio[:, : len(ramp)] *= ramp
        if self.start + self.length < whole:
            audio[:, self.length - len(ramp) :] *= ramp.flip(0)
        return audio

    def _slice(self) -> torch.Tensor:
        inner = self.signal
        if isinstance(inner, FileSignal):  # a song need not be read for ten seconds of it
            return FileSignal(inner.path, inner.start + self.start, self.length).read()
        return inner.read()[:, self.start : self.start + self.length].clone()

    def fingerprint(self) -> str:
        return digest("part", self.signal.fingerprint(), self.start, self.length, FADE_SECONDS)


@dataclass(frozen=True)
class Placed(Derived):
    """A signal times a gain, put at sample ``onset`` of ``length`` samples of silence, and cut at their end."""

    onset: int
    length: int
    gain_db: float

    @property
    def samples(self) -> int:
        return self.length

    def read(self) -> torch.Tensor:
        audio = self.signal.read()[:, : self.length - self.onset] * 10 ** (self.gain_db / 20)
        return torch.nn.functional.pad(audio, (self.onset, self.length - self.onset - audio.shape[1]))

    def fingerprint(self) -> str:
        return digest("placed", self.signal.fingerprint(), self.onset, self.length, self.gain_db)


@dataclass(frozen=True)
class PinkNoise(Signal):
    """Mono noise with a power spectrum of 1/f from 20 Hz on, at an RMS of ``level_db`` dBFS; made from its name."""

    name: str
    rate: int
    length: int
    level_db: float

    @property
    def sample_rate(self) -> int:
        return self.rate

    @property
    def channels(self) -> int:
        return 1

    @property
    def samples(self) -> int:
        return self.length

    def read(self) -> torch.Tensor:
        # The stream of RandomState is fixed for good, unlike that of numpy's newer generators.
        seed = np.frombuffer(hashlib.sha256(self.name.encode()).digest(), dtype="<u4")
        white = np.random.RandomState(seed).standard_normal(self.length)
        spectrum = np.fft.rfft(white)
        frequencies = np.fft.rfftfreq(self.length, 1 / self.rate)
        heard = frequencies >= LOWEST_HZ
        spectrum[heard] /= np.sqrt(frequencies[heard])
        spectrum[~heard] = 0
        pink = np.fft.irfft(spectrum, self.length)
        rms = np.sqrt(np.mean(np.square(pink)))
        if rms > 0:
            pink *= 10 ** (self.level_db / 20) / rms
        return torch.from_numpy(pink.astype(np.float32))[None]

    def fingerprint(self) -> str:
        return digest("pink", self.name, self.rate, self.length, self.level_db, LOWEST_HZ)


@dataclass(frozen=True)
class Frozen(Derived):
    """The mixture of a blind scene, bound to the manifest that it was made by."""

    manifest_sha256: str

    def read(self) -> torch.Tensor:
        return self.signal.read()

    def fingerprint(self) -> str:
        return digest("frozen", self.signal.fingerprint(), self.manifest_sha256)


@dataclass(frozen=True)
class Missing(Signal):
    """Stands for a source that the manifest names and the data set here does not have."""

    message: str

    def _refuse(self) -> NoReturn:
        raise SceneError(self.message)

    @property
    def sample_rate(self) -> int:
        self._refuse()

    @property
    def channels(self) -> int:
        self._refuse()

    @property
    def samples(self) -> int:
        self._refuse()

    def read(self) -> torch.Tensor:
        self._refuse()

    def fingerprint(self) -> str:
        self._refuse()
