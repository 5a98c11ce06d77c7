"""The interface of a tagger: what it is given, what it hears.

A tagger knows waveforms and classes, never data sets, files or metrics. It hears mono segments at its own sample rate;
:mod:`taggers.timeline` cuts a recording of any length, rate and layout into such segments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import torch

if TYPE_CHECKING:
    from taggers.card import ModelCard

CLASSES: Final = 632
"""Classes of the ontology, in walking order: the last axis of :class:`Tags`."""
LABELLED: Final = 527
"""Classes that AudioSet labels, in the order of their indices: the last axis of ``Tags.clipwise``."""


class Unavailable(RuntimeError):
    """Something a tagger or separator cannot do without is absent; the message is the one-line remedy.

    Raised from a constructor, it turns the model's cells into skips with that reason.
    """


@dataclass(frozen=True)
class Event:
    """One annotated stretch of a recording: a class, and when it sounds.

    ``start`` and ``end`` are in seconds from the beginning of the recording; ``instance`` tells several sources of one
    class apart.
    """

    mid: str
    start: float
    end: float
    instance: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"an event of {self.mid} from {self.start} s to {self.end} s: it must end after it starts")


@dataclass(frozen=True)
class Annotation:
    """All that is known of a recording: its events, and what nobody can tell.

    ``may_contain`` are mids of classes that may sound, they or their descendants, without being annotated (noise,
    residuals): they, and the classes above them, are unknown where no event says that they are there. A class strictly
    below an annotated one is unknown too, and everything else is absent.
    """

    events: tuple[Event, ...]
    may_contain: tuple[str, ...] = ()


@dataclass(frozen=True)
class TagContext:
    """What surrounds one call: seed, device, where in the recording each segment lies, and its annotation."""

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    starts: tuple[float, ...] = ()
    """Start of each segment of the batch in seconds from the beginning of the recording; empty where unknown."""
    sample_rate: int | None = None
    """Rate in Hz of the segments handed over; :mod:`taggers.timeline` fills it in, for taggers that take any rate."""
    annotation: Annotation | None = None
    """For taggers that say they need it: oracles, for upper bounds."""


@dataclass(frozen=True)
class Tags:
    """What a tagger heard in a batch of segments."""

    probabilities: torch.Tensor
    """float32 ``(batch, 632)`` in walking order, 0 to 1, each class at least as high as every class below it; NaN
    where the tagger cannot tell."""
    known: torch.Tensor
    """bool ``(632,)``: the classes that the tagger can tell at all."""
    framewise: torch.Tensor | None = None
    """float32 ``(batch, frames, 632)`` on an even grid over the segment, or None."""
    clipwise: torch.Tensor | None = None
    """float32 ``(batch, 527)``: what the model put out for the classes that AudioSet labels, before any roll-up."""
    embedding: torch.Tensor | None = None
    """float32 ``(batch, dimensions)``, or None."""
    counts: torch.Tensor | None = None
    """int64 ``(batch, 632)``: how many sources of each class sound, from taggers that count them."""


class Tagger(ABC):
    """Base class of every tagger. Its constructor takes the options a user may set, by keyword."""

    sample_rate: ClassVar[int | None] = None
    """Rate in Hz at which it wants its audio; None for the recording's own."""
    min_seconds: ClassVar[float] = 0.0
    """Shortest segment it can hear; shorter ones are padded with zeros for it."""
    needs_annotation: ClassVar[bool] = False
    """Whether it is an oracle, told what sounds."""

    @abstractmethod
    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        """Tag a batch of mono segments of equal length.

        Args:
            waveforms: float32 ``(batch, samples)`` at ``sample_rate``.
            context: seed, device, and what is known beside the sound.
        """

    @classmethod
    def card(cls) -> ModelCard | None:
        """Who made it, under which licence, with which weights; None where nothing is declared."""
        return None

    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights in use, or None for a tagger without any."""
        return None

    def thresholds(self) -> torch.Tensor | None:
        """Calibrated thresholds by class, float32 ``(632,)``, NaN where a class has none; None for no class."""
        return None
