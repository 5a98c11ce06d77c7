"""The small network that tags: a log-mel spectrogram, five convolutions, and probabilities by frame.

The probability of a class in a clip pools those of its frames by a linear softmax, sum(p^2) / sum(p): frames in which
the class sounds count most, so that labels of whole clips are enough to learn when it sounds. Source: Wang, Li and
Metze, "A comparison of five multiple instance learning pooling functions for sound event detection with weak labeling",
ICASSP 2019 (arXiv:1810.09050).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ontology import Ontology
from taggers.base import LABELLED

SAMPLE_RATE: Final = 32_000
CHANNELS: Final = (16, 64, 128, 256, 256)
"""Feature maps of the convolutions."""
MELS: Final = 64
WINDOW: Final = 1024
HOP: Final = 320
"""Samples between two frames of the spectrogram."""
LOW_HZ, HIGH_HZ = 50.0, 14_000.0
"""Range of the mel bands: those of PANNs (arXiv:1912.10211)."""

_POOLS: Final = ((2, 2), (2, 2), (1, 2), (1, 2))
"""By how much frames and bands are averaged after each convolution but the first, which takes every other of both."""
FRAME_SAMPLES: Final = HOP * 8
"""Samples that one frame of the output stands for: 80 ms."""
MIN_SAMPLES: Final = FRAME_SAMPLES
"""Shortest input."""
_FLOOR: Final = 1e-10
"""Power below which nothing is heard: -100 dB."""
_LEVEL: Final = 0.1
"""Root mean square to which a clip is scaled before it is heard, so that its level does not matter."""
_LEAST_LEVEL: Final = 1e-3
"""Clips under -60 dBFS are scaled as if they had this level: what is all but silent stays so."""
_DROPOUT: Final = 0.2


class Heard(NamedTuple):
    """Probabilities of the network's own classes."""

    clipwise: torch.Tensor
    """``(batch, classes)``."""
    framewise: torch.Tensor
    """``(batch, frames, classes)``, a frame for each :data:`FRAME_SAMPLES` samples."""
    embedding: torch.Tensor
    """``(batch, features)``: the last hidden layer, averaged over time."""


class MiniNet(nn.Module):
    """Maps float32 ``(batch, samples)`` at 32 kHz to a dict of probabilities on all 527 classes of AudioSet.

    Its entries are ``clipwise_output`` ``(batch, 527)``, ``framewise_output`` ``(batch, frames, 527)`` and
    ``embedding`` ``(batch, features)``, as of the networks of PANNs; classes that it does not know are 0.
    """

    mel: torch.Tensor
    window: torch.Tensor
    places: torch.Tensor

    def __init__(self, classes: Sequence[str], *, channels: Sequence[int] = CHANNELS) -> None:
        """Build it with fresh weights for ``classes``, mids that AudioSet labels.

        Raises:
            ValueError: a class has no label in AudioSet, or the channels are not five positive numbers.
        """
        super().__init__()
        if len(channels) != len(_POOLS) + 1 or min(channels) < 1:
            raise ValueError(f"channels are {len(_POOLS) + 1} positive numbers, not {tuple(channels)}")
        nodes = [Ontology.audioset()[mid] for mid in classes]
        if unlabelled := [node.name for node in nodes if node.index is None]:
            raise ValueError(f"{unlabelled[0]} has no label in AudioSet")
        self.register_buffer("mel", _mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("places", torch.tensor([node.index for node in nodes]), persistent=False)
        self.bands = nn.BatchNorm2d(MELS)
        self.blocks = nn.Sequential(
            *(
                _block(before, after, pool)
                for before, after, pool in zip((1, *channels), channels, (None, *_POOLS), strict=False)
            )
        )
        self.hidden = nn.Conv1d(channels[-1], channels[-1], 1)
        self.classify = nn.Conv1d(channels[-1], len(nodes), 1)
        self.dropout = nn.Dropout(_DROPOUT)

    def spectrogram(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Log-mel power in dB, ``(batch, frames, bands)``, of clips brought to one level."""
        level = waveforms.square().mean(dim=1, keepdim=True).sqrt().clamp(min=_LEAST_LEVEL)
        padded = functional.pad(waveforms, (0, max(0, MIN_SAMPLES - waveforms.shape[-1])))
        spectrum = torch.stft(padded * (_LEVEL / level), WINDOW, HOP, window=self.window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return 10 * torch.log10((power.transpose(1, 2) @ self.mel).clamp(min=_FLOOR))

    def hear(self, spectrogram: torch.Tensor) -> Heard:
        """Probabilities of the network's own classes for spectrograms ``(batch, frames, bands)``."""
        levelled = self.bands(spectrogram.transpose(1, 2).unsqueeze(-1))
        maps = self.blocks(levelled.permute(0, 3, 2, 1).contiguous(memory_format=torch.channels_last))
        features = functional.relu(self.hidden(self.dropout(maps.mean(dim=3))))
        frames = torch.sigmoid(self.classify(self.dropout(features)).float())
        clip = frames.square().sum(dim=2) / frames.sum(dim=2).clamp(min=1e-7)
        return Heard(clip, frames.transpose(1, 2), features.float().mean(dim=2))

    def forward(self, waveforms: torch.Tensor) -> dict[str, torch.Tensor]:
        heard = self.hear(self.spectrogram(waveforms))
        return {
            "clipwise_output": self._spread(heard.clipwise),
            "framewise_output": self._spread(heard.framewise),
            "embedding": heard.embedding,
        }

    def _spread(self, own: torch.Tensor) -> torch.Tensor:
        """The network's own classes at their places among all labelled ones."""
        whole = own.new_zeros((*own.shape[:-1], LABELLED))
        whole[..., self.places] = own
        return whole


def _block(before: int, after: int, pool: tuple[int, int] | None) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, 3, stride=1 if pool else 2, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.AvgPool2d(pool)] if pool else []))


def _mel_filters() -> torch.Tensor:
    """Slaney's mel filters, ``(bins, bands)``."""
    import librosa

    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=MELS, fmin=LOW_HZ, fmax=HIGH_HZ)
    return torch.from_numpy(filters.T.copy())
