"""What a family brings to be trained, and where to find it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import torch

from bench.training.errors import TrainError

TAGGER: Final = "tagger"
FAMILIES: Final = {
    "uss": "separators.uss.training:UssTraining",
    TAGGER: "bench.training.tagging.training:TaggerTraining",
}
"""The families that can be trained, and the class of each."""


class Trainable(Protocol):
    """A model with its loss and its optimiser; data, devices and checkpoints are not its business.

    It is a ``torch.nn.Module`` that returns the loss ``()`` of what it is called with.
    """

    family: ClassVar[str]
    sample_rate: ClassVar[int]

    @property
    def parameter_count(self) -> int:
        """Parameters that learn."""

    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser over what learns."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""

    def save(self, path: Path, *, step: int) -> None:
        """Write the model after ``step`` steps to a ``.safetensors`` file that describes itself."""

    def restore(self, path: Path) -> None:
        """Take the weights from such a file."""


class Separating(Trainable, Protocol):
    """A separator: called with mixtures ``(batch, samples)``, conditions and targets ``(batch, samples)``."""

    def separate(self, mixtures: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Estimates ``(batch, samples)``, without gradients."""


@runtime_checkable
class Averaging(Protocol):
    """What a trainable has besides when the weights that it saves are a running mean of those that learn."""

    def learning_state(self) -> dict[str, Any]:
        """What a resumed run needs beside the file that was saved."""

    def restore_learning(self, state: Mapping[str, Any]) -> None:
        """Take it up again, after ``restore``.

        Raises:
            ValueError: it is damaged, or of a network of other sizes.
        """


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
