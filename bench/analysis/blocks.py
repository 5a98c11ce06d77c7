"""How a recording is cut into blocks and put together again, and the gates that silence what is inactive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Blocks:
    """Blocks of equal length that overlap by ``fade`` samples; the last one ends where the recording does.

    Of a recording of ``total`` samples block k runs from ``k * hop`` to ``k * hop + hop + fade``, or to the end.
    """

    total: int
    hop: int
    fade: int

    def __len__(self) -> int:
        return max(-(-(self.total - self.fade) // self.hop), 1)

    def bounds(self, index: int) -> tuple[int, int]:
        """First sample of a block, and one past its last."""
        start = index * self.hop
        last = index == len(self) - 1
        return start, self.total if last else start + self.hop + self.fade


def even_blocks(total: int, *, length: int, fade: int) -> Blocks:
    """As few blocks of about ``length`` new samples each as cover ``total``, none much shorter than the others.

    A separator is so never handed a scrap that is left at the end.
    """
    count = max(-(-(total - fade) // length), 1)
    return Blocks(total, max(-(-(total - fade) // count), 1), fade)


class Joiner:
    """Puts the blocks of one signal together: what overlaps is cross-faded linearly, with gains that add up to 1.

    The fade takes the middle half of the overlap: the first and last moments of a block, where a separator hears
    nothing of what is beyond, are in no signal. Written as ``a + (b - a) * g``, so that where two blocks agree the
    result is that, bit for bit.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._tail: torch.Tensor | None = None

    def add(self, index: int, audio: torch.Tensor) -> torch.Tensor:
        """Take a block ``(channels, samples)``, in order, and return the samples that are finished with it.

        They follow on those returned before; all blocks' together are as long as the recording.
        """
        fade = self._blocks.fade
        if self._tail is not None and fade:
            place = (torch.arange(fade, dtype=audio.dtype, device=audio.device) + 0.5) / fade
            gain = (2 * place - 0.5).clamp(0, 1)
            audio = audio.clone()
            audio[:, :fade] = self._tail + (audio[:, :fade] - self._tail) * gain
        if index == len(self._blocks) - 1:
            return audio
        self._tail = audio[:, self._blocks.hop :].clone()
        return audio[:, : self._blocks.hop]


def gate(
    spans: Sequence[tuple[float, float]], *, start: int, stop: int, sample_rate: int, edge_seconds: float
) -> torch.Tensor | None:
    """What a class is multiplied by between samples ``start`` and ``stop``: float32 ``(stop - start,)``.

    1 within its spans (in seconds), 0 elsewhere, and between the two a raised cosine of ``edge_seconds``, outside the
    span: what is active is never touched. None where it is 0 throughout.
    """
    edge = round(edge_seconds * sample_rate)
    gains: torch.Tensor | None = None
    for begin, end in spans:
        first, last = round(begin * sample_rate), round(end * sample_rate)
        if last + edge <= start or first - edge >= stop:
            continue
        if gains is None:
            gains = torch.zeros(stop - start)
        place = torch.arange(max(first - edge, start), min(last + edge, stop))
        outside = torch.maximum(first - place, place - last + 1).clamp(min=0)
        shape = 0.5 + 0.5 * torch.cos(math.pi * outside / (edge + 1))
        inside = gains[place[0] - start : place[-1] + 1 - start]
        torch.maximum(inside, shape, out=inside)
    return gains
