"""ResUNet30: a residual U-Net on spectrograms, with a condition added after each of its normalisations.

Its parameters have the names of the published checkpoints (there with ``ss_model.`` in front). Source:
arXiv:2305.07447, section on the conditional separation model, and the public code, github.com/bytedance/uss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from separators.uss import spectra
from separators.uss.spectra import HOP, WINDOW, Spectra

SAMPLE_RATE: Final = 32_000
CHANNELS: Final = (32, 32, 64, 128, 256, 384, 384)
"""Feature maps before the first encoder block, and after each of the six."""

Biases = Mapping[str, torch.Tensor]
"""What a condition adds after each normalisation: ``(conditions, features)`` by the layer's name."""

_POOLING: Final = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (1, 2))
"""(time, frequency) by which each encoder block is pooled; the decoder mirrors them."""
_TIME_MULTIPLE: Final = 32
_WINDOW_MULTIPLE: Final = 128
"""Half a window of bins is halved six times."""
_MOMENTUM: Final = 0.01
_SLOPE: Final = 0.01


class ResUNet30(nn.Module):
    """Extracts what a condition asks for from a mono mixture at 32 kHz.

    ``model(waveform, condition)`` does it all. In parts, so that one mixture serves many conditions::

        mixture = model.analyse(waveform)                  # (batch, samples)
        biases = model.film(condition)                     # (conditions, dimensions)
        maps = model.network(mixture.magnitude, biases)    # (conditions, 3, frames, 1024)
        estimate = model.synthesise(mixture, maps, waveform.shape[-1])

    where ``batch`` and ``conditions`` are equal, or either is 1.
    """

    def __init__(
        self,
        condition_size: int,
        *,
        channels: tuple[int, ...] = CHANNELS,
        window: int = WINDOW,
        hop: int = HOP,
        level: float | None = None,
    ) -> None:
        """Build the network with Xavier-uniform weights; its sizes are the published ones unless told.

        Args:
            condition_size: length of a condition: 527 for clip probabilities, 2048 for embeddings.
            channels: seven numbers of feature maps.
            window: samples of a frame, a multiple of 128.
            hop: samples between two frames, at most half a window.
            level: root mean square that every mixture has in the eyes of the network, so that it answers alike at any
                loudness; None shows it the mixture as it is, as published.

        Raises:
            ValueError: a size is out of range.
        """
        super().__init__()
        _check(channels, window, hop, level)
        self.channels, self.window, self.hop, self.level = channels, window, hop, level
        self.base = _UNet(channels, window // 2 + 1)
        self.film = _Film(self.base, condition_size)
        self.apply(_initialise)

    @property
    def condition_size(self) -> int:
        """Length of a condition."""
        return self.film.condition_size

    def forward(self, waveform: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Extract from each mixture what its condition asks for.

        Args:
            waveform: float32 ``(batch, samples)``, at least 1025 samples.
            condition: float32 ``(batch, condition_size)``. One row of either serves all rows of the other.

        Returns:
            float32 ``(batch, samples)``.

        Raises:
            ValueError: a shape is another.
        """
        mixture = self.analyse(waveform)
        maps = self.network(mixture.magnitude, self.film(condition))
        return self.synthesise(mixture, maps, waveform.shape[-1])

    def analyse(self, waveform: torch.Tensor) -> Spectra:
        """Spectrograms of ``(batch, samples)``; see :func:`separators.uss.spectra.analyse`."""
        return spectra.analyse(waveform, window=self.window, hop=self.hop, level=self.level)

    def network(self, magnitude: torch.Tensor, biases: Biases) -> torch.Tensor:
        """The U-Net: magnitudes ``(batch, frames, bins)`` to maps ``(batch, 3, frames, bins - 1)``, unsquashed."""
        maps: torch.Tensor = self.base(magnitude, biases)
        return maps

    def synthesise(self, mixture: Spectra, maps: torch.Tensor, length: int) -> torch.Tensor:
        """Estimates ``(batch, length)``; see :func:`separators.uss.spectra.synthesise`."""
        return spectra.synthesise(mixture, maps, length, hop=self.hop)


class _UNet(nn.Module):
    """Six encoder blocks, one in the middle, six decoder blocks; each resamples time and frequency."""

    def __init__(self, channels: tuple[int, ...], bins: int) -> None:
        super().__init__()
        stem, *widths = channels
        self.bn0 = nn.BatchNorm1d(bins, momentum=_MOMENTUM)
        self.pre_conv = nn.Conv2d(1, stem, 1)
        inputs = stem
        for number, (outputs, pooling) in enumerate(zip(widths, _POOLING, strict=True), 1):
            self.add_module(f"encoder_block{number}", _Encoder(f"encoder_block{number}", inputs, outputs, pooling))
            inputs = outputs
        self.conv_block7a = _Encoder("conv_block7a", inputs, inputs, (1, 1))
        for number, (outputs, scale) in enumerate(zip(widths[::-1], _POOLING[::-1], strict=True), 1):
            self.add_module(f"decoder_block{number}", _Decoder(f"decoder_block{number}", inputs, outputs, scale))
            inputs = outputs
        self.after_conv = nn.Conv2d(inputs, 3, 1)

    def forward(self, magnitude: torch.Tensor, biases: Biases) -> torch.Tensor:
        frames = magnitude.shape[1]
        x = self.bn0(magnitude.transpose(1, 2)).transpose(1, 2)
        # Padding comes after the normalisation, and the highest bin goes, so that both axes can be halved.
        x = functional.pad(x, (0, -1, 0, -frames % _TIME_MULTIPLE))
        x = self.pre_conv(x[:, None])
        skips = []
        for number in range(1, len(_POOLING) + 1):
            x, skip = getattr(self, f"encoder_block{number}")(x, biases)
            skips.append(skip)
        x, _ = self.conv_block7a(x, biases)
        for number in range(1, len(_POOLING) + 1):
            x = getattr(self, f"decoder_block{number}")(x, skips.pop(), biases)
        maps: torch.Tensor = self.after_conv(x)
        return maps[:, :, :frames]


class _Residual(nn.Module):
    """Twice: normalise, add the condition, activate, convolve; then add the input."""

    def __init__(self, path: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = path
        self.bn1 = nn.BatchNorm2d(inputs, momentum=_MOMENTUM)
        self.bn2 = nn.BatchNorm2d(outputs, momentum=_MOMENTUM)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: torch.Tensor, biases: Biases) -> torch.Tensor:
        y = self.conv1(_activated(self.bn1(x), biases[f"{self.path}->beta1"]))
        y = self.conv2(_activated(self.bn2(y), biases[f"{self.path}->beta2"]))
        return y + (x if self.shortcut is None else self.shortcut(x))


class _Encoder(nn.Module):
    def __init__(self, path: str, inputs: int, outputs: int, pooling: tuple[int, int]) -> None:
        super().__init__()
        self.conv_block1 = _Residual(f"{path}->conv_block1", inputs, outputs)
        self.pooling = pooling

    def forward(self, x: torch.Tensor, biases: Biases) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pooled features, and the features before pooling for the decoder."""
        x = self.conv_block1(x, biases)
        return functional.avg_pool2d(x, self.pooling), x


class _Decoder(nn.Module):
    def __init__(self, path: str, inputs: int, outputs: int, scale: tuple[int, int]) -> None:
        super().__init__()
        self.path = path
        self.bn1 = nn.BatchNorm2d(inputs, momentum=_MOMENTUM)
        # Never applied, in the public code neither; the published checkpoints have it, and a condition for it.
        self.bn2 = nn.BatchNorm2d(inputs, momentum=_MOMENTUM)
        self.conv1 = nn.ConvTranspose2d(inputs, outputs, scale, scale, bias=False)
        self.conv_block2 = _Residual(f"{path}->conv_block2", 2 * outputs, outputs)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, biases: Biases) -> torch.Tensor:
        x = self.conv1(_activated(self.bn1(x), biases[f"{self.path}->beta1"]))
        joined: torch.Tensor = self.conv_block2(torch.cat((x, skip), dim=1), biases)
        return joined


class _Film(nn.Module):
    """One linear layer from the condition to each normalisation of the U-Net, named after it."""

    def __init__(self, base: _UNet, condition_size: int) -> None:
        super().__init__()
        self.condition_size = condition_size
        for name, norm in base.named_modules():
            if isinstance(norm, nn.BatchNorm2d):
                path = name.replace(".", "->").replace("bn", "beta")
                self.add_module(path, nn.Linear(condition_size, norm.num_features))
        self.unused = frozenset(f"{name}->beta2" for name, part in base.named_children() if isinstance(part, _Decoder))

    def forward(self, condition: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map ``(conditions, condition_size)`` to the biases of all layers in use.

        Raises:
            ValueError: the conditions have another length.
        """
        if condition.ndim != 2 or condition.shape[-1] != self.condition_size:
            raise ValueError(
                f"conditions (conditions, {self.condition_size}) are wanted, not {tuple(condition.shape)}: "
                "the query comes from another query net than this separator's"
            )
        return {name: layer(condition) for name, layer in self.named_children() if name not in self.unused}


def _check(channels: tuple[int, ...], window: int, hop: int, level: float | None) -> None:
    if len(channels) != len(CHANNELS) or min(channels) < 1:
        raise ValueError(f"channels {list(channels)}: {len(CHANNELS)} positive numbers are wanted")
    if window < _WINDOW_MULTIPLE or window % _WINDOW_MULTIPLE:
        raise ValueError(f"window {window}: a multiple of {_WINDOW_MULTIPLE} samples is wanted")
    if not 1 <= hop <= window // 2:
        raise ValueError(f"hop {hop}: 1 to {window // 2} samples are wanted, at most half a window")
    if level is not None and not 0 < level <= 1:
        raise ValueError(f"level {level}: a root mean square above 0 and up to 1 is wanted, or none")


def _activated(normalised: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu_(normalised + bias[:, :, None, None], _SLOPE)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
