"""The separator's description written out in float64: its tensors by name, and plain functions over them."""

from __future__ import annotations

import math
import zlib

import torch
from torch.nn import functional

WINDOW, HOP, BINS = 2048, 320, 1025
ENCODER = [(32, 32, 2, 2), (32, 64, 2, 2), (64, 128, 2, 2), (128, 256, 2, 2), (256, 384, 2, 2), (384, 384, 1, 2)]
DECODER = [(384, 384, 1, 2), (384, 384, 2, 2), (384, 256, 2, 2), (256, 128, 2, 2), (128, 64, 2, 2), (64, 32, 2, 2)]
State = dict[str, torch.Tensor]


def shapes(condition_size: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the network's tensors as the published checkpoints have them, the transforms left out."""
    base: dict[str, tuple[int, ...]] = {}
    film: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int, *, conditioned: bool = True) -> None:
        base.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        base[f"{name}.num_batches_tracked"] = ()
        if conditioned:
            layer = name.replace(".", "->").replace("bn", "beta")
            film[f"{layer}.weight"] = (width, condition_size)
            film[f"{layer}.bias"] = (width,)

    def residual(name: str, inputs: int, outputs: int) -> None:
        norm(f"{name}.bn1", inputs)
        norm(f"{name}.bn2", outputs)
        base[f"{name}.conv1.weight"] = (outputs, inputs, 3, 3)
        base[f"{name}.conv2.weight"] = (outputs, outputs, 3, 3)
        if inputs != outputs:
            base[f"{name}.shortcut.weight"] = (outputs, inputs, 1, 1)
            base[f"{name}.shortcut.bias"] = (outputs,)

    norm("bn0", BINS, conditioned=False)
    base.update({"pre_conv.weight": (32, 1, 1, 1), "pre_conv.bias": (32,)})
    for i, (inputs, outputs, _, _) in enumerate(ENCODER, 1):
        residual(f"encoder_block{i}.conv_block1", inputs, outputs)
    residual("conv_block7a.conv_block1", 384, 384)
    for i, (inputs, outputs, time, frequency) in enumerate(DECODER, 1):
        norm(f"decoder_block{i}.bn1", inputs)
        norm(f"decoder_block{i}.bn2", inputs)
        base[f"decoder_block{i}.conv1.weight"] = (inputs, outputs, time, frequency)
        residual(f"decoder_block{i}.conv_block2", 2 * outputs, outputs)
    base.update({"after_conv.weight": (3, 32, 1, 1), "after_conv.bias": (3,)})
    return {f"base.{k}": v for k, v in base.items()} | {f"film.{k}": v for k, v in film.items()}


def fixed_weights(condition_size: int) -> State:
    """Fill each tensor by a rule that only its name and shape enter."""

    def draw(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        values = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            return torch.tensor(7)
        if name.endswith("running_var"):
            return 0.5 + values.square()
        if name == "base.after_conv.weight":
            return 0.03 * values  # keeps the masks between none and all
        if len(shape) == 4:
            fan_in = shape[0] if ".conv1" in name and "decoder" in name and "block2.conv1" not in name else shape[1]
            fan_in *= 1 if ".shortcut" in name or "_conv." in name else 9
            return values / math.sqrt(fan_in)
        if len(shape) == 2:
            return values / math.sqrt(shape[1])
        if name.startswith("base.bn0.weight"):
            return 1 + 0.2 * values
        return (1.0 if "bn" in name and name.endswith("weight") else 0.0) + 0.2 * values

    return {name: draw(name, shape) for name, shape in shapes(condition_size).items()}


def chirp(samples: int) -> torch.Tensor:
    """A tone that rises from 0 to 8 kHz at 32 kHz, ``(1, samples)``."""
    t = torch.arange(samples, dtype=torch.float64)
    return (0.5 * torch.sin(math.pi * t.square() / (4 * samples))).float()[None]


def comb(size: int) -> torch.Tensor:
    """A condition in which every seventh unit is lit, ``(1, size)``."""
    return (torch.arange(size) % 7 == 0).float()[None]


def _hann() -> torch.Tensor:
    return 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(WINDOW, dtype=torch.float64) / WINDOW)


def _fourier() -> torch.Tensor:
    """``(2048, 1025)``: column k holds exp(-2 pi i n k / 2048)."""
    turns = torch.outer(torch.arange(WINDOW), torch.arange(BINS)).remainder(WINDOW).double()
    return torch.polar(torch.ones(WINDOW, BINS, dtype=torch.float64), -2 * math.pi * turns / WINDOW)


