"""What a tagger says of clips, and what is true of them: one row per clip, one column per class that it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.shipped.clips import Clip
from bench.shipped.figures import ShippedError
from ontology import Ontology
from reports.aggregate import Array
from taggers.base import TagContext
from taggers.mini.checkpoint import load
from taggers.mini.network import SAMPLE_RATE
from taggers.mini.tagger import MiniTagger

UNKNOWN: Final = -1
_BATCH_SECONDS: Final = 80.0
"""Of audio that is heard at once."""


@dataclass(frozen=True)
class Ear:
    """A tagger with the classes that it declares: mids, those that lie deepest in the ontology first."""

    tagger: MiniTagger
    classes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Display names of the classes."""
        return tuple(Ontology.audioset()[mid].name for mid in self.classes)


@dataclass(frozen=True)
class Heard:
    """Clips as one tagger heard them; ``(clips, classes)`` each."""

    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    """Mids."""
    probabilities: Array
    """As the tagger tells them: where it is calibrated, a class is said to sound from 0.5 on."""
    truth: np.ndarray
    """1 where the class sounds, 0 where it does not, -1 where the labels cannot tell."""
    calibrated: bool = True
    """Whether the tagger has thresholds of its own; otherwise 0.5 is nobody's choice."""


def open_ear(checkpoint: Path) -> Ear:
    """Load a tagger.

    Raises:
        ShippedError: its weights cannot be read, or are of another network.
    """
    try:
        _, description, _ = load(checkpoint)
        tagger = MiniTagger(checkpoint=checkpoint)
    except (OSError, ValueError) as error:
        raise ShippedError(str(error)) from error
    ontology = Ontology.audioset()
    deepest = sorted(description.classes, key=lambda mid: (-ontology[mid].depth, ontology[mid].row))
    return Ear(tagger, tuple(deepest))


def hear(ear: Ear, clips: Sequence[Clip]) -> Heard:
    """Let a tagger hear clips whole, those of one length together."""
    rows = [Ontology.audioset()[mid].row for mid in ear.classes]
    found = np.empty((len(clips), len(rows)))
    by_length: dict[int, list[int]] = {}
    for place, clip in enumerate(clips):
        by_length.setdefault(len(clip.audio), []).append(place)
    for length, places in by_length.items():
        step = max(1, int(_BATCH_SECONDS * SAMPLE_RATE / length))
        for first in range(0, len(places), step):
            batch = places[first : first + step]
            waveforms = torch.stack([clips[place].audio for place in batch])
            tags = ear.tagger.tag(waveforms, context=TagContext(sample_rate=SAMPLE_RATE))
            found[batch] = tags.probabilities[:, rows].double().numpy()
    truth = np.stack([_truth(clip.mids, ear.classes) for clip in clips])
    return Heard(tuple(clips), ear.classes, found, truth, calibrated=ear.tagger.thresholds() is not None)


def _truth(mids: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Of each class: it sounds where it is labelled, or lies above a label; nobody can tell strictly below one."""
    ontology = Ontology.audioset()
    above = {node.mid for mid in mids for node in ontology.ancestors(mid, include_self=True)}
    below = {node.mid for mid in mids for node in ontology.descendants(mid)}
    return np.array([1 if mid in above else UNKNOWN if mid in below else 0 for mid in classes], dtype=np.int8)
