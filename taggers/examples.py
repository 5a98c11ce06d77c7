"""Queries from example clips: a vector that stands for a class, remembered by what it was made from.

Each clip is cut into 2-second chunks, the query net hears each, and the mean over a clip's chunks is taken first,
then the mean over clips, so that a long clip counts no more than a short one. Source: the evaluation of
arXiv:2305.07447 and its public code (github.com/bytedance/uss).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch

from taggers.query_nets import SAMPLE_RATE, QueryNet
from taggers.saved_queries import write_atomically

CHUNK: Final = 2 * SAMPLE_RATE
"""Samples that the query net hears at once."""
SILENCE_FRAME: Final = SAMPLE_RATE // 10
SILENCE_PEAK: Final = 0.02
"""A frame of 0.1 s whose peak is no higher counts as silence."""

_CACHE_VERSION: Final = 1


@dataclass(frozen=True)
class Encoded:
    """A query made from example clips."""

    vector: torch.Tensor
    """float32 ``(dimensions,)``."""
    clips: tuple[str, ...]
    """SHA-256 of each clip that counts, in order; the same samples give the same."""
    silent: tuple[int, ...] = ()
    """Positions of the clips that were left out because nothing in them is louder than silence."""


def encode_examples(
    net: QueryNet,
    clips: Iterable[torch.Tensor],
    *,
    remove_silence: bool = False,
    cache: Path | None = None,
    batch: int = 8,
    device: torch.device | None = None,
    progress: Callable[[int], object] | None = None,
) -> Encoded:
    """Average what a query net hears in example clips.

    Args:
        net: the query net.
        clips: float32 ``(samples,)`` or ``(channels, samples)`` at 32 kHz, mixed down here; taken one by one, so a
            generator that reads files keeps memory low.
        remove_silence: drop each whole frame of 0.1 s whose peak is at most 0.02, and what is left over at the end;
            the paper's evaluation does so for MUSDB18 and VoiceBank. Clips of digital silence count in no case.
        cache: folder that remembers each clip's vector by its content, made where absent.
        batch: chunks that the net hears at once. Vectors depend on it only through rounding (about 1e-6).
        device: where the net is; the CPU unless told.
        progress: called with the number of clips read so far.

    Returns:
        The query, with the hashes of the clips it stands for.

    Raises:
        ValueError: there are no clips, one is empty, not finite or of another shape, all of them are silent, or
            ``batch`` is less than 1.
    """
    if batch < 1:
        raise ValueError(f"batches of {batch} chunks: a batch has at least 1")
    identity = f"{_CACHE_VERSION} {net.name} {net.weights_sha256()} {CHUNK} {remove_silence}"
    read: list[_Clip] = []
    silent: list[int] = []

    def unheard() -> Iterator[tuple[_Clip, torch.Tensor]]:
        for position, samples in enumerate(clips):
            if progress is not None:
                progress(position + 1)
            mono = _mono(samples, position)
            digest = hashlib.sha256(mono.numpy().tobytes()).hexdigest()
            kept = loud_frames(mono) if remove_silence else mono
            if not kept.any():
                silent.append(position)
                continue
            key = hashlib.sha256(f"{identity} {digest}".encode()).hexdigest()
            clip = _Clip(digest, None if cache is None else cache / key[:2] / f"{key}.npy")
            read.append(clip)
            clip.vector = _recall(clip.file, net.dimensions)
            if clip.vector is None:
                chunks = chunked(kept)
                clip.chunks = len(chunks)
                yield from ((clip, chunk) for chunk in chunks)

    for group in _grouped(unheard(), batch):
        heard = net.encode(torch.stack([chunk for _, chunk in group]).to(device)).cpu().double().numpy()
        for (clip, _), row in zip(group, heard, strict=True):
            clip.hear(row)
    if not read:
        raise ValueError(
            "no example clip is louder than silence" if silent else "no example clips were given; name at least one"
        )
    vectors = np.stack([clip.vector for clip in read if clip.vector is not None])
    return Encoded(
        torch.from_numpy(vectors.mean(0, dtype=np.float64)).float(), tuple(clip.sha256 for clip in read), tuple(silent)
    )


def loud_frames(mono: torch.Tensor) -> torch.Tensor:
    """Join the whole frames of 0.1 s of ``(samples,)`` at 32 kHz whose peak exceeds 0.02; the rest is dropped."""
    frames = mono[: len(mono) // SILENCE_FRAME * SILENCE_FRAME].reshape(-1, SILENCE_FRAME)
    return frames[frames.abs().amax(1) > SILENCE_PEAK].reshape(-1)


def chunked(mono: torch.Tensor) -> torch.Tensor:
    """Cut ``(samples,)``, at least one, into ``(chunks, 64000)``; the last chunk is repeated until it is full."""
    whole = len(mono) // CHUNK
    chunks = mono[: whole * CHUNK].reshape(whole, CHUNK)
    rest = mono[whole * CHUNK :]
    if not len(rest):
        return chunks
    return torch.cat([chunks, rest.repeat(-(-CHUNK // len(rest)))[None, :CHUNK]])


@dataclass
class _Clip:
    """One clip on its way through the net; ``vector`` is its mean once all of its chunks were heard."""

    sha256: str
    file: Path | None
    chunks: int = 0
    vector: np.ndarray | None = None
    _heard: int = 0
    _sum: np.ndarray | float = 0.0

    def hear(self, row: np.ndarray) -> None:
        self._sum = self._sum + row
        self._heard += 1
        if self._heard == self.chunks:
            self.vector = np.asarray(self._sum / self.chunks, dtype=np.float32)
            if self.file is not None:
                _remember(self.file, self.vector)


def _mono(samples: torch.Tensor, position: int) -> torch.Tensor:
    if samples.ndim not in (1, 2) or not samples.numel():
        raise ValueError(
            f"example clip {position} is {tuple(samples.shape)}; (samples,) or (channels, samples) is wanted"
        )
    mono = samples.detach().cpu().float()
    if mono.ndim == 2:
        mono = mono.mean(0)
    if not torch.isfinite(mono).all():
        raise ValueError(f"example clip {position} has samples that are not finite")
    return mono.contiguous()


def _grouped(items: Iterator[tuple[_Clip, torch.Tensor]], size: int) -> Iterator[list[tuple[_Clip, torch.Tensor]]]:
    while group := list(islice(items, size)):
        yield group


def _recall(file: Path | None, dimensions: int) -> np.ndarray | None:
    if file is None:
        return None
    try:
        vector = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):  # absent or damaged: it is made anew
        return None
    usable = (
        isinstance(vector, np.ndarray)
        and vector.shape == (dimensions,)
        and vector.dtype == np.float32
        and np.isfinite(vector).all()
    )
    return vector if usable else None


def _remember(file: Path, vector: np.ndarray) -> None:
    content = BytesIO()
    np.save(content, vector, allow_pickle=False)
    write_atomically(file, content.getvalue())
