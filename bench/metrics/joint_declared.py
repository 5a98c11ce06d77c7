"""The joint metrics of the scene protocol as they stand in results, and all of them on one scene."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple

import torch

from bench.metrics import joint as scores
from bench.metrics.base import Metric, Scored
from bench.metrics.joint import Joint
from bench.metrics.joint_scene import JointScene
from bench.metrics.products import Products

_NOTHING: Final = "no source and no estimate to score: left out"
_SDR: Final = (
    " SDR and SDRi as in sdr@1 and sdri@1; mean over scenes, those without sources and estimates left out. Sources "
    "60 dB or more under the mixture count as absent; a class is left out where the mixture is within 30 dB (SDR) of "
    "its sources, and so are estimates of classes of which the annotation cannot tell."
)


class JointScore(NamedTuple):
    """One joint metric on one scene; ``value`` is finite where ``status`` is ok, None elsewhere with a ``reason``.

    ``skip`` where the metric has no value by its rules, ``nan`` where an estimate or the value is not finite.
    """

    value: float | None
    status: Literal["ok", "skip", "nan"]
    reason: str | None


def joint_scores(scene: JointScene, *, products: Products | None = None) -> dict[str, JointScore]:
    """All of :data:`JOINT_METRICS` on a scene at one cut, by id.

    Args:
        scene: sources and estimates at the cut.
        products: of the scene's mixture and sources; pass one where several cuts or thresholds are scored.

    Raises:
        ValueError: shapes differ, a source or the mixture is not finite, or ``products`` are of other sources.
    """
    joint = Joint(scene, products=products)
    return {metric.id: _score(metric, joint) for metric in JOINT_METRICS}


def _score(metric: Metric, joint: Joint) -> JointScore:
    result = metric.function(joint=joint)
    assert isinstance(result, Scored)
    value, reason = float(result.values), result.reasons[0]
    if math.isfinite(value):
        return JointScore(value, "ok", reason)
    if math.isinf(value):
        return JointScore(None, "nan", f"infinite: the value is {value:+} {metric.unit}, which no average can hold")
    return JointScore(None, "nan" if reason else "skip", reason or metric.undefined)


def _of_audio(function: Callable[[Joint], float], joint: Joint) -> Scored:
    """What ``function`` makes of a scene whose estimates are all finite."""
    value = math.nan if joint.broken else function(joint)
    return Scored(torch.tensor([value], dtype=torch.float64), [joint.broken])


def _of_counts(function: Callable[[Joint], float], joint: Joint) -> Scored:
    return Scored(torch.tensor([function(joint)], dtype=torch.float64), [None])


def _hits(joint: Joint) -> float:
    return sum(count.hits for count in joint.detected.values())


def _false_alarms(joint: Joint) -> float:
    return sum(count.estimates - count.hits for count in joint.detected.values())


def _misses(joint: Joint) -> float:
    return sum(count.sources - count.hits for count in joint.detected.values())


def _unknown(joint: Joint) -> float:
    return joint.unknown


_declared = partial(Metric, needs=("joint",), aggregations=("mean",), scope="scene")
_score_in_db = partial(_declared, unit="dB", better="higher", undefined=_NOTHING)
_count = partial(_declared, version=1, unit="", undefined="a count has a value in every scene")

_SPARED: Final = " Classes that AudioSet holds to be abstract or blacklists are never counted, present or not."

CAPI_SDRI: Final = _score_in_db(
    name="capi_sdri",
    version="dcase2026",
    function=partial(_of_audio, scores.capi_sdri),
    title="CAPI-SDRi",
    definition=(
        "With n_c sources and m_c estimates of class c, min(n_c, m_c) of them are paired in each class so that their "
        "mean SDR is greatest; sum of SDRi over pairs / sum of max(n_c, m_c) over classes. As in DCASE 2026, Task 4 "
        "(github.com/nttcslab/dcase2026_task4_baseline), without its offset on energies." + _SDR
    ),
)

CA_SDRI: Final = _score_in_db(
    name="ca_sdri",
    version="dcase2025",
    function=partial(_of_audio, scores.ca_sdri),
    title="CA-SDRi",
    definition=(
        "Mean over classes that are present or predicted of the SDRi of the class's most confident estimate against "
        "the sum of its sources, 0 for a class that is missed or predicted in vain. As in DCASE 2025, Task 4 "
        "(github.com/nttcslab/dcase2025_task4_baseline), without its offset on energies." + _SDR
    ),
)

_PERMUTATION_FIRST: Final = (
    "All sources are assigned to all estimates so that the mean SDR is greatest, labels ignored; pairs whose estimate "
    "is of one of the source's classes (TP of them) give their SDRi, the others 0. With n sources and m estimates, "
    "each source once however many classes it has, and likewise the estimates that these give of it: sum / "
)

CASA_SDRI_ST: Final = _score_in_db(
    name="casa_sdri_st",
    version=1,
    function=partial(_of_audio, partial(scores.casa_sdri_st, denominator="max")),
    title="CASA-SDRi",
    definition=_PERMUTATION_FIRST + "max(n, m)." + _SDR,
)

CASA_SDRI_ST_UNION: Final = _score_in_db(
    name="casa_sdri_st_union",
    version=1,
    function=partial(_of_audio, partial(scores.casa_sdri_st, denominator="union")),
    title="CASA-SDRi (union)",
    definition=_PERMUTATION_FIRST + "(n + m - TP)." + _SDR,
)

TRUE_POSITIVES: Final = _count(
    name="true_positives",
    function=partial(_of_counts, _hits),
    better="higher",
    title="TP",
    definition="Sum over classes of min(n_c, m_c), with n_c sources and m_c estimates of class c." + _SPARED,
)

FALSE_POSITIVES: Final = _count(
    name="false_positives",
    function=partial(_of_counts, _false_alarms),
    better="lower",
    title="FP",
    definition="Sum over classes of max(m_c - n_c, 0), with n_c sources and m_c estimates of class c." + _SPARED,
)

FALSE_NEGATIVES: Final = _count(
    name="false_negatives",
    function=partial(_of_counts, _misses),
    better="lower",
    title="FN",
    definition="Sum over classes of max(n_c - m_c, 0), with n_c sources and m_c estimates of class c." + _SPARED,
)

UNKNOWN_PREDICTIONS: Final = _count(
    name="unknown_predictions",
    function=partial(_of_counts, _unknown),
    better="neither",
    title="Unknown",
    definition="Estimates of classes of which the annotation cannot tell: neither hit nor false alarm.",
)

TRUE_NEGATIVE: Final = _declared(
    name="true_negative",
    version=1,
    function=partial(_of_counts, scores.true_negative),
    unit="",
    better="higher",
    title="TN on empty",
    definition="1 where nothing was found in a scene in which nothing sounds, 0 where anything was; the mean is a rate",
    undefined="the scene is not empty",
)

FALSE_ALARM_ENERGY: Final = _declared(
    name="false_alarm_energy",
    version=1,
    function=partial(_of_audio, scores.false_alarm_energy),
    unit="",
    better="lower",
    title="False-alarm energy",
    definition=(
        "Energy of the estimates that are left without a source, relative to the mixture's, linear; 0 where there is "
        "none. In a class with more estimates than sources they are those that capi_sdri@dcase2026 does not pair. A "
        "loud false alarm costs no more than a quiet one in the scores beside it: here it shows."
    ),
    undefined="the mixture is silent",
)

JOINT_METRICS: Final = (
    CAPI_SDRI,
    CA_SDRI,
    CASA_SDRI_ST,
    CASA_SDRI_ST_UNION,
    TRUE_POSITIVES,
    FALSE_POSITIVES,
    FALSE_NEGATIVES,
    UNKNOWN_PREDICTIONS,
    TRUE_NEGATIVE,
    FALSE_ALARM_ENERGY,
)
"""In the order of their rows."""
