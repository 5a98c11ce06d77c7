"""What trains a universal source separator: the network, its loss, its optimiser and its learning rate by step.

The recipe ``published`` is that of the public code: AdamW at 1e-3 with betas 0.9 and 0.999, eps 1e-8, no weight decay
and AMSGrad, the mean absolute error of the waveform as loss, float32, and a rate that is raised in three stages of
10,000 steps. Source: arXiv:2305.07447 and github.com/bytedance/uss (commit c19e2c5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from separators.uss.checkpoint import load_separator, save_separator
from separators.uss.description import LABELS, Description, QueryName
from separators.uss.engine import best_dtype
from separators.uss.model import CHANNELS, SAMPLE_RATE, ResUNet30
from separators.uss.spectra import HOP, WINDOW
from taggers.query_nets import QueryTagger
from taggers.weights import fill

Schedule = Literal["constant_warm_up", "linear_warm_up", "cosine"]
Precision = Literal["auto", "float32", "bfloat16"]

_Beta = Annotated[float, Field(ge=0, lt=1)]

_DECAY: Final = 0.9
_DECAY_STEPS: Final = 1_000_000


class UssSettings(BaseModel):
    """How the network is built and optimised; the defaults are the published recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, ...] = CHANNELS
    window: int = WINDOW
    hop: int = HOP
    level: float | None = None
    lr: float = Field(default=1e-3, gt=0)
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    amsgrad: bool = True
    schedule: Schedule = "constant_warm_up"
    warm_up: int = Field(default=10_000, ge=0)
    """Steps of one stage of ``constant_warm_up``, or of the whole rise of the others."""
    precision: Precision = "float32"


