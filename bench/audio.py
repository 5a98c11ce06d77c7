"""Lazy signals: files, and what is made of them by padding, scaling, summing, resampling and mixing down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
import torch

from bench.hashing import file_sha256
from bench.scene import SceneError, Signal
from bench.wholeness import cut_short

# A FLAC stream of unknown length is reported with the largest count there is; no recording has 2**40 samples.
_NO_LENGTH: Final = 2**40


class BrokenFile(SceneError):
    """A file cannot be used; says which, what is wrong, and the remedy."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        # All three go to the base class, so that the error survives the way back from a worker process.
        super().__init__(path, what, remedy)
        self.path, self.what, self.remedy = path, what, remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself; ``samples`` per channel."""

    sample_rate: int
    channels: int
    samples: int


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; :class:`BrokenFile` where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise BrokenFile(path, f"cannot be read ({error.strerror})", "check that it is there and readable") from error


def check_finite(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    """Raise :class:`BrokenFile` where ``audio`` (samples, channels) holds NaN or infinite values."""
    bad = ~np.isfinite(audio)
    if bad.any():
        first = int(bad.any(axis=1).argmax())
        where = f"the first at {first / sample_rate:.3f} s (sample {first})"
        raise BrokenFile(path, f"NaN or infinite values: {int(bad.sum())}, {where}", "fetch or render it anew")


def digest(*parts: object) -> str:
    """SHA-256 of the parts' text: the fingerprint of a signal made from others."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True)
