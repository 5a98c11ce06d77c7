"""The polyphonic sound detection score (PSDS): detection in time, over all thresholds at once.

Definition: Bilen et al. 2020, arXiv:1910.08440. Every score is tried as a threshold, as in Ebbers et al. 2022,
arXiv:2201.13148, so that the curve is exact and no grid of operating points enters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reports.aggregate import Array

_TOLERANCE: Final = 1e-6
"""Seconds by which a sum of overlaps may miss a criterion through rounding."""
_HOUR: Final = 3600.0


@dataclass(frozen=True)
class Scenario:
    """What counts as a detection, and how false alarms and differences between classes weigh."""

    name: str
    dtc: float
    """Detection tolerance: share of a detection that must lie in events of its class."""
    gtc: float
    """Ground-truth intersection: share of an event that such detections must cover."""
    cttc: float
    """Cross-trigger tolerance: share of a false alarm within events of another class that makes it a cross-trigger."""
    alpha_ct: float
    """Weight of cross-triggers in the effective false-positive rate."""
    alpha_st: float
    """Weight of the standard deviation of true-positive ratios over classes."""
    max_efpr: float
    """Effective false-positive rate per hour up to which the curve counts."""


PSDS1: Final = Scenario("psds1", dtc=0.7, gtc=0.7, cttc=0.3, alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0)
"""Scenario 1 of DCASE 2021 to 2024, Task 4: reacting at the right time (without cross-triggers)."""
PSDS2: Final = Scenario("psds2", dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=100.0)
"""Scenario 2 of the same: not confusing classes."""
SCENARIOS: Final = (PSDS1, PSDS2)


@dataclass(frozen=True)
class Track:
    """One class in one scene: when it sounds, and what a system said of it over time.

    ``spans`` are (start, end) in seconds, those that overlap or touch being one event; ``scores`` (steps,) hold for
    ``step_seconds`` each from the beginning of the scene on, NaN where the system cannot tell; ``seconds`` is how long
    the scene is.
    """

    scene: str
    mid: str
    spans: tuple[tuple[float, float], ...]
    scores: Array
    step_seconds: float
    seconds: float


@dataclass(frozen=True)
class Statistics:
    """What one class of one scene adds as the threshold falls: changes at each of its scores, the highest first."""

    scene: str
    mid: str
    thresholds: Array
    hits: Array
    false_alarms: Array
    cross_triggers: Mapping[str, Array]
    """By other class that sounds in the scene."""
    events: int
    event_seconds: Mapping[str, float]
    """Length of the events of each class that sounds in the scene."""
    seconds: float


def statistics(tracks: Iterable[Track], scenario: Scenario) -> list[Statistics]:
    """What each track adds. Classes that nobody can tell of in a scene have no track there, and count nothing.

    Raises:
        ValueError: a span ends before it starts or lies outside its scene, a scene has two tracks of one class, or its
            steps do not cover it; the message names scene and class.
    """
    scenes: dict[str, dict[str, Track]] = {}
    for track in tracks:
        _check(track)
        if track.mid in scenes.setdefault(track.scene, {}):
            raise ValueError(f"scene {track.scene!r} has two tracks of {track.mid}: give one per class")
        scenes[track.scene][track.mid] = track
    found = []
    for by_class in scenes.values():
        events = {mid: merged(track.spans) for mid, track in by_class.items() if track.spans}
        found += [_statistics(track, events, scenario) for track in by_class.values()]
    return found


def merged(spans: Sequence[tuple[float, float]]) -> Array:
    """Events (events, 2) in order of time; spans that overlap or touch are one."""
    events: list[list[float]] = []
    for start, end in sorted(spans):
        if events and start <= events[-1][1]:
            events[-1][1] = max(events[-1][1], end)
        else:
            events.append([start, end])
    return np.array(events).reshape(-1, 2)


def _check(track: Track) -> None:
    where = f"scene {track.scene!r}, class {track.mid}"
    for start, end in track.spans:
        if not 0 <= start < end <= track.seconds + _TOLERANCE:
            raise ValueError(f"{where}: a span from {start} s to {end} s does not fit a scene of {track.seconds} s")
    if len(track.scores) * track.step_seconds < track.seconds - _TOLERANCE:
        raise ValueError(
            f"{where}: {len(track.scores)} steps of {track.step_seconds} s do not cover the {track.seconds} s"
        )


def _statistics(track: Track, events: Mapping[str, Array], scenario: Scenario) -> Statistics:
    edges = np.minimum(np.arange(len(track.scores) + 1) * track.step_seconds, track.seconds)
    own = events.get(track.mid, np.empty((0, 2)))
    others = {mid: spans for mid, spans in events.items() if mid != track.mid}
    thresholds = np.unique(track.scores[~np.isnan(track.scores)])[::-1]
    active = (track.scores[None, :] >= thresholds[:, None]) & (edges[1:] > edges[:-1])
    runs = _Runs(active)
    lengths, overlap = edges[1:] - edges[:-1], _overlap(edges, own)
    durations = runs.summed(lengths)
    tolerated = runs.summed(overlap.sum(axis=1)) >= scenario.dtc * durations - _TOLERANCE
    covered = runs.steps_of(tolerated).astype(float) @ overlap
    hits = (covered >= scenario.gtc * (own[:, 1] - own[:, 0]) - _TOLERANCE).sum(axis=1, dtype=float)
    cross = {
        mid: runs.counted(
            ~tolerated & (runs.summed(_overlap(edges, spans).sum(axis=1)) >= scenario.cttc * durations - _TOLERANCE)
        )
        for mid, spans in others.items()
        if scenario.alpha_ct
    }
    return Statistics(
        scene=track.scene,
        mid=track.mid,
        thresholds=thresholds,
        hits=_changes(hits),
        false_alarms=_changes(runs.counted(~tolerated)),
        cross_triggers={mid: _changes(counts) for mid, counts in cross.items()},
        events=len(own),
        event_seconds={mid: float((spans[:, 1] - spans[:, 0]).sum()) for mid, spans in events.items()},
        seconds=track.seconds,
    )


def _overlap(edges: Array, spans: Array) -> Array:
    """Seconds that each step shares with each span: (steps, spans)."""
    ends, starts = np.minimum(edges[1:, None], spans[:, 1]), np.maximum(edges[:-1, None], spans[:, 0])
    return np.maximum(ends - starts, 0.0)


def _changes(counts: Array) -> Array:
    return np.diff(counts, prepend=0.0)


class _Runs:
    """Detections: runs of active steps in each row of ``active`` (rows, steps)."""

    def __init__(self, active: np.ndarray) -> None:
        before = np.zeros_like(active)
        before[:, 1:] = active[:, :-1]
        starts = active & ~before
        self._active = active
        self._numbers = np.cumsum(starts.ravel()).reshape(active.shape) - 1
        self._rows = np.nonzero(starts)[0]

    def summed(self, steps: Array) -> Array:
        """The sum of ``steps`` (steps,) over each detection."""
        weights = np.broadcast_to(steps, self._active.shape)[self._active]
        return np.bincount(self._numbers[self._active], weights=weights, minlength=len(self._rows)).astype(float)

    def steps_of(self, chosen: np.ndarray) -> np.ndarray:
        """Where the detections that are ``chosen`` (detections,) are: bool (rows, steps)."""
        if not len(chosen):
            return np.zeros_like(self._active)
        return self._active & chosen[np.maximum(self._numbers, 0)]

    def counted(self, chosen: np.ndarray) -> Array:
        """How many of each row's detections are ``chosen``."""
        return np.bincount(self._rows[chosen], minlength=len(self._active)).astype(float)


