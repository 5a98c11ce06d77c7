"""Fréchet distance between two sets of clips, in an embedding that is declared here and learnt from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import torch

from bench.metrics.base import Metric
from bench.metrics.rates import at_rate
from bench.metrics.tensors import SignalLike, as_signal

_RATE: Final = 16_000
_FRAME, _HOP, _BINS = 400, 160, 512
_BANDS: Final = 64
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
_OFFSET: Final = 0.01
"""Frames, bands, range and offset are those of VGGish's input (Hershey et al. 2017), on which the published Fréchet
audio distance is built; the network after it is left out."""


def frechet_logmel(
    estimates: Sequence[SignalLike], references: Sequence[SignalLike], *, sample_rate: int
) -> torch.Tensor:
    """Fréchet distance between the log-mel spectra of two sets of clips; 0 is best.

    Each clip, averaged over channels and at 16 kHz, gives one vector per frame: ln(m + 0.01) of 64 mel bands from 125
    to 7500 Hz, frames of 25 ms every 10 ms under a Hann window. With mean and covariance of all vectors of a set,
    (u, C) and (v, D): |u - v|^2 + tr(C + D - 2 (C D)^(1/2)). The two sets need no pairs and no equal sizes. Source of
    the distance: Kilgour et al. 2019, arXiv:1812.08466, which takes it between embeddings of a network.

    Args:
        estimates: clips ``(channels, samples)``, each of any length.
        references: likewise.
        sample_rate: in Hz, of all clips.

    Returns:
        One float64 value; NaN where a set has fewer than two frames.

    Raises:
        ValueError: a clip has no channel axis or more than two axes.

    >>> import numpy as np
    >>> clips = [np.random.default_rng(k).standard_normal((1, 16_000)) for k in range(2)]
    >>> round(float(frechet_logmel(clips, clips, sample_rate=16_000)), 6)
    0.0
    """
    sets = [
        _vectors(clips, name, sample_rate) for clips, name in ((estimates, "estimates"), (references, "references"))
    ]
    if min(len(vectors) for vectors in sets) < 2:
        return torch.tensor(torch.nan, dtype=torch.float64)
    (mean, spread), (other_mean, other_spread) = ((x.mean(0), torch.cov(x.T)) for x in sets)
    root = _root(spread)
    # The eigenvalues of C^(1/2) D C^(1/2) are those of C D, and they come out real.
    cross = torch.linalg.eigvalsh(root @ other_spread @ root).clamp(min=0).sqrt().sum()
    distance = (mean - other_mean).square().sum() + spread.trace() + other_spread.trace() - 2 * cross
    return distance.clamp(min=0)


def _vectors(clips: Sequence[SignalLike], name: str, sample_rate: int) -> torch.Tensor:
    """Log-mel spectra of all frames of all clips, ``(frames, bands)``."""
    rows = []
    for place, clip in enumerate(clips):
        signal = as_signal(clip, f"{name}[{place}]")
        if signal.ndim != 2:
            raise ValueError(f"{name}[{place}] of shape {tuple(signal.shape)}: (channels, samples) is wanted")
        mono = at_rate(signal.mean(0), sample_rate, _RATE).cpu()
        if len(mono) >= _FRAME:
            frames = mono.unfold(0, _FRAME, _HOP) * torch.hann_window(_FRAME, dtype=torch.float64)
            rows.append((torch.fft.rfft(frames, n=_BINS).abs() @ _mel_bands() + _OFFSET).log())
    return torch.cat(rows) if rows else torch.zeros(0, _BANDS, dtype=torch.float64)


def _root(matrix: torch.Tensor) -> torch.Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


@cache
def _mel_bands() -> torch.Tensor:
    """Triangles on the mel scale of HTK, ``(bins, bands)``."""
    import librosa  # lazy: listing metrics must not pay for it

    bands = librosa.filters.mel(
        sr=_RATE, n_fft=_BINS, n_mels=_BANDS, fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ, htk=True, norm=None, dtype="float64"
    )
    return torch.from_numpy(bands.T.copy())


FRECHET_LOGMEL: Final = Metric(
    name="frechet_logmel",
    version=1,
    function=frechet_logmel,
    needs=("estimates", "references", "sample_rate"),
    unit="",
    better="lower",
    title="Fréchet (log-mel)",
    definition=(
        "Fréchet distance |u - v|^2 + tr(C + D - 2 (C D)^(1/2)) between means and covariances of log-mel spectra of "
        "all frames of two sets of clips: 64 bands from 125 to 7500 Hz, ln(m + 0.01), frames of 25 ms every 10 ms, "
        "mono at 16 kHz (soxr HQ). Nothing in it is learnt: it is not the published Fréchet audio distance, which puts "
        "a network's embedding in place of the spectra (Kilgour et al. 2019, arXiv:1812.08466)."
    ),
    undefined="the Fréchet distance has no value: a set has fewer than two frames of 25 ms",
    aggregations=("mean",),
    scope="set",
)
