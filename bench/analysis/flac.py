"""FLAC files of 24 bits, written piece by piece, without clipping whatever their level."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Final

import soundfile
import torch

MOST_CHANNELS: Final = 8
MOST_HZ: Final = 655_350
"""What a FLAC file can hold. Source: RFC 9639, section 9.1."""
_SCALE: Final = 2**23
_LARGEST: Final = 1 - 1 / _SCALE
_SAMPLES_AT_ONCE: Final = 1 << 18


class FlacWriter:
    """Writes a signal of unknown peak to a FLAC file, rounded to 24 bits: what had no more comes back bit for bit.

    Where a sample exceeds full scale, the whole file is scaled by ``gain``, a power of two, so that nothing is clipped
    and nothing held in memory. Until it is closed the signal lies beside the file's place in parts, each of one gain:
    FLAC files cannot be appended to.

    Args:
        path: of the file, which is there once :meth:`close` has returned.
        sample_rate: in Hz.
        channels: 1 to 8.
        stays_open: False where so many are being written that each may be open only while it writes.
    """

    def __init__(self, path: Path, *, sample_rate: int, channels: int, stays_open: bool = True) -> None:
        self.path, self.sample_rate, self.channels = path, sample_rate, channels
        self.gain = 1.0
        """The file is the signal times this."""
        self.highest = -math.inf
        """Highest sample of the signal, with its sign."""
        self.energy = 0.0
        """Sum of the squares of all samples of the signal."""
        self._stays_open = stays_open
        self._parts: list[tuple[Path, float]] = []
        self._begun = 0
        self._file: soundfile.SoundFile | None = None
        self._samples = 0

    def write(self, audio: torch.Tensor) -> None:
        """Append float32 ``(channels, samples)``, all of it finite.

        Raises:
            OSError: it cannot be written, as where the disk is full.
        """
        if audio.shape[-1] == 0:
            return
        highest = float(audio.max())
        # Two's complement reaches -1 itself, and falls one step short of 1.
        peak = max(highest / _LARGEST, -float(audio.min()))
        if peak * self.gain > 1:
            self.release()
            self.gain = 2.0 ** -math.ceil(math.log2(peak))
        self.highest = max(self.highest, highest)
        self.energy += float(audio.double().square().sum())
        self._append(audio * self.gain)
        if not self._stays_open:
            self.release()

    def close(self) -> None:
        """Finish the file, in one piece and at one gain.

        Raises:
            OSError: it cannot be written, or is not whole on the disk.
        """
        if not self._parts:
            self._opened()
        self.release()
        parts, samples = self._parts, self._samples
        if len(parts) > 1:
            self._parts, self._samples = [], 0
            for path, gain in parts:
                with soundfile.SoundFile(path) as file:
                    while len(audio := file.read(_SAMPLES_AT_ONCE, dtype="float32", always_2d=True)):
                        self._append(torch.from_numpy(audio.T) * (self.gain / gain))
                path.unlink()
            self.release()
        ((whole, _),) = self._parts
        # libsndfile says nothing of what it could not write at the end.
        if soundfile.info(whole).frames != samples:
            raise self._not_written("the file is not whole")
        whole.replace(self.path)

    def release(self) -> None:
        """Let go of the open file; what is written next begins another part."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Delete all that was written."""
        self.release()
        for path in (self.path, *(path for path, _ in self._parts)):
            path.unlink(missing_ok=True)

    def _append(self, scaled: torch.Tensor) -> None:
        # As integers, since libsndfile's own conversion scales by 2**23 - 1 and so changes what 24 bits hold exactly.
        whole = (scaled.double() * _SCALE).round().clamp(max=_SCALE - 1).to(torch.int32) * 256
        try:
            self._opened().write(whole.T.numpy())
        except soundfile.LibsndfileError as error:
            raise self._not_written(error.error_string.rstrip(".")) from error
        self._samples += scaled.shape[-1]

    def _opened(self) -> soundfile.SoundFile:
        if self._file is None:
            path = self.path.with_name(f"{self.path.name}.{self._begun}")
            self._begun += 1
            self._file = soundfile.SoundFile(
                path, "w", samplerate=self.sample_rate, channels=self.channels, format="FLAC", subtype="PCM_24"
            )
            self._parts.append((path, self.gain))
        return self._file

    def _not_written(self, why: str) -> OSError:
        return OSError(errno.EIO, f"cannot be written ({why}); make room on the disk", str(self.path))
