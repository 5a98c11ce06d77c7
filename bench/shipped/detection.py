"""How well taggers tell what sounds: average precision, F1 at their thresholds, false alarms, and confusion.

Several trainings of one tagger are judged together: figures are means over them. Thresholds are chosen by a training of
their own, which not every one need have had: F1 and false alarms are means over those trainings that have thresholds,
or over all where none has any. Precision, recall, F1 and false alarms of a single class, and the confusion, are of the
first training alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bench.shipped.figures import DRAWS, drawn_figure, over_seeds, plain, with_plain_row
from bench.shipped.hearing import UNKNOWN, Heard
from ontology import Ontology
from reports.aggregate import Array, weighted_mean
from reports.bootstrap import Resampler
from reports.detection import average_precision, f1
from taggers.mini.network import SAMPLE_RATE

THRESHOLD: Final = 0.5
"""Of calibrated probabilities."""


def detection(heard: Sequence[Heard], *, name: str) -> dict[str, Any]:
    """Figures of one set of clips, heard by each training.

    ``map`` is the mean of average precision over the classes that sound in some clip; ``f1`` the mean of F1 over the
    same classes; ``false_alarms`` how many classes per clip are said to sound and do not, among all that the tagger
    declares. Clips of which the labels cannot tell whether a class sounds do not count for that class. Intervals
    resample recordings.
    """
    clips = heard[0].clips
    resampler = Resampler.of(
        [clip.recordings for clip in clips], names=("shipped", name, *(clip.name for clip in clips)), draws=DRAWS
    )
    weights, rows = with_plain_row(resampler), np.arange(len(clips))
    every = [_Judged(one, weights) for one in heard]
    decided = [judged for judged, one in zip(every, heard, strict=True) if one.calibrated] or every
    sounding = [place for place in range(len(heard[0].classes)) if (heard[0].truth[:, place] == 1).any()]
    found: dict[str, Any] = {
        "clips": len(clips),
        "seconds": round(sum(len(clip.audio) for clip in clips) / SAMPLE_RATE, 1),
        "recordings": len({recording for clip in clips for recording in clip.recordings}),
        "false_alarms": over_seeds([one.alarms() for one in decided], resampler, rows),
    }
    if sounding:
        found["map"] = over_seeds([one.mean(one.precision, sounding) for one in every], resampler, rows)
        found["f1"] = over_seeds([one.mean(one.f1, sounding) for one in decided], resampler, rows)
    found["classes"] = {
        label: row
        for place, label in sorted(enumerate(_names(heard[0])), key=lambda item: item[1])
        if (row := _by_class(every, place, resampler, sounding=place in sounding))
    }
    labelled = {mid for clip in clips for mid in clip.mids}
    undeclared = sorted(Ontology.audioset()[mid].name for mid in labelled if mid not in heard[0].classes)
    return found | ({"labelled_but_not_declared": undeclared} if undeclared else {})


def confusion(heard: Sequence[Heard], *, name: str) -> dict[str, Any]:
    """How often the most probable of all declared classes is a clip's label, and what is taken for what.

    Of ``counts``, a row is a label, a column a declared class, an entry how many clips. Clips with another number of
    labels than one, or with one that is not declared, are left out. Of equally probable classes the deepest one counts,
    as a class is never less probable than one below it.
    """
    first = heard[0]
    kept = [place for place, clip in enumerate(first.clips) if len(clip.mids) == 1 and clip.mids[0] in first.classes]
    labels = sorted({first.clips[place].mids[0] for place in kept}, key=lambda mid: Ontology.audioset()[mid].name)
    if not kept:
        return {"note": "no clip has one label that is declared"}
    clips = [first.clips[place] for place in kept]
    resampler = Resampler.of(
        [clip.recordings for clip in clips], names=("confusion", name, *(clip.name for clip in clips)), draws=DRAWS
    )
    weights = with_plain_row(resampler)
    said = [one.probabilities[kept].argmax(axis=1) for one in heard]
    true = np.array([first.classes.index(clip.mids[0]) for clip in clips])
    order = sorted(
        range(len(first.classes)), key=lambda place: (first.classes[place] not in labels, _names(first)[place])
    )
    counts = [
        [int(((true == first.classes.index(mid)) & (said[0] == place)).sum()) for place in order] for mid in labels
    ]
    right = [weighted_mean((one == true).astype(float), weights) for one in said]
    return {
        "accuracy": over_seeds(right, resampler, np.arange(len(clips))),
        "labels": [Ontology.audioset()[mid].name for mid in labels],
        "said": [_names(first)[place] for place in order],
        "counts": counts,
    }


class _Judged:
    """One training's clips under each draw of the recordings."""

    def __init__(self, heard: Heard, weights: Array) -> None:
        self._heard, self._weights = heard, weights
        self._said = heard.probabilities >= THRESHOLD

    def precision(self, place: int) -> Array:
        """Average precision of a class, ``(1 + draws,)``."""
        known = self._known(place)
        truth = self._heard.truth[known, place] == 1
        return average_precision(truth, self._heard.probabilities[known, place], self._weights[:, known])

    def f1(self, place: int) -> Array:
        """F1 of a class, ``(1 + draws,)``."""
        return f1(np.stack([self._weights[:, kind].sum(axis=1) for kind in self.kinds(place)]))

    def mean(self, of: Any, places: Sequence[int]) -> Array:
        """The mean of a figure over classes, those that no recording drawn holds left out of a draw."""
        values = np.stack([of(place) for place in places], axis=1)
        return weighted_mean(values, (~np.isnan(values)).astype(float))

    def kinds(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hits, false alarms and misses, a bool ``(clips,)`` each."""
        truth, said = self._heard.truth[:, place], self._said[:, place]
        return (truth == 1) & said, (truth == 0) & said, (truth == 1) & ~said

    def alarms(self) -> Array:
        """False alarms per clip, ``(1 + draws,)``."""
        return weighted_mean(((self._heard.truth == 0) & self._said).sum(axis=1).astype(float), self._weights)

    def absent(self, place: int) -> int:
        """Clips that are known not to hold a class."""
        return int((self._heard.truth[:, place] == 0).sum())

    def _known(self, place: int) -> np.ndarray:
        return np.flatnonzero(self._heard.truth[:, place] != UNKNOWN)


def _by_class(every: Sequence[_Judged], place: int, resampler: Resampler, *, sounding: bool) -> dict[str, Any]:
    """What is said of one class; nothing where it neither sounds nor is falsely said to."""
    hits, alarms, misses = (int(kind.sum()) for kind in every[0].kinds(place))
    if not sounding and not alarms:
        return {}
    row: dict[str, Any] = {"false_alarms": alarms, "absent": every[0].absent(place)}
    if not sounding:
        return row
    rows = np.arange(resampler.weights.shape[1])
    drawn = np.mean([one.precision(place) for one in every], axis=0)
    return row | {
        "clips": hits + misses,
        "ap": drawn_figure(drawn, resampler, rows),
        "precision": plain(hits / (hits + alarms)) if hits + alarms else None,
        "recall": plain(hits / (hits + misses)),
        "f1": drawn_figure(every[0].f1(place), resampler, rows),
    }


def _names(heard: Heard) -> list[str]:
    return [Ontology.audioset()[mid].name for mid in heard.classes]
