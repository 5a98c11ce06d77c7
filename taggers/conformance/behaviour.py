"""Checks that hold for every kind of plug-in: what it answers to hard audio, and what it leaves alone."""

from __future__ import annotations

import os
import pickle
import random
import tempfile
import threading
from pathlib import Path
from typing import Final

import numpy as np
import torch

from taggers.conformance.cases import Check, Violation
from taggers.conformance.compare import SAME, difference, not_finite
from taggers.conformance.isolation import Isolation
from taggers.conformance.subject import GlobalState, Outputs, Subject

FRESH_SECONDS = 90.0


def spawned(subject: Subject) -> str:
    """It can be imported by its path and constructed in a spawned process, which is where the harness runs it."""
    return f"constructed in process {os.getpid()}, which inherited nothing"


def silence(subject: Subject) -> str:
    """Digital silence gives finite numbers: normalising by an energy of 0 is the most common source of NaN."""
    _must_be_finite(subject, torch.zeros(subject.channels, subject.samples), "silence")
    return "finite"


def clipping(subject: Subject) -> str:
    """A full-scale square wave, and audio four times over full scale, give finite numbers: recordings do clip."""
    time = torch.arange(subject.samples) / subject.rate
    square = torch.where((time * 100) % 1 < 0.5, 1.0, -1.0).expand(subject.channels, -1).contiguous()
    _must_be_finite(subject, square, "a full-scale square wave")
    _must_be_finite(subject, 4 * subject.audio().cpu(), "audio of four times full scale")
    return "finite for a full-scale square wave, and for four times full scale"


def not_a_number(subject: Subject) -> str:
    """NaN and infinite samples give a ValueError or an answer of the usual shape, NaN or not; the next one is as ever.

    Recordings decoded from damaged files hold such samples. They must not hang it, crash it, or stay in its memory.
    """
    clean = subject.answer
    seen = []
    for name, value in (("NaN", torch.nan), ("infinity", torch.inf)):
        audio = subject.audio()
        audio[:, audio.shape[1] // 2] = value
        try:
            outputs = subject.asking(audio)()
        except ValueError as error:
            seen.append(f"{name}: ValueError, {error}")
        else:
            for each, expected in clean.items():
                if each in outputs and outputs[each].shape[1:] != expected.shape[1:]:
                    raise Violation(f"{name} changed the shape of {each} to {tuple(outputs[each].shape)}")
            seen.append(f"{name}: answered, {'not finite' if not_finite(outputs) else 'finite'}")
    after = difference(subject.asking(subject.audio())(), clean, tolerance=SAME)
    if after:
        raise Violation(f"after hearing NaN, it answers clean audio otherwise: {after}")
    return "; ".join(seen)


def determinism(subject: Subject) -> str:
    """The same seed gives the same answer, twice in one process and in a fresh one: results are cached by it."""
    expected = subject.answer
    again = difference(subject.asking(subject.audio())(), expected, tolerance=SAME)
    if again:
        raise Violation(f"asked twice in one process: {again}")
    with Isolation(subject.recipe, seconds=FRESH_SECONDS) as fresh:
        arrays = fresh.call(_as_arrays)
    elsewhere = {name: torch.from_numpy(array) for name, array in arrays.items()}
    apart = difference(elsewhere, {name: value.cpu() for name, value in expected.items()}, tolerance=SAME)
    if apart:
        raise Violation(f"asked in a fresh process: {apart}")
    return "the same twice, and in a fresh process"


def inputs(subject: Subject) -> str:
    """What is handed over is not changed: others use the same tensors."""
    asking = subject.asking(subject.audio())
    before = {name: value.clone() for name, value in asking.tensors.items()}
    asking()
    for name, value in asking.tensors.items():
        if not torch.equal(value, before[name]):
            raise Violation(f"it changed {name}")
    return f"left as they were: {', '.join(before)}"


def results(subject: Subject) -> str:
    """An answer stays as it was returned when the next question comes: buffers are not handed out twice."""
    first = subject.asking(subject.audio())()
    before = {name: value.clone() for name, value in first.items()}
    subject.asking(subject.audio(seed=1))()
    for name, value in first.items():
        if not torch.equal(value.nan_to_num(), before[name].nan_to_num()):
            raise Violation(f"the next call changed the {name} of the one before")
    return "the next call left them alone"


def dtype(subject: Subject) -> str:
    """Float32 in, float32 out: float64 doubles the memory of everything after it, float16 loses the quiet parts."""
    floating = {name: value.dtype for name, value in subject.answer.items() if value.is_floating_point()}
    wrong = [f"{name} is {kind}" for name, kind in floating.items() if kind != torch.float32]
    if wrong:
        raise Violation(", ".join(wrong))
    return f"float32: {', '.join(floating)}"


def device(subject: Subject) -> str:
    """Answers lie on the device that was asked for; CUDA is tried too where there is one."""
    devices = [subject.device]
    if torch.cuda.is_available() and subject.device.type != "cuda":
        devices.append(torch.device("cuda"))
    kept = subject.device
    try:
        for each in devices:
            subject.device = each
            for name, value in subject.asking(subject.audio())().items():
                if value.device.type != each.type:
                    raise Violation(f"asked on {each}, it returned {name} on {value.device}")
    finally:
        subject.device = kept
    missing = "" if torch.cuda.is_available() else "; no CUDA device here"
    return f"{', '.join(map(str, devices))}{missing}"


def threads(subject: Subject) -> str:
    """Two threads that ask one object at once get what each gets alone: servers and notebooks do that."""
    askings = [subject.asking(subject.audio(seed)) for seed in (0, 1)]
    expected = [_cloned(asking()) for asking in askings]
    found: list[list[Outputs]] = [[], []]
    errors: list[BaseException] = []
    start = threading.Barrier(len(askings))

    def ask(place: int) -> None:
        try:
            start.wait()
            for _ in range(3):
                found[place].append(_cloned(askings[place]()))
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=ask, args=(place,), daemon=True) for place in range(len(askings))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise Violation(f"raised only when two threads ask: {type(errors[0]).__name__}: {errors[0]}")
    for place, each in enumerate(found):
        for outputs in each:
            apart = difference(outputs, expected[place], tolerance=SAME)
            if apart:
                raise Violation(f"two threads at once: {apart}")
    return "two threads, three questions each, as alone"


