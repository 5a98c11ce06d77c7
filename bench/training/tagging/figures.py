"""Mean average precision and accuracy of what a tagger heard, by class, with intervals by resampling recordings."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.training.tagging.listening import Heard
from ontology import Ontology
from reports.bootstrap import Interval, Resampler
from reports.detection import average_precision


@dataclass(frozen=True)
class Figures:
    """Figures of one set of items; None where it holds nothing that they are of."""

    items: int
    mean_average_precision: float | None
    """Over the classes that sound in an item of the set, and not in all of them."""
    accuracy: float | None
    """Share of the items with a class in which the most probable one sounds."""
    classes: dict[str, float]
    """Average precision by name of the class."""
    interval: Interval | None = None
    """Of the mean average precision."""
    accuracy_interval: Interval | None = None

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def figures(heard: Heard, *, intervals: bool = False) -> Figures:
    """The figures of ``heard``; with ``intervals`` also 95 % intervals by resampling recordings."""
    truth, found = heard.truth, heard.probabilities
    told = [place for place in range(len(heard.classes)) if 0 < truth[:, place].sum() < len(truth)]
    once = np.ones((1, len(truth)))
    each = {place: float(average_precision(truth[:, place] == 1, found[:, place], once)[0]) for place in told}
    labelled = np.flatnonzero(truth.any(axis=1))
    hits = truth[labelled, found[labelled].argmax(axis=1)] if len(labelled) else np.empty(0)
    ontology = Ontology.audioset()
    made = Figures(
        items=len(truth),
        mean_average_precision=float(np.mean(list(each.values()))) if each else None,
        accuracy=float(hits.mean()) if len(hits) else None,
        classes={ontology[heard.classes[place]].name: value for place, value in each.items()},
    )
    if not intervals or not each:
        return made
    resampler = Resampler.of(heard.recordings, names=heard.names)
    weights = resampler.weights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # a draw may hold no class at all
        drawn = np.nanmean([average_precision(truth[:, p] == 1, found[:, p], weights) for p in told], axis=0)
        share = (weights[:, labelled] @ hits) / weights[:, labelled].sum(axis=1)
    return replace(
        made,
        interval=resampler.interval_of(drawn, np.arange(len(truth))),
        accuracy_interval=resampler.interval_of(share, labelled),
    )
