"""What ``stemtree data verify`` says of sound files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from bench.audio import BrokenFile, FileSignal
from bench.datasets.base import Problem


def file_problems(path: Path, *, remedy: str, rates: Collection[int] | None = None) -> Iterator[Problem]:
    """Decode ``path`` and say whether it is missing, broken, empty, or not at one of the ``rates`` in Hz.

    ``remedy`` is the line that mends all of these; ``rates`` None takes any.
    """
    signal = FileSignal(path)
    try:
        signal.read()
    except BrokenFile as error:
        yield Problem(path, error.what, remedy)
        return
    if rates is not None and signal.sample_rate not in rates:
        wanted = " or ".join(map(str, sorted(rates)))
        yield Problem(path, f"has {signal.sample_rate} Hz where the data set has {wanted}", remedy)


def twin_problems(reference: Path, mixture: Path, *, remedy: str, rates: Collection[int]) -> Iterator[Problem]:
    """What :func:`file_problems` says of a mixture and its reference, or else how they differ in shape."""
    sound = True
    for path in (reference, mixture):
        for problem in file_problems(path, remedy=remedy, rates=rates):
            sound = False
            yield problem
    if sound and _shape(reference) != _shape(mixture):
        yield Problem(reference, f"has {_shape(reference)}, but {mixture} has {_shape(mixture)}", remedy)


def _shape(path: Path) -> str:
    file = FileSignal(path)
    return f"{file.samples} samples at {file.sample_rate} Hz, channels: {file.channels}"
