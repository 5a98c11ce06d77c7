"""One process, or several that train one model together."""

from __future__ import annotations

import os
from typing import Any, Protocol

import torch
from torch import nn

from bench.training.errors import TrainError


class Launch(Protocol):
    """Where this process stands, and how it learns together with the others."""

    rank: int
    world: int
    device: torch.device

    def prepare(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Any, Any]:
        """Module and optimiser as the loop calls them."""

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients, shared between the processes."""

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any of the processes."""

    def wait(self) -> None:
        """Until all processes are here."""


class Alone:
    """One process on one device."""

    rank = 0
    world = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def prepare(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Any, Any]:
        return module, optimiser

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def any(self, flag: bool) -> bool:
        return flag

    def wait(self) -> None:
        return


class Together:
    """One of several processes that ``accelerate launch`` started, each on a device of its own."""

    def __init__(self, device: str) -> None:
        try:
            from accelerate import Accelerator  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise TrainError("training in several processes needs accelerate: pip install 'stemtree[train]'") from error
        self._accelerator = Accelerator(cpu=device == "cpu")
        self.rank = int(self._accelerator.process_index)
        self.world = int(self._accelerator.num_processes)
        self.device = self._accelerator.device
        if self.world == 1:
            raise TrainError(f"device={device}: accelerate does not join the processes on it; say device=cuda or cpu")

    def prepare(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Any, Any]:
        if self.device.type == "cuda":  # as published: statistics over the batches of all devices
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        prepared: tuple[Any, Any] = self._accelerator.prepare(module, optimiser)
        return prepared

    def backward(self, loss: torch.Tensor) -> None:
        self._accelerator.backward(loss)

    def any(self, flag: bool) -> bool:
        total = self._accelerator.reduce(torch.tensor(float(flag), device=self.device), reduction="sum")
        return bool(total)

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()


def launch(device: str) -> Launch:
    """How this process was started: by ``accelerate launch`` with others, or alone on ``device``.

    Raises:
        TrainError: the device is not there, or ``accelerate`` is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return Together(device)
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise TrainError(f"device={device}: torch finds no CUDA device here; say device=cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise TrainError("device=mps: torch finds no such device here; say device=cpu")
    return Alone(torch.device(device))
