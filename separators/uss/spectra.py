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
"""Window and hop in samples of the published checkpoints."""
BINS: Final = WINDOW // 2 + 1
MIN_SAMPLES: Final = WINDOW // 2 + 1
"""Shortest signal that can be mirrored at its ends, at the published window."""

_POWER_FLOOR: Final = 1e-10
_PHASOR_FLOOR: Final = 1e-10
_RMS_FLOOR: Final = 1e-4
"""Mixtures under -80 dBFS are not lifted to the level: what is in them is rounding."""


@dataclass(frozen=True)
class Spectra:
    """Spectrograms of a batch of mixtures, computed once and shared by all conditions."""

    complex: torch.Tensor
    """``(batch, frames, bins)``: 1025 bins at the published window."""
    magnitude: torch.Tensor
    """float32 ``(batch, frames, bins)``, at least 1e-5 before any scaling: what the network sees."""

    @property
    def frames(self) -> int:
        """Frames per mixture: one for each hop begun, and one more where the last is whole."""
        return self.complex.shape[1]


def analyse(waveform: torch.Tensor, *, window: int = WINDOW, hop: int = HOP, level: float | None = None) -> Spectra:
    """Transform mono ``(batch, samples)`` at 32 kHz into ``samples // hop + 1`` frames of ``window // 2 + 1`` bins.

    Args:
        waveform: float32 ``(batch, samples)``, more than half a window of samples.
        window: samples of a frame.
        hop: samples between two frames.
        level: root mean square to which each mixture is scaled in the magnitudes that the network sees; the complex
            spectrum, to which its masks are applied, keeps the mixture's own. None scales nothing.

    Raises:
        ValueError: the waveform is no batch, or too short to be mirrored at its ends.
    """
    least = window // 2 + 1
    if waveform.ndim != 2 or waveform.shape[-1] < least:
        raise ValueError(
            f"(batch, samples) with at least {least} samples is wanted, not {tuple(waveform.shape)}; "
            "pad shorter audio with zeros"
        )
    spectrum = torch.stft(
        waveform, window, hop, window=_window(waveform, window), center=True, pad_mode="reflect", return_complex=True
    ).transpose(1, 2)
    power = spectrum.real.square() + spectrum.imag.square()
    magnitude = power.clamp(min=_POWER_FLOOR).sqrt()
    if level is not None:
        rms = waveform.square().mean(dim=1).sqrt().clamp(min=_RMS_FLOOR)
        magnitude = magnitude * (level / rms)[:, None, None]
    return Spectra(spectrum, magnitude)


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


def synthesise(spectra: Spectra, maps: torch.Tensor, length: int, *, hop: int = HOP) -> torch.Tensor:
    """Mask the mixtures and transform them back.

    Args:
        spectra: mixtures; one of them serves all conditions, or there is one for each row of ``maps``.
        maps: ``(batch, 3, frames, bins - 1)`` of any floating type. The last bin, at the Nyquist frequency, is not
            among them and comes out as zero.
        length: samples to return.
        hop: samples between two frames, as in :func:`analyse`.

    Returns:
        float32 ``(batch, length)``.
    """
    bins = spectra.complex.shape[-1]
    window = 2 * (bins - 1)
    kept = spectra.complex[..., : bins - 1]
    masked = functional.pad(kept * mask_of(maps.to(kept.real.dtype)), (0, 1)).transpose(1, 2)
    return torch.istft(masked, window, hop, window=_window(spectra.magnitude, window), center=True, length=length)


def _window(like: torch.Tensor, samples: int) -> torch.Tensor:
    return torch.hann_window(samples, periodic=True, dtype=like.dtype, device=like.device)
