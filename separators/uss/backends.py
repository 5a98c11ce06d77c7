"""What runs the fused network: torch as it is, torch.compile, or OpenVINO."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Literal, get_args

import torch
from torch import nn

from separators.uss.fused import FusedNetwork
from separators.uss.model import ResUNet30
from taggers.base import Unavailable

Backend = Literal["torch", "compile", "openvino"]
Run = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""As :class:`FusedNetwork`: stem, biases and frames to maps."""

_COMPILERS: Final = ("g++", "clang++", "c++")


def runner(model: ResUNet30, backend: Backend, *, dtype: torch.dtype, device: torch.device) -> tuple[FusedNetwork, Run]:
    """The fused network of a model, and what runs its last step.

    What depends on the length of the segments is made ready at the first of each length.

    Raises:
        Unavailable: it needs something that is not there; the message is the remedy.
        ValueError: there is no such backend, or it does not run on the network's device.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend is {', '.join(get_args(Backend))}, not {backend!r}")
    if backend == "openvino":
        # OpenVINO rounds to bfloat16 by itself, and better knows where.
        network = FusedNetwork(model, dtype=torch.float32, device=device).eval()
        return network, _OpenVino(network, dtype)
    network = FusedNetwork(model, dtype=dtype, device=device).eval()
    return network, _compiled(network) if backend == "compile" else network


def _compiled(network: FusedNetwork) -> Run:
    wanted = os.environ.get("CXX")
    if network.device.type == "cpu" and not any(map(shutil.which, (wanted,) if wanted else _COMPILERS)):
        raise Unavailable(
            f"the backend 'compile' needs a C++ compiler, and there is no {wanted or ', '.join(_COMPILERS)}: "
            "install one, set CXX to one, or use the backend 'torch'"
        )
    run: Run = torch.compile(network, dynamic=False)
    return run


class _OpenVino:
    """One compiled OpenVINO model for each shape of the input."""

    def __init__(self, network: FusedNetwork, dtype: torch.dtype) -> None:
        try:
            import openvino  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ModuleNotFoundError as error:
            raise Unavailable(
                "the backend 'openvino' needs OpenVINO: pip install 'stemtree[openvino]', or use the backend 'torch'"
            ) from error
        if network.device.type != "cpu":
            raise ValueError(f"the backend 'openvino' runs on the CPU, not on {network.device}")
        self._openvino = openvino
        self._network = network
        self._precision = "bf16" if dtype == torch.bfloat16 else "f32"
        self._models: dict[tuple[torch.Size, int], Any] = {}
        self._lock = Lock()  # a compiled model has one place for its input

    def __call__(self, stem: torch.Tensor, biases: torch.Tensor, frames: int) -> torch.Tensor:
        inputs = stem.contiguous(), biases.contiguous()
        key = stem.shape, frames
        with self._lock:
            if key not in self._models:
                self._models[key] = self._converted(inputs, frames)
            return torch.from_numpy(self._models[key]([x.numpy() for x in inputs])[0])

    def _converted(self, inputs: tuple[torch.Tensor, torch.Tensor], frames: int) -> Any:
        shapes = [list(x.shape) for x in inputs]
        with warnings.catch_warnings():
            # Shapes are read while the network is traced; there is one trace for each.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # OpenVINO still traces
            found = self._openvino.convert_model(_AtLength(self._network, frames), example_input=inputs, input=shapes)
        core = self._openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": self._precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        return core.compile_model(found, "CPU", options)


class _AtLength(nn.Module):
    """The network for one number of frames: what can be traced takes tensors only."""

    def __init__(self, network: FusedNetwork, frames: int) -> None:
        super().__init__()
        self.network, self.frames = network, frames

    def forward(self, stem: torch.Tensor, biases: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.network(stem, biases, self.frames)
        return maps
