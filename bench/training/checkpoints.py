"""Checkpoints of a run: written whole or not at all, the last few kept, resumed only under the same settings.

``checkpoints/step-N`` holds ``model.safetensors``, which a separator loads, and ``training.pt``, which a resumed run
needs beside it. ``model.safetensors`` in the run's folder is always the newest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from bench.training.errors import TrainError
from bench.training.trainable import Averaging, Trainable
from taggers.weights import read_checkpoint

MODEL: Final = "model.safetensors"
STATE: Final = "training.pt"
_FORMAT: Final = "stemtree-training@1"
_NAME: Final = re.compile(r"step-(\d+)")


class Checkpoints:
    """The checkpoints in the folder of one run."""

    def __init__(self, out: Path, *, keep: int | None, settings: Mapping[str, Any], clips: str) -> None:
        """Keep the last ``keep`` checkpoints, or all; ``settings`` and ``clips`` are what a resumed run must share."""
        self._out, self._keep = out, keep
        self._folder = out / "checkpoints"
        self.settings: Final = settings
        self._settings, self._clips = json.dumps(settings, sort_keys=True), clips

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, in order."""
        if not self._folder.is_dir():
            return []
        matches = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def write(self, step: int, trainable: Trainable, optimiser: torch.optim.Optimizer) -> None:
        """Write the checkpoint of ``step`` steps, then forget those that are too many.

        Raises:
            OSError: it cannot be written; earlier ones stand.
        """
        folder = self._path(step)
        if not folder.exists():
            self._write_whole(folder, step, trainable, optimiser)
        newest = self._out / f".{MODEL}.{os.getpid()}"
        shutil.copyfile(folder / MODEL, newest)
        newest.replace(self._out / MODEL)
        for old in self.steps()[: -self._keep] if self._keep else ():
            shutil.rmtree(self._path(old))

    def restore(self, trainable: Trainable, optimiser: torch.optim.Optimizer) -> int:
        """Take up the newest checkpoint; returns the steps that are done.

        Raises:
            TrainError: there is none, it is damaged, or it was made under other settings or from other clips.
        """
        steps = self.steps()
        if not steps:
            raise TrainError(f"{self._out}: no checkpoint to go on from; leave out resume=true to start")
        path = self._path(steps[-1]) / STATE
        try:
            state = read_checkpoint(path)
            if not isinstance(state, dict) or state.get("format") != _FORMAT:
                raise ValueError(f"{path}: is not what a run leaves; remove the folder it lies in")
            before = {"settings": json.loads(state["settings"]), "clips": state["clips"]}
            check_same(path.parent, before, {"settings": json.loads(self._settings), "clips": self._clips})
            trainable.restore(self._path(steps[-1]) / MODEL)
            if isinstance(trainable, Averaging):
                trainable.restore_learning(state["learning"])
            optimiser.load_state_dict(state["optimiser"])
        except (ValueError, OSError) as error:
            raise error if isinstance(error, TrainError) else TrainError(str(error)) from error
        return int(state["step"])

    def _write_whole(self, folder: Path, step: int, trainable: Trainable, optimiser: torch.optim.Optimizer) -> None:
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}")
        scratch.mkdir(parents=True)
        try:
            trainable.save(scratch / MODEL, step=step)
            state = {
                "format": _FORMAT,
                "step": step,
                "settings": self._settings,
                "clips": self._clips,
                "optimiser": optimiser.state_dict(),
            }
            if isinstance(trainable, Averaging):
                state["learning"] = trainable.learning_state()
            torch.save(state, scratch / STATE)
            for path in scratch.iterdir():
                _sync(path)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"


def check_same(where: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare what was made with what is asked for now, each with ``settings`` and ``clips``, JSON-ready.

    Raises:
        TrainError: they differ; the message names ``where`` and the first setting that does.
    """
    earlier, asked = before["settings"], now["settings"]
    for name in sorted(earlier.keys() | asked.keys()):
        if earlier.get(name) != asked.get(name):
            raise TrainError(
                f"{where}: was made with {name}={json.dumps(earlier.get(name))}, not {json.dumps(asked.get(name))}; "
                "resume under the same settings, or start in another folder"
            )
    if before["clips"] != now["clips"]:
        raise TrainError(f"{where}: was made on other clips; resume on the same ones, or start in another folder")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
