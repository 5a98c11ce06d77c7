"""What a separator family brings to be trained, and where to find it."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import torch
from pydantic import BaseModel

from bench.training.errors import TrainError

FAMILIES: Final = {"uss": "separators.uss.training:UssTraining"}
"""The families that can be trained, and the class of each."""


class Trainable(Protocol):
    """A model with its loss and its optimiser; data, devices and checkpoints are not its business.

    It is a ``torch.nn.Module``: called with mixtures ``(batch, samples)``, conditions and targets ``(batch, samples)``,
    it returns the loss ``()``.
    """

    family: ClassVar[str]
    sample_rate: ClassVar[int]
    settings_type: ClassVar[type[BaseModel]]
    """What ``model.*`` may set."""

    @property
    def parameter_count(self) -> int:
        """Parameters that learn."""

    def separate(self, mixtures: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Estimates ``(batch, samples)``, without gradients."""

    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser over what learns."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""

    def save(self, path: Path, *, step: int) -> None:
        """Write the model after ``step`` steps to a ``.safetensors`` file that describes itself."""

    def restore(self, path: Path) -> None:
        """Take the weights from such a file."""


def family_class(name: str) -> Any:
    """The class of a family.

    Raises:
        TrainError: no family of that name can be trained; the message names those that can.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(FAMILIES)}"
        raise TrainError(f"no family {name!r} can be trained; {hint}")
    module, _, attribute = FAMILIES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
