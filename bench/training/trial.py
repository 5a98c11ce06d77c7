"""The test at the end: whole scenes of the data set's test split, held against half the mixture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from bench.scene import Scene, SceneError
from bench.training.scores import Score, score
from bench.training.trainable import Separating
from bench.training.validate import wrong_class
from ontology.targets import Target
from reports.aggregate import AGGREGATIONS
from reports.bootstrap import Interval, Resampler
from separators.adapt import extract
from separators.base import Context, Query, Separator

_OVERLAP_SECONDS: Final = 0.5
"""By which segments are cross-faded on either side."""


class _Asked(Separator):
    """The network in training as a separator: 2-second segments, cross-faded."""

    family = "training"
    channels = 1
    context_seconds = _OVERLAP_SECONDS
    needs = frozenset({"condition"})

    def __init__(self, trainable: Separating, *, segment_seconds: float) -> None:
        self.sample_rate = trainable.sample_rate  # type: ignore[misc]
        self.segment_seconds = segment_seconds
        self._trainable = trainable

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        conditions = torch.stack([query.condition for query in queries if query.condition is not None])
        return self._trainable.separate(mixture.expand(len(queries), -1), conditions)[:, None]


def trial(
    trainable: Separating,
    scenes: Sequence[Scene],
    *,
    condition_of: Callable[[Target], torch.Tensor],
    trained: Collection[Target],
    segment_seconds: float,
    device: torch.device,
) -> Iterator[list[Score] | str]:
    """Scene by scene, the scores of its targets among ``trained``; or why the scene cannot be read.

    Each target is asked for as itself and as another class that sounds in the scene.
    """
    separator = _Asked(trainable, segment_seconds=segment_seconds)
    classes = {target.mids for target in trained}
    for scene in scenes:
        try:
            yield list(_scores(separator, scene, classes, condition_of, device))
        except SceneError as error:
            yield str(error)


def _scores(
    separator: Separator,
    scene: Scene,
    classes: set[tuple[str, ...]],
    condition_of: Callable[[Target], torch.Tensor],
    device: torch.device,
) -> Iterator[Score]:
    asked = [target for target in scene.targets if target.target.mids in classes]
    if not asked:
        return
    wrong = [wrong_class(scene, target, classes) for target in asked]
    everything = dict.fromkeys([*(target.target for target in asked), *(other for other in wrong if other)])
    queries = tuple(Query(target, condition=condition_of(target)) for target in everything)
    mixture = scene.mixture.read()
    found = extract(separator, mixture, scene.mixture.sample_rate, queries, context=Context(device=device)).audio
    estimates = dict(zip(everything, found, strict=True))
    for target, other in zip(asked, wrong, strict=True):
        yield score(
            scene.id,
            target.target.label,
            scene.recordings,
            estimate=estimates[target.target],
            wrong=None if other is None else estimates[other],
            reference=scene.reference(target),
            mixture=mixture,
        )


@dataclass(frozen=True)
class Gain:
    """How far the median of one figure lies above that of another, over the same pairs."""

    name: str
    value: float
    interval: Interval


def gains(scores: Sequence[Score]) -> list[Gain]:
    """The medians that matter, with 95 % intervals by resampling recordings, both sides of a difference together."""
    return [
        gain
        for name, one, other in (
            ("SDRi over half the mixture", "sdri", "half"),
            ("SDRi of the right class over the wrong one", "sdri", "wrong"),
            ("SDRg", "sdrg", None),
        )
        if (gain := _gain(name, scores, one, other)) is not None
    ]


def _gain(name: str, scores: Sequence[Score], one: str, other: str | None) -> Gain | None:
    def figures(field: str | None) -> np.ndarray:
        return np.array([getattr(score, field) if field else 0.0 for score in scores], dtype=np.float64)

    a, b = figures(one), figures(other)
    defined = np.isfinite(a) & np.isfinite(b)
    if not defined.any():
        return None
    scenes = list(dict.fromkeys(score.scene for score in scores))
    recordings = {score.scene: score.recordings for score in scores}
    resampler = Resampler.of([recordings[scene] for scene in scenes], names=scenes)
    places = np.array([scenes.index(score.scene) for score in scores])[defined]
    rule = AGGREGATIONS["median"]
    codes = np.zeros(len(places), dtype=np.int64)
    drawn = [resampler.draws(values[defined], codes, places, rule) for values in (a, b)]
    value = float(np.median(a[defined]) - np.median(b[defined]))
    return Gain(name, value, resampler.interval_of(drawn[0] - drawn[1], places))