def psds(found: Sequence[Statistics], scenario: Scenario) -> float:
    """PSDS over classes that have events, 0 to 1, NaN where none has: see :func:`psds_draws`."""
    return float(psds_draws(found, scenario, {one.scene: np.ones(1) for one in found})[0]) if found else math.nan


def psds_draws(found: Sequence[Statistics], scenario: Scenario, weights: Mapping[str, Array]) -> Array:
    """PSDS over classes that have events where each scene counts as often as its weight says.

    Per class, the true-positive ratio over the effective false-positive rate: false alarms per hour of scenes in which
    the class can be judged, plus ``alpha_ct`` times cross-triggers per hour of events of each other class, averaged
    over these classes. The score is the area under mean minus ``alpha_st`` standard deviations of the classes' curves
    (not less than 0), as a staircase, up to ``max_efpr``, divided by it.

    Args:
        found: of all scenes and classes, at least one.
        scenario: that they were found for.
        weights: (draws,) by scene, not negative.

    Returns:
        (draws,), 0 to 1; NaN where no class has events.
    """
    by_class: dict[str, list[Statistics]] = {}
    for one in found:
        by_class.setdefault(one.mid, []).append(one)
    pools = [_Pool(ones, weights) for ones in by_class.values() if any(one.events for one in ones)]
    if not pools:
        return np.full(len(weights[found[0].scene]), np.nan)
    there = np.stack([pool.events > 0 for pool in pools])
    others = np.maximum(there.sum(axis=0) - 1, 1)
    curves = [pool.curves([other for other in pools if other is not pool], others, scenario) for pool in pools]
    return np.array(
        [
            _area([curve[draw] for curve, has in zip(curves, own, strict=True) if has], scenario)
            for draw, own in enumerate(there.T)
        ]
    )


