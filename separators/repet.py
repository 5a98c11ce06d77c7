"""REPET and REPET-SIM: what repeats, in a fixed period or wherever frames are alike, is the background."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import scipy.fft

from separators.card import ModelCard
from separators.repetition import BackgroundSeparator, MaskType, share

_BINS_AT_ONCE = 128
_VALUES_AT_ONCE = 1 << 22


class Repet(BackgroundSeparator):
    """REPET: the median over the periods of a spectrogram is its background. Source: Rafii and Pardo, IEEE TASLP 2013.

    The period is the lag at which the beat spectrum, the mean autocorrelation of the power in each bin, is highest. It
    is sought between ``min_period`` and ``max_period``, and at most a third of the recording, so that it repeats; in
    a recording shorter than three times ``min_period`` it is a third of the recording.

    Args:
        min_period: shortest period, in seconds.
        max_period: longest period, in seconds.
        period: the period itself in seconds, where it is known; then none is sought.
        high_pass_cutoff: below this frequency in Hz everything is background.
        mask_type: ``"soft"`` or ``"binary"``.

    Raises:
        ValueError: a period is not positive, or the shortest exceeds the longest.
    """

    def __init__(
        self,
        *,
        min_period: float = 0.8,
        max_period: float = 8.0,
        period: float | None = None,
        high_pass_cutoff: float = 100.0,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(high_pass_cutoff=high_pass_cutoff, mask_type=mask_type)
        if not 0 < min_period <= max_period:
            raise ValueError(f"periods must satisfy 0 < min_period <= max_period, not {min_period} and {max_period}")
        if period is not None and period <= 0:
            raise ValueError(f"period must be positive, not {period}")
        self.min_period = min_period
        self.max_period = max_period
        self.period = period

    def background_mask(self, magnitude: np.ndarray, *, frames_per_second: float, seconds: float) -> np.ndarray:
        frames = magnitude.shape[-1]
        if self.period is not None:
            period = min(ceil(self.period * frames_per_second), frames)
        else:
            longest = min(ceil(min(self.max_period, seconds / 3) * frames_per_second), frames - 1)
            shortest = min(ceil(self.min_period * frames_per_second), longest)
            beats = beat_spectrum(np.square(magnitude).mean(axis=0))
            period = shortest + int(beats[shortest : longest + 1].argmax())
        return share(repeating_model(magnitude, period), magnitude)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about REPET."""
        return ModelCard(
            name="repet",
            family="primitive",
            summary="repeating background against varying foreground, one period for the whole recording",
            paper="Rafii and Pardo, REpeating Pattern Extraction Technique (REPET): a simple method for music/voice "
            "separation, IEEE TASLP 21(1), 2013, doi:10.1109/TASL.2012.2213249",
            licence="MIT",
            parameters=0,
            notes="own port; defaults and transform of nussl 1.1.9",
        )


class RepetSim(BackgroundSeparator):
    """REPET-SIM: the median over the frames most like a frame is its background. Source: Rafii and Pardo, ISMIR 2012.

    Likeness is the cosine between magnitude spectra averaged over the channels, scaled to 0..1 over the recording; the
    frames are taken greedily, the likeliest first, and keep a distance from each other and from the frame itself. A
    frame with nothing like it (as in a recording shorter than the distance) counts as background.

    Args:
        similarity_threshold: likeness, 0 to 1, that a frame must reach.
        min_distance: least time between frames that are taken, in seconds.
        max_repeating_frames: most frames that are taken, the frame itself counted.
        high_pass_cutoff: below this frequency in Hz everything is background.
        mask_type: ``"soft"`` or ``"binary"``.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        *,
        similarity_threshold: float = 0.0,
        min_distance: float = 1.0,
        max_repeating_frames: int = 100,
        high_pass_cutoff: float = 100.0,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(high_pass_cutoff=high_pass_cutoff, mask_type=mask_type)
        if not 0 <= similarity_threshold <= 1:
            raise ValueError(f"similarity_threshold must lie in 0..1, not {similarity_threshold}")
        if min_distance < 0:
            raise ValueError(f"min_distance must be at least 0 s, not {min_distance}")
        if max_repeating_frames < 2:
            raise ValueError(f"max_repeating_frames must be at least 2, not {max_repeating_frames}")
        self.similarity_threshold = similarity_threshold
        self.min_distance = min_distance
        self.max_repeating_frames = max_repeating_frames

    def background_mask(self, magnitude: np.ndarray, *, frames_per_second: float, seconds: float) -> np.ndarray:
        channels, bins, frames = magnitude.shape
        spectra = magnitude.mean(axis=0).T
        length = np.linalg.norm(spectra, axis=1, keepdims=True)
        spectra = np.divide(spectra, length, out=np.zeros_like(spectra), where=length > 0)
        distance = self.min_distance * frames_per_second
        by_frame = np.ascontiguousarray(magnitude.transpose(2, 0, 1)).reshape(frames, channels * bins)
        model = np.empty_like(by_frame)
        # No frame has more companions than fit at this distance.
        most = min(self.max_repeating_frames - 1, ceil(frames / (floor(distance) + 1)) + 1)
        step = max(_VALUES_AT_ONCE // max(most * channels * bins, frames), 1)
        for start in range(0, frames, step):
            rows = np.arange(start, min(start + step, frames))
            alike = spectra[rows] @ spectra.T
            companions, counts = similar_frames(alike, rows, self.similarity_threshold, distance, most)
            model[rows] = _median_of(by_frame, companions, counts)
        return share(model.reshape(frames, channels, bins).transpose(1, 2, 0), magnitude)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about REPET-SIM."""
        return ModelCard(
            name="repet-sim",
            family="primitive",
            summary="repeating background against varying foreground, by the likeness of frames",
            paper="Rafii and Pardo, Music/Voice Separation using the Similarity Matrix, ISMIR 2012",
            licence="MIT",
            parameters=0,
            notes="own port; defaults and transform of nussl 1.1.9",
        )


