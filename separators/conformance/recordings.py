"""Checks of a separator on recordings of every rate, length and layout, most of them through the adapter."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import psutil
import torch

from separators.adapt import extract
from separators.base import Context, Estimates, Query, Separator
from separators.conformance.queries import F0_FRAME_SECONDS, F0_HZ, queries_for
from separators.conformance.subject import SeparatorSubject
from taggers.conformance.cases import Check, NotApplicable, Violation
from taggers.conformance.compare import not_finite
from taggers.conformance.subject import SECONDS, sound

ODD_RATES: Final = (8_000, 11_025, 22_050, 44_100, 48_000)
"""Rates in Hz at which recordings come."""
SHORT: Final = (1, 2, 101)
"""Samples of very short recordings."""
SHORTEST_SECONDS: Final = 1.0
"""Below it a separator may refuse a recording."""
HOUR_SECONDS: Final = 3600
HOUR_BUDGET_SECONDS: Final = 10.0
WARM: Final = 3
"""Segments after which memory is watched."""
HOUR_GROWTH: Final = 128 * 2**20
"""Bytes that an hour may add beside the estimate itself."""


def shape(subject: SeparatorSubject) -> str:
    """One estimate per query as long as the mixture; activity and scores between 0 and 1. It is asked directly.

    All that comes after relies on it: rows are matched to queries, samples to the reference.
    """
    audio = subject.audio()
    queries = subject.queries(audio)
    found = _extract(subject, audio, subject.rate, queries)
    for name, values in (("activity", found.activity), ("scores", found.scores)):
        if values is not None:
            each = torch.as_tensor(values)
            if not bool(((each >= 0) & (each <= 1)).all()):
                raise Violation(f"{name} leaves 0..1", f"let {name} be a confidence between 0 and 1")
    return f"{tuple(found.audio.shape)} for {len(queries)} queries about {tuple(audio.shape)}"


def rate(subject: SeparatorSubject) -> str:
    """Recordings at other rates come back at their own rate and length, for the adapter resamples around it."""
    for each in ODD_RATES:
        samples = round(SECONDS * each) + 1
        _expect(subject, sound(subject.channels, samples, each), each)
    own = f"its own, {subject.rate} Hz, directly" if subject.plugin.sample_rate else "which it takes as they come"
    return f"{', '.join(map(str, ODD_RATES))} Hz, {own}"


def length(subject: SeparatorSubject) -> str:
    """Recordings of an odd number of samples, and of hardly any, come back at their length: real ones are not round.

    One shorter than a second may be refused with a ValueError that says so: the harness makes a row of that.
    """
    refused = []
    for samples in (*SHORT, round(1.37 * SECONDS * subject.rate) | 1):
        try:
            _expect(subject, sound(subject.channels, samples, subject.rate), subject.rate)
        except ValueError as error:
            if samples >= SHORTEST_SECONDS * subject.rate or not str(error):
                raise
            refused.append(f"{samples} refused ({error})")
    return "; ".join(refused) or f"{', '.join(map(str, SHORT))} samples, and an odd number of them"


def channels(subject: SeparatorSubject) -> str:
    """Mono and stereo come back in their layout, or in one that the separator chose for all: the adapter mixes."""
    seen = []
    for count in (1, 2):
        found = _expect(subject, sound(count, subject.samples, subject.rate), subject.rate)
        seen.append(f"{count} in, {found.audio.shape[1]} out")
    return "; ".join(seen)


def hour(subject: SeparatorSubject) -> str:
    """An hour of audio passes in segments, and takes no more memory than its estimate: long recordings are streamed.

    The hour is not made: one sample is shown as many, and the segments run until the time for them is over.
    """
    if subject.plugin.segment_seconds is None:
        audio = sound(subject.channels, round(10 * SECONDS * subject.rate), subject.rate)
        started = time.perf_counter()
        _expect(subject, audio, subject.rate)
        took = (time.perf_counter() - started) / (10 * SECONDS)
        raise NotApplicable(
            f"it takes the whole recording at once (segment_seconds is None): checked on {10 * SECONDS:g} s alone, "
            f"at which speed an hour takes {took * 60:.1f} min"
        )
    watched = _Watched(subject)
    audio = torch.full((1, 1), 0.1).expand(subject.plugin.channels or 1, HOUR_SECONDS * subject.rate)
    with suppress(_Enough):
        context = Context(device=subject.device)
        extract(watched, audio, subject.rate, _hour_query(subject, audio), context=context)
    if watched.growth > HOUR_GROWTH:
        raise Violation(
            f"memory grew by {watched.growth / 2**20:.0f} MB beside the estimate over {watched.seen} segments"
        )
    return f"{watched.seen} segments of an hour, {watched.growth / 2**20:+.0f} MB beside the estimate"


class _Enough(Exception):
    """The time for the hour is over."""


class _Watched(Separator):
    """A separator as it is, whose segments are counted and timed, and the memory that it gathers measured."""

    def __init__(self, subject: SeparatorSubject) -> None:
        self._separator = subject.plugin
        self._ends = time.perf_counter() + HOUR_BUDGET_SECONDS
        self._process = psutil.Process()
        self._before = 0
        self.seen = 0
        self.growth = 0
        for name in ("sample_rate", "channels", "segment_seconds", "context_seconds", "needs"):
            setattr(self, name, getattr(subject.plugin, name))

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Any:
        found = self._separator.separate(mixture, queries, context=context)
        if time.perf_counter() > self._ends:
            raise _Enough
        self.seen += 1
        resident = self._process.memory_info().rss
        if self.seen <= WARM:
            self._before = resident  # by now the estimate of the whole hour is allocated
        self.growth = max(self.growth, resident - self._before)
        return found


def _hour_query(subject: SeparatorSubject, audio: torch.Tensor) -> tuple[Query, ...]:
    """One query about an hour, its signals as lazy as the hour."""
    query = queries_for(subject.plugin, subject.targets[:1], subject.audio(), subject.rate)[0]
    needs = subject.plugin.needs
    frames = round(HOUR_SECONDS / F0_FRAME_SECONDS)
    return (
        replace(
            query,
            spans=((0.0, float(HOUR_SECONDS)),) if "spans" in needs else (),
            f0=torch.full((1,), F0_HZ).expand(frames) if "f0" in needs else None,
            reference=audio[:, :1].mul(0.5).expand_as(audio) if "reference" in needs else None,
        ),
    )


def _expect(subject: SeparatorSubject, audio: torch.Tensor, rate: int) -> Estimates:
    """What it extracts, which must fit the recording and be finite."""
    found = _extract(subject, audio, rate, subject.queries(audio, rate))
    if found.audio.shape[-1] != audio.shape[-1]:
        raise Violation(f"{tuple(found.audio.shape)} came back for {tuple(audio.shape)} at {rate} Hz")
    broken = not_finite({"audio": found.audio})
    if broken:
        raise Violation(f"{tuple(audio.shape)} at {rate} Hz: {broken}", _FINITE_REMEDY)
    return found


def _extract(subject: SeparatorSubject, audio: torch.Tensor, rate: int, queries: tuple[Query, ...]) -> Estimates:
    """Ask through the adapter, which says in words what does not fit in what came back."""
    try:
        return subject.extract(audio, rate, queries)
    except TypeError as error:
        if "returned" in str(error):
            raise Violation(str(error)) from None
        raise


_FINITE_REMEDY: Final = "guard divisions and windows for short recordings: pad to a whole frame first, then cut"

SHAPE = Check("shape", shape, "return torch.stack([...]), one (channels, samples) per query in their order")
RATE = Check("rate", rate, "take the rate from context.sample_rate, or declare sample_rate to be resampled for")
LENGTH = Check("length", length, "return exactly mixture.shape[-1] samples: pad before the transform, cut after it")
CHANNELS = Check("channels", channels, "declare channels = 1 or 2 if it takes no other; the adapter does the rest")
HOUR = Check("hour", hour, "keep nothing from segment to segment that grows with their number")
