"""The spectrogram that the network sees, and the way back to a waveform.

The conventions are those of torchlibrosa's ``STFT`` and ``ISTFT``, on which the published checkpoints were trained:
periodic Hann window, centred frames, the signal mirrored at its ends, and an inverse that divides the overlapped frames
by the sum of the squared windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch.nn import functional

WINDOW: Final = 2048
HOP: Final = 320
BINS: Final = WINDOW // 2 + 1
MIN_SAMPLES: Final = WINDOW // 2 + 1
"""Shortest signal that can be mirrored at its ends."""

_POWER_FLOOR: Final = 1e-10
_PHASOR_FLOOR: Final = 1e-10


@dataclass(frozen=True)
class Spectra:
    """Spectrograms of a batch of mixtures, computed once and shared by all conditions."""

    complex: torch.Tensor
    """``(batch, frames, 1025)``."""
    magnitude: torch.Tensor
    """float32 ``(batch, frames, 1025)``, at least 1e-5: what the network sees."""

    @property
    def frames(self) -> int:
        """Frames per mixture: one for each 320 samples begun, and one more where the last is whole."""
        return self.complex.shape[1]


def analyse(waveform: torch.Tensor) -> Spectra:
    """Transform mono ``(batch, samples)`` at 32 kHz into ``samples // 320 + 1`` frames of 1025 bins.

    Raises:
        ValueError: the waveform is no batch, or shorter than 1025 samples.
    """
    if waveform.ndim != 2 or waveform.shape[-1] < MIN_SAMPLES:
        raise ValueError(
            f"(batch, samples) with at least {MIN_SAMPLES} samples is wanted, not {tuple(waveform.shape)}; "
            "pad shorter audio with zeros"
        )
    spectrum = torch.stft(
        waveform, WINDOW, HOP, window=_window(waveform), center=True, pad_mode="reflect", return_complex=True
    ).transpose(1, 2)
    power = spectrum.real.square() + spectrum.imag.square()
    return Spectra(spectrum, power.clamp(min=_POWER_FLOOR).sqrt())


def mask_of(maps: torch.Tensor) -> torch.Tensor:
    """Complex masks ``(batch, frames, bins)`` from the network's maps ``(batch, 3, frames, bins)``.

    The first map gives the magnitude, by a sigmoid, so that no bin is ever amplified; the other two, by hyperbolic
    tangents, give the direction in which the mixture's phase is turned.
    """
    gain, real, imaginary = maps.unbind(1)
    real, imaginary = real.tanh(), imaginary.tanh()
    # The floor lies on the square: that way the gradient is finite where both maps are zero.
    scale = gain.sigmoid() * (real.square() + imaginary.square()).clamp(min=_PHASOR_FLOOR**2).rsqrt()
    return torch.complex(scale * real, scale * imaginary)


def synthesise(spectra: Spectra, maps: torch.Tensor, length: int) -> torch.Tensor:
    """Mask the mixtures and transform them back.

    Args:
        spectra: mixtures; one of them serves all conditions, or there is one for each row of ``maps``.
        maps: ``(batch, 3, frames, 1024)`` of any floating type. The 1025th bin, at the Nyquist frequency, is not
            among them and comes out as zero.
        length: samples to return.

    Returns:
        float32 ``(batch, length)``.
    """
    kept = spectra.complex[..., : BINS - 1]
    masked = functional.pad(kept * mask_of(maps.to(kept.real.dtype)), (0, 1)).transpose(1, 2)
    return torch.istft(masked, WINDOW, HOP, window=_window(spectra.magnitude), center=True, length=length)


def _window(like: torch.Tensor) -> torch.Tensor:
    return torch.hann_window(WINDOW, periodic=True, dtype=like.dtype, device=like.device)
