"""What a blind system makes of one scene, at its own threshold and at others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from bench.metrics.joint_scene import Found
from bench.truth import Truth
from ontology import Node


@dataclass(frozen=True)
class SceneAudio:
    """A blind scene that has been read: what systems hear, and what oracles are told."""

    truth: Truth
    mixture: torch.Tensor
    """float32 ``(channels, samples)``."""
    sample_rate: int
    sources: Sequence[torch.Tensor]
    """Of each source of the scene, in its order."""
    _sums: dict[tuple[int, ...], torch.Tensor] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the scene."""
        return self.mixture.shape[-1] / self.sample_rate

    def reference(self, members: Sequence[int]) -> torch.Tensor:
        """The sum of sources, each once; zeros where ``members`` is empty. One tensor for all who ask for it."""
        key = tuple(members)
        if key not in self._sums:
            self._sums[key] = torch.zeros_like(self.mixture)
            for place in members:
                self._sums[key] += self.sources[place]
        return self._sums[key]


@dataclass(frozen=True)
class ClassFound:
    """What was found of one class.

    ``instances`` has one estimate for each source that the system tells apart, the most confident first, and ``whole``
    is its estimate of all of the class.
    """

    instances: tuple[Found, ...]
    whole: Found


class Analysed(ABC):
    """One system on one scene."""

    refused: Mapping[str, str]
    """Mids of classes that are active at the system's own threshold and have no estimate, and why."""
    seconds: float = 0.0
    """Wall time spent on hearing and separating what is active at the system's own threshold."""
    cpu_seconds: float = 0.0

    @abstractmethod
    def prepare(self, lowest: float, *, among: Collection[str]) -> None:
        """Extract what is active at thresholds from ``lowest`` on, as far as they are ``among`` these (mids)."""

    @abstractmethod
    def found(self, threshold: float | None = None, *, among: Collection[str]) -> Mapping[str, ClassFound]:
        """What of some classes has an estimate, by mid, at the system's own threshold or at another.

        Estimates that are the same, of two classes or at two thresholds asked for one after the other, are the same
        tensor as far as that is known.
        """

    @abstractmethod
    def active(self) -> frozenset[str]:
        """Mids of the classes that are active at the system's own threshold, with or without an estimate."""

    @abstractmethod
    def score(self, node: Node) -> float | None:
        """Greatest probability of a class over time; None where the system cannot tell."""

    @abstractmethod
    def segments(self, node: Node) -> list[float | None] | None:
        """Probability of a class in each segment, the frames of a tagger that has them; None where it cannot tell."""

    @property
    def grid(self) -> tuple[float, float] | None:
        """Length and hop of the segments in seconds; None where the system has none."""
        return None
