"""A plug-in under test as the checks see it: what it wants to hear, and how to ask it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import torch

from taggers.conformance.cases import Violation
from taggers.conformance.isolation import Recipe

ANY_RATE: Final = 16_000
"""Rate in Hz at which a plug-in is asked that takes any."""
SECONDS: Final = 3.0
"""Length of what it hears unless it asks for another."""

Outputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Asking:
    """One question, ready to be asked: every tensor that is handed over, and the call, which takes a seed."""

    tensors: Mapping[str, torch.Tensor]
    call: Callable[[int], Outputs]

    def __call__(self, seed: int = 0) -> Outputs:
        with torch.inference_mode():
            return self.call(seed)


@dataclass(frozen=True)
class GlobalState:
    """What a whole process shares, and no plug-in may change."""

    threads: int
    interop_threads: int
    default_dtype: str
    default_device: str
    gradients: bool
    deterministic: bool
    matmul_precision: str
    cudnn_benchmark: bool
    working_directory: str

    @classmethod
    def now(cls) -> GlobalState:
        """The state of this process."""
        return cls(
            threads=torch.get_num_threads(),
            interop_threads=torch.get_num_interop_threads(),
            default_dtype=str(torch.get_default_dtype()),
            default_device=str(torch.get_default_device()),
            gradients=torch.is_grad_enabled(),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            matmul_precision=torch.get_float32_matmul_precision(),
            cudnn_benchmark=torch.backends.cudnn.benchmark,
            working_directory=os.path.realpath(os.curdir),
        )


class Subject(ABC):
    """A plug-in of some kind, constructed with its options."""

    noun: ClassVar[str]
    """What it is called in messages."""
    base: ClassVar[type]
    """What its class derives from."""

    def __init__(self, recipe: Recipe, load: Callable[[], Any]) -> None:
        self.recipe = recipe
        self.pristine = GlobalState.now()
        self.kind = load()
        if not (isinstance(self.kind, type) and issubclass(self.kind, self.base)):
            raise TypeError(f"{recipe.path} is {self.kind!r}, not a class derived from {self.base.__name__}")
        self.device = torch.device(recipe.device)
        self.plugin: Any = self.kind(**recipe.options)

    @property
    def rate(self) -> int:
        """Rate in Hz at which it is asked directly."""
        return self.plugin.sample_rate or ANY_RATE

    @property
    def channels(self) -> int:
        """Channels in which it is asked directly: its own, or two."""
        return self.plugin.channels or 2

    @property
    def samples(self) -> int:
        """Samples of which it is asked directly."""
        return round(SECONDS * self.rate)

    @abstractmethod
    def asking(self, audio: torch.Tensor) -> Asking:
        """The question about ``audio``, float32 (channels, samples) in its own rate and layout, to be asked directly.

        Its outputs are what must be finite and reproducible, by name.
        """

    def audio(self, seed: int = 0) -> torch.Tensor:
        """Something that sounds, in its own rate, layout and length."""
        return sound(self.channels, self.samples, self.rate, seed=seed).to(self.device)

    @cached_property
    def answer(self) -> Outputs:
        """What it answers about :meth:`audio` with seed 0, asked once for all checks that compare with it."""
        return {name: value.clone() for name, value in self.asking(self.audio())().items()}


def sound(channels: int, samples: int, rate: int, *, seed: int = 0) -> torch.Tensor:
    """A made-up recording, float32 (channels, samples), peaking at 0.9: repeated notes over a beat and noise.

    It has what separators look for: harmonics, onsets, repetition, something steady, channels that differ.
    """
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples, dtype=torch.float64) / rate
    pitch = 110.0 * 2 ** (torch.rand(1, generator=generator, dtype=torch.float64) * 2)
    note = torch.exp(-4 * (time % 0.5))
    tones = sum(torch.sin(2 * torch.pi * pitch * k * time) / k for k in range(1, 7))
    beat = torch.exp(-60 * (time % 0.25)) * torch.randn(samples, generator=generator, dtype=torch.float64)
    noise = torch.randn((channels, samples), generator=generator, dtype=torch.float64)
    pan = torch.rand((channels, 2), generator=generator, dtype=torch.float64) + 0.5
    mixed = pan[:, :1] * note * tones + 0.5 * pan[:, 1:] * beat + 0.05 * noise
    return (0.9 * mixed / mixed.abs().max()).float()


def tensor(value: object, what: str) -> torch.Tensor:
    """The value, which must be a tensor."""
    if not isinstance(value, torch.Tensor):
        raise Violation(f"{what} is a {type(value).__name__}, not a tensor")
    return value
