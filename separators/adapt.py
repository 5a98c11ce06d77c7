"""The one adapter between recordings and separators, for the harness, the conformance kit and training alike.

A separator sees its own sample rate, channel layout and segment length; what comes back has the recording's rate and
length. The rules:

Rate
    soxr's high quality filter to the separator's rate and back; no filter at all where they agree, so that a
    separator which returns the mixture returns it bit for bit.
Channels
    A mono separator is run on each channel by itself, with the same seed, and its estimates are put side by side.
    A separator that takes more channels gets a mono recording duplicated, and its estimate is averaged back to
    mono. Any other mismatch is refused: there is no mixing down that loses nothing.
Segments
    With ``segment_seconds`` the separator always gets segments of exactly that length, the last one padded with
    zeros. Neighbours overlap by ``context_seconds`` and are cross-faded linearly, with gains that add up to 1. Beside
    the result itself, the memory needed does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import soxr
import torch

from separators.base import Context, Estimates, Query, Separator


def extract(
    separator: Separator, mixture: torch.Tensor, sample_rate: int, queries: tuple[Query, ...], *, context: Context
) -> Estimates:
    """Let ``separator`` answer ``queries`` about ``mixture``, at whatever rate, layout and length that comes in.

    Args:
        separator: any separator.
        mixture: float32 ``(channels, samples)`` with at least one sample.
        sample_rate: rate in Hz of the mixture and of all signals that the queries carry.
        queries: what to extract. ``reference`` has the shape of the mixture; ``examples`` may have any
            length and channel count.
        context: seed and device; its sample rate is filled in here.

    Returns:
        Estimates at ``sample_rate`` on the mixture's device, ``audio`` float32 ``(queries, channels, samples)`` with
        the mixture's length. It has the mixture's channels unless the separator chose another number. Values that
        are not finite are passed on.

    Raises:
        TypeError: the mixture, or what the separator returned, is no float32 tensor.
        ValueError: the mixture, a query or what the separator returned has the wrong shape or device, or the
            separator's declared channels or segments cannot be met. Both name the separator.
    """
    _check_signal(mixture, "the mixture", separator)
    for query in queries:
        _check_query(query, mixture, separator)
    rate = separator.sample_rate or sample_rate
    context = replace(context, sample_rate=rate)
    signal = _resample(mixture, sample_rate, rate).to(context.device)
    asked = tuple(_query_at(query, sample_rate, rate, context.device) for query in queries)
    with torch.inference_mode():
        found = _by_layout(separator, signal, asked, context)

    def back(audio: torch.Tensor) -> torch.Tensor:
        at_rate = _resample(audio.to(mixture.device), rate, sample_rate)
        # A copy made outside inference mode, so that the caller may work on it in place.
        return _fit(at_rate, mixture.shape[-1]).clone(memory_format=torch.contiguous_format)

    activity = None if found.activity is None else found.activity.to(mixture.device, copy=True)
    residual = None if found.residual is None else back(found.residual)
    return replace(found, audio=back(found.audio), residual=residual, activity=activity)


def encode(
    separator: Separator, examples: Iterable[tuple[torch.Tensor, int]], *, context: Context
) -> torch.Tensor | None:
    """Let ``separator`` turn example clips of a target, each with its rate in Hz, into a condition on the CPU.

    None where it takes the clips themselves. Clips are brought to its rate and layout one by one.

    Raises:
        TypeError: a clip is no float32 tensor.
        ValueError: a clip is not ``(channels, samples)``, or the separator cannot use the clips.
    """

    def at_its_own() -> Iterator[torch.Tensor]:
        for clip, rate in examples:
            _check_signal(clip, "an example", separator)
            at_rate = _resample(clip, rate, separator.sample_rate or rate).to(context.device)
            yield at_rate if separator.channels is None else _example_with(at_rate, separator.channels)

    with torch.inference_mode():
        condition = separator.encode(at_its_own(), context=context)
    return None if condition is None else condition.cpu().clone()


def _name(separator: Separator) -> str:
    return type(separator).__name__


def _check_signal(signal: object, what: str, separator: Separator) -> None:
    if not isinstance(signal, torch.Tensor):
        raise TypeError(f"{_name(separator)}: {what} must be a float32 tensor, not {type(signal).__name__}")
    if signal.dtype != torch.float32:
        raise TypeError(f"{_name(separator)}: {what} must be float32, not {signal.dtype}")
    if signal.ndim != 2 or 0 in signal.shape:
        raise ValueError(
            f"{_name(separator)}: {what} must be (channels, samples), at least one of each, not {tuple(signal.shape)}"
        )


def _check_query(query: Query, mixture: torch.Tensor, separator: Separator) -> None:
    for need in sorted(separator.needs):
        given = getattr(query, need)
        encoded = need == "examples" and query.condition is not None
        if (given is None or given == ()) and not encoded:
            raise ValueError(
                f"{_name(separator)} needs {need!r} to find {query.target.label!r}, and the query has none"
            )
    for example in query.examples:
        _check_signal(example, f"an example of {query.target.label!r}", separator)
    if query.reference is not None:
        _check_signal(query.reference, f"the reference of {query.target.label!r}", separator)
        if query.reference.shape != mixture.shape:
            raise ValueError(
                f"{_name(separator)}: the reference of {query.target.label!r} is {tuple(query.reference.shape)}, "
                f"the mixture {tuple(mixture.shape)}; both must be the same"
            )


def _resample(audio: torch.Tensor, rate: int, to: int) -> torch.Tensor:
    """Resample ``(..., samples)``; the result has ceil(samples * to / rate) samples."""
    if rate == to:
        return audio
    samples = -(-audio.shape[-1] * to // rate)
    flat = audio.reshape(-1, audio.shape[-1])
    if flat.shape[0] == 0:
        return audio.new_zeros((*audio.shape[:-1], samples))
    rows = [soxr.resample(row.cpu().numpy(), rate, to, quality="HQ") for row in flat]
    out = torch.from_numpy(np.stack(rows)).to(audio.device)
    return _fit(out, samples).reshape(*audio.shape[:-1], samples)


def _fit(audio: torch.Tensor, samples: int) -> torch.Tensor:
    """Cut ``(..., n)`` or pad it with zeros at its end."""
    if audio.shape[-1] == samples:
        return audio
    return torch.nn.functional.pad(audio[..., :samples], (0, max(samples - audio.shape[-1], 0)))


def _query_at(query: Query, sample_rate: int, rate: int, device: torch.device) -> Query:
    """The query with its signals at ``rate`` and everything on ``device``."""
    reference = None if query.reference is None else _resample(query.reference, sample_rate, rate).to(device)
    return replace(
        query,
        reference=reference,
        examples=tuple(_resample(example, sample_rate, rate).to(device) for example in query.examples),
        condition=None if query.condition is None else query.condition.to(device),
        f0=None if query.f0 is None else query.f0.to(device),
    )


def _by_layout(separator: Separator, signal: torch.Tensor, queries: tuple[Query, ...], context: Context) -> Estimates:
    """Bring signal and queries to the separator's channel layout, and its estimates back."""
    wanted, given = separator.channels, signal.shape[0]
    if wanted is None or wanted == given:
        asked = tuple(_with_layout(query, wanted, slice(None)) for query in queries)
        return _by_segments(separator, signal, asked, context)
    if wanted == 1:
        parts = []
        for channel in range(given):
            chosen = slice(channel, channel + 1)
            asked = tuple(_with_layout(query, 1, chosen) for query in queries)
            parts.append(_by_segments(separator, signal[chosen], asked, context))
        return _beside(parts)
    if given == 1:
        asked = tuple(_with_layout(query, wanted, slice(None)) for query in queries)
        found = _by_segments(separator, signal.expand(wanted, -1), asked, context)
        residual = None if found.residual is None else found.residual.mean(dim=0, keepdim=True)
        return replace(found, audio=found.audio.mean(dim=1, keepdim=True), residual=residual)
    raise ValueError(f"{_name(separator)} takes {wanted} channels, the recording has {given}; mix it first")


