"""Scenes: one mixture, its labelled sources, and the targets it is scored on. Audio is read only when asked for."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal

import torch

from ontology.targets import Target


class SceneError(ValueError):
    """A scene cannot be used as it lies on disk; the message names the file, what is wrong, and the remedy."""


class Signal(ABC):
    """Audio that is read lazily."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Samples per second, in Hz."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels."""

    @property
    @abstractmethod
    def samples(self) -> int:
        """Length in samples per channel."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate

    @abstractmethod
    def read(self) -> torch.Tensor:
        """The whole signal, float32 ``(channels, samples)``.

        Raises:
            SceneError: a file is missing, truncated, unreadable, or holds values that are not finite.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that decides the samples: file contents and what is done to them."""


@dataclass(frozen=True)
class Source:
    """One source of a scene.

    ``mids`` are its annotation nodes in AudioSet, as fine as the data set gives them; empty where it is no class.
    ``recording`` names the independent recording it was taken from: what statistics resample. ``spans`` are the times
    in seconds (start, end) at which it sounds, None for all of the scene. ``may_contain`` are mids of classes that it,
    or classes below them, may hold beside its annotation (noise, residuals); None stands for every class where
    ``mids`` is empty, and for none elsewhere.
    """

    label: str
    mids: tuple[str, ...]
    signal: Signal
    recording: str
    reference_kind: Literal["dry", "image"] = "image"
    spans: tuple[tuple[float, float], ...] | None = None
    may_contain: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SceneTarget:
    """A target with the sources of the scene that make up its reference, each counted once."""

    target: Target
    members: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """One mixture with its sources.

    ``recordings`` are the independent recordings behind the scene: one for a song, two for a pair of clips.
    ``notes`` say what was done or is known about the data (a stem padded, an erratum of the data set).
    """

    id: str
    dataset: str
    split: str
    mixture: Signal
    sources: tuple[Source, ...]
    targets: tuple[SceneTarget, ...]
    recordings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    protocol_notes: dict[str, str] = field(default_factory=dict, compare=False)

    def reference(self, target: SceneTarget) -> torch.Tensor:
        """The sum of the target's sources, float32 ``(channels, samples)``; zeros where it has none."""
        total = torch.zeros((self.mixture.channels, self.mixture.samples))
        for index in target.members:
            total += self.sources[index].signal.read()
        return total

    def content_hash(self) -> str:
        """SHA-256 over audio content, annotation and targets: equal scenes score equally."""
        described = {
            "mixture": self.mixture.fingerprint(),
            "sources": [
                [s.label, list(s.mids), s.signal.fingerprint(), s.reference_kind, s.spans, s.may_contain]
                for s in self.sources
            ],
            "targets": [[t.target.label, list(t.target.mids), list(t.members)] for t in self.targets],
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
