"""CPU time and memory on one core: tagging, and finding and extracting every class that sounds."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import soundfile
import torch

from bench.analysis.analyze import analyze
from bench.analysis.dispatch import prepare
from bench.analysis.request import make_tagger
from bench.memory import PeakMemory
from bench.shipped.clips import Clip, levelled
from bench.shipped.harness import SEPARATOR, TAGGER, Models
from taggers.mini.network import SAMPLE_RATE
from taggers.timeline import tag_recording

TAGGED_SECONDS: Final = 60
SEPARATED_SECONDS: Final = (10, 30)


def speed(clips: list[Clip], models: Models) -> dict[str, Any]:
    """CPU seconds by second of audio with one thread, and growth of the peak of resident memory.

    ``tagging`` hears 60 s; ``hierarchy`` finds and extracts all that ``mini-tagger`` hears in 10 s and in 30 s at
    depths 1 to 3, files included. The recording is made of ``clips``, two at a time. Each does two seconds before it is
    timed.

    Raises:
        ShippedError: weights are not there.
    """
    models.check(TAGGER, SEPARATOR)
    audio = recording(clips, max(TAGGED_SECONDS, *SEPARATED_SECONDS))
    tagger = make_tagger(TAGGER, models.options(TAGGER).get(TAGGER, {}))
    separators, _ = prepare((SEPARATOR,), options=models.options(SEPARATOR))

    def read(start: int, stop: int) -> torch.Tensor:
        return audio[None, start:stop]

    def tag(seconds: int) -> dict[str, Any]:
        tag_recording(tagger, read, sample_rate=SAMPLE_RATE, samples=seconds * SAMPLE_RATE)
        return {}

    def separate(seconds: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "recording.wav"
            soundfile.write(path, audio[: seconds * SAMPLE_RATE].numpy(), SAMPLE_RATE, subtype="FLOAT")
            tree = analyze(path, out=Path(scratch) / "out", separators=separators, tagger=tagger, tagger_name=TAGGER)
        return {"classes": sum(entry.audio is not None for entry in tree.classes)}

    with _one_thread():
        return {
            "tagging": _timed(tag, TAGGED_SECONDS),
            "hierarchy": [_timed(separate, seconds) for seconds in SEPARATED_SECONDS],
        }


def recording(clips: list[Clip], seconds: int) -> torch.Tensor:
    """So many seconds of ``clips``, one after the other and then again, the first half of them mixed with the second.

    Returns:
        float32 ``(samples,)``.
    """
    samples, half = seconds * SAMPLE_RATE, len(clips) // 2
    parts = (torch.cat([levelled(clip.audio) for clip in part]) for part in (clips[:half], clips[half:]))
    first, second = (part.repeat(math.ceil(samples / len(part)))[:samples] for part in parts)
    return first + second


def _timed(work: Callable[[int], dict[str, Any]], seconds: int) -> dict[str, Any]:
    work(2)
    peak, start = PeakMemory(), time.process_time()
    told = work(seconds)
    cpu, grown = time.process_time() - start, peak.growth_mb()
    return {"seconds": seconds, "cpu_seconds": cpu, "real_time_factor": cpu / seconds, "memory_mb": grown} | told


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