def _with_layout(query: Query, wanted: int | None, channels: slice) -> Query:
    """The query with one channel of its reference, or all, and examples in the layout that is wanted.

    Examples come from other recordings, so their channels do not correspond to the mixture's: where the count
    differs they are averaged, and duplicated as needed.
    """
    reference = query.reference
    if reference is not None:
        reference = reference[channels]
        if wanted is not None and reference.shape[0] != wanted:
            reference = reference.expand(wanted, -1)
    examples = query.examples
    if wanted is not None:
        examples = tuple(_example_with(example, wanted) for example in examples)
    return replace(query, reference=reference, examples=examples)


def _example_with(example: torch.Tensor, wanted: int) -> torch.Tensor:
    return example if example.shape[0] == wanted else example.mean(dim=0, keepdim=True).expand(wanted, -1)


def _beside(parts: list[Estimates]) -> Estimates:
    """The estimates of single channels as those of the recording: audio side by side, confidences averaged."""
    residuals = [part.residual for part in parts if part.residual is not None]
    activities = [part.activity for part in parts if part.activity is not None]
    scores = [part.scores for part in parts if part.scores is not None]
    return Estimates(
        audio=torch.cat([part.audio for part in parts], dim=1),
        residual=torch.cat(residuals) if residuals else None,
        activity=torch.stack(activities).mean(dim=0) if activities else None,
        scores=tuple(sum(each) / len(each) for each in zip(*scores, strict=True)) if scores else None,
    )