def beat_spectrum(power: np.ndarray) -> np.ndarray:
    """Mean over bins of the unbiased autocorrelation of ``power`` (bins, frames) at lags 0 to frames - 1.

    Source: Foote and Uchihashi, The beat spectrum: a new approach to rhythm analysis, ICME 2001.
    """
    bins, frames = power.shape
    size = scipy.fft.next_fast_len(2 * frames, real=True)
    # The mean over bins is taken before the transform back: one inverse instead of one per bin.
    spectrum = np.zeros(size // 2 + 1)
    for start in range(0, bins, _BINS_AT_ONCE):
        transformed = scipy.fft.rfft(power[start : start + _BINS_AT_ONCE].astype(np.float64), size, axis=1)
        spectrum += (transformed.real**2 + transformed.imag**2).sum(axis=0)
    return scipy.fft.irfft(spectrum, size)[:frames] / bins / np.arange(frames, 0, -1)


def repeating_model(magnitude: np.ndarray, period: int) -> np.ndarray:
    """Median of ``magnitude`` (channels, bins, frames) over its periods of ``period`` frames, repeated to its length.

    The last period may be cut short: its frames are compared with one repetition more than those that it lacks.
    """
    channels, bins, frames = magnitude.shape
    whole, rest = divmod(frames, period)
    periods = magnitude[..., : whole * period].reshape(channels, bins, whole, period)
    last = magnitude[..., None, whole * period :]
    head = np.concatenate([periods[..., :rest], last], axis=2)
    model = np.concatenate([_median(head), _median(periods[..., rest:])], axis=-1)
    return np.tile(model, ceil(frames / period))[..., :frames]


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis but one. Sorting float32 is several times faster here than numpy's median."""
    count = values.shape[-2]
    ordered = np.sort(values, axis=-2)
    return (ordered[..., (count - 1) // 2, :] + ordered[..., count // 2, :]) / 2


def similar_frames(
    alike: np.ndarray, rows: np.ndarray, threshold: float, distance: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose for each frame the frames most like it.

    Args:
        alike: likeness of the frames ``rows`` to all, (rows, frames); overwritten.
        rows: which frames the rows stand for.
        threshold: least likeness, after scaling each row to 0..1.
        distance: least distance in frames, rounded up to the left and down to the right, as nussl does.
        most: how many to choose at most, the frame itself not counted.

    Returns:
        Their indices (rows, most), and how many of them are valid in each row (rows,).
    """
    count, frames = alike.shape
    alike -= alike.min(axis=1, keepdims=True)
    highest = alike.max(axis=1, keepdims=True)
    np.divide(alike, highest, out=alike, where=highest > 0)
    alike[alike < threshold] = 0
    around = np.arange(-ceil(distance), floor(distance) + 1)
    line = np.arange(count)
    chosen = np.zeros((count, most), dtype=np.intp)
    counts = np.zeros(count, dtype=np.intp)
    latest = rows
    for index in range(most):
        alike[line[:, None], np.clip(latest[:, None] + around, 0, frames - 1)] = 0
        latest = alike.argmax(axis=1)
        found = alike[line, latest] > 0
        if not found.any():
            break
        chosen[:, index] = latest
        counts += found
    return chosen, counts


def _median_of(by_frame: np.ndarray, companions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median spectrum over each row's valid companions; infinite where there are none, so that all is background."""
    widest = max(int(counts.max()), 1)
    values = by_frame[companions[:, :widest]]
    values[np.arange(widest) >= counts[:, None]] = np.inf
    values.sort(axis=1)
    line = np.arange(len(counts))
    low, high = values[line, np.maximum(counts - 1, 0) // 2], values[line, counts // 2]
    return (low + high) / 2
