"""The interface of a separator: what it declares, what it is asked, what it returns.

A separator knows tensors and classes, never data sets, files or metrics. It sees its own sample rate and channel
layout; :mod:`separators.adapt` does the resampling, mixing down, chunking and trimming around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import torch

from ontology.targets import Target
from taggers.base import Unavailable as Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from taggers.card import ModelCard


class _Any:
    """The declaration of a query-conditioned model: any class may be asked for."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = _Any()


@dataclass(frozen=True)
class Context:
    """What surrounds one call: the seed of every random draw, and the device to compute on."""

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    sample_rate: int | None = None
    """Rate in Hz of the audio handed over; the adapter fills it in, for separators that take any rate."""


@dataclass(frozen=True)
class Query:
    """One question to a separator: a target, and what the separator said it ``needs`` to find it.

    All signals are float32 ``(channels, samples)`` at the separator's own rate and channel layout.

    Where the classes are given, the harness fills in ``examples``, or the ``condition`` that :meth:`Separator.encode`
    makes of them, and ``reference``; in blind scenes ``spans``, ``instance`` and ``reference``; where a recording is
    analysed, ``spans``. The rest is for callers of :func:`separators.adapt.extract`: a separator that needs it fails in
    a run, and says what it lacks.
    """

    target: Target
    condition: torch.Tensor | None = None
    """Vector from a query net, ``(dimensions,)``."""
    examples: tuple[torch.Tensor, ...] = ()
    """Example clips of the target."""
    text: str | None = None
    spans: tuple[tuple[float, float], ...] = ()
    """Times at which the target sounds, in seconds (start, end)."""
    f0: torch.Tensor | None = None
    """Fundamental frequency per frame in Hz, 0 where unvoiced."""
    instance: int | None = None
    """Which of several sources of one class, counted from 0."""
    reference: torch.Tensor | None = None
    """The true source, ``(channels, samples)``; oracles only."""


NEEDS: Final = frozenset({"condition", "examples", "text", "spans", "f0", "instance", "reference"})
"""What a separator may name in ``needs``: the optional fields of :class:`Query`."""


@dataclass(frozen=True)
class Estimates:
    """What a separator returns.

    ``audio`` is ``(queries, channels_out, samples)``; ``activity`` ``(queries, frames)`` in 0..1; ``residual``
    ``(channels_out, samples)``, what no query claimed; ``scores`` one confidence in 0..1 per query; ``targets``
    what a parser found, one per row of ``audio``.
    """

    audio: torch.Tensor
    activity: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    scores: tuple[float, ...] | None = None
    targets: tuple[Target, ...] | None = None


