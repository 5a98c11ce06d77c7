"""FLAC files of 24 bits, written piece by piece, without clipping whatever their level."""

from __future__ import annotations

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

    Where a sample exceeds full scale, the whole file is scaled by ``gain``, a power of two: what was written before is
    read back and halved as often as it takes, so that nothing is clipped and nothing held in memory.
    """

    def __init__(self, path: Path, *, sample_rate: int, channels: int) -> None:
        self.path, self.sample_rate, self.channels = path, sample_rate, channels
        self.gain = 1.0
        self.highest = -math.inf
        """Highest sample of the signal, with its sign."""
        self.energy = 0.0
        """Sum of the squares of all samples of the signal."""
        self._file = self._open()
        self._empty = True

    def _open(self) -> soundfile.SoundFile:
        return soundfile.SoundFile(
            self.path, "w", samplerate=self.sample_rate, channels=self.channels, format="FLAC", subtype="PCM_24"
        )

    def write(self, audio: torch.Tensor) -> None:
        """Append float32 ``(channels, samples)``, all of it finite."""
        if audio.shape[-1] == 0:
            return
        highest = float(audio.max())
        # Two's complement reaches -1 itself, and falls one step short of 1.
        peak = max(highest / _LARGEST, -float(audio.min()))
        if peak * self.gain > 1:
            self._scale(2.0 ** -math.ceil(math.log2(peak)))
        self.highest = max(self.highest, highest)
        self.energy += float(audio.double().square().sum())
        self._put(audio * self.gain)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _put(self, audio: torch.Tensor) -> None:
        # As integers, since libsndfile's own conversion scales by 2**23 - 1 and so changes what 24 bits hold exactly.
        whole = (audio.double() * _SCALE).round().clamp(max=_SCALE - 1).to(torch.int32) * 256
        self._file.write(whole.T.numpy())
        self._empty = False

    def _scale(self, gain: float) -> None:
        """Write all that was written anew, at another gain."""
        if self._empty:
            self.gain = gain
            return
        self._file.close()
        before = self.path.replace(self.path.with_name(self.path.name + ".louder"))
        change, self.gain = gain / self.gain, gain
        self._file = self._open()
        with soundfile.SoundFile(before) as file:
            while len(audio := file.read(_SAMPLES_AT_ONCE, dtype="float32", always_2d=True)):
                self._put(torch.from_numpy(audio.T) * change)
        before.unlink()
