"""What the joint metrics are given: a scene at one cut, with its sources and a system's estimates."""

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
    spared: frozenset[str] = frozenset()
    """Those of ``classes`` that are no hit where they are found, and no error where they are not or too often: abstract
    and blacklisted ones. How well they are extracted counts like that of any other."""
