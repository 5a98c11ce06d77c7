"""ResUNet30 for inference: the same function, with everything that is fixed folded into the weights.

In evaluation mode a batch normalisation is a scale and an offset for each feature, and what a condition adds comes
after it. So the offset joins the condition's bias, and where a convolution stands before the normalisation the scale
joins its weights, and the bias becomes that of the convolution. The last 1x1 convolution joins the two before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from separators.uss.model import ResUNet30

_SLOPE: Final = 0.01
_ONEDNN: Final = torch.backends.mkldnn.is_available()
_REACH: Final = 2
"""Rows above and below that two 3x3 convolutions see."""


class FusedNetwork(nn.Module):
    """The U-Net of a model in evaluation mode, in three steps.

    ::

        stem = network.stem(magnitude)             # (segments, frames, bins), once for all conditions
        biases = network.biases(conditions)        # (conditions, features), one product for all layers
        maps = network(stem, biases, frames)       # (jobs, 3, frames, bins - 1), as model.network gives them

    where ``stem`` and ``biases`` have one row for each job. The first two are computed in float32.
    """

    film_weight: torch.Tensor
    film_bias: torch.Tensor

    def __init__(self, model: ResUNet30, *, dtype: torch.dtype, device: torch.device | str) -> None:
        """Fold the weights of ``model`` (in double precision) and keep them as ``dtype`` on ``device``."""
        super().__init__()
        base = model.base
        self.dtype = dtype
        self.bn0 = _Affine(base.bn0)
        self.pre_conv = _Conv(base.pre_conv.weight.double(), base.pre_conv.bias)
        encoders = [getattr(base, f"encoder_block{number}") for number in range(1, len(model.channels))]
        decoders = [getattr(base, f"decoder_block{number}") for number in range(1, len(model.channels))]
        self.encoders = nn.ModuleList(
            _Residual(block.conv_block1, overwrites=block is not encoders[0]) for block in encoders
        )
        self.middle = _Residual(base.conv_block7a.conv_block1)
        self.decoders = nn.ModuleList(
            _Decoder(block, last=base.after_conv if block is decoders[-1] else None) for block in decoders
        )
        self.pooling: list[tuple[int, int]] = [block.pooling for block in encoders]
        self.time_multiple = math.prod(times for times, _ in self.pooling)
        self.widths = model.channels[1:]
        self.bins = model.window // 2
        weight, bias, sizes = _film(model)
        self.register_buffer("film_weight", weight.float(), persistent=False)
        self.register_buffer("film_bias", bias.float(), persistent=False)
        self.sizes = sizes
        self.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in (self.encoders, self.middle, self.decoders):
            part.to(dtype)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.film_weight.device

    def stem(self, magnitude: torch.Tensor) -> torch.Tensor:
        """What the first block sees of ``(segments, frames, bins)``: ``(segments, channels, padded, bins - 1)``."""
        x = self.bn0(magnitude.transpose(1, 2)).transpose(1, 2)
        x = functional.pad(x, (0, -1, 0, -magnitude.shape[1] % self.time_multiple))
        x = self.pre_conv(x[:, None], self.pre_conv.bias)
        return x.to(self.dtype, memory_format=torch.channels_last)

    def biases(self, conditions: torch.Tensor) -> torch.Tensor:
        """What float32 conditions ``(conditions, condition_size)`` add at each normalisation, its offset included."""
        return self.added(conditions).to(self.dtype)

    def added(self, conditions: torch.Tensor) -> torch.Tensor:
        """The same in float32."""
        return functional.linear(conditions, self.film_weight, self.film_bias)

    def bytes_per_job(self, frames: int) -> int:
        """Room that the features of one job take at most, without those of the stem."""
        first, *deeper = self.widths
        area = (frames + -frames % self.time_multiple) * self.bins * self.dtype.itemsize
        # At the full resolution the skipped and the upsampled features, sums, and what a convolution reorders; below
        # it the skipped features of all levels, of which the highest has most.
        return area * (6 * first + max(width // 4**depth for depth, width in enumerate(deeper, 1)) * 4)

    def forward(self, stem: torch.Tensor, biases: torch.Tensor, frames: int) -> torch.Tensor:
        """Maps ``(jobs, 3, frames, bins - 1)`` of the stems and biases of as many jobs."""
        due = iter(biases.split(self.sizes, dim=1))
        x, skips = stem, []
        for block, pooling in zip(self.encoders, self.pooling, strict=True):
            skips.append(block(x, due=due))
            x = functional.avg_pool2d(skips[-1], pooling)
        x = self.middle(x, due=due)
        for block, rows in zip(self.decoders, self.rows(frames, stem.shape[2]), strict=True):
            x = block(x, skips.pop(), due, rows)
        maps: torch.Tensor = x[:, :, :frames]
        return maps

    def rows(self, frames: int, padded: int) -> list[int]:
        """Upsampled rows that each decoder needs for ``frames`` rows at the very end."""
        needed, rows = frames, []
        for times, _ in self.pooling:
            needed = min(needed + _REACH, padded)
            rows.append(needed)
            needed, padded = -(-needed // times), padded // times
        return rows[::-1]


class _Affine(nn.Module):
    """A batch normalisation over axis 1 in evaluation mode."""

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        scale, offset = _folded(norm)
        self.register_buffer("scale", scale.float()[:, None], persistent=False)
        self.register_buffer("offset", offset.float()[:, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.offset, x, self.scale)


class _Conv(nn.Module):
    """A convolution that keeps the size; its weights ``(outputs, inputs, rows, columns)`` come as double precision."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().float(), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.detach().float(), persistent=False)
        self.padding = weight.shape[-1] // 2

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        if _ONEDNN and self.padding == 0 and x.dtype == torch.float32 and x.device.type == "cpu" and _eager():
            # On one thread torch gives these to a routine of its own that takes three times as long.
            return torch.mkldnn_convolution(x, self.weight, bias, (0, 0), (1, 1), (1, 1), 1)
        return functional.conv2d(x, self.weight, bias, padding=self.padding)


