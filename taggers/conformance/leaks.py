"""The check on memory that grows from call to call."""

from __future__ import annotations

import ctypes
import gc
import time
from contextlib import suppress
from typing import Final

import psutil

from taggers.conformance.cases import Check, NotApplicable, Violation
from taggers.conformance.subject import Subject

ROUNDS: Final = 3
CALLS: Final = 8
"""Calls per round, if a round then takes no longer than :data:`ROUND_SECONDS`."""
ROUND_SECONDS: Final = 2.5
LEAST_CALLS: Final = 2


def memory(subject: Subject) -> str:
    """Memory does not grow over repeated calls: a run asks thousands of times in one process.

    Growth counts if it is there in every round of calls and amounts to half of the audio handed over: allocators keep
    some memory back, and caches fill up once.
    """
    subject.asking(subject.audio())()
    started = time.perf_counter()
    subject.asking(subject.audio(seed=1))()
    once = time.perf_counter() - started
    calls = min(int(ROUND_SECONDS / max(once, 1e-9)), CALLS)
    if calls < LEAST_CALLS:
        raise NotApplicable(f"one call takes {once:.1f} s, too long to repeat it often")
    _round(subject, calls, 0)
    grown = [_round(subject, calls, number) for number in range(1, ROUNDS + 1)]
    handed_over = sum(value.nbytes for value in subject.asking(subject.audio()).tensors.values()) * calls
    total = sum(grown) / 2**20
    if min(grown) > handed_over / 2:
        raise Violation(f"memory grew by {total:.1f} MB over {ROUNDS * calls} calls, in every one of {ROUNDS} rounds")
    return f"{total:+.1f} MB over {ROUNDS * calls} calls"


def _round(subject: Subject, calls: int, number: int) -> int:
    """Growth of resident memory in bytes over some calls, each on other audio."""
    before = _resident()
    for call in range(calls):
        subject.asking(subject.audio(seed=100 * (number + 1) + call))()
    return _resident() - before


def _resident() -> int:
    """Resident memory in bytes, without what is free already and only kept back by the allocator."""
    gc.collect()
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


MEMORY = Check("memory", memory, "keep no audio, spectrogram or graph on self between calls; bound every cache")
