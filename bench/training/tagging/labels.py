"""Which classes a tagger learns, and which of them a clip holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.training.clips import TrainingClip
from bench.training.errors import TrainError
from ontology import Ontology


def declared(clips: Sequence[TrainingClip]) -> tuple[str, ...]:
    """Mids of the classes of ``clips`` that AudioSet labels, in the order in which the ontology is walked.

    Raises:
        TrainError: there is none.
    """
    mids = {mid for clip in clips for mid in clip.mids}
    classes = tuple(node.mid for node in Ontology.audioset().walk() if node.mid in mids and node.index is not None)
    if not classes:
        raise TrainError("no clip is labelled with a class that AudioSet labels: a tagger has nothing to learn")
    return classes


def nameable(clips: Sequence[TrainingClip]) -> tuple[tuple[TrainingClip, ...], tuple[str, ...]]:
    """The clips stripped of labels none of whose classes AudioSet labels, and the names of those labels.

    A clip that loses all of its labels is left out: something sounds in it, so that it is no example of silence.
    """
    ontology = Ontology.audioset()
    every = {label for clip in clips for label in clip.labels}
    mute = {label for label in every if all(ontology[mid].index is None for mid in label.mids)}
    kept = (replace(clip, labels=tuple(label for label in clip.labels if label not in mute)) for clip in clips)
    names = tuple(sorted(label.label for label in mute))
    return tuple(new for new, old in zip(kept, clips, strict=True) if new.labels or not old.labels), names


class Truth:
    """Says which of ``classes`` sound where given ones do: each of them, and every one above it."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._places = {mid: place for place, mid in enumerate(classes)}
        self._ontology = Ontology.audioset()

    def of(self, mids: Sequence[str]) -> np.ndarray:
        """float32 ``(classes,)``: 1 where a class sounds, else 0."""
        row = np.zeros(len(self._places), dtype=np.float32)
        for mid in mids:
            above = (node.mid for node in self._ontology.ancestors(mid, include_self=True))
            row[[self._places[each] for each in above if each in self._places]] = 1
        return row
