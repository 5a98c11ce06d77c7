"""Separation by the 2-D Fourier transform: what repeats in a spectrogram makes peaks in its transform."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.fft
from scipy import ndimage

from separators.card import ModelCard
from separators.repetition import BackgroundSeparator, MaskType

_QUADRANTS = ({0, 1, 2, 3}, {0, 2}, {1, 3})
# Guards the divisions, as in nussl; magnitudes of audio lie orders above it.
_TINY = np.float32(1e-7)


class FT2D(BackgroundSeparator):
    """2DFT: the background as peaks of the spectrogram's 2-D transform. Source: Seetharaman et al., WASPAA 2017.

    Args:
        neighborhood_size: odd height and width, in bins of the transform, in which a peak must be the highest.
        high_pass_cutoff: below this frequency in Hz everything is background.
        quadrants_to_keep: all, ``(0, 2)`` or ``(1, 3)``: one of the two directions in which patterns can move. What
            moves in neither (one frequency or one time rate is 0) is always kept. Quadrants come in these pairs since a
            real spectrogram's transform is symmetric.
        filter_approach: ``"local_std"`` weights each peak by its height over the local mean in local standard
            deviations (Seetharaman, PhD thesis, Northwestern University, 2019); ``"original"``, the paper's, takes
            peaks whose local range exceeds the standard deviation of the whole transform.
        use_bg_2dft: build the mask from the background's transform, or else from the foreground's.
        mask_type: ``"soft"`` or ``"binary"``.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        *,
        neighborhood_size: tuple[int, int] = (1, 25),
        high_pass_cutoff: float = 100.0,
        quadrants_to_keep: tuple[int, ...] = (0, 1, 2, 3),
        filter_approach: Literal["local_std", "original"] = "local_std",
        use_bg_2dft: bool = True,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(high_pass_cutoff=high_pass_cutoff, mask_type=mask_type)
        height, width = neighborhood_size
        if height < 1 or width < 1 or height % 2 == 0 or width % 2 == 0:
            raise ValueError(f"neighborhood_size must be two odd numbers from 1 up, not {tuple(neighborhood_size)}")
        if set(quadrants_to_keep) not in _QUADRANTS:
            raise ValueError(f"quadrants_to_keep must be (0, 1, 2, 3), (0, 2) or (1, 3), not {quadrants_to_keep}")
        if filter_approach not in ("local_std", "original"):
            raise ValueError(f"filter_approach must be 'local_std' or 'original', not {filter_approach!r}")
        self.neighborhood_size = (height, width)
        self.quadrants_to_keep = frozenset(quadrants_to_keep)
        self.filter_approach = filter_approach
        self.use_bg_2dft = use_bg_2dft

    def background_mask(self, magnitude: np.ndarray, *, frames_per_second: float, seconds: float) -> np.ndarray:
        return np.stack([self._channel_mask(channel) for channel in magnitude])

    def _channel_mask(self, magnitude: np.ndarray) -> np.ndarray:
        bins, frames = magnitude.shape
        # Half the plane is enough: rows of frequency modulation from 0 up, columns of both directions in time.
        transform = scipy.fft.rfft2(magnitude, axes=(1, 0))
        peaks = self._peaks(np.abs(transform), bins)
        transform *= peaks if self.use_bg_2dft else 1 - peaks
        self._drop_quadrants(transform)
        modelled = np.abs(scipy.fft.irfft2(transform, s=(frames, bins), axes=(1, 0)))
        floored = magnitude + _TINY
        mask = np.minimum(modelled, floored) / floored
        mask /= (mask + _TINY).max()
        return mask if self.use_bg_2dft else 1 - mask

    def _peaks(self, strength: np.ndarray, bins: int) -> np.ndarray:
        """Weight of each point as a peak, 0 to 1, on the half plane ``strength`` (bins // 2 + 1, frames)."""
        strength = np.fft.fftshift(strength, axes=1)
        strength /= strength.max() + _TINY
        below = self.neighborhood_size[0] // 2
        # The neighbourhood of the lowest rows reaches into the other half, which mirrors this one through the origin.
        mirrored = _turned(strength[1 : below + 1])[::-1]
        known = np.concatenate([mirrored, strength])
        highest = ndimage.maximum_filter(known, self.neighborhood_size)
        if self.filter_approach == "local_std":
            mean = ndimage.uniform_filter(known, self.neighborhood_size)
            squares = ndimage.uniform_filter(known**2, self.neighborhood_size)
            deviation = np.sqrt(np.maximum(squares - mean**2, 0)) + _TINY
            peaks = np.where(known == highest, (highest - mean) / deviation, 0)[below:]
            peaks /= peaks.max() + _TINY
        else:
            lowest = ndimage.minimum_filter(known, self.neighborhood_size)
            peaks = ((known == highest) & (highest - lowest > _plane_deviation(strength, bins)))[below:]
            peaks = peaks.astype(np.float32)
        peaks = np.maximum(peaks, _turned(peaks))
        return np.fft.ifftshift(peaks, axes=1)

    def _drop_quadrants(self, transform: np.ndarray) -> None:
        """Set the direction that is not kept to 0, in place."""
        half = (transform.shape[1] + 1) // 2
        if not self.quadrants_to_keep & {1, 3}:
            transform[1:, 1:half] = 0
        if not self.quadrants_to_keep & {0, 2}:
            transform[1:, half:] = 0

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about the 2DFT."""
        return ModelCard(
            name="ft2d",
            family="primitive",
            summary="repeating background as peaks of the spectrogram's 2-D Fourier transform",
            paper="Seetharaman, Pishdadian and Pardo, Music/Voice Separation Using the 2D Fourier Transform, "
            "WASPAA 2017, doi:10.1109/WASPAA.2017.8170001",
            licence="MIT",
            parameters=0,
            notes="own port; defaults and transform of nussl 1.1.9, but peaks are mirrored exactly through the origin "
            "(nussl is off by one for an even number of frames)",
        )


def _turned(shifted: np.ndarray) -> np.ndarray:
    """The same rows at the opposite rates in time, for columns in fftshift's order."""
    if shifted.shape[1] % 2:
        return shifted[:, ::-1]
    # The first column, the highest rate, is its own opposite.
    return np.roll(shifted[:, ::-1], 1, axis=1)


def _plane_deviation(half: np.ndarray, bins: int) -> float:
    """Standard deviation over the whole plane, of which ``half`` holds the rows from 0 up."""
    weight = np.full((len(half), 1), 2.0)
    weight[0] = 1
    if bins % 2 == 0:
        weight[-1] = 1
    values = half.astype(np.float64)
    mean = (weight * values).sum() / (bins * half.shape[1])
    return float(np.sqrt((weight * (values - mean) ** 2).sum() / (bins * half.shape[1])))