@dataclass(frozen=True)
class _Segments:
    """How a recording of ``total`` samples is cut: segments of ``length``, neighbours overlapping by ``overlap``."""

    total: int
    length: int
    overlap: int

    def starts(self) -> Iterator[int]:
        hop = self.length - self.overlap
        last = max(-(-(self.total - self.length) // hop), 0)
        return (index * hop for index in range(last + 1))

    def faded(self, audio: torch.Tensor, start: int) -> torch.Tensor:
        """The segment with its ends faded where it has a neighbour; what overlaps adds up to a gain of 1."""
        if self.overlap == 0:
            return audio
        rise = (torch.arange(self.overlap, device=audio.device, dtype=audio.dtype) + 0.5) / self.overlap
        gain = audio.new_ones(self.length)
        if start > 0:
            gain[: self.overlap] = rise
        if start + self.length < self.total:
            gain[-self.overlap :] = 1 - rise
        return audio * gain


def _segments(separator: Separator, samples: int, rate: int) -> _Segments | None:
    """The cuts that the separator asks for, or None for the whole recording at once."""
    if separator.segment_seconds is None:
        return None
    seconds, around = separator.segment_seconds, separator.context_seconds
    length = round(seconds * rate)
    if length < 1 or not 0 <= around <= seconds / 2:
        raise ValueError(
            f"{_name(separator)} declares segments of {seconds} s with {around} s of context; "
            "a segment needs at least one sample, and its context lies between 0 and half of it"
        )
    # Rounding to samples may lift the context above half a segment.
    overlap = min(round(around * rate), length // 2)
    return _Segments(total=samples, length=length, overlap=overlap)


def _by_segments(separator: Separator, signal: torch.Tensor, queries: tuple[Query, ...], context: Context) -> Estimates:
    """Run the separator on the whole signal, or segment by segment as it asks."""
    samples = signal.shape[-1]
    rate = context.sample_rate
    assert rate is not None  # extract() fills it in
    cut = _segments(separator, samples, rate)
    if cut is None:
        return _run(separator, signal, queries, context)
    audio: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    scores: tuple[float, ...] | None = None
    for start in cut.starts():
        segment = _fit(signal[:, start : start + cut.length], cut.length)
        asked = tuple(_query_in(query, cut, start, rate) for query in queries)
        found = _run(separator, segment, asked, context)
        if found.activity is not None:
            raise ValueError(
                f"{_name(separator)} works in segments; activity per segment cannot be joined, leave it out"
            )
        audio = _add(audio, found.audio, cut, start)
        if found.residual is not None:
            residual = _add(residual, found.residual, cut, start)
        if found.scores is not None:
            scores = tuple(map(max, scores, found.scores)) if scores else found.scores
    assert audio is not None  # there is always a first segment
    return Estimates(audio=audio, residual=residual, scores=scores)


def _add(total: torch.Tensor | None, segment: torch.Tensor, cut: _Segments, start: int) -> torch.Tensor:
    """Add a segment's faded output to the recording's, which the first segment creates."""
    if total is None:
        total = segment.new_zeros((*segment.shape[:-1], cut.total))
    place = total[..., start : start + cut.length]
    place += cut.faded(segment, start)[..., : place.shape[-1]]
    return total


def _query_in(query: Query, cut: _Segments, start: int, rate: int) -> Query:
    """The query as seen from one segment: what runs along with the recording is cut with it."""
    begin, end = start / rate, (start + cut.length) / rate
    spans = tuple((max(a, begin) - begin, min(b, end) - begin) for a, b in query.spans if a < end and b > begin)
    reference, f0 = query.reference, query.f0
    if reference is not None:
        reference = _fit(reference[:, start : start + cut.length], cut.length)
    if f0 is not None:
        # Frames lie evenly over the recording.
        per_sample = len(f0) / cut.total
        f0 = f0[round(start * per_sample) : round((start + cut.length) * per_sample)]
    return replace(query, reference=reference, spans=spans, f0=f0)


def _run(separator: Separator, signal: torch.Tensor, queries: tuple[Query, ...], context: Context) -> Estimates:
    """Call the separator once, and check what it returns."""
    # A copy: a separator that works in place must not change the recording for those that come after it.
    returned = separator.separate(signal.clone(), queries, context=context)
    found = returned if isinstance(returned, Estimates) else Estimates(audio=returned)
    who = _name(separator)
    _check_returned(found.audio, f"{who} returned audio", (len(queries), None, signal.shape[-1]), context)
    if separator.channels == 1 and found.audio.shape[1] != 1:
        raise ValueError(f"{who} declares 1 channel and returned {found.audio.shape[1]}; expected 1")
    if found.residual is not None:
        expected = (found.audio.shape[1], signal.shape[-1])
        _check_returned(found.residual, f"{who} returned a residual", expected, context)
    if found.activity is not None:
        _check_returned(found.activity, f"{who} returned activity", (len(queries), None), context)
    if found.scores is not None and len(found.scores) != len(queries):
        raise ValueError(f"{who} returned {len(found.scores)} scores for {len(queries)} queries")
    if found.targets is not None:
        raise ValueError(f"{who} returned targets; only a parser names what it found")
    return found


def _check_returned(value: object, what: str, expected: tuple[int | None, ...], context: Context) -> None:
    shape = "(" + ", ".join("any" if size is None else str(size) for size in expected) + ")"
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{what} as {type(value).__name__}; expected a float32 tensor {shape}")
    if value.dtype != torch.float32:
        raise TypeError(f"{what} as {value.dtype}; expected float32")
    fits = value.ndim == len(expected) and all(
        want == size if want is not None else size > 0 for want, size in zip(expected, value.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{what} of shape {tuple(value.shape)}; expected {shape}")
    if value.device.type != context.device.type:
        raise ValueError(f"{what} on {value.device}; expected {context.device}")
