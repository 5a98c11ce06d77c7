"""Short-time Fourier transforms that invert exactly for every length from one sample up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from separators.base import Context

_REFERENCE_RATE = 44_100
_REFERENCE_WINDOW = 2048
# nussl's default: 32 ms, rounded up to a power of two, with a quarter of it as hop.
_NUSSL_WINDOW_SECONDS = 0.032


@dataclass(frozen=True)
class STFT:
    """An STFT with centred frames and zeros beyond the ends.

    The signal is extended at its end to a whole number of hops, so that each sample lies under at least two frames
    and the inverse is well conditioned everywhere. Frame t is centred on sample ``t * hop``.
    """

    window: int
    hop: int
    shape: Literal["hann", "sqrt-hann"] = "hann"

    def taper(self, like: torch.Tensor) -> torch.Tensor:
        """The periodic window, ``(window,)``, in the dtype and on the device of ``like``."""
        hann = torch.hann_window(self.window, periodic=True, dtype=like.dtype, device=like.device)
        return hann.sqrt() if self.shape == "sqrt-hann" else hann

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Transform ``(..., samples)`` into complex ``(..., window // 2 + 1, frames)``."""
        samples = audio.shape[-1]
        padded = torch.nn.functional.pad(audio.reshape(-1, samples), (0, -samples % self.hop))
        spectrum = torch.stft(
            padded, self.window, self.hop, window=self.taper(audio), center=True, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        return spectrum.reshape(*audio.shape[:-1], *spectrum.shape[1:])

    def inverse(self, spectrum: torch.Tensor, samples: int) -> torch.Tensor:
        """Transform complex ``(..., bins, frames)`` back into ``(..., samples)``."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:])
        length = samples + -samples % self.hop
        window = self.taper(torch.view_as_real(flat))
        audio = torch.istft(flat, self.window, self.hop, window=window, center=True, length=length)
        return audio[:, :samples].reshape(*spectrum.shape[:-2], samples)


def rate_of(context: Context) -> int:
    """The sample rate in Hz that ``context`` states.

    Raises:
        ValueError: it states none, as happens when a separator is called without the adapter.
    """
    if context.sample_rate is None:
        raise ValueError("the context states no sample rate; call through separators.adapt.extract, or set it")
    return context.sample_rate


def oracle_stft(sample_rate: int) -> STFT:
    """Hann, 2048 samples with hop 1024 at 44.1 kHz, and the same 46.44 ms at other rates.

    The window is rounded to the nearest even number of samples (at least 2), the hop is its half: 1486/743 at
    32 kHz, 744/372 at 16 kHz, 2230/1115 at 48 kHz. A power of two would lengthen or shorten the window by up to
    40 %, and an oracle's score depends on its window.
    """
    hop = max(round(_REFERENCE_WINDOW / 2 * sample_rate / _REFERENCE_RATE), 1)
    return STFT(window=2 * hop, hop=hop)


def primitive_stft(sample_rate: int) -> STFT:
    """The square root of Hann, 32 ms rounded up to a power of two, hop a quarter of it: nussl 1.1.9's default.

    2048/512 at 44.1 and 48 kHz, 1024/256 at 32 kHz, 512/128 at 16 kHz.
    """
    window = 1
    while window < _NUSSL_WINDOW_SECONDS * sample_rate:
        window *= 2
    window = max(window, 4)
    return STFT(window=window, hop=window // 4, shape="sqrt-hann")
