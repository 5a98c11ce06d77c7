"""Scores of a scene as a whole: which classes were found, and how well each was extracted, judged together.

With x the mixture, s_j the single sources and e_i the estimates, SDR is that of ``sdr@1`` (energies over all channels
and the whole scene) and SDRi(e; s) = SDR(e; s) - SDR(x; s). Class c of a cut has n_c sources and m_c estimates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import torch

from bench.metrics.energy import SDRG, SDRI, Energies
from bench.metrics.joint_scene import JointScene
from bench.metrics.products import Members, Products
from bench.metrics.score import ABSENT_BELOW_DB, ABSENT_REASON, TRIVIAL_ABOVE_DB, TRIVIAL_REASON
from bench.metrics.tensors import count_not_finite

MISSED: Final = "missed"
"""Reason in the row of a class that sounds and was not found."""
_BEYOND_ANY: Final = 1e6
"""Stands for an infinite SDR where sources are assigned, in dB: more than any finite one."""
_EQUAL: Final = 1e-6
"""SDRs closer than this, in dB, are equal, and the labels decide: one estimate may be given to several classes."""

Pair = tuple[int, int]
"""Places of a source and of an estimate."""


@dataclass(frozen=True)
class Count:
    """Sources and estimates of one class."""

    sources: int
    estimates: int

    @property
    def hits(self) -> int:
        """As many as can be paired."""
        return min(self.sources, self.estimates)


class Joint:
    """A scene at one cut with its sources and estimates sorted out, shared by all joint metrics.

    A source that is silent or 60 dB or more under the mixture does not sound, nor does a class whose sources together
    are: what is found of it is a false alarm. A class is *trivial* where the mixture is within 30 dB (SDR) of its
    sources together or of one of them: neither its sources nor its estimates are scored, as far as they belong to no
    other class.

    Args:
        scene: the cut.
        products: of the scene's mixture and sources, where several cuts or thresholds are scored.

    Raises:
        ValueError: shapes differ, a source or the mixture is not finite, or ``products`` are of other sources.
    """

    def __init__(self, scene: JointScene, *, products: Products | None = None) -> None:
        self.scene = scene
        audio = [source.audio for source in scene.sources]
        self.products = products or Products(scene.mixture, audio)
        same = len(audio) == len(self.products.sources)
        if not same or any(one is not other for one, other in zip(audio, self.products.sources, strict=True)):
            raise ValueError("the products are of other sources: pass those made of the scene's own, in its order")
        self.products.read([found.audio for found in scene.found])
        sounding = {mid: self._sounding(self._members(mid)) for mid in sorted(scene.classes)}
        self.trivial = frozenset(mid for mid, members in sounding.items() if self._is_trivial(members))
        self.members: dict[str, Members] = {
            mid: members for mid, members in sounding.items() if mid not in self.trivial
        }
        """Places of the sources of each class that is scored, none where it is absent."""
        ranked = sorted(scene.found, key=lambda found: -found.confidence)
        self.estimates = tuple(found for found in ranked if found.mid in self.members)
        """Estimates that are scored, the most confident first."""
        self.unknown = sum(found.mid not in scene.classes for found in scene.found)
        """Estimates of classes that are neither present nor absent."""
        self.is_empty = not any(sounding.values())
        """Whether no class of the cut sounds."""

    @cached_property
    def counts(self) -> dict[str, Count]:
        """Sources and estimates by class, of classes that have any."""
        by_class = {mid: Count(len(members), len(self.found(mid))) for mid, members in self.members.items()}
        return {mid: count for mid, count in by_class.items() if count.sources or count.estimates}

    @cached_property
    def detected(self) -> dict[str, Count]:
        """As :attr:`counts`, of the classes that detection is judged by."""
        return {mid: count for mid, count in self.counts.items() if mid not in self.scene.spared}

    @cached_property
    def broken(self) -> str | None:
        """What is wrong with an estimate that has samples that are not finite; None where all are."""
        for found in self.estimates:
            if not math.isfinite(self.products.estimate_energy(found.audio)):
                bad = count_not_finite(found.audio)
                return f"the estimate of {found.mid} has {bad} samples that are NaN or infinite"
        return None

    @cached_property
    def pairs(self) -> dict[str, list[Pair]]:
        """By class, its sources assigned to its estimates so that the mean SDR is greatest."""
        return {mid: self.assign(self.members[mid], self.found(mid)) for mid in self.counts}

    def found(self, mid: str) -> tuple[int, ...]:
        """Places of the estimates of a class, the most confident first."""
        return tuple(place for place, found in enumerate(self.estimates) if found.mid == mid)

    def assign(self, sources: Sequence[int], estimates: Sequence[int]) -> list[Pair]:
        """As many pairs as there can be, of greatest mean SDR; of equal ones those with the most right labels."""
        if not (sources and estimates):
            return []
        if len(sources) == len(estimates) == 1:
            return [(sources[0], estimates[0])]
        from scipy.optimize import linear_sum_assignment  # lazy: listing metrics must not pay for it

        audio = [self.estimates[place].audio for place in estimates]
        gains = np.array([[self.products.sdr((source,), one) for one in audio] for source in sources])
        right = [[source in self.members[self.estimates[place].mid] for place in estimates] for source in sources]
        worth = gains.clip(max=_BEYOND_ANY) + _EQUAL * np.array(right)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        return [(sources[row], estimates[column]) for row, column in zip(rows, columns, strict=True)]

    def sdri(self, members: Members, estimate: int) -> float:
        """SDRi in dB of an estimate of the sum of sources."""
        sdr = self.products.sdr(members, self.estimates[estimate].audio)
        return sdr - self.products.mixture_sdr(members)

    def _members(self, mid: str) -> Members:
        return tuple(place for place, source in enumerate(self.scene.sources) if mid in source.mids)

    def _sounding(self, members: Members) -> Members:
        alone = tuple(place for place in members if not self._is_absent((place,)))
        return () if self._is_absent(alone) else alone

    def _is_absent(self, members: Members) -> bool:
        energy = self.products.energy(members)
        return energy == 0 or energy < self.products.mixture_energy * 10 ** (ABSENT_BELOW_DB / 10)

    def _is_trivial(self, members: Members) -> bool:
        alone = [(place,) for place in members]
        return any(self.products.mixture_sdr(one) > TRIVIAL_ABOVE_DB for one in [members, *alone] if one)


def capi_sdri(joint: Joint) -> float:
    """Class-aware permutation-invariant SDRi in dB of DCASE 2026, Task 4.

    In each class min(n_c, m_c) sources and estimates are paired so that their mean SDR is greatest; the sum of SDRi
    over all pairs is divided by the sum of max(n_c, m_c) over classes. Source: ``S5ClassAwareMetric`` in
    github.com/nttcslab/dcase2026_task4_baseline; nothing is added to the energies here.

    Returns NaN where nothing sounds and nothing was found.
    """
    gained = [joint.sdri((source,), estimate) for pairs in joint.pairs.values() for source, estimate in pairs]
    return _share(gained, sum(max(count.sources, count.estimates) for count in joint.counts.values()))


def ca_sdri(joint: Joint) -> float:
    """Class-aware SDRi in dB of DCASE 2025, Task 4: the mean over classes that are present or predicted.

    A class counts once: its reference is the sum of its sources, its estimate the most confident one; a class that is
    missed, or predicted in vain, gives 0. Source: ``ca_metric`` in github.com/nttcslab/dcase2025_task4_baseline;
    nothing is added to the energies here.

    Returns NaN where nothing sounds and nothing was found.
    """
    hit = [mid for mid, count in joint.counts.items() if count.hits]
    return _share([joint.sdri(joint.members[mid], joint.found(mid)[0]) for mid in hit], len(joint.counts))


def casa_sdri_st(joint: Joint, *, denominator: Literal["max", "union"]) -> float:
    """Permutation-first SDRi in dB: all sources are assigned to all estimates by SDR, labels ignored.

    Of the pairs, those whose estimate is of one of the source's classes give their SDRi, the others 0. With n sources,
    m estimates and TP right pairs, the sum is divided by max(n, m), or by n + m - TP for ``"union"``. A source counts
    once, whatever number of classes it has, and so do the estimates that these give of it: one left over in a class
    whose source is rightly paired under another of its classes is not among the m.

    Returns NaN where nothing sounds and nothing was found.
    """
    sources = sorted({place for members in joint.members.values() for place in members})
    pairs = joint.assign(sources, range(len(joint.estimates)))
    right = [pair for pair in pairs if pair[0] in joint.members[joint.estimates[pair[1]].mid]]
    n, m = len(sources), len(joint.estimates) - _repeats(joint, pairs, right)
    gained = [joint.sdri((source,), estimate) for source, estimate in right]
    return _share(gained, max(n, m) if denominator == "max" else n + m - len(right))


def _repeats(joint: Joint, pairs: Sequence[Pair], right: Sequence[Pair]) -> int:
    """Estimates left over of sources that are rightly paired under another of their classes."""
    paired = {estimate for _, estimate in pairs}
    left = Counter(found.mid for place, found in enumerate(joint.estimates) if place not in paired)
    elsewhere = Counter(
        mid
        for source, estimate in right
        for mid in left
        if source in joint.members[mid] and joint.estimates[estimate].mid != mid
    )
    return (left & elsewhere).total()


def true_negative(joint: Joint) -> float:
    """Whether nothing was found where nothing sounds, 1 or 0; NaN where something sounds."""
    return float(not joint.estimates) if joint.is_empty else math.nan


def false_alarm_energy(joint: Joint) -> float:
    """Energy of the estimates left without a source, relative to the mixture's (linear); NaN where that is silent.

    In a class with more estimates than sources they are those that :func:`capi_sdri` does not pair.
    """
    if not joint.products.mixture_energy:
        return math.nan
    paired = {estimate for pairs in joint.pairs.values() for _, estimate in pairs}
    left = [found for place, found in enumerate(joint.estimates) if place not in paired]
    energies = [joint.products.estimate_energy(found.audio) for found in left]
    return math.fsum(energies) / joint.products.mixture_energy


def _share(gained: Sequence[float], whole: int) -> float:
    return sum(gained) / whole if whole else math.nan


@dataclass(frozen=True)
class ClassScore:
    """One metric of the query protocol on one class that the cut has a reference of; ``value`` None with a reason."""

    mid: str
    metric: str
    value: float | None
    status: Literal["ok", "skip", "nan"]
    reason: str | None


def class_scores(scene: JointScene, *, products: Products | None = None) -> list[ClassScore]:
    """``sdri@1`` and ``sdrg@1`` by class: the sum of its estimates against the sum of its sources.

    Classes come in the order of the sources; one that is absent, trivial or missed has status skip and says so.
    Arguments and errors as for :class:`Joint`.
    """
    joint = Joint(scene, products=products)
    annotated = dict.fromkeys(mid for source in scene.sources for mid in source.mids if mid in scene.classes)
    return [score for mid in annotated for score in _class_scores(joint, mid)]


def _class_scores(joint: Joint, mid: str) -> list[ClassScore]:
    metrics = (SDRI, SDRG)
    sources, estimates = joint.members.get(mid, ()), joint.found(mid)
    if not (sources and estimates):
        why = TRIVIAL_REASON if mid in joint.trivial else MISSED if sources else ABSENT_REASON
        return [ClassScore(mid, metric.id, None, "skip", why) for metric in metrics]
    if joint.broken:
        return [ClassScore(mid, metric.id, None, "nan", joint.broken) for metric in metrics]
    estimate = torch.stack([joint.estimates[place].audio.to(torch.float64) for place in estimates]).sum(0)
    reference = torch.stack([joint.scene.sources[place].audio.to(torch.float64) for place in sources]).sum(0)
    energies = Energies(estimate, reference, joint.scene.mixture)
    scores = []
    for metric in metrics:
        value = float(metric.function(energies=energies))  # type: ignore[arg-type]
        if math.isfinite(value):
            scores.append(ClassScore(mid, metric.id, value, "ok", None))
        else:
            why = metric.undefined if math.isnan(value) else f"infinite: the value is {value:+} {metric.unit}"
            scores.append(ClassScore(mid, metric.id, None, "nan", why))
    return scores
