"""Walk the ontology from its roots, and detect which classes sound, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from bench.analysis.activity import Steps, active_steps, spans_of, steps
from bench.analysis.first_parents import scores as first_parent_scores
from bench.analysis.settings import AnalysisSettings
from ontology import Node, Ontology
from ontology.first_parents import levels
from taggers.timeline import Timeline

Spans = tuple[tuple[float, float], ...]
"""Stretches of time in seconds (start, end), in order and apart from each other."""


@dataclass(frozen=True)
class Visit:
    """A class that the walk came by, and through which of its parents (none for a root)."""

    node: Node
    reached_from: tuple[Node, ...]


@dataclass(frozen=True)
class Detection:
    """A class that is active. ``activity`` is its score per step, NaN where nobody can tell; None without a tagger."""

    node: Node
    spans: Spans
    confidence: float | None
    """Highest score over time; of the active classes below it where it has none of its own; None without a tagger."""
    activity: np.ndarray | None


@dataclass(frozen=True)
class Heard:
    """What was detected in a recording.

    ``detections`` are the active classes that the settings ask for, and ``active`` all active ones; ``unknown`` are
    those asked for that are not active, but cannot be told at all times. All are in walking order. ``told`` are the
    classes that can be told at some time while none below them can.
    """

    seconds: float
    step_seconds: float
    detections: tuple[Detection, ...]
    active: tuple[Node, ...]
    unknown: tuple[Node, ...]
    told: tuple[Node, ...] = ()


def walk(active: Callable[[Node], bool]) -> Iterator[Visit]:
    """Walk the ontology from its roots, below active classes only.

    The ontology is a graph and no tree: a class with several parents is visited once, after all of them, and ``active``
    is asked about it once. Order is the ontology's walking order.
    """
    below: dict[str, list[Node]] = {}
    for node in Ontology.audioset().walk():
        reached_from = below.pop(node.mid, [])
        if node.parents and not reached_from:
            continue
        yield Visit(node, tuple(reached_from))
        if active(node):
            for child in node.children:
                below.setdefault(child.mid, []).append(node)


def detect(timeline: Timeline, settings: AnalysisSettings, *, thresholds: torch.Tensor | None = None) -> Heard:
    """Which classes are active in a recording, and when.

    A class is judged by its own score (see :func:`bench.analysis.activity.active_steps`), and is active besides
    wherever a class below it is. Unknown scores (NaN) never make a class active. Abstract classes, which exist only to
    hold others, and those that AudioSet blacklists as too obscure are detected like any other, since a cut
    through the hierarchy would have holes without them; no score counts them as errors.

    Args:
        timeline: what a tagger heard.
        settings: thresholds, durations, and which classes are asked for. Under the rules of uss see
            :meth:`AnalysisSettings.uss`.
        thresholds: calibrated thresholds by class, ``(632,)``, NaN where a class has none; they come before
            ``settings.threshold``, but under the rules of uss.

    Raises:
        ValueError: the rules of uss need the clipwise output of segments that do not overlap, and there is none.
    """
    if settings.rules == "uss":
        return _detect_as_uss(timeline, settings)
    onto = Ontology.audioset()
    grid = steps(timeline, step_seconds=settings.step_seconds)
    own: dict[str, np.ndarray] = {}
    for node in onto:
        calibrated = float("nan") if thresholds is None else float(thresholds[node.row])
        on = settings.threshold if np.isnan(calibrated) else calibrated
        scores = grid.scores[:, node.row]
        own[node.mid] = (
            active_steps(scores, on, settings=settings, step_seconds=grid.step_seconds)
            if (scores >= on).any()
            else np.zeros(len(scores), dtype=bool)
        )
    carried = _carry_up(own)
    return _heard(grid, carried, settings)


def force(seconds: float, settings: AnalysisSettings) -> Heard:
    """Every class that the settings ask for, active from beginning to end: for classes that are known to sound.

    The classes above them are active too.
    """
    onto = Ontology.audioset()
    asked = [node for node in onto if _asked(node, settings)]
    above = {node.mid for one in asked for node in onto.ancestors(one, include_self=True)}
    active = tuple(visit.node for visit in walk(lambda node: node.mid in above) if visit.node.mid in above)
    chosen = {node.mid for node in asked}
    spans = ((0.0, seconds),)
    detections = tuple(Detection(node, spans, None, None) for node in active if node.mid in chosen)
    return Heard(seconds, settings.hop_seconds, detections, active, ())


def _asked(node: Node, settings: AnalysisSettings) -> bool:
    if settings.classes:
        return node.name in settings.classes or node.mid in settings.classes
    level = levels()[node.mid] if settings.rules == "uss" else node.depth
    return level in settings.depths


def _carry_up(own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Activity by class, where each is active also wherever a class below it is."""
    carried: dict[str, np.ndarray] = {}
    for node in reversed(tuple(Ontology.audioset())):  # children come before their parents
        carried[node.mid] = np.logical_or.reduce([own[node.mid], *(carried[child.mid] for child in node.children)])
    return carried


def _heard(grid: Steps, active: Mapping[str, np.ndarray], settings: AnalysisSettings) -> Heard:
    """What is active by class, ``(steps,)`` each, as detections."""
    known = ~np.isnan(grid.scores)
    highest = np.where(known, grid.scores, -np.inf).max(axis=0)
    sounding = {mid: bool(where.any()) for mid, where in active.items()}
    visited = [visit.node for visit in walk(lambda node: sounding[node.mid])]
    found = [node for node in visited if sounding[node.mid]]
    confidence: dict[str, float] = {}
    for node in reversed(found):
        of_children = [confidence[child.mid] for child in node.children if child.mid in confidence]
        own = float(highest[node.row])
        confidence[node.mid] = own if np.isfinite(own) else max(of_children)
    detections = tuple(
        Detection(
            node=node,
            spans=spans_of(active[node.mid], step_seconds=grid.step_seconds, seconds=grid.seconds),
            confidence=confidence[node.mid],
            activity=grid.scores[:, node.row],
        )
        for node in found
        if _asked(node, settings)
    )
    untold = ~known.all(axis=0)
    unknown = tuple(
        node for node in Ontology.audioset() if untold[node.row] and not sounding[node.mid] and _asked(node, settings)
    )
    tellable = known.any(axis=0)
    told = tuple(
        node
        for node in Ontology.audioset().walk()
        if tellable[node.row] and not any(tellable[child.row] for child in node.children)
    )
    return Heard(grid.seconds, grid.step_seconds, detections, tuple(found), unknown, told)


def _detect_as_uss(timeline: Timeline, settings: AnalysisSettings) -> Heard:
    if timeline.hop_seconds != timeline.segment_seconds:
        raise ValueError(
            f"the rules of uss need segments without overlap, and these of {timeline.segment_seconds} s start every "
            f"{timeline.hop_seconds} s"
        )
    scores = first_parent_scores(timeline)
    active = {node.mid: scores[:, node.row] >= settings.threshold for node in Ontology.audioset()}
    grid = Steps(timeline.seconds, timeline.hop_seconds, scores)
    return _heard(grid, active, settings)