class FileSignal(Signal):
    """A sound file that libsndfile reads (wav, flac, ogg, mp3), or a part of one.

    ``start`` and ``length`` are in samples of the file; ``length`` None means to the end. Nothing is opened before
    a property is asked for, and then only the header (an mp3 is decoded to know its length). Rate, channels, length
    and fingerprint raise :class:`BrokenFile` where the header cannot be read or shows the file to be cut short;
    reading it also finds what only decoding shows.
    """

    path: Path
    start: int = 0
    length: int | None = None

    @cached_property
    def _header(self) -> Header:
        if not self.path.is_file():
            raise BrokenFile(self.path, "no such file", "fetch it anew")
        try:
            info = soundfile.info(self.path)
            samples = _count(self.path) if info.format == "MP3" else int(info.frames)
            cut = cut_short(self.path)
        except soundfile.LibsndfileError as error:
            what = "is empty (0 bytes)" if self.path.stat().st_size == 0 else _unreadable(error)
            raise BrokenFile(self.path, what, "fetch it anew") from error
        except OSError as error:
            raise BrokenFile(self.path, f"cannot be read ({error.strerror})", "check its permissions") from error
        if cut:
            raise BrokenFile(self.path, f"truncated: {cut}", "fetch it anew")
        if not 0 < samples < _NO_LENGTH:
            what = "holds no samples" if samples <= 0 else "its header does not say how long it is"
            raise BrokenFile(self.path, what, "fetch or render it anew")
        if self.start >= samples:
            what = f"the part from sample {self.start} lies beyond its end at {samples}"
            raise BrokenFile(self.path, what, "fetch it anew")
        return Header(int(info.samplerate), int(info.channels), samples)

    @property
    def sample_rate(self) -> int:
        return self._header.sample_rate

    @property
    def channels(self) -> int:
        return self._header.channels

    @property
    def samples(self) -> int:
        whole = self._header.samples - self.start
        return whole if self.length is None else min(self.length, whole)

    def read(self) -> torch.Tensor:
        wanted = self.samples
        try:
            audio, _ = soundfile.read(self.path, frames=wanted, start=self.start, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise BrokenFile(self.path, _unreadable(error), "fetch it anew") from error
        if len(audio) != wanted:
            raise BrokenFile(self.path, f"truncated: {len(audio)} of {wanted} samples can be decoded", "fetch it anew")
        check_finite(self.path, audio, self.sample_rate)
        return torch.from_numpy(np.ascontiguousarray(audio.T))

    def fingerprint(self) -> str:
        _ = self._header
        return digest("file", content_sha256(self.path), self.start, self.length)


def _count(path: Path) -> int:
    """Samples per channel by decoding: an mp3 without a Xing header leaves libsndfile to guess from the bit rate."""
    with soundfile.SoundFile(path) as file:
        return sum(iter(lambda: len(file.read(1 << 16, dtype="float32")), 0))


def _unreadable(error: soundfile.LibsndfileError) -> str:
    return f"cannot be read as audio ({error.error_string.rstrip('.')})"


@dataclass(frozen=True)
class Unusable(Signal):
    """Stands in a scene where a file is no use there; whatever is asked of it raises :class:`BrokenFile`.

    So one broken scene neither stops the listing of the others nor passes for a good one.
    """

    path: Path
    what: str
    remedy: str

    def _refuse(self) -> BrokenFile:
        return BrokenFile(self.path, self.what, self.remedy)

    @property
    def sample_rate(self) -> int:
        raise self._refuse()

    @property
    def channels(self) -> int:
        raise self._refuse()

    @property
    def samples(self) -> int:
        raise self._refuse()

    def read(self) -> torch.Tensor:
        raise self._refuse()

    def fingerprint(self) -> str:
        raise self._refuse()


@dataclass(frozen=True)
class Derived(Signal):
    """A signal made from another: of its rate, channels and length, unless a subclass says otherwise."""

    signal: Signal

    @property
    def sample_rate(self) -> int:
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        return self.signal.channels

    @property
    def samples(self) -> int:
        return self.signal.samples


@dataclass(frozen=True)
class Fitted(Derived):
    """A signal cut or padded with zeros at its end to ``length`` samples, or repeated to fill it."""

    length: int
    repeat: bool = False

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
        return digest("fitted", self.signal.fingerprint(), self.length, self.repeat)


@dataclass(frozen=True)
class Mono(Derived):
    """The mean of a signal's channels."""

    @property
    def channels(self) -> int:
        return 1

    def read(self) -> torch.Tensor:
        return self.signal.read().mean(dim=0, keepdim=True)

    def fingerprint(self) -> str:
        return digest("mono", self.signal.fingerprint())


@dataclass(frozen=True)
class Resampled(Derived):
    """A signal at another rate, by soxr's high quality filter; its length is rounded up, as librosa does."""

    rate: int

    @property
    def sample_rate(self) -> int:
        return self.rate

    @property
    def samples(self) -> int:
        return -(-self.signal.samples * self.rate // self.signal.sample_rate)

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        if self.signal.sample_rate == self.rate:
            return audio
        resampled = soxr.resample(audio.T.numpy(), self.signal.sample_rate, self.rate, quality="HQ")
        out = torch.from_numpy(np.ascontiguousarray(resampled.T))[:, : self.samples]
        return torch.nn.functional.pad(out, (0, self.samples - out.shape[1]))

    def fingerprint(self) -> str:
        return digest("resampled", self.signal.fingerprint(), self.rate, "soxr-hq", soxr.__libsoxr_version__)


@dataclass(frozen=True)
class EnergyMatched(Derived):
    """A signal scaled to the energy of another, as USS mixes: gain = sqrt(E(anchor) / E(signal)), within bounds.

    The bounds 0.02 and 50 and the floor of 1e-10 on the mean square are those of the public USS code.
    """

    anchor: Signal

    def read(self) -> torch.Tensor:
        audio = self.signal.read()
        energy = float(audio.double().square().mean())
        wanted = float(self.anchor.read().double().square().mean())
        gain = min(max((wanted / max(energy, 1e-10)) ** 0.5, 0.02), 50.0)
        return audio * gain

    def fingerprint(self) -> str:
        return digest("energy-matched", self.signal.fingerprint(), self.anchor.fingerprint())


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
        total = self.parts[0].read().clone()
        for part in self.parts[1:]:
            audio = part.read()
            if audio.shape != total.shape or part.sample_rate != self.sample_rate:
                raise SceneError(
                    f"signals of {tuple(total.shape)} samples at {self.sample_rate} Hz and of {tuple(audio.shape)} at "
                    f"{part.sample_rate} Hz cannot be summed; bring them to one rate, channel count and length"
                )
            total += audio
        return total

    def fingerprint(self) -> str:
        return digest("sum", *(part.fingerprint() for part in self.parts))
