"""What a tagger hears in a recording of any length: one row of probabilities per segment."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from taggers.base import CLASSES, LABELLED, TagContext, Tagger, Tags
from taggers.frames import FRAME_SECONDS, Frames

_OPTIONAL: Final = ("clipwise", "embedding", "counts")
_ROUNDING: Final = 1e-6
"""Part of a sample that is rounding."""

Read = Callable[[int, int], torch.Tensor]
"""Samples from start to stop of a recording: float32 ``(channels, samples)``."""


@dataclass(frozen=True)
class Timeline:
    """Tags of a recording, segment by segment; rows are in order of time and cover all of it.

    Segment ``i`` runs from ``i * hop_seconds`` for ``segment_seconds`` (the last ones may end after the recording does,
    and are padded with zeros).
    """

    seconds: float
    """Length of the recording."""
    segment_seconds: float
    hop_seconds: float
    probabilities: torch.Tensor
    """float32 ``(segments, 632)`` in walking order, NaN where the tagger cannot tell."""
    known: torch.Tensor
    """bool ``(632,)``."""
    clipwise: torch.Tensor | None = None
    """float32 ``(segments, 527)``."""
    embedding: torch.Tensor | None = None
    """float32 ``(segments, dimensions)``."""
    counts: torch.Tensor | None = None
    """int64 ``(segments, 632)``."""
    frames: torch.Tensor | None = None
    """float32 ``(frames, 632)``, frame ``t`` covering ``frame_seconds`` from ``t * frame_seconds``: from taggers with
    framewise output, the highest within a frame, and where segments overlap their mean. NaN where none can tell."""
    frame_seconds: float | None = None


def tag_recording(
    tagger: Tagger,
    read: Read,
    *,
    sample_rate: int,
    samples: int,
    segment_seconds: float = 2.0,
    hop_seconds: float = 1.0,
    batch: int = 8,
    context: TagContext | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Timeline:
    """Let ``tagger`` hear a recording of any length, rate and layout, a batch of segments at a time.

    Each segment is the mean of its channels, resampled with soxr's high quality filter where the tagger wants another
    rate, and padded with zeros where the recording ends within it. No more of the recording than one batch is in
    memory.

    Args:
        tagger: any tagger.
        read: gives any stretch of the recording.
        sample_rate: of the recording, in Hz.
        samples: its length, at least 1.
        segment_seconds: length of a segment.
        hop_seconds: from one segment's start to the next, at most ``segment_seconds``, so that nothing is left out.
        batch: segments handed to the tagger at once.
        context: seed, device and annotation; ``starts`` and ``sample_rate`` are filled in here.
        progress: is told after each batch how many segments are through, and of how many.

    Raises:
        ValueError: a length, rate or number is out of range, the recording has values that are not finite, or what
            the tagger returned does not fit its segments.
    """
    if not (0 < hop_seconds <= segment_seconds < math.inf):
        raise ValueError(f"segments of {segment_seconds} s every {hop_seconds} s: the hop must lie above 0 and within")
    if samples < 1 or sample_rate < 1 or batch < 1:
        raise ValueError(f"{samples} samples at {sample_rate} Hz in batches of {batch}: each must be at least 1")
    seconds = samples / sample_rate
    count = 1 + max(0, math.ceil((seconds - segment_seconds) / hop_seconds - 1e-9))
    cutter = _Cutter(read, sample_rate, samples, segment_seconds, tagger)
    context = replace(context or TagContext(), sample_rate=cutter.rate)
    rows: Tags | None = None
    frames: Frames | None = None
    for first in range(0, count, batch):
        starts = tuple(place * hop_seconds for place in range(first, min(first + batch, count)))
        waveforms = cutter.cut(starts).to(context.device)
        tags = tagger.tag(waveforms, context=replace(context, starts=starts))
        _check(tags, len(starts), tagger)
        rows = rows or _room(tags, count)
        _put(tags, rows, first)
        if tags.framewise is not None:
            frames = frames or Frames(seconds)
            frames.add(starts, tags.framewise.cpu(), seconds=cutter.seconds, heard=segment_seconds)
        if progress is not None:
            progress(first + len(starts), count)
    assert rows is not None  # there is always one segment
    return Timeline(
        seconds=seconds,
        segment_seconds=segment_seconds,
        hop_seconds=hop_seconds,
        probabilities=rows.probabilities,
        known=rows.known,
        clipwise=rows.clipwise,
        embedding=rows.embedding,
        counts=rows.counts,
        frames=None if frames is None else frames.finish(),
        frame_seconds=None if frames is None else FRAME_SECONDS,
    )


class _Cutter:
    """Cuts segments out of a recording, as a tagger wants them."""

    def __init__(self, read: Read, sample_rate: int, samples: int, segment_seconds: float, tagger: Tagger) -> None:
        self._read = read
        self._own_rate = sample_rate
        self._samples = samples
        self._stretch = max(1, math.ceil(segment_seconds * sample_rate - _ROUNDING))
        self.rate = tagger.sample_rate or sample_rate
        self._length = max(1, round(segment_seconds * self.rate), math.ceil(tagger.min_seconds * self.rate))
        self.seconds = self._length / self.rate
        """Length of what the tagger gets, its padding to ``min_seconds`` included."""

    def cut(self, starts: tuple[float, ...]) -> torch.Tensor:
        """The segments from ``starts`` on: float32 ``(segments, samples)``."""
        places = [math.floor(start * self._own_rate + _ROUNDING) for start in starts]
        begin, end = places[0], min(places[-1] + self._stretch, self._samples)
        mono = self._mono(begin, end)
        cut = np.zeros((self._stretch, len(places)), np.float32)
        for column, place in enumerate(places):
            piece = mono[place - begin : place - begin + self._stretch]
            cut[: len(piece), column] = piece
        if self.rate != self._own_rate:
            import soxr

            cut = soxr.resample(cut, self._own_rate, self.rate, quality="HQ")
        segments = np.zeros((len(places), self._length), np.float32)
        length = min(len(cut), self._length)
        segments[:, :length] = cut[:length].T
        return torch.from_numpy(segments)

    def _mono(self, begin: int, end: int) -> np.ndarray:
        audio = self._read(begin, end)
        if audio.ndim != 2 or not len(audio) or audio.shape[1] != end - begin:
            came = f"samples {begin} to {end} of the recording came as {tuple(audio.shape)}"
            raise ValueError(f"{came}, not (channels, {end - begin})")
        mono = audio.mean(dim=0).cpu().numpy()
        if not np.isfinite(mono).all():
            about = (begin + int(np.argmin(np.isfinite(mono)))) / self._own_rate
            raise ValueError(f"the recording has a value that is not finite {about:.3f} s from its beginning; mend it")
        return np.asarray(mono, np.float32)


def _check(tags: Tags, segments: int, tagger: Tagger) -> None:
    """Raise ValueError where ``tags`` do not fit the segments."""
    name = type(tagger).__name__
    shapes = {
        "probabilities": (tags.probabilities, (segments, CLASSES)),
        "known": (tags.known, (CLASSES,)),
        "clipwise": (tags.clipwise, (segments, LABELLED)),
        "counts": (tags.counts, (segments, CLASSES)),
    }
    for what, (tensor, shape) in shapes.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(f"{name} returned {what} {tuple(tensor.shape)}, not {shape}")
    framewise = tags.framewise
    if framewise is not None and (
        framewise.ndim != 3 or len(framewise) != segments or not framewise.shape[1] or framewise.shape[2] != CLASSES
    ):
        raise ValueError(f"{name} returned framewise {tuple(framewise.shape)}, not ({segments}, frames, {CLASSES})")


def _room(tags: Tags, segments: int) -> Tags:
    """Room for the tags of all segments, of the kinds that a first batch has.

    One block each: small tensors kept from every batch would hold on to the memory between them.
    """

    def room(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return None if tensor is None else torch.empty((segments, *tensor.shape[1:]), dtype=tensor.dtype)

    return Tags(
        probabilities=torch.empty((segments, CLASSES)),
        known=tags.known.cpu(),
        **{name: room(getattr(tags, name)) for name in _OPTIONAL},
    )


def _put(tags: Tags, rows: Tags, first: int) -> None:
    """Copy a batch to its place, ``first`` and after."""
    for name in ("probabilities", *_OPTIONAL):
        batch, whole = getattr(tags, name), getattr(rows, name)
        if (batch is None) != (whole is None):
            raise ValueError(f"the tagger returned {name} for some segments only")
        if whole is not None:
            whole[first : first + len(batch)] = batch
