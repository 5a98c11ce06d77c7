"""Validation while training: SDRi by class on pairs that training never hears, one segment of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import soxr
import torch

from bench.scene import Scene, SceneError, SceneTarget
from bench.training.anchors import STEP_SECONDS, EnergyAnchors
from bench.training.conditions import Conditions
from bench.training.scores import Score, Summary, score, summary
from bench.training.trainable import Separating
from ontology import Target

_BATCH: Final = 16


@dataclass(frozen=True)
class _Pair:
    scene: str
    recordings: tuple[str, ...]
    target: Target
    wrong: Target | None
    reference: torch.Tensor
    """float32 ``(samples,)``, as is the mixture."""
    mixture: torch.Tensor


class Validation:
    """Segments of held-out scenes, ready to be separated.

    Of each target of a scene, the segment in which it is loudest. With a query net, conditions come from the clean
    segment itself (an oracle query, as in the public code's training); a wrong class is another one that sounds in the
    scene.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        *,
        conditions: Conditions,
        trained: Collection[Target],
        sample_rate: int,
        samples: int,
        limit: int,
        device: torch.device,
    ) -> None:
        """Read the scenes and cut at most ``limit`` segments of targets that are trained; broken ones are passed over.

        ``unreadable`` says which, and why.
        """
        self.unreadable: list[str] = []
        self._conditions, self._device = conditions, device
        classes = {target.mids for target in trained}
        self._pairs: list[_Pair] = []
        for scene in scenes:
            if len(self._pairs) >= limit:
                break
            try:
                self._pairs += _pairs(scene, classes, sample_rate, samples)
            except SceneError as error:
                self.unreadable.append(str(error))
        del self._pairs[limit:]

    def __len__(self) -> int:
        return len(self._pairs)

    def score(self, trainable: Separating) -> list[Score]:
        """Separate and score every pair."""
        return [one for first in range(0, len(self), _BATCH) for one in self._batch(trainable, first)]

    def check(self, trainable: Separating) -> Summary:
        """Medians over the pairs."""
        return summary(self.score(trainable))

    def _batch(self, trainable: Separating, first: int) -> Iterator[Score]:
        pairs = self._pairs[first : first + _BATCH]
        mixtures = torch.stack([pair.mixture for pair in pairs]).to(self._device)
        references = torch.stack([pair.reference for pair in pairs]).to(self._device)
        right = self._conditions.of(references, [pair.target for pair in pairs])
        wrong = self._conditions.of(mixtures - references, [pair.wrong or pair.target for pair in pairs])
        estimates, others = (trainable.separate(mixtures, asked).cpu() for asked in (right, wrong))
        for pair, estimate, other in zip(pairs, estimates, others, strict=True):
            yield score(
                pair.scene,
                pair.target.label,
                pair.recordings,
                estimate=estimate[None],
                wrong=None if pair.wrong is None else other[None],
                reference=pair.reference[None],
                mixture=pair.mixture[None],
            )


def _pairs(scene: Scene, classes: set[tuple[str, ...]], rate: int, samples: int) -> Iterator[_Pair]:
    asked = [target for target in scene.targets if target.target.mids in classes]
    if not asked:
        return
    mixture = _mono(scene.mixture.read(), scene.mixture.sample_rate, rate)
    loudest = EnergyAnchors(samples, round(STEP_SECONDS * rate), share=1.0)
    for target in asked:
        reference = _mono(scene.reference(target), scene.mixture.sample_rate, rate)
        start = loudest.start(0, reference, target.target, np.random.default_rng(0))
        cut = slice(start, start + samples)
        segments = (torch.nn.functional.pad(s[cut], (0, samples - len(s[cut]))) for s in (reference, mixture))
        yield _Pair(scene.id, scene.recordings, target.target, wrong_class(scene, target, classes), *segments)


def wrong_class(scene: Scene, target: SceneTarget, classes: Collection[tuple[str, ...]]) -> Target | None:
    """Another of ``classes`` that sounds in the scene; None where there is none."""
    for place, source in enumerate(scene.sources):
        other = Target(source.label, source.mids)
        if place not in target.members and other.mids in classes and other.mids != target.target.mids:
            return other
    return None


def _mono(audio: torch.Tensor, rate: int, to: int) -> torch.Tensor:
    mono = audio.mean(dim=0)
    return mono if rate == to else torch.from_numpy(soxr.resample(mono.numpy(), rate, to, quality="HQ"))