_Staircase = tuple[Array, Array]
"""Rates at which the true-positive ratio rises, (points,), and the ratios before and from each on, (points + 1,)."""


def _area(staircases: Sequence[_Staircase], scenario: Scenario) -> float:
    if not staircases:
        return math.nan
    rates = np.unique(np.concatenate([[0.0], *(rates for rates, _ in staircases)]))
    ratios = np.stack([reached[np.searchsorted(own, rates, side="right")] for own, reached in staircases])
    height = np.maximum(ratios.mean(axis=0) - scenario.alpha_st * ratios.std(axis=0), 0.0)
    return float(height @ np.diff(rates, append=scenario.max_efpr) / scenario.max_efpr)


class _Pool:
    """One class over all scenes in which it is judged: its statistics under each draw's weights."""

    def __init__(self, ones: Sequence[Statistics], weights: Mapping[str, Array]) -> None:
        self.mid = ones[0].mid
        self._ones = ones
        self._weights = np.stack([weights[one.scene] for one in ones], axis=1)
        self.events = self._weights @ np.array([float(one.events) for one in ones])
        self._hours = self._weights @ np.array([one.seconds for one in ones]) / _HOUR
        thresholds = np.concatenate([one.thresholds for one in ones])
        self._order = np.argsort(-thresholds, kind="stable")
        self._last = np.diff(thresholds[self._order], append=-np.inf) != 0  # scenes that share a score change together
        places = np.repeat(np.arange(len(ones)), [len(one.thresholds) for one in ones])
        self._of_points = self._weights[:, places[self._order]]

    def curves(self, others: Sequence[_Pool], count: Array, scenario: Scenario) -> list[_Staircase]:
        """One staircase per draw, up to the greatest rate that counts; ``count`` (draws,) of ``others`` have events."""
        ratios = self._risen(self._points([one.hits for one in self._ones])) / np.maximum(self.events, 1e-300)[:, None]
        rates = self._risen(self._points([one.false_alarms for one in self._ones]))
        rates = rates / np.maximum(self._hours, 1e-300)[:, None]
        if scenario.alpha_ct and others:
            rates = rates + scenario.alpha_ct * self._cross_triggers(others) / count[:, None]
        return [_staircase(*pair, scenario.max_efpr) for pair in zip(rates, ratios, strict=True)]

    def _cross_triggers(self, others: Sequence[_Pool]) -> Array:
        """Cross-triggers per hour of events of each other class, summed over these: (draws, points)."""
        hours = np.array([[one.event_seconds.get(other.mid, 0.0) / _HOUR for other in others] for one in self._ones])
        sounding = self._weights @ hours
        per_hour = np.divide(1.0, sounding, out=np.zeros_like(sounding), where=sounding > 0)
        places = {other.mid: place for place, other in enumerate(others)}
        changes = np.zeros((len(self._order), len(others)))
        start = 0
        for one in self._ones:
            end = start + len(one.thresholds)
            for mid, own in one.cross_triggers.items():
                if mid in places:
                    changes[start:end, places[mid]] = own
            start = end
        return self._risen(per_hour @ changes[self._order].T)

    def _points(self, changes: Sequence[Array]) -> Array:
        return np.concatenate(changes)[self._order]

    def _risen(self, changes: Array) -> Array:
        """``changes``, (points,) or (draws, points), weighed and summed up to each distinct threshold."""
        return np.cumsum(self._of_points * changes, axis=1)[:, self._last]


def _staircase(rates: Array, ratios: Array, greatest: float) -> _Staircase:
    counted = rates <= greatest
    rates, ratios = rates[counted], ratios[counted]
    rising = np.lexsort((ratios, rates))
    rates, reached = rates[rising], np.concatenate([[0.0], np.maximum.accumulate(ratios[rising])])
    steps = reached[1:] > reached[:-1]
    return rates[steps], np.concatenate([[0.0], reached[1:][steps]])