class Separator(ABC):
    """Base class of every separator. Its constructor takes the options a user may set, by keyword."""

    family: ClassVar[str]
    """The family it is listed under, e.g. ``"oracle"``, ``"primitive"``, ``"uss"``."""
    sample_rate: ClassVar[int | None] = None
    """Rate in Hz at which it wants its audio; None for the recording's own."""
    channels: int | None = None
    """1, 2, or None for any. This and the two below may be set on the instance, where options or weights decide."""
    segment_seconds: float | None = None
    """Length of the segments it wants; None for the whole recording at once."""
    context_seconds: float = 0.0
    """Overlap on either side of a segment, cross-faded by the adapter."""
    classes: ClassVar[tuple[str, ...] | _Any] = ANY
    """Names or mids of the classes it can extract (their descendants included), or :data:`ANY`."""
    labels: ClassVar[tuple[str, ...]] = ()
    """Complement targets it can extract, by label, e.g. ``("accompaniment",)``."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of :class:`Query` it cannot do without; see :data:`NEEDS`."""
    max_examples: ClassVar[int | None] = 8
    """Example clips that a query carries at most; None for all that there are in full length: see :meth:`encode`."""
    condition_size: ClassVar[int | None] = None
    """Length of the condition vectors it takes; None for any."""
    joint: ClassVar[bool] = False
    """Whether an estimate depends on what else is asked in the same call, as where queries share out the mixture."""

    @abstractmethod
    def separate(
        self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context
    ) -> torch.Tensor | Estimates:
        """Extract each query's target from ``mixture``.

        Args:
            mixture: float32 ``(channels, samples)`` at ``sample_rate``.
            queries: what to extract; repeats are legal, the order counts.
            context: seed and device.

        Returns:
            ``(len(queries), channels_out, samples)``, or :class:`Estimates`.
        """

    @classmethod
    def card(cls) -> ModelCard | None:
        """Who made it, under which licence, with which weights; None where nothing is declared."""
        return None

    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights in use, or None for a separator without any."""
        return None

    def encode(self, examples: Iterable[torch.Tensor], *, context: Context) -> torch.Tensor | None:
        """Turn the example clips of a target into its condition, or None: the query carries the clips themselves.

        Where it is overridden, the clips of a target are encoded once for all its queries, which then carry
        ``condition`` in place of ``examples``.

        Args:
            examples: float32 ``(channels, samples)`` each, at the separator's rate and in its layout, read one by one.
            context: seed and device.

        Returns:
            ``(dimensions,)``.
        """
        return None

    def refuses(self, target: Target) -> str | None:
        """Why ``target`` cannot be asked of this separator, or None if it can."""
        from separators.coverage import refusal

        return refusal(target, classes=self.classes, labels=self.labels)


class ComponentSeparator(Separator):
    """A separator that splits by principle (harmonic and percussive, repeating and not), not by class.

    ``components`` maps each of its components to the classes and complement labels that it stands for; a target is
    answered with the component that covers it.
    """

    components: ClassVar[Mapping[str, Sequence[str]]]

    @abstractmethod
    def split(self, mixture: torch.Tensor, *, context: Context) -> Mapping[str, torch.Tensor]:
        """Split ``mixture`` (channels, samples) into its named components, each (channels, samples)."""

    def refuses(self, target: Target) -> str | None:
        """Why no component stands for ``target``, or None if one does."""
        from separators.coverage import component_of

        if component_of(target, self.components) is None:
            return f"none of its components ({', '.join(self.components)}) stands for {target.label!r}"
        return None

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        """Answer each query with the component that stands for its target."""
        from separators.coverage import component_of

        parts = self.split(mixture, context=context)
        chosen = []
        for query in queries:
            name = component_of(query.target, self.components)
            if name is None:
                raise ValueError(f"no component stands for {query.target.label!r}; ask refuses() first")
            chosen.append(parts[name])
        return torch.stack(chosen) if chosen else mixture.new_zeros((0, *mixture.shape))


class Parser(ABC):
    """A system that detects and separates in one go. Its constructor takes the options a user may set, by keyword.

    Rate, channels and segments are declared as for a :class:`Separator`, and the adapter does the same around it.
    """

    family: ClassVar[str]
    sample_rate: ClassVar[int | None] = None
    channels: ClassVar[int | None] = None
    classes: ClassVar[tuple[str, ...] | _Any] = ANY
    """Names or mids of the classes it can tell (their descendants included), or :data:`ANY`."""

    @abstractmethod
    def parse(self, mixture: torch.Tensor, vocabulary: tuple[Target, ...], *, context: Context) -> Estimates:
        """Find which targets of ``vocabulary`` sound in ``mixture``, and extract each.

        Args:
            mixture: float32 ``(channels, samples)`` at ``sample_rate``.
            vocabulary: what may be found; a target found twice (two sources of one class) is two rows.
            context: seed and device.

        Returns:
            Estimates whose ``targets`` names each row of ``audio``; none where nothing sounds. ``scores`` are the
            confidences that a threshold is swept over.
        """

    @classmethod
    def card(cls) -> ModelCard | None:
        """Who made it, under which licence, with which weights; None where nothing is declared."""
        return None

    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights in use, or None for a parser without any."""
        return None
