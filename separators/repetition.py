"""What REPET, REPET-SIM and the 2-D Fourier transform share: a repeating background behind a foreground that varies."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
import torch

from separators.base import ComponentSeparator, Context
from separators.stft import primitive_stft, rate_of

MaskType = Literal["soft", "binary"]

COMPONENTS = {
    "background": ("accompaniment", "noise"),
    "foreground": ("Singing", "Humming", "Speech"),
}
"""What the papers claim: the accompaniment repeats, the singing voice does not (Rafii and Pardo 2012 and 2013;
Seetharaman, Pishdadian and Pardo 2017), and speech stands likewise before noise (Rafii and Pardo, Online REPET-SIM for
real-time speech enhancement, ICASSP 2013). The background is all that repeats, together: no instrument, drums and bass
included, is claimed on its own."""


def check_mask_type(mask_type: str) -> None:
    """Refuse what is no kind of mask.

    Raises:
        ValueError: ``mask_type`` is neither ``"soft"`` nor ``"binary"``.
    """
    if mask_type not in ("soft", "binary"):
        raise ValueError(f"mask_type must be 'soft' or 'binary', not {mask_type!r}")


class BackgroundSeparator(ComponentSeparator):
    """Masks the background of each channel; the foreground is what is left, so both add up to the mixture.

    Args:
        high_pass_cutoff: below this frequency in Hz everything is background; the voice is not found there.
        mask_type: ``"binary"`` gives each bin wholly to the likelier component.
    """

    family = "primitive"
    components = COMPONENTS

    def __init__(self, *, high_pass_cutoff: float = 100.0, mask_type: MaskType = "soft") -> None:
        check_mask_type(mask_type)
        if high_pass_cutoff < 0:
            raise ValueError(f"high_pass_cutoff must be at least 0 Hz, not {high_pass_cutoff}")
        self.high_pass_cutoff = high_pass_cutoff
        self.mask_type = mask_type

    @abstractmethod
    def background_mask(self, magnitude: np.ndarray, *, frames_per_second: float, seconds: float) -> np.ndarray:
        """Share of the background, 0 to 1, in each bin of ``magnitude``, both float32 (channels, bins, frames).

        The magnitude is scaled so that a stationary sine's peak is half its amplitude. There are at least two frames.
        """

    def split(self, mixture: torch.Tensor, *, context: Context) -> dict[str, torch.Tensor]:
        rate = rate_of(context)
        stft = primitive_stft(rate)
        X = stft.forward(mixture)
        magnitude = (X.abs() / stft.taper(mixture).sum()).cpu().numpy()
        seconds = mixture.shape[-1] / rate
        mask = self.background_mask(magnitude, frames_per_second=rate / stft.hop, seconds=seconds)
        if self.mask_type == "binary":
            mask = (mask >= 0.5).astype(np.float32)
        lowest = np.abs(np.linspace(0, rate / 2, magnitude.shape[1]) - self.high_pass_cutoff).argmin()
        mask[:, :lowest] = 1.0
        background = stft.inverse(X * torch.from_numpy(mask).to(mixture.device), mixture.shape[-1])
        return {"background": background, "foreground": mixture - background}


def share(model: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """Soft mask of a background model, min(model, magnitude) / magnitude, 1 where there is nothing to share."""
    floor = np.float32(1e-16)
    return (np.minimum(model, magnitude) + floor) / (magnitude + floor)
