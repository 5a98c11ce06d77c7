"""Scores of a scene as a whole: which classes were found, and how well each was extracted, judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Found:
    """One estimate of a system: the class it is said to be of, and its audio, float32 ``(channels, samples)``."""

    mid: str
    audio: torch.Tensor
    confidence: float = 1.0


@dataclass(frozen=True)
class Reference:
    """One source: the classes of the cut that it belongs to, and its audio, ``(channels, samples)``."""

    mids: tuple[str, ...]
    audio: torch.Tensor


@dataclass(frozen=True)
class JointScene:
    """What the joint metrics are given, at one cut.

    ``unknown`` classes are neither hit nor false alarm; estimates of them are left out and counted. ``sources`` are the
    single sources; class-level references are their sums by class, each source once.
    """

    mixture: torch.Tensor
    sources: Sequence[Reference]
    found: Sequence[Found]
    classes: frozenset[str]
    """Classes of the cut that are present or absent; an estimate of any other class is left out, and counted."""
