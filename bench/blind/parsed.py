"""A parser on one blind scene: what it finds, and what that says of the classes above."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import torch

from bench.analysis.dispatch import target_of
from bench.analysis.settings import AnalysisSettings
from bench.blind.analysed import Analysed, ClassFound, SceneAudio
from bench.metrics.joint_scene import Found
from bench.seeding import seed_everything
from ontology import Node, Ontology
from separators.adapt_parser import parse_mixture
from separators.base import Context, Parser
from separators.coverage import refusal


class ParsedScene(Analysed):
    """What a parser finds.

    An estimate of a class is one of each class above it too, but where the parser gave that class estimates of its own.
    """

    refused: Mapping[str, str] = {}

    def __init__(self, parser: Parser, audio: SceneAudio, settings: AnalysisSettings, context: Context) -> None:
        self._settings = settings
        onto = Ontology.audioset()
        able = [node for node in onto if refusal(target_of(node), classes=parser.classes, labels=()) is None]
        self._known = {node.mid for one in able for node in onto.ancestors(one, include_self=True)}
        vocabulary = tuple(target_of(node) for node in able)
        seed_everything(context.seed)
        wall, cpu = time.perf_counter(), time.process_time()
        found = parse_mixture(parser, audio.mixture, audio.sample_rate, vocabulary, context=context)
        self.seconds, self.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        assert found.targets is not None
        scores = found.scores or (1.0,) * len(found.targets)
        self._audio = tuple(found.audio)
        self._scores = tuple(map(float, scores))
        self._rows = self._carried_up([target.mids[0] for target in found.targets])
        self._sums: dict[tuple[int, ...], torch.Tensor] = {}

    @staticmethod
    def _carried_up(mids: list[str]) -> dict[str, tuple[int, ...]]:
        """Rows of the parser's estimates by class, of classes that have any."""
        rows: dict[str, tuple[int, ...]] = {}
        for node in reversed(tuple(Ontology.audioset())):  # children come before their parents
            own = tuple(row for row, mid in enumerate(mids) if mid == node.mid)
            below = {row for child in node.children for row in rows.get(child.mid, ())}
            if own or below:
                rows[node.mid] = own or tuple(sorted(below))
        return rows

    def prepare(self, lowest: float, *, among: Collection[str]) -> None:
        """Nothing is to be done: a parser gives all of its estimates at once."""

    def found(self, threshold: float | None = None, *, among: Collection[str]) -> Mapping[str, ClassFound]:
        least = self._settings.threshold if threshold is None else threshold
        found = {}
        for mid, rows in self._rows.items():
            if mid not in among:
                continue
            sure = tuple(row for row in rows if self._scores[row] >= least)
            if not sure:
                continue
            instances = tuple(Found(mid, self._audio[row], self._scores[row]) for row in sure)
            ranked = tuple(sorted(instances, key=lambda one: -one.confidence))
            found[mid] = ClassFound(ranked, Found(mid, self._sum(sure), ranked[0].confidence))
        return found

    def _sum(self, rows: tuple[int, ...]) -> torch.Tensor:
        if len(rows) == 1:
            return self._audio[rows[0]]
        if rows not in self._sums:
            self._sums[rows] = torch.stack([self._audio[row] for row in rows]).sum(dim=0)
        return self._sums[rows]

    def active(self) -> frozenset[str]:
        least = self._settings.threshold
        return frozenset(mid for mid, rows in self._rows.items() if max(self._scores[row] for row in rows) >= least)

    def score(self, node: Node) -> float | None:
        if node.mid not in self._known:
            return None
        return max((self._scores[row] for row in self._rows.get(node.mid, ())), default=0.0)

    def segments(self, node: Node) -> list[float | None] | None:
        return None