class _Residual(nn.Module):
    """A residual block on features that may come in parts, as if they were joined: joining would copy them.

    ``last`` is a 1x1 convolution after it, folded into its second convolution and its shortcut. A block that
    ``overwrites`` leaves its inputs unusable, where it does not need them itself to the end.
    """

    def __init__(
        self, block: Any, parts: tuple[int, ...] = (), *, overwrites: bool = True, last: nn.Conv2d | None = None
    ) -> None:
        super().__init__()
        conv1, conv2, shortcut = block.conv1, block.conv2, block.shortcut
        scale1, _ = _folded(block.bn1)
        scale2, _ = _folded(block.bn2)
        self.parts = parts or (conv1.in_channels,)
        self.inplace = overwrites and shortcut is not None
        weight1 = conv1.weight.double() * scale2[:, None, None, None]
        weight2 = conv2.weight.double()
        bias2 = weight2.new_zeros(conv2.out_channels)
        straight = None
        if shortcut is not None:
            straight, bias2 = shortcut.weight.double(), shortcut.bias.double()
        if last is not None:
            after = last.weight.double()[:, :, 0, 0]
            weight2 = torch.einsum("oc,cikl->oikl", after, weight2)
            straight = torch.einsum("oc,cikl->oikl", after, straight)
            bias2 = after @ bias2 + last.bias.double()  # type: ignore[union-attr]
        for number, scale in enumerate(scale1.split(self.parts)):
            self.register_buffer(f"scale{number}", scale.float()[None, :, None, None], persistent=False)
        self.conv1 = nn.ModuleList(_Conv(weight, None) for weight in weight1.split(self.parts, dim=1))
        self.conv2 = _Conv(weight2, bias2)
        self.shortcut = (
            None
            if straight is None
            else nn.ModuleList(_Conv(weight, None) for weight in straight.split(self.parts, dim=1))
        )

    def forward(self, *inputs: torch.Tensor, due: Iterator[torch.Tensor]) -> torch.Tensor:
        first, second = next(due).split(self.parts, dim=1), next(due)
        straight = inputs[0] if self.shortcut is None else _summed(self.shortcut, inputs)
        active = [
            _activated(x, getattr(self, f"scale{number}"), bias, inplace=self.inplace)
            for number, (x, bias) in enumerate(zip(inputs, first, strict=True))
        ]
        y = functional.leaky_relu_(_summed(self.conv1, active, second), _SLOPE)
        return self.conv2(y, self.conv2.bias).add_(straight)


