"""Harmonic-percussive separation by median filtering."""

from __future__ import annotations

import numpy as np
import torch

from separators.base import ComponentSeparator, Context
from separators.card import ModelCard
from separators.repetition import MaskType, check_mask_type
from separators.stft import primitive_stft, rate_of

# FitzGerald's claim is pitched instruments against drums, with the singing voice on the pitched side. Speech is on
# neither: vowels are harmonic, consonants are not. Tuned percussion rings, so it counts as harmonic though it lies
# below Percussion. Of the sounds that are no music only trains of clicks are claimed.
COMPONENTS = {
    "harmonic": (
        "Plucked string instrument",
        "Keyboard (musical)",
        "Bowed string instrument",
        "Brass instrument",
        "Wind instrument, woodwind instrument",
        "Harp",
        "Choir",
        "Harmonica",
        "Accordion",
        "Bagpipes",
        "Theremin",
        "Mallet percussion",
        "Tubular bells",
        "Bass (instrument role)",
        "Singing",
        "Humming",
    ),
    "percussive": (
        "Percussion",
        "Drum machine",
        "Beat",
        "Clapping",
        "Finger snapping",
        "Knock",
        "Tick",
        "Tick-tock",
        "Clicking",
    ),
}


class HPSS(ComponentSeparator):
    """HPSS: steady partials against broadband attacks. Source: FitzGerald, DAFx 2010, as librosa implements it.

    The median over time keeps the horizontal ridges of a spectrogram, the median over frequency the vertical ones.

    Args:
        kernel: length of the median filters, in frames and bins; or one for each.
        mask_type: ``"soft"`` or ``"binary"``.

    Raises:
        ValueError: an option is out of range.
    """

    family = "primitive"
    components = COMPONENTS

    def __init__(self, *, kernel: int | tuple[int, int] = 31, mask_type: MaskType = "soft") -> None:
        check_mask_type(mask_type)
        kernels = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
        if len(kernels) != 2 or min(kernels) < 1:
            raise ValueError(f"kernel must be one or two numbers from 1 up, not {kernel}")
        self.kernels = kernels
        self.mask_type = mask_type

    def split(self, mixture: torch.Tensor, *, context: Context) -> dict[str, torch.Tensor]:
        stft = primitive_stft(rate_of(context))
        X = stft.forward(mixture)
        mask = torch.from_numpy(self._harmonic_mask(X.abs().cpu().numpy())).to(mixture.device)
        if self.mask_type == "binary":
            mask = (mask >= 0.5).to(mixture.dtype)
        harmonic = stft.inverse(X * mask, mixture.shape[-1])
        return {"harmonic": harmonic, "percussive": mixture - harmonic}

    def _harmonic_mask(self, magnitude: np.ndarray) -> np.ndarray:
        """Share of the harmonic part, 0 to 1, in each bin of ``magnitude``, both (channels, bins, frames)."""
        import librosa

        over_time, over_frequency = self.kernels
        steady, broad = _medians(magnitude, over_time, axis=-1), _medians(magnitude, over_frequency, axis=-2)
        mask: np.ndarray = librosa.util.softmask(steady, broad, power=2, split_zeros=True)
        return mask

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about HPSS."""
        return ModelCard(
            name="hpss",
            family="primitive",
            summary="harmonic and percussive parts by median filtering",
            paper="FitzGerald, Harmonic/Percussive Separation using Median Filtering, DAFx 2010",
            url="https://librosa.org",
            licence="MIT",
            parameters=0,
            notes="librosa's filter (ISC licence); defaults and transform of nussl 1.1.9",
        )


def _medians(values: np.ndarray, kernel: int, *, axis: int) -> np.ndarray:
    """The running median along an axis, mirrored at its ends: that of SciPy and librosa, to the bit.

    All lines are filtered as one, since SciPy is ten times as fast along a single dimension.
    """
    from scipy.ndimage import median_filter

    lines = np.moveaxis(values, axis, -1)
    before = kernel // 2
    ends = [(0, 0)] * (lines.ndim - 1) + [(before, kernel - 1 - before)]
    mirrored = np.pad(lines, ends, mode="symmetric")
    medians = median_filter(mirrored.ravel(), size=kernel).reshape(mirrored.shape)
    return np.moveaxis(medians[..., before : before + lines.shape[-1]], -1, axis)