def rate_factor(schedule: Schedule, step: int, *, warm_up: int, steps: int) -> float:
    """What the learning rate is multiplied by in ``step``, counted from 0.

    ``constant_warm_up``: 0.001, 0.01 and 0.1 for ``warm_up`` steps each, then 1. ``linear_warm_up``: a line from 0 to
    1 at ``warm_up``, then 0.9 for each million steps done. Both as in the public USS code. ``cosine``: a line that
    reaches 1 in the last of ``warm_up`` steps, then half a cosine, to 0 at ``steps``.

    >>> [rate_factor("constant_warm_up", step, warm_up=10_000, steps=1) for step in (9_999, 10_000, 29_999, 30_000)]
    [0.001, 0.01, 0.1, 1.0]
    """
    if schedule == "constant_warm_up":
        stages = (0.001, 0.01, 0.1)
        stage = step // warm_up if warm_up else len(stages)
        return stages[stage] if stage < len(stages) else 1.0
    if schedule == "linear_warm_up":
        return step / warm_up if step < warm_up else _DECAY ** (step // _DECAY_STEPS)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(steps - warm_up, 1))))


def precision_on(wanted: Precision, device: torch.device) -> torch.dtype:
    """The type that convolutions compute in: bfloat16 where ``auto`` finds a processor that multiplies in it.

    Raises:
        ValueError: bfloat16 is asked of a device that lacks it.
    """
    best = best_dtype(device) if wanted != "float32" else torch.float32
    if wanted == "bfloat16" and best != torch.bfloat16 and device.type != "cpu":  # a CPU computes in it, if slowly
        raise ValueError(f"precision=bfloat16: {device} does not compute in it; say precision=float32")
    return torch.bfloat16 if wanted == "bfloat16" else best


class UssTraining(nn.Module):
    """A separator in training: called with mixtures, conditions and targets, it returns the loss."""

    family: ClassVar[str] = "uss"
    sample_rate: ClassVar[int] = SAMPLE_RATE
    settings_type: ClassVar[type[UssSettings]] = UssSettings

    def __init__(
        self,
        settings: UssSettings,
        *,
        condition_size: int,
        query: QueryName,
        query_sha256: str | None,
        query_net: QueryTagger = "cnn14",
        query_scaled: bool = False,
        classes: Iterable[str],
        segment_seconds: float,
        steps: int,
        device: torch.device,
    ) -> None:
        """Build the network with weights drawn from torch's global generator.

        Args:
            settings: sizes, optimiser, schedule, precision.
            condition_size: length of a condition.
            query: where conditions come from.
            query_sha256: of the query net's weights.
            query_net: the tagger that it listens with.
            query_scaled: whether conditions are divided by their highest value.
            classes: mids it is to learn.
            segment_seconds: length of the segments it is trained on.
            steps: for how many steps, which the cosine schedule ends on.
            device: where it computes.

        Raises:
            ValueError: a size is out of range, or the device cannot compute in the precision.
        """
        super().__init__()
        self.settings = settings
        self.steps = steps
        self.device = device
        self.dtype = precision_on(settings.precision, device)
        self.description = Description(
            condition_size=condition_size,
            channels=settings.channels,
            window=settings.window,
            hop=settings.hop,
            level=settings.level,
            query=query,
            query_sha256=query_sha256,
            query_net=query_net,
            query_scaled=query_scaled,
            classes=tuple(classes),
            step=0,
            segment_seconds=segment_seconds,
        )
        model = self.description.build()
        if query == LABELS:
            _suit_labels(model, len(self.description.classes))
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, parameter in self.model.named_parameters():
            # Layers of the published checkpoints that are never applied: see the decoder's second normalisation.
            if _is_idle(name):
                parameter.requires_grad_(False)

    @property
    def parameter_count(self) -> int:
        """Parameters that learn."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, mixtures: torch.Tensor, conditions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean absolute error of the estimates: all signals float32 ``(batch, samples)``, the result ``()``."""
        return (self._estimate(mixtures, conditions) - targets).abs().mean()

    def separate(self, mixtures: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Estimates ``(batch, samples)`` in evaluation mode, without gradients."""
        training = self.training
        self.eval()
        with torch.inference_mode():
            estimates = self._estimate(mixtures, conditions)
        self.train(training)
        return estimates

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW over what learns."""
        own = self.settings
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(
            learning, lr=own.lr, betas=own.betas, eps=own.eps, weight_decay=own.weight_decay, amsgrad=own.amsgrad
        )

    def rate(self, step: int) -> float:
        """The learning rate of ``step``, counted from 0."""
        own = self.settings
        return own.lr * rate_factor(own.schedule, step, warm_up=own.warm_up, steps=self.steps)

    def save(self, path: Path, *, step: int) -> None:
        """Write the network after ``step`` steps, for :func:`separators.uss.checkpoint.load_separator`."""
        save_separator(path, self.model, self.description.model_copy(update={"step": step}))

    def restore(self, path: Path) -> None:
        """Take the weights of a file that :meth:`save` wrote.

        Raises:
            ValueError: it is damaged, or of a network of other sizes; the message names it.
        """
        fill(self.model, load_separator(path).state_dict(), origin=path)

    def _estimate(self, mixtures: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        # Spectrograms and the loss stay in float32: only the network tolerates less.
        mixture = self.model.analyse(mixtures)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            maps = self.model.network(mixture.magnitude, self.model.film(conditions))
        return self.model.synthesise(mixture, maps, mixtures.shape[-1])


def _suit_labels(model: ResUNet30, classes: int) -> None:
    """Draw the weights of the conditions anew for inputs of which all but a few are always 0.

    Xavier's bound with the classes that occur as inputs: with all 527 of them, ten classes would start so close to
    each other that hundreds of steps pass before the network listens to its condition.
    """
    for layer in model.film.children():
        assert isinstance(layer, nn.Linear)
        bound = math.sqrt(6 / (classes + layer.out_features))
        nn.init.uniform_(layer.weight, -bound, bound)


def _is_idle(name: str) -> bool:
    parts = name.replace("->", ".").split(".")
    return parts[1].startswith("decoder_block") and parts[2] in ("bn2", "beta2")