class _Decoder(nn.Module):
    """Upsample, and put the encoder's features of that resolution through a residual block beside the result."""

    scale: torch.Tensor
    up: torch.Tensor

    def __init__(self, block: Any, *, last: nn.Conv2d | None) -> None:
        super().__init__()
        scale, _ = _folded(block.bn1)
        up = block.conv1
        self.register_buffer("scale", scale.float()[None, :, None, None], persistent=False)
        self.register_buffer("up", up.weight.detach().clone(), persistent=False)
        self.stride = up.stride
        self.block = _Residual(block.conv_block2, (up.out_channels, up.out_channels), last=last)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, due: Iterator[torch.Tensor], rows: int) -> torch.Tensor:
        active = _activated(x, self.scale, next(due), inplace=True)
        raised = functional.conv_transpose2d(active, self.up, stride=self.stride)
        y: torch.Tensor = self.block(raised[:, :, :rows], skip[:, :, :rows], due=due)
        return y


def _summed(
    convs: Iterable[nn.Module], inputs: Iterable[torch.Tensor], bias: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum of convolutions of several inputs, and of a bias ``(jobs, outputs)``."""
    own = bias[0] if bias is not None and len(bias) == 1 else None
    (conv, *convs), (x, *inputs) = convs, inputs
    total: torch.Tensor = conv(x, own)
    for conv, x in zip(convs, inputs, strict=True):
        total.add_(conv(x))
    return total if bias is None or own is not None else total.add_(bias[:, :, None, None])


def _activated(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, *, inplace: bool) -> torch.Tensor:
    y = torch.addcmul(bias[:, :, None, None], x, scale, out=x if inplace and _eager() else None)
    return functional.leaky_relu_(y, _SLOPE)


def _eager() -> bool:
    """Whether what is called now is what runs: a compiler fuses plain operations better than our choices of them."""
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing())


def _folded(norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and offset of a batch normalisation in evaluation mode, in double precision."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    offset = norm.bias.double() - norm.running_mean.double() * scale
    return scale.detach(), offset.detach()


def _film(model: ResUNet30) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """All layers that make biases out of a condition as one, in the order in which the network uses them."""
    weights, biases = [], []
    for name, norm in normalisations(model):
        layer = getattr(model.film, name)
        weights.append(layer.weight)
        biases.append(layer.bias.double() + _folded(norm)[1])
    return torch.cat(weights).detach(), torch.cat(biases).detach(), [len(weight) for weight in weights]


def normalisations(model: ResUNet30) -> Iterator[tuple[str, Any]]:
    """The normalisations that take a condition, in the order of use, by the name of their layer of ``model.film``."""
    number = len(model.channels)
    paths = [f"encoder_block{n}.conv_block1" for n in range(1, number)] + ["conv_block7a.conv_block1"]
    names = [f"{path}.bn{n}" for path in paths for n in (1, 2)]
    for n in range(1, number):
        names += [f"decoder_block{n}.{norm}" for norm in ("bn1", "conv_block2.bn1", "conv_block2.bn2")]
    for name in names:
        yield name.replace(".", "->").replace("bn", "beta"), model.base.get_submodule(name)
