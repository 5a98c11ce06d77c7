"""What every separator around ResUNet30 does, wherever its queries come from."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypedDict, get_args

import torch
from torch.nn import functional

from separators.base import Context, Query, Separator
from separators.uss.backends import Backend
from separators.uss.engine import Engine, Precision
from separators.uss.hearing import Ear
from separators.uss.model import SAMPLE_RATE
from separators.uss.nets import Checkpoint, joint_sha256, open_checkpoint, open_query_net
from taggers.query_nets import QueryNet

SEGMENT_SECONDS: Final = 2.0
FADE_SECONDS: Final = 0.25
"""By which segments overlap."""
SILENT: Final = 1e-6
"""An estimate whose peak is no higher is silence."""


class _Computing(TypedDict):
    dtype: Precision
    backend: Backend
    merge_tolerance: float
    memory_mb: int


@dataclass(frozen=True)
class Asked:
    """What the queries ask of the segments."""

    conditions: torch.Tensor
    """float32 ``(queries, segments, dimensions)``."""
    active: torch.Tensor
    """bool ``(queries, segments)``: where there is anything to extract; the estimate is zero elsewhere."""


def everywhere(conditions: torch.Tensor, segments: torch.Tensor) -> Asked:
    """Conditions ``(queries, dimensions)`` that are asked of every segment."""
    count = len(segments)
    return Asked(conditions[:, None].expand(-1, count, -1), torch.ones((len(conditions), count), dtype=torch.bool))


class UniversalSeparator(Separator):
    """What the separators here share: the network, its segments, and all their conditions computed together."""

    family = "uss"
    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        *,
        checkpoint: str | None,
        compat: bool,
        dtype: Precision,
        backend: Backend,
        merge_tolerance: float,
        memory_mb: int,
    ) -> None:
        """Load the network.

        Args:
            checkpoint: path of its weights; None for the published ones, downloaded if need be.
            compat: do as the public code, see the head of this module.
            dtype: numbers that the network computes with; ``auto`` is bfloat16 where the processor has it.
            backend: what computes.
            merge_tolerance: conditions of one segment that are this close are computed once; 0 merges equal ones.
            memory_mb: of working memory.

        Raises:
            Unavailable: the weights are not to be had; the message is the remedy.
            ValueError: the file does not hold weights of this network, which the message names, or there is no such
                dtype or backend.
        """
        for name, given, known in (("dtype", dtype, get_args(Precision)), ("backend", backend, get_args(Backend))):
            if given not in known:
                raise ValueError(f"{name} is {' or '.join(known)}, not {given!r}")
        self.checkpoint: Checkpoint = open_checkpoint(checkpoint)
        self.compat = compat
        described = self.checkpoint.description
        self._seconds = described.segment_seconds if described is not None else SEGMENT_SECONDS
        if not compat:
            self.channels = 1
            self.segment_seconds, self.context_seconds = self._seconds, min(FADE_SECONDS, self._seconds / 2)
        self._model = self.checkpoint.load()
        self._computing: _Computing = {
            "dtype": "float32" if compat and dtype == "auto" else dtype,
            "backend": backend,
            "merge_tolerance": merge_tolerance,
            "memory_mb": memory_mb,
        }
        self._engines: dict[torch.device, Engine] = {}
        self._building = Lock()

    def weights_sha256(self) -> str:
        """SHA-256 of the weights in use."""
        return self.checkpoint.sha256

    @abstractmethod
    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """What ``queries`` ask of mono ``segments`` ``(segments, samples)``."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        """Extract the targets of all queries from all segments in one go; see :meth:`Separator.separate`.

        Raises:
            ValueError: the mixture has values that are not finite, or a query lacks what it is asked by.
        """
        if not bool(torch.isfinite(mixture).all()):
            raise ValueError("the mixture has samples that are not finite; mend the recording")
        segments = self.cut(mixture)
        estimates = segments.new_zeros((len(queries), *segments.shape))
        if queries:
            asked = self.ask(segments, queries, context=context)
            places = asked.active.nonzero()
            conditions = asked.conditions[asked.active].to(context.device)
            for jobs, audio in self._engine(context.device).separate(segments, places[:, 1], conditions):
                of = places[jobs]
                estimates[of[:, 0], of[:, 1]] = audio.to(estimates)
        whole = estimates.flatten(1)[:, : mixture.shape[-1]]
        peaks = (whole if self.compat else whole.abs()).amax(dim=1, keepdim=True)
        return torch.where(peaks > SILENT, whole, 0.0)[:, None]

    def cut(self, audio: torch.Tensor) -> torch.Tensor:
        """``(channels, samples)`` averaged to mono and cut into ``(segments, samples)``, padded with zeros."""
        length = round(self._seconds * SAMPLE_RATE)
        mono = audio.mean(dim=0)
        return functional.pad(mono, (0, -len(mono) % length)).reshape(-1, length)

    def _engine(self, device: torch.device) -> Engine:
        with self._building:
            if device not in self._engines:
                self._engines = {device: Engine(self._model, device=device, **self._computing)}
            return self._engines[device]


class HearingSeparator(UniversalSeparator):
    """A separator with a query net of its own."""

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        query_net: str | None = None,
        compat: bool = False,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
    ) -> None:
        """Load both networks; arguments and errors as for :class:`UniversalSeparator`.

        ``query_net`` is the path of the tagger's weights; None takes them from the checkpoint where training left them
        there, else those that were published or come with stemtree.
        """
        super().__init__(
            checkpoint=checkpoint, compat=compat, dtype=dtype, backend=backend, merge_tolerance=merge_tolerance,
            memory_mb=memory_mb,
        )  # fmt: skip
        self.net: QueryNet = open_query_net(self.checkpoint, query_net, condition_size=self._model.condition_size)
        self.ear = Ear(self.net)

    def weights_sha256(self) -> str:
        """One SHA-256 for both networks."""
        return joint_sha256(self.checkpoint.sha256, self.net.weights_sha256())