def stft(waveform: torch.Tensor) -> torch.Tensor:
    """``(batch, samples)`` to complex ``(batch, frames, 1025)``."""
    half = WINDOW // 2
    x = waveform.double()
    x = torch.cat([x[:, 1 : half + 1].flip(1), x, x[:, -half - 1 : -1].flip(1)], dim=1)
    frames = torch.stack([x[:, i : i + WINDOW] * _hann() for i in range(0, x.shape[1] - WINDOW + 1, HOP)], dim=1)
    return frames.to(torch.complex128) @ _fourier()


def istft(spectrum: torch.Tensor, length: int) -> torch.Tensor:
    """Complex ``(batch, frames, 1025)`` to ``(batch, length)``."""
    twice = torch.full((BINS,), 2.0, dtype=torch.float64)
    twice[0] = twice[-1] = 1
    frames = ((spectrum * twice) @ _fourier().conj().T).real / WINDOW * _hann()
    total = (frames.shape[1] - 1) * HOP + WINDOW
    audio, weight = torch.zeros(len(frames), total, dtype=torch.float64), torch.zeros(total, dtype=torch.float64)
    for i in range(frames.shape[1]):
        audio[:, i * HOP : i * HOP + WINDOW] += frames[:, i]
        weight[i * HOP : i * HOP + WINDOW] += _hann().square()
    return (audio / weight.clamp(min=1e-11))[:, WINDOW // 2 :][:, :length]


def separate(state: State, waveform: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """What the network makes of ``waveform`` (batch, samples) for ``condition`` (batch, dimensions)."""
    w = {name: value.double() for name, value in state.items()}
    spectrum = stft(waveform)
    magnitude = (spectrum.real**2 + spectrum.imag**2).clamp(min=1e-10).sqrt()
    frames = magnitude.shape[1]

    def normal(x: torch.Tensor, name: str, axis: int = 1) -> torch.Tensor:
        shape = [1] * x.ndim
        shape[axis] = -1
        mean, var, scale, shift = (
            w[f"base.{name}.{part}"].view(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def activated(x: torch.Tensor, name: str) -> torch.Tensor:
        layer = "film." + name.replace(".", "->").replace("bn", "beta")
        bias = condition.double() @ w[f"{layer}.weight"].T + w[f"{layer}.bias"]
        y = normal(x, name) + bias[:, :, None, None]
        return torch.where(y >= 0, y, 0.01 * y)

    def residual(x: torch.Tensor, name: str) -> torch.Tensor:
        y = functional.conv2d(activated(x, f"{name}.bn1"), w[f"base.{name}.conv1.weight"], padding=1)
        y = functional.conv2d(activated(y, f"{name}.bn2"), w[f"base.{name}.conv2.weight"], padding=1)
        if f"base.{name}.shortcut.weight" in w:
            x = functional.conv2d(x, w[f"base.{name}.shortcut.weight"], w[f"base.{name}.shortcut.bias"])
        return x + y

    def enlarged(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Each value becomes a patch as large as the kernel, and patches do not overlap."""
        patches = torch.einsum("bitf,iohw->bothfw", x, weight)
        return patches.reshape(len(x), weight.shape[1], x.shape[2] * weight.shape[2], x.shape[3] * weight.shape[3])

    x = normal(magnitude, "bn0", axis=2)
    padded = torch.zeros(len(x), math.ceil(frames / 32) * 32, BINS, dtype=torch.float64)
    padded[:, :frames] = x
    x = functional.conv2d(padded[:, None, :, : BINS - 1], w["base.pre_conv.weight"], w["base.pre_conv.bias"])
    kept = []
    for i, (_, _, time, frequency) in enumerate(ENCODER, 1):
        x = residual(x, f"encoder_block{i}.conv_block1")
        kept.append(x)
        b, c, t, f = x.shape
        x = x.reshape(b, c, t // time, time, f // frequency, frequency).mean((3, 5))
    x = residual(x, "conv_block7a.conv_block1")
    for i in range(1, 7):
        name = f"decoder_block{i}"
        x = enlarged(activated(x, f"{name}.bn1"), w[f"base.{name}.conv1.weight"])
        x = residual(torch.cat([x, kept.pop()], dim=1), f"{name}.conv_block2")
    x = functional.conv2d(x, w["base.after_conv.weight"], w["base.after_conv.bias"])
    logits = torch.zeros(len(x), 3, frames, BINS, dtype=torch.float64)
    logits[..., : BINS - 1] = x[:, :, :frames]

    gain, real, imaginary = 1 / (1 + torch.exp(-logits[:, 0])), logits[:, 1].tanh(), logits[:, 2].tanh()
    size = torch.hypot(real, imaginary).clamp(min=1e-10)
    cos_x, sin_x, cos_m, sin_m = spectrum.real / magnitude, spectrum.imag / magnitude, real / size, imaginary / size
    louder = (magnitude * gain).clamp(min=0)
    turned = torch.complex(cos_x * cos_m - sin_x * sin_m, sin_x * cos_m + cos_x * sin_m)
    return istft(louder * turned, waveform.shape[1])
