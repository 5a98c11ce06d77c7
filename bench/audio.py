"""Lazy signals: files, and what is made of them by padding, scaling, summing, resampling and mixing down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from bench.hashing import file_sha256
from bench.scene import SceneError, Signal


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True)
class FileSignal(Signal):
    """A sound file that libsndfile reads (wav, flac, ogg, mp3), or a part of one.

    ``start`` and ``length`` are in samples of the file; ``length`` None means to the end.
    """

    path: Path
    start: int = 0
    length: int | None = None

    @cached_property
    def _info(self) -> soundfile._SoundFileInfo:
        if not self.path.is_file():
            raise SceneError(f"{self.path}: no such file")
        try:
            return soundfile.info(self.path)
        except soundfile.LibsndfileError as error:
            raise SceneError(f"{self.path}: cannot be read as audio ({error.error_string}); fetch it anew") from error

    @property
    def sample_rate(self) -> int:
        return int(self._info.samplerate)

    @property
    def channels(self) -> int:
        return int(self._info.channels)

    @property
    def samples(self) -> int:
        whole = max(int(self._info.frames) - self.start, 0)
        return whole if self.length is None else min(self.length, whole)

    def read(self) -> torch.Tensor:
        wanted = self.samples
        try:
            data, _ = soundfile.read(self.path, frames=wanted, start=self.start, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SceneError(f"{self.path}: cannot be decoded ({error.error_string}); fetch it anew") from error
        if len(data) != wanted:
            raise SceneError(f"{self.path}: truncated, {len(data)} of {wanted} samples can be read; fetch it anew")
        bad = np.count_nonzero(~np.isfinite(data))
        if bad:
            first = int(np.argwhere(~np.isfinite(data))[0, 0]) / self.sample_rate
            raise SceneError(
                f"{self.path}: {bad} samples are NaN or infinite, the first at {first:.3f} s; fetch it anew"
            )
        return torch.from_numpy(np.ascontiguousarray(data.T))

    def fingerprint(self) -> str:
        return _digest("file", file_sha256(self.path), self.start, self.length)


@dataclass(frozen=True)
class Fitted(Signal):
    """A signal cut or padded with zeros at its end to ``length`` samples, or repeated to fill it."""

    signal: Signal
    length: int
    repeat: bool = False

    @property
    def sample_rate(self) -> int:
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        return self.signal.channels

    @property
    def samples(self) -> int:
        return self.length

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        if self.repeat and 0 < audio.shape[1] < self.length:
            audio = audio.repeat(1, -(-self.length // audio.shape[1]))
        audio = audio[:, : self.length]
        return torch.nn.functional.pad(audio, (0, self.length - audio.shape[1]))

    def fingerprint(self) -> str:
        return _digest("fitted", self.signal.fingerprint(), self.length, self.repeat)


@dataclass(frozen=True)
class Mono(Signal):
    """The mean of a signal's channels."""

    signal: Signal

    @property
    def sample_rate(self) -> int:
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        return 1

    @property
    def samples(self) -> int:
        return self.signal.samples

    def read(self) -> torch.Tensor:
        return self.signal.read().mean(dim=0, keepdim=True)

    def fingerprint(self) -> str:
        return _digest("mono", self.signal.fingerprint())


@dataclass(frozen=True)
class Resampled(Signal):
    """A signal at another rate, by soxr's high quality filter."""

    signal: Signal
    rate: int

    @property
    def sample_rate(self) -> int:
        return self.rate

    @property
    def channels(self) -> int:
        return self.signal.channels

    @property
    def samples(self) -> int:
        if self.signal.sample_rate == self.rate:
            return self.signal.samples
        return -(-self.signal.samples * self.rate // self.signal.sample_rate)

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        if self.signal.sample_rate == self.rate:
            return audio
        resampled = soxr.resample(audio.T.numpy(), self.signal.sample_rate, self.rate, quality="HQ")
        out = torch.from_numpy(np.ascontiguousarray(resampled.T))[:, : self.samples]
        return torch.nn.functional.pad(out, (0, self.samples - out.shape[1]))

    def fingerprint(self) -> str:
        return _digest("resampled", self.signal.fingerprint(), self.rate, "soxr-hq", soxr.__libsoxr_version__)


@dataclass(frozen=True)
class Sum(Signal):
    """The sum of signals of one rate, channel count and length."""

    parts: tuple[Signal, ...]

    @property
    def sample_rate(self) -> int:
        return self.parts[0].sample_rate

    @property
    def channels(self) -> int:
        return self.parts[0].channels

    @property
    def samples(self) -> int:
        return self.parts[0].samples

    def read(self) -> torch.Tensor:
        return torch.stack([part.read() for part in self.parts]).sum(dim=0)

    def fingerprint(self) -> str:
        return _digest("sum", *(part.fingerprint() for part in self.parts))


@dataclass(frozen=True)
class EnergyMatched(Signal):
    """A signal scaled to the energy of another, as USS mixes: gain = sqrt(E(anchor) / E(signal)), within bounds.

    The bounds 0.02 and 50 and the floor of 1e-10 on the mean square are those of the public USS code.
    """

    signal: Signal
    anchor: Signal

    @property
    def sample_rate(self) -> int:
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        return self.signal.channels

    @property
    def samples(self) -> int:
        return self.signal.samples

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        energy = float(audio.double().square().mean())
        wanted = float(self.anchor.read().double().square().mean())
        gain = min(max((wanted / max(energy, 1e-10)) ** 0.5, 0.02), 50.0)
        return audio * gain

    def fingerprint(self) -> str:
        return _digest("energy-matched", self.signal.fingerprint(), self.anchor.fingerprint())
