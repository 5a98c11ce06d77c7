"""The oracle tagger: it says what the annotation says. For upper bounds, and for recordings somebody has annotated."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch

from ontology import Ontology
from taggers.base import Annotation, TagContext, Tagger, Tags
from taggers.card import ModelCard

FRAME_SECONDS: Final = 0.1
"""Step of its framewise output, as far as a whole number of frames fits the segment."""
_ROUNDING: Final = 1e-6
"""Seconds by which an event must reach into a stretch of time: less is rounding."""


class Labels(Tagger):
    """What the annotation says: 1 for a class that sounds, it or one below it, 0 for one that does not.

    A class is unknown (NaN) strictly below an annotated class that sounds without a finer annotation, and at, below
    or above a class that the recording may contain, unless it sounds. Events of one ``instance`` are finer and
    coarser annotations of one source where one's class lies below the other's.
    """

    needs_annotation = True

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        """Tag the segments that start at ``context.starts``; what they sound like plays no part.

        An event sounds in a segment or frame that it overlaps. ``known`` leaves out what the annotation never tells.

        Raises:
            ValueError: the context has no annotation, sample rate, or one start per segment.
            KeyError: an annotated class is not in the ontology; the message has the nearest names.
        """
        seconds = _seconds(waveforms, context)
        told = _told(_annotation(context))
        starts = np.asarray(context.starts, dtype=np.float64)
        frames = max(1, round(seconds / FRAME_SECONDS))
        edges = starts[:, None] + np.linspace(0, seconds, frames + 1)
        sounding = told.sounding(starts, starts + seconds)
        framewise = told.states(told.sounding(edges[:, :-1].ravel(), edges[:, 1:].ravel()))
        return Tags(
            probabilities=torch.from_numpy(told.states(sounding)).to(context.device),
            known=torch.from_numpy(told.known.copy()).to(context.device),
            framewise=torch.from_numpy(framewise).reshape(len(starts), frames, -1).to(context.device),
            counts=torch.from_numpy(told.counts(sounding)).to(context.device),
        )

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return ModelCard(
            name="labels",
            family="oracle",
            summary="the annotation itself: the upper bound of any tagger",
            licence="MIT",
            parameters=0,
        )


class _Told:
    """An annotation as matrices, sources by classes. A source is one class and instance with all its events."""

    def __init__(self, annotation: Annotation) -> None:
        ontology = Ontology.audioset()
        events: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for event in annotation.events:
            events.setdefault((ontology[event.mid].mid, event.instance), []).append((event.start, event.end))
        self._spans = [np.sort(np.array(spans), axis=0).T for spans in events.values()]
        """First and last moments of each source's events, each in order."""

        shape = (len(events), len(ontology))
        self._above, self._below = np.zeros(shape, bool), np.zeros(shape, bool)
        for place, (mid, _) in enumerate(events):
            self._above[place, [node.row for node in ontology.ancestors(mid, include_self=True)]] = True
            self._below[place, [node.row for node in ontology.descendants(mid)]] = True
        rows = [ontology[mid].row for mid, _ in events]
        instances = np.array([instance for _, instance in events], int)
        self._finer = self._below[:, rows] & (instances[:, None] == instances)
        """``[i, j]``: j is a finer annotation of the source that i annotates."""

        self._may = np.zeros(len(ontology), bool)
        for mid in annotation.may_contain:
            around = (*ontology.ancestors(mid), *ontology.descendants(mid, include_self=True))
            self._may[[node.row for node in around]] = True
        self.known = ~self._may | self._above.any(axis=0)
        """bool ``(632,)``: the classes that the annotation tells at some time."""

    def sounding(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Which sources overlap each stretch of time: bool ``(stretches, sources)``."""
        found = np.zeros((len(starts), len(self._spans)), bool)
        for place, (first, last) in enumerate(self._spans):
            # Every event that ended has begun: where more have begun than ended, one sounds.
            begun = np.searchsorted(first, ends - _ROUNDING)
            ended = np.searchsorted(last, starts + _ROUNDING)
            found[:, place] = begun > ended
        return found

    def states(self, sounding: np.ndarray) -> np.ndarray:
        """1, 0 or NaN for each stretch and class: float32 ``(stretches, 632)``."""
        unknown = _any(self._ends(sounding), self._below) | self._may
        states = np.where(unknown, np.float32(np.nan), np.float32(0))
        states[_any(sounding, self._above)] = 1
        return states

    def counts(self, sounding: np.ndarray) -> np.ndarray:
        """How many sources sound at or below each class, however finely annotated: int64 ``(stretches, 632)``."""
        return self._ends(sounding).astype(np.int64) @ self._above.astype(np.int64)

    def _ends(self, sounding: np.ndarray) -> np.ndarray:
        """The sounding annotations that no finer one of the same source sounds beside."""
        return sounding & ~_any(sounding, self._finer.T)


@lru_cache(maxsize=4)
def _told(annotation: Annotation) -> _Told:
    return _Told(annotation)


def _any(chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Union of the chosen rows, as a product of matrices that NumPy hands to BLAS."""
    return np.asarray(chosen.astype(np.float32) @ rows.astype(np.float32) > 0)


def _annotation(context: TagContext) -> Annotation:
    if context.annotation is None:
        raise ValueError("the tagger 'labels' only repeats an annotation, and this recording has none: give it one")
    return context.annotation


def _seconds(waveforms: torch.Tensor, context: TagContext) -> float:
    """Length of the segments."""
    if waveforms.ndim != 2 or waveforms.shape[1] < 1:
        raise ValueError(f"a tagger hears (batch, samples), not {tuple(waveforms.shape)}")
    if len(context.starts) != len(waveforms):
        raise ValueError(f"the tagger 'labels' needs one start per segment: {len(context.starts)} for {len(waveforms)}")
    if context.sample_rate is None:
        raise ValueError("the tagger 'labels' needs the sample rate of its segments, to know when they end")
    return waveforms.shape[1] / context.sample_rate
