"""A tagger with separators on one blind scene: hear, extract each active class once, gate by activity."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.analysis.activity import steps
from bench.analysis.blocks import gate
from bench.analysis.dispatch import dispatch, target_of
from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import Detection, Spans, detect
from bench.blind.analysed import Analysed, ClassFound, SceneAudio
from bench.blind.separate import Asked, Distinct, separate
from bench.metrics.joint_scene import Found
from bench.truth import annotation
from ontology import Node
from separators.base import Context, Query, Separator
from taggers.base import TagContext
from taggers.timeline import Timeline, tag_recording

if TYPE_CHECKING:
    from bench.blind.system import System

_GIVEN = frozenset({"spans", "instance", "reference"})
"""Fields of a query that a blind scene can fill in: the last two know the answer, or count."""
_TELLS_INSTANCES = frozenset({"instance", "reference"})
"""What a separator must ask for to tell several sources of one class apart."""


class TaggedScene(Analysed):
    """What a tagger hears and its separators extract."""

    def __init__(self, system: System, audio: SceneAudio, settings: AnalysisSettings, context: Context) -> None:
        assert system.tagger is not None
        self._system, self._audio, self._settings, self._context = system, audio, settings, context
        self._told = system.tagger.needs_annotation
        self._raw: dict[str, tuple[torch.Tensor, ...]] = {}
        self._distinct = Distinct()
        self._gated: dict[tuple[tuple[int, ...], Spans], torch.Tensor] = {}
        self._gains: dict[Spans, torch.Tensor] = {}
        self._latest: tuple[tuple[bytes, bytes], tuple[Detection, ...]] | None = None
        wall, cpu = time.perf_counter(), time.process_time()
        self._timeline = self._hear()
        heard = detect(self._timeline, settings, thresholds=system.tagger.thresholds())
        self._own = heard.detections
        self.refused = self._extract(self._own)
        self.seconds, self.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu

    def _hear(self) -> Timeline:
        assert self._system.tagger is not None
        scene, settings = self._audio, self._settings
        told = annotation(scene.truth.scene) if self._told else None
        return tag_recording(
            self._system.tagger,
            lambda start, stop: scene.mixture[:, start:stop],
            sample_rate=scene.sample_rate,
            samples=scene.mixture.shape[-1],
            segment_seconds=settings.segment_seconds,
            hop_seconds=settings.hop_seconds,
            batch=settings.batch,
            context=TagContext(seed=self._context.seed, device=self._context.device, annotation=told),
        )

    def prepare(self, lowest: float, *, among: Collection[str]) -> None:
        wanted = set(among) - self._raw.keys()
        self._extract([one for one in self._at(lowest) if one.node.mid in wanted])

    def found(self, threshold: float | None = None, *, among: Collection[str]) -> Mapping[str, ClassFound]:
        detections = self._own if threshold is None else self._at(threshold)
        before, self._gated, self._gains = self._gated, {}, {}
        found = {}
        for one in detections:
            mid = one.node.mid
            if mid not in self._raw or mid not in among:
                continue
            raw = self._raw[mid]
            instances = [Found(mid, self._gate((audio,), one.spans, before), self._confidence(one)) for audio in raw]
            whole = instances[0] if len(raw) == 1 else replace(instances[0], audio=self._gate(raw, one.spans, before))
            if len(raw) == 1:  # one estimate stands for each source that it was not told apart from
                instances *= self._count(one.node)
            found[mid] = ClassFound(tuple(instances), whole)
        return found

    def active(self) -> frozenset[str]:
        return frozenset(one.node.mid for one in self._own)

    def score(self, node: Node) -> float | None:
        known = [value for value in _column(self._timeline.probabilities, node) if value is not None]
        return max(known, default=None)

    def segments(self, node: Node) -> list[float | None] | None:
        frames = self._timeline.frames
        column = _column(self._timeline.probabilities if frames is None else frames, node)
        return None if all(value is None for value in column) else column

    @property
    def grid(self) -> tuple[float, float] | None:
        if self._timeline.frames is not None and self._timeline.frame_seconds is not None:
            return self._timeline.frame_seconds, self._timeline.frame_seconds
        return self._timeline.segment_seconds, self._timeline.hop_seconds

    @staticmethod
    def _confidence(one: Detection) -> float:
        return 1.0 if one.confidence is None else one.confidence

    def _at(self, threshold: float) -> tuple[Detection, ...]:
        """The detections at another threshold for all classes, the off threshold as far below in proportion."""
        off = self._settings.off_below(threshold)
        changed = self._settings.model_copy(update={"threshold": threshold, "off_threshold": off})
        if changed.rules == "uss":
            return detect(self._timeline, changed).detections
        # Nothing changes between two thresholds that no score lies between.
        passed = (self._scores >= threshold).tobytes(), (self._scores >= changed.off_below(threshold)).tobytes()
        if self._latest is None or self._latest[0] != passed:
            self._latest = passed, detect(self._timeline, changed).detections
        return self._latest[1]

    @cached_property
    def _scores(self) -> np.ndarray:
        return steps(self._timeline, step_seconds=self._settings.step_seconds).scores

    def _extract(self, detections: Sequence[Detection]) -> dict[str, str]:
        """Ask for each class, as often as it is told to sound; returns those that nobody takes, and why."""
        targets = [target_of(one.node) for one in detections]
        choices = dispatch(targets, self._system.separators, given=_GIVEN)
        refused: dict[str, str] = {}
        asked: list[Asked] = []
        sizes: dict[str, int] = {}
        for one, choice in zip(detections, choices, strict=True):
            if choice.chosen is None:
                refused[one.node.mid] = str(choice.reason)
                continue
            queries = self._queries(one, choice.chosen.separator)
            asked += [Asked(query, choice.chosen.separator) for query in queries]
            sizes[one.node.mid] = len(queries)
        answers = iter(
            separate(
                self._audio.mixture,
                self._audio.sample_rate,
                asked,
                context=self._context,
                at_once=self._settings.queries_at_once,
                distinct=self._distinct,
            )
        )
        for mid, size in sizes.items():
            self._raw[mid] = tuple(next(answers) for _ in range(size))
        return refused

    def _queries(self, one: Detection, separator: Separator) -> list[Query]:
        """One query per source that is told apart; a separator that cannot tell them apart is asked once."""
        target, members = target_of(one.node), self._audio.truth.members[one.node.row]
        count = self._count(one.node) if separator.needs & _TELLS_INSTANCES else 1
        if count == 1:
            return [self._query(Query(target, spans=one.spans, instance=0), members, separator)]
        return [
            self._query(Query(target, spans=one.spans, instance=place), members[place : place + 1], separator)
            for place in range(count)
        ]

    def _query(self, query: Query, members: Sequence[int], separator: Separator) -> Query:
        if "reference" not in separator.needs:
            return query
        return Query(query.target, spans=query.spans, instance=query.instance, reference=self._audio.reference(members))

    def _count(self, node: Node) -> int:
        """How many sources of a class are said to sound in the scene, at least 1.

        A tagger counts those that sound at once; one that is told everything knows of all.
        """
        if self._timeline.counts is None:
            return 1
        counted = int(self._timeline.counts[:, node.row].max())
        return max(len(self._audio.truth.members[node.row]) if self._told else counted, 1)

    def _gate(
        self,
        several: tuple[torch.Tensor, ...],
        spans: Spans,
        before: Mapping[tuple[tuple[int, ...], Spans], torch.Tensor],
    ) -> torch.Tensor:
        """The sum of estimates where their class is active; taken from ``before`` where it was made already."""
        key = (tuple(map(id, several)), spans)  # they live as long as this object
        made = self._gated.get(key, before.get(key))
        if made is None:
            gain = self._gain(spans)
            whole = several[0] if len(several) == 1 else torch.stack(several).sum(dim=0)
            made = whole if gain is None else whole * gain
        self._gated[key] = made
        return made

    def _gain(self, spans: Spans) -> torch.Tensor | None:
        """What estimates are multiplied by, ``(samples,)``; None where they are active throughout."""
        if spans == ((0.0, self._audio.seconds),):
            return None
        if spans not in self._gains:
            samples, edge = self._audio.mixture.shape[-1], self._settings.edge_seconds
            rate = self._audio.sample_rate
            gains = gate(spans, start=0, stop=samples, sample_rate=rate, edge_seconds=edge)
            self._gains[spans] = torch.zeros(samples) if gains is None else gains
        return self._gains[spans]


def _column(probabilities: torch.Tensor, node: Node) -> list[float | None]:
    return [None if math.isnan(value) else value for value in probabilities[:, node.row].tolist()]
