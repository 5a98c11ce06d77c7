"""Extract classes from a recording of any length, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch

from bench.analysis.blocks import Blocks, Joiner, even_blocks, gate
from bench.analysis.calls import answers, calls
from bench.analysis.consistency import project
from bench.analysis.dispatch import Named
from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import Spans
from bench.describe import say
from ontology import Target
from separators.base import Context, Query

_MOST_SAMPLES: Final = 1 << 25
"""Samples of all estimates of one call, over all channels: 128 MiB."""


@dataclass(frozen=True)
class Ask:
    """One class to be extracted, when it is active (zeros elsewhere), and by which separator."""

    target: Target
    spans: Spans
    named: Named


@dataclass(frozen=True)
class Partition:
    """Which asks (places in their order) are to add up to the mixture.

    ``unheld`` are the times at which a class of the partition sounds that nobody extracts: there its share is left
    over, and the others stay as they are.
    """

    members: frozenset[int]
    unheld: Spans = ()


@dataclass
class Extraction:
    """The work of extracting ``asks``, to be done block by block in order.

    Per block each separator is asked for all its classes that are active there, as few calls as can be. Estimates are
    gated to their spans, and blocks cross-faded, so that a separator which returns the mixture gives it back bit for
    bit wherever the class is active.

    Args:
        read: gives samples ``start`` to ``stop``, float32 ``(channels, stop - start)``.
        samples: length of the recording.
        sample_rate: in Hz.
        asks: what to extract.
        settings: lengths of blocks and fades.
        context: seed and device.
        consistent: estimates to be made to add up to the mixture (see :func:`bench.analysis.consistency.project`).
    """

    read: Callable[[int, int], torch.Tensor]
    samples: int
    sample_rate: int
    asks: Sequence[Ask]
    settings: AnalysisSettings
    context: Context
    consistent: Partition | None = None
    failures: dict[int, str] = field(default_factory=dict)
    """Why an ask failed, by place. One that failed is not asked again, and what it had given is worth nothing."""

    def __post_init__(self) -> None:
        length = max(round(self.settings.block_seconds * self.sample_rate), 1)
        if self._hard:
            self.blocks = Blocks(self.samples, hop=length, fade=0)
        else:
            fade = round(self.settings.block_fade_seconds * self.sample_rate)
            self.blocks = even_blocks(self.samples, length=length, fade=fade)
        self._joiners = [Joiner(self.blocks) for _ in self.asks]

    @property
    def _hard(self) -> bool:
        return self.settings.rules == "uss"

    def run(self, index: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Do block ``index`` and yield, for each ask that has not failed, its place and the samples now finished."""
        start, stop = self.blocks.bounds(index)
        mixture = self.read(start, stop)
        gains = {}
        for place, ask in enumerate(self.asks):
            gain = self._gate(ask.spans, start, stop)
            if gain is not None and place not in self.failures:
                gains[place] = gain
        members = self.consistent.members if self.consistent else frozenset()
        held = {}
        for place, audio in self._separated(mixture, start, gains):
            if place in members:
                held[place] = audio
            else:
                yield place, self._joiners[place].add(index, audio)
        if held:
            for place, audio in self._projected(mixture, held, gains, start, stop):
                yield place, self._joiners[place].add(index, audio)
        silence = torch.zeros_like(mixture)
        for place in range(len(self.asks)):
            if place not in gains and place not in self.failures:
                yield place, self._joiners[place].add(index, silence)

    def _gate(self, spans: Spans, start: int, stop: int) -> torch.Tensor | None:
        edge = self.settings.edge_seconds
        return gate(spans, start=start, stop=stop, sample_rate=self.sample_rate, edge_seconds=edge)

    def _separated(
        self, mixture: torch.Tensor, start: int, gains: Mapping[int, torch.Tensor]
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """The gated estimate of each ask that is active in a block, separator by separator."""
        places = list(gains)
        separators = [self.asks[place].named.separator for place in places]
        at_once = min(self.settings.queries_at_once, max(_MOST_SAMPLES // mixture.numel(), 1))
        for rows in calls(separators, at_once=at_once):
            several = [places[row] for row in rows]
            estimates = self._call(mixture, start, several)
            if estimates is None:
                continue
            for row, place in enumerate(several):
                if bool(torch.isfinite(estimates[row]).all()):
                    yield place, estimates[row] * gains[place]
                else:
                    self._fail(place, start, "the estimate has NaN or infinite values")
            del estimates  # before the next call makes as many

    def _call(self, mixture: torch.Tensor, start: int, places: Sequence[int]) -> torch.Tensor | None:
        """Estimates ``(asks, channels, samples)`` of one separator, or None where it failed."""
        separator = self.asks[places[0]].named.separator
        samples = mixture.shape[1]
        # A hard segment is always whole, the last one padded with zeros.
        missing = self.blocks.hop - samples if self._hard else 0
        queries = [self._query_in(place, start, samples) for place in places]
        padded = torch.nn.functional.pad(mixture, (0, missing))
        try:
            return answers(separator, padded, self.sample_rate, queries, context=self.context)[..., :samples]
        except Exception as error:
            for place in places:
                self._fail(place, start, say(error))
            return None

    def _fail(self, place: int, start: int, reason: str) -> None:
        at = f"in the block from {start / self.sample_rate:.1f} s" if len(self.blocks) > 1 else "in separation"
        self.failures[place] = f"{self.asks[place].named.name} failed {at}: {reason}"

    def _query_in(self, place: int, start: int, samples: int) -> Query:
        """The query as seen from a block: spans are cut with it."""
        ask = self.asks[place]
        begin, end = start / self.sample_rate, (start + samples) / self.sample_rate
        # Of a span that reaches in by its faded edge alone a span of no length is left.
        edge = self.settings.edge_seconds
        spans = tuple(
            (min(max(a - begin, 0.0), end - begin), min(max(b - begin, 0.0), end - begin))
            for a, b in ask.spans
            if a - edge < end and b + edge > begin
        )
        return Query(ask.target, spans=spans)

    def _projected(
        self,
        mixture: torch.Tensor,
        held: Mapping[int, torch.Tensor],
        gains: Mapping[int, torch.Tensor],
        start: int,
        stop: int,
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Members of the partition made to add up, save where one of its classes sounds without an estimate."""
        assert self.consistent is not None
        failed = [self.asks[place].spans for place in self.consistent.members if place in self.failures]
        whole = torch.ones(stop - start)
        for spans in (self.consistent.unheld, *failed):
            gain = self._gate(spans, start, stop)
            if gain is not None:
                whole = torch.minimum(whole, 1 - gain)
        takes = {place: gains[place] * whole for place in held}
        return project(mixture, held, takes, self.sample_rate)