def files(subject: Subject) -> str:
    """Nothing is written to the working directory: it belongs to the user."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            subject.asking(subject.audio(seed=2))()
        finally:
            os.chdir(before)
        left = sorted(path.name for path in Path(folder).iterdir())
    if left:
        raise Violation(f"it left {', '.join(left)} in the working directory")
    return "none written to the working directory"


def state(subject: Subject) -> str:
    """Nothing that a process shares is changed: thread counts, default dtype, gradients, random generators.

    The harness and other plug-ins live in the same process, and their results would depend on who ran before.
    """
    before = _generators()
    subject.asking(subject.audio())()
    after = _generators()
    drawn = [name for name, value in before.items() if after[name] != value]
    if drawn:
        raise Violation(
            f"it moved the global random generator of {', '.join(drawn)}",
            "draw from a generator of your own: torch.Generator().manual_seed(context.seed)",
        )
    now = GlobalState.now()
    changed = [
        f"{name.replace('_', ' ')} from {getattr(subject.pristine, name)} to {value}"
        for name, value in vars(now).items()
        if value != getattr(subject.pristine, name)
    ]
    if changed:
        raise Violation(f"it changed {', '.join(changed)}")
    return "threads, dtype, gradients, generators as before"


def _must_be_finite(subject: Subject, audio: torch.Tensor, what: str) -> None:
    broken = not_finite(subject.asking(audio.to(subject.device))())
    if broken:
        raise Violation(f"{what}: {broken}")


def _as_arrays(subject: Subject) -> dict[str, np.ndarray]:
    return {name: value.cpu().numpy() for name, value in subject.answer.items()}


def _cloned(outputs: Outputs) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in outputs.items()}


def _generators() -> dict[str, object]:
    """The states of the global random generators, in a form that can be compared."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state()),
        "random": random.getstate(),
    }


SPAWNED = Check(
    "spawn", spawned, "define the class at the top of a module, and let its constructor work in a fresh process"
)
DTYPE = Check("dtype", dtype, "return .float(); compute in float64 inside if you need to")
SILENCE = Check("silence", silence, "guard every division by an energy or a maximum: x / m.clamp(min=1e-9)")
CLIPPING = Check("clipping", clipping, "do not assume samples within -1 and 1; guard powers, logarithms and divisions")
NAN = Check("nan", not_a_number, "raise ValueError where the input is not finite, or let NaN pass through")
DETERMINISM = Check(
    "determinism", determinism, "seed every random draw with context.seed, and carry nothing over from call to call"
)
INPUTS = Check("inputs", inputs, "work on a copy: x = x.clone() before any x[...] = or x.mul_()")
RESULTS = Check("results", results, "return a tensor of its own for each call, not a buffer that is used again")
DEVICE = Check("device", device, "make tensors with device=context.device, and move the model there")
THREADS = Check("threads", threads, "keep what belongs to one call in local variables, not on self")
FILES = Check("files", files, "write to tempfile.TemporaryDirectory(), or nothing at all")
STATE = Check("state", state, "restore what you set, or leave it to the caller: torch.set_num_threads and its like")

INPUT_CHECKS: Final = (SILENCE, CLIPPING, NAN)
"""What is asked of every kind of plug-in about the audio that it is handed."""
CALL_CHECKS: Final = (DETERMINISM, INPUTS, RESULTS, DEVICE, THREADS, STATE, FILES)
"""What is asked of every kind of plug-in about its calls, and what they leave behind."""
