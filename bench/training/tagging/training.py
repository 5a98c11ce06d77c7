"""What trains the small tagger: the network, its loss, its optimiser, and the running mean of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from bench.training.trainable import TAGGER
from separators.uss.training import Precision, precision_on, rate_factor
from taggers.mini.checkpoint import Description, load, save
from taggers.mini.network import CHANNELS, SAMPLE_RATE, MiniNet
from taggers.weights import fill

_SMALLEST: Final = 1e-6
"""Probabilities nearer to 0 and 1 than this count as this near in the loss."""


class TaggerSettings(BaseModel):
    """How the network is built and optimised; ``model.*`` of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, ...] = CHANNELS
    lr: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    """Of matrices and kernels; biases and what normalises are left alone."""
    warm_up: int = Field(default=100, ge=0)
    """Steps in which the rate rises; from then on it falls along half a cosine."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Share of the running mean that each step leaves as it is; 0 for no mean at all."""
    precision: Precision = "auto"


class TaggerTraining(nn.Module):
    """A tagger in training: called with spectrograms and labels, it returns the loss.

    What is validated, tested and saved is the running mean of the weights and of the statistics of the batches.
    """

    family: ClassVar[str] = TAGGER
    sample_rate: ClassVar[int] = SAMPLE_RATE
    settings_type: ClassVar[type[TaggerSettings]] = TaggerSettings

    def __init__(
        self,
        settings: TaggerSettings,
        *,
        classes: Sequence[str],
        thresholds: Mapping[str, float],
        steps: int,
        device: torch.device,
    ) -> None:
        """Build the network with weights drawn from torch's global generator.

        Args:
            settings: sizes, optimiser, precision.
            classes: mids it is to learn.
            thresholds: calibrated thresholds by mid, which its checkpoints tell.
            steps: for how many steps.
            device: where it computes.

        Raises:
            ValueError: a size is out of range, a class has no label in AudioSet, or the device cannot compute in the
                precision.
        """
        super().__init__()
        self.settings, self.steps, self.device = settings, steps, device
        self.dtype = precision_on(settings.precision, device)
        self.description = Description(
            classes=tuple(classes), channels=settings.channels, thresholds=dict(thresholds), step=0
        )
        model = MiniNet(classes, channels=settings.channels)
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean = AveragedModel(self.model, multi_avg_fn=_towards(1 - settings.average), use_buffers=True)
        self.mean = mean.requires_grad_(False)

    @property
    def parameter_count(self) -> int:
        """Parameters that learn."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def forward(self, spectrograms: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The binary cross-entropy ``()`` of the clip probabilities, float32.

        Args:
            spectrograms: float32 ``(batch, frames, bands)``.
            labels: float32 ``(batch, classes)``, 0 or 1.
        """
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            clipwise = self.model.hear(spectrograms).clipwise
        return functional.binary_cross_entropy(clipwise.float().clamp(_SMALLEST, 1 - _SMALLEST), labels)

    def spectrogram(self, waveforms: torch.Tensor) -> torch.Tensor:
        """What the network hears of float32 ``(batch, samples)``, on its device."""
        spectrogram: torch.Tensor = self.model.spectrogram(waveforms.to(self.device))
        return spectrogram

    @torch.inference_mode()
    def probabilities(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Clip probabilities ``(batch, classes)`` of float32 ``(batch, samples)`` by the mean network, on the CPU."""
        self.mean.eval()
        mean = self._mean_network()
        return mean.hear(mean.spectrogram(waveforms.to(self.device))).clipwise.cpu()

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW; each of its steps moves the mean along."""
        own = self.settings
        learning = list(self.model.parameters())
        optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in learning if p.ndim > 1], "weight_decay": own.weight_decay},
                {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=own.lr,
        )
        optimiser.register_step_post_hook(lambda *_: self.mean.update_parameters(self.model))
        return optimiser

    def rate(self, step: int) -> float:
        """The learning rate of ``step``, counted from 0."""
        own = self.settings
        return own.lr * rate_factor("cosine", step, warm_up=own.warm_up, steps=self.steps)

    def save(self, path: Path, *, step: int) -> None:
        """Write the mean network after ``step`` steps, for :func:`taggers.mini.checkpoint.load`."""
        save(path, self._mean_network(), self.description.model_copy(update={"step": step}))

    def restore(self, path: Path) -> None:
        """Take the mean weights of a file that :meth:`save` wrote.

        Raises:
            ValueError: it is damaged, or of a network of other sizes; the message names it.
        """
        fill(self._mean_network(), load(path)[0].state_dict(), origin=path)

    def learning_state(self) -> dict[str, Any]:
        """The weights that learn, and how many steps the mean is of."""
        return {"model": self.model.state_dict(), "averaged": int(self.mean.n_averaged)}

    def restore_learning(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`learning_state` told.

        Raises:
            ValueError: it is damaged, or of a network of other sizes.
        """
        fill(self.model, state["model"], origin=Path("the weights that learn"))
        self.mean.n_averaged.fill_(int(state["averaged"]))

    def _mean_network(self) -> MiniNet:
        assert isinstance(self.mean.module, MiniNet)
        return self.mean.module


def _towards(share: float) -> Any:
    """Moves a mean by ``share`` of the way; counts of batches and places of classes are taken as they are."""

    @torch.no_grad()
    def move(means: Sequence[torch.Tensor], values: Sequence[torch.Tensor], _: Any) -> None:
        for mean, value in zip(means, values, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)

    return move
