"""The rows of one blind cell: joint scores and class scores by depth, the sweep over thresholds, and the detections.

``index`` of a score is the depth of the cut for the scene as a whole, and 1000 times that depth plus the class's place
in walking order for a class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch

from bench.blind.analysed import Analysed, ClassFound, SceneAudio
from bench.blind.metrics import HEADLINE_DEPTHS, THRESHOLDS
from bench.metrics.joint import MISSED, class_scores
from bench.metrics.joint_declared import CA_SDRI, JointScore, joint_scores
from bench.metrics.joint_scene import Found, JointScene, Reference
from bench.metrics.products import Products
from bench.truth import DEPTHS, Cut, CutClass
from ontology import Ontology

CLASS_INDEX: Final = 1000
_TRUTH: Final = {"present": 1, "absent": 0, "unknown": None}


@dataclass(frozen=True)
class Scoring:
    """A scene to be scored, and what a system made of it."""

    audio: SceneAudio
    analysed: Analysed

    @cached_property
    def _cuts(self) -> dict[int, Cut]:
        return {depth: self.audio.truth.cut(depth) for depth in DEPTHS}

    @cached_property
    def _annotated(self) -> list[int]:
        return [place for place, source in enumerate(self.audio.truth.scene.sources) if source.mids]

    @cached_property
    def _products(self) -> Products:
        return Products(self.audio.mixture, [self.audio.sources[place] for place in self._annotated])

    def scores(self) -> Iterator[dict[str, Any]]:
        """Rows at the system's own threshold: of the scene at each depth, and of each class that sounds there."""
        for depth in DEPTHS:
            found = self.analysed.found(among=self._mids(depth))
            for metric, score in self._joint(depth, found).items():
                yield _scene_row(depth, metric, score)
            yield from self._class_rows(depth, found)

    def swept(self) -> Iterator[dict[str, Any]]:
        """The scene's rows at the headline depths, once for each of :data:`bench.blind.metrics.THRESHOLDS`."""
        among = self._mids(*HEADLINE_DEPTHS)
        self.analysed.prepare(min(THRESHOLDS), among=among)
        before: dict[int, tuple[list[Found], dict[str, JointScore]]] = {}
        for threshold in THRESHOLDS:
            found = self.analysed.found(threshold, among=among)
            for depth in HEADLINE_DEPTHS:
                instances = self._instances(depth, found)
                if depth not in before or not _same(before[depth][0], instances):
                    before[depth] = instances, self._joint(depth, found)
                for metric, score in before[depth][1].items():
                    yield _scene_row(depth, metric, score) | {"threshold": threshold}

    def detections(self) -> Iterator[dict[str, Any]]:
        """One row for each depth and class of its cut of which there is anything to say.

        Abstract and blacklisted classes, which are never right or wrong to detect, have the truth of a class of which
        nobody can tell, whether they are present or not; their spans say when they sound.
        """
        active, grid = self.analysed.active(), self.analysed.grid or (None, None)
        for depth, cut in self._cuts.items():
            for one in cut.classes:
                score, predicted = self.analysed.score(one.node), one.node.mid in active
                judged = not one.node.restrictions
                if predicted or score is not None or one.members or (judged and one.state == "unknown"):
                    yield {
                        "depth": depth,
                        "mid": one.node.mid,
                        "truth": _TRUTH[one.state] if judged else None,
                        "score": score,
                        "predicted": predicted,
                        "spans": self._spans(one),
                        "segments": self.analysed.segments(one.node),
                        "segment_seconds": grid[0],
                        "hop_seconds": grid[1],
                    }

    def broken(self) -> str | None:
        """How many samples of the estimates are not finite, where any is."""
        bad = whole = 0
        for depth in DEPTHS:
            found = self.analysed.found(among=self._mids(depth))
            several = {id(one.audio): one.audio for each in found.values() for one in each.instances}
            bad += sum(int((~torch.isfinite(audio)).sum()) for audio in several.values())
            whole += sum(audio.numel() for audio in several.values())
        return f"{bad} of {whole} samples of the estimates are NaN or infinite" if bad else None

    def _mids(self, *depths: int) -> frozenset[str]:
        return frozenset(one.node.mid for depth in depths for one in self._cuts[depth].classes)

    def _joint(self, depth: int, found: Mapping[str, ClassFound]) -> dict[str, JointScore]:
        scene = self._scene(depth, self._instances(depth, found))
        scores = joint_scores(scene, products=self._products)
        # Labels are unique there: one estimate of all of a class, whatever the system tells apart within it.
        unique = self._scene(depth, self._wholes(depth, found))
        return scores | {CA_SDRI.id: joint_scores(unique, products=self._products)[CA_SDRI.id]}

    def _class_rows(self, depth: int, found: Mapping[str, ClassFound]) -> Iterator[dict[str, Any]]:
        scene = self._scene(depth, self._wholes(depth, found))
        for score in class_scores(scene, products=self._products):
            node, reason = Ontology.audioset()[score.mid], score.reason
            if reason == MISSED and score.mid in self.analysed.refused:
                reason = f"detected, but no separator takes it: {self.analysed.refused[score.mid]}"
            yield {
                "index": CLASS_INDEX * depth + node.row,
                "target": node.name,
                "mids": [node.mid],
                "depth": depth,
                "metric": score.metric,
                "value": score.value,
                "status": score.status,
                "reason": reason,
            }

    def _scene(self, depth: int, found: list[Found]) -> JointScene:
        cut = self._cuts[depth]
        return JointScene(
            mixture=self.audio.mixture,
            sources=[
                Reference(
                    tuple(one.node.mid for one in cut.classes if place in one.members),
                    self.audio.sources[place],
                )
                for place in self._annotated
            ],
            found=found,
            classes=frozenset(one.node.mid for one in cut.classes if one.state != "unknown"),
            spared=frozenset(one.node.mid for one in cut.classes if one.node.restrictions),
        )

    def _instances(self, depth: int, found: Mapping[str, ClassFound]) -> list[Found]:
        """The estimates of the classes of a cut, one for each source that the system tells apart."""
        return [estimate for one in self._of_cut(depth, found) for estimate in one.instances]

    def _wholes(self, depth: int, found: Mapping[str, ClassFound]) -> list[Found]:
        return [one.whole for one in self._of_cut(depth, found)]

    def _of_cut(self, depth: int, found: Mapping[str, ClassFound]) -> list[ClassFound]:
        return [found[one.node.mid] for one in self._cuts[depth].classes if one.node.mid in found]

    def _spans(self, one: CutClass) -> list[list[float]]:
        """When a class sounds: the union of its sources' spans."""
        sources = [self.audio.truth.scene.sources[place] for place in one.members]
        spans = sorted(span for source in sources for span in (source.spans or ((0.0, self.audio.seconds),)))
        union: list[list[float]] = []
        for start, end in spans:
            if union and start <= union[-1][1]:
                union[-1][1] = max(union[-1][1], end)
            else:
                union.append([start, end])
        return union


def unscored(metrics: Iterable[str], reason: str) -> list[dict[str, Any]]:
    """Rows that say why a scene has no value of some metrics."""
    return [
        {"index": depth, "depth": depth, "metric": metric, "status": "error", "reason": reason}
        for depth in DEPTHS
        for metric in metrics
    ]


def _same(before: list[Found], now: list[Found]) -> bool:
    """Whether two lists have the same audio of the same classes, so that they score alike."""
    return [(one.mid, id(one.audio), one.confidence) for one in before] == [
        (one.mid, id(one.audio), one.confidence) for one in now
    ]


def _scene_row(depth: int, metric: str, score: JointScore) -> dict[str, Any]:
    of_the_scene = {"index": depth, "target": None, "mids": None, "depth": depth, "metric": metric}
    return of_the_scene | {"value": score.value, "status": score.status, "reason": score.reason}
