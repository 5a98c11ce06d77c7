"""The loop: batch, loss, gradient, step; checkpoints and validation in between; stops when asked to."""

from __future__ import annotations

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

import torch

from bench.training.checkpoints import Checkpoints
from bench.training.errors import TrainError
from bench.training.journal import Journal
from bench.training.launch import Launch
from bench.training.settings import TrainConfig
from bench.training.trainable import Trainable


class Drawn(Protocol):
    """A batch."""

    @property
    def without_partner(self) -> int:
        """Items drawn that lack others of another kind to be mixed with."""


class Source(Protocol):
    """Makes the batch of any step."""

    @property
    def broken(self) -> Mapping[int, str]:
        """Why clips met so far cannot be used, by number."""

    def at(self, step: int) -> Drawn:
        """The batch of ``step``, counted from 0."""

    def close(self) -> None:
        """Stop making batches."""


class Checked(Protocol):
    """What came of a validation."""

    def plain(self) -> dict[str, Any]:
        """For the log."""

    def line(self) -> str:
        """For a person."""


class Check(Protocol):
    """Validates what is being trained."""

    def __len__(self) -> int:
        """How much there is to validate on."""

    def check(self, trainable: Any) -> Checked:
        """Validate it as it is now."""


@dataclass(frozen=True)
class Parts(ABC):
    """What a loop works with."""

    trainable: Trainable
    optimiser: torch.optim.Optimizer
    batches: Source
    validation: Check
    checkpoints: Checkpoints
    journal: Journal | None
    """None in all processes but the first."""
    launch: Launch

    @abstractmethod
    def loss(self, module: Any, batch: Any, step: int) -> torch.Tensor:
        """The loss ``()`` of ``module``, the trainable as it is called here, on the batch of ``step``."""


class _Sums:
    """What is logged of the steps since the last record."""

    def __init__(self) -> None:
        self.loss = self.gradient = 0.0
        self.steps = self.without_partner = 0
        self.since = time.monotonic()


def run(
    config: TrainConfig, parts: Parts, *, done: int, tell: Callable[[str], None], say: Callable[[str], None]
) -> int:
    """Train from step ``done`` to the end, to ``config.until``, or until the process is interrupted.

    Whatever ends it, a checkpoint is written of all steps done. The first interruption lets the step end; a second
    one does not.

    Args:
        config: the settings.
        parts: model, data and where results go.
        done: steps that are done already.
        tell: is told after each step how far it is.
        say: is told the outcome of each validation.

    Returns:
        Steps that are done now.

    Raises:
        TrainError: the loss or its gradient is no longer finite; the last checkpoint stands.
    """
    last = min(config.until or config.steps, config.steps)
    module, optimiser = parts.launch.prepare(parts.trainable, parts.optimiser)  # type: ignore[arg-type]
    module.train()
    sums = _Sums()
    with _interruptions() as interrupted:
        while done < last and not parts.launch.any(interrupted.is_set()):
            _step(config, parts, module, optimiser, done, sums)
            done += 1
            if done % config.log_every == 0 or done == last:
                _note(parts, done, sums, tell, last)
                sums = _Sums()
            if done % config.checkpoint_every == 0:
                _keep(parts, done)
            if config.validate_every and done % config.validate_every == 0 and done < config.steps:
                _validate(parts, done, say)
        _keep(parts, done)
    return done


def _step(config: TrainConfig, parts: Parts, module: Any, optimiser: Any, done: int, sums: _Sums) -> None:
    batch = parts.batches.at(done)
    for group in optimiser.param_groups:
        group["lr"] = parts.trainable.rate(done)
    optimiser.zero_grad(set_to_none=True)
    loss = parts.loss(module, batch, done)
    value = float(loss.detach())
    _check_finite("loss", value, done)
    parts.launch.backward(loss)
    limit = config.clip_gradient if config.clip_gradient is not None else float("inf")
    learning = [parameter for parameter in module.parameters() if parameter.grad is not None]
    norm = float(torch.nn.utils.clip_grad_norm_(learning, limit))
    _check_finite("gradient", norm, done)  # a step along it would spoil every weight, and the next checkpoint
    sums.gradient += norm
    optimiser.step()
    sums.loss += value
    sums.steps += 1
    sums.without_partner += batch.without_partner


def _check_finite(what: str, value: float, done: int) -> None:
    if not abs(value) < float("inf"):
        raise TrainError(
            f"step {done + 1}: the {what} is {value}; go on from the last checkpoint with a lower model.lr, "
            "or with clip_gradient"
        )


def _note(parts: Parts, done: int, sums: _Sums, tell: Callable[[str], None], last: int) -> None:
    seconds = (time.monotonic() - sums.since) / sums.steps
    loss = sums.loss / sums.steps
    if parts.journal is not None:
        parts.journal.write(
            done,
            "loss",
            loss=loss,
            lr=parts.trainable.rate(done - 1),
            gradient=sums.gradient / sums.steps,
            without_partner=sums.without_partner,
            seconds_per_step=round(seconds, 4),
        )
    tell(
        f"step {done} of {last}, loss {loss:.4f}, {seconds:.2f} s per step, about {seconds * (last - done):.0f} s left"
    )


def _keep(parts: Parts, done: int) -> None:
    if parts.journal is not None and done:
        parts.checkpoints.write(done, parts.trainable, parts.optimiser)
        parts.journal.write_time(done)
    parts.launch.wait()


def _validate(parts: Parts, done: int, say: Callable[[str], None]) -> None:
    if parts.journal is not None and len(parts.validation):
        say(f"step {done}: {record_validation(parts, done).line()}")
    parts.launch.wait()


def record_validation(parts: Parts, done: int) -> Checked:
    """Validate, and log it."""
    checked = parts.validation.check(parts.trainable)
    assert parts.journal is not None  # only the first process validates
    parts.journal.write(done, "validation", **checked.plain())
    return checked


@contextmanager
def _interruptions() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C or a request to end; a second one interrupts as it always does."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals only reach the main thread
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
