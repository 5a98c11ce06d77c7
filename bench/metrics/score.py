"""Scores of one cell: which targets a metric judges, and what stands in the row where there is no value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch

from bench.metrics.base import Metric, Scored, Shared
from bench.metrics.energy import Energies
from bench.metrics.tensors import SignalLike, as_signal, count_not_finite
from separators.base import Unavailable

ABSENT_BELOW_DB: Final = -60.0
"""Level of a reference against the mixture under which the target counts as absent."""
TRIVIAL_ABOVE_DB: Final = 30.0
"""SDR of the mixture above which there is nothing to separate."""

ABSENT_REASON: Final = "absent: the reference lies 60 dB or more under the mixture"
TRIVIAL_REASON: Final = "trivial: the SDR of the mixture itself is above 30 dB"
SET_REASON: Final = "a value over a whole set of clips: one clip has none"
JOINT_REASON: Final = "judges what a system found in a blind scene: say protocol=scene"

_OUT_OF_MEMORY: Final = (MemoryError, torch.OutOfMemoryError)


@dataclass(frozen=True)
class ScoreRow:
    """One metric on one target; ``value`` is finite where ``status`` is ok, None elsewhere with a ``reason``.

    Beside a value, ``reason`` is a remark of the metric, mostly None.
    """

    index: int
    metric: str
    value: float | None
    status: Literal["ok", "skip", "nan", "error"]
    reason: str | None
    unavailable: bool = False
    """Whether it was skipped for want of a package, whose arrival would change that."""


def score_cell(
    metrics: Sequence[Metric],
    *,
    estimates: SignalLike,
    references: SignalLike,
    mixture: SignalLike,
    sample_rate: int,
) -> list[ScoreRow]:
    """Score the estimates of one cell, target by target, metric by metric.

    A target is *absent* where its reference is silent or more than 60 dB under the mixture: metrics of the present
    skip it, metrics of the absent judge it and have no row elsewhere. A target is *trivial* where the mixture's own
    SDR is above 30 dB: metrics of the present skip it. An estimate with samples that are not finite gets status nan in
    all its other rows. Metrics of scope ``scene`` see every target that is present, trivial or not,
    in one call, so that what they compute jointly follows the scene and not the separator; the others see only the
    targets they judge. A metric that raises, running out of memory excepted, has status error in the rows of the
    targets it was to judge, and takes nothing from the other metrics.

    Args:
        metrics: what to compute.
        estimates: ``(targets, channels, samples)``.
        references: the same shape.
        mixture: ``(channels, samples)``.
        sample_rate: in Hz.

    Raises:
        ValueError: the shapes do not fit, or a reference or the mixture is not finite.
        MemoryError, torch.OutOfMemoryError: from a metric, because the metrics after it would fare no better.
    """
    with torch.inference_mode():
        whole = _Signals(
            as_signal(estimates, "estimates"),
            as_signal(references, "references"),
            as_signal(mixture, "mixture"),
            sample_rate,
        )
        targets = _sort_out(whole)
        found = {metric.id: _found(metric, whole, targets) for metric in metrics}
    return [
        _row(metric, index, found[metric.id].get(index), target)
        for index, target in enumerate(targets)
        for metric in metrics
        if metric.applies_to == "present" or target.absent
    ]


class _Signals:
    """The signals of a cell under the names that metrics ask for."""

    def __init__(
        self, estimates: torch.Tensor, references: torch.Tensor, mixture: torch.Tensor, sample_rate: int
    ) -> None:
        if estimates.ndim != 3 or references.shape != estimates.shape or mixture.shape != estimates.shape[1:]:
            raise ValueError(
                f"shapes do not match: estimates {tuple(estimates.shape)}, references {tuple(references.shape)}, "
                f"mixture {tuple(mixture.shape)}; (targets, channels, samples) twice and (channels, samples) are wanted"
            )
        self.estimates, self.references, self.mixture = estimates, references, mixture
        self.sample_rate = sample_rate
        self.energies = Energies(estimates, references, mixture)
        self._parts: dict[tuple[int, ...], _Signals] = {tuple(range(len(estimates))): self}
        self._shared: dict[Shared, Callable[[], Any]] = {}

    def call(self, function: Callable[..., Any], needs: Sequence[str | Shared]) -> Any:
        """What ``function`` returns for these signals."""
        signals = {need: getattr(self, need) for need in needs if isinstance(need, str)}
        return function(**signals, **{need.name: self._share(need) for need in needs if isinstance(need, Shared)})

    def _share(self, shared: Shared) -> Any:
        if shared not in self._shared:
            self._shared[shared] = _settled(lambda: self.call(shared.function, shared.needs))
        return self._shared[shared]()

    def only(self, indices: tuple[int, ...]) -> _Signals:
        """The same with the targets at ``indices``; made once, so that their energies are shared too."""
        if indices not in self._parts:
            chosen = list(indices)
            self._parts[indices] = _Signals(
                self.estimates[chosen], self.references[chosen], self.mixture, self.sample_rate
            )
        return self._parts[indices]


@dataclass(frozen=True)
class _Target:
    absent: bool
    trivial: bool
    broken: int
    """Samples of the estimate that are NaN or infinite."""


def _sort_out(signals: _Signals) -> list[_Target]:
    energies = signals.energies
    for name, energy in (("references", energies.reference), ("mixture", energies.mixture)):
        # A finite energy is known to be of finite samples, without another look at them.
        bad = 0 if energy.isfinite().all() else count_not_finite(getattr(signals, name))
        if bad:
            raise ValueError(f"{name}: {bad} samples are NaN or infinite")
    least = energies.mixture * 10 ** (ABSENT_BELOW_DB / 10)
    absent = (energies.reference < least) | (energies.reference == 0)
    trivial = energies.mixture_sdr > TRIVIAL_ABOVE_DB
    sound = energies.error.isfinite().tolist()
    broken = [0 if fine else count_not_finite(x) for x, fine in zip(signals.estimates, sound, strict=True)]
    return [_Target(*marks) for marks in zip(absent.tolist(), trivial.tolist(), broken, strict=True)]


def _settled(compute: Callable[[], Any]) -> Callable[[], Any]:
    """Compute now, once, and give back the result or raise the error as often as asked."""
    try:
        result = compute()
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:
        failure = error

        def fail() -> Any:
            raise failure

        return fail
    return lambda: result


@dataclass(frozen=True)
class _Found:
    """What a metric has to say of one target."""

    value: float
    reason: str | None
    failed: bool = False
    unavailable: bool = False


def _found(metric: Metric, whole: _Signals, targets: list[_Target]) -> dict[int, _Found]:
    """What the metric finds by target, computed on the targets it is to see."""
    if metric.scope == "set" or "joint" in metric.needs:
        return {}
    if metric.scope == "scene":
        seen = [not target.absent for target in targets]
    elif metric.applies_to == "absent":
        seen = [target.absent and not target.broken for target in targets]
    else:
        seen = [not (target.absent or target.trivial or target.broken) for target in targets]
    indices = tuple(index for index, taken in enumerate(seen) if taken)
    if not indices:
        return {}
    try:
        result = whole.only(indices).call(metric.function, metric.needs)
        values, reasons = (result.values, result.reasons) if isinstance(result, Scored) else (result, None)
        reasons = [None] * len(indices) if reasons is None else list(reasons)
        if values.shape != (len(indices),) or len(reasons) != len(indices):
            given = f"{metric.id} returned shape {tuple(values.shape)}"
            raise ValueError(f"{given} and {len(reasons)} reasons for {len(indices)} targets")
    except _OUT_OF_MEMORY:
        raise
    except Unavailable as absent:
        return dict.fromkeys(indices, _Found(math.nan, str(absent), unavailable=True))
    except Exception as error:
        failure = _Found(math.nan, f"{type(error).__name__}: {error}", failed=True)
        return dict.fromkeys(indices, failure)
    return {
        index: _Found(*pair) for index, pair in zip(indices, zip(values.tolist(), reasons, strict=True), strict=True)
    }


def _row(metric: Metric, index: int, found: _Found | None, target: _Target) -> ScoreRow:
    if metric.applies_to == "present" and (target.absent or target.trivial):
        return ScoreRow(index, metric.id, None, "skip", ABSENT_REASON if target.absent else TRIVIAL_REASON)
    if target.broken:
        reason = f"the estimate has {target.broken} samples that are NaN or infinite"
        return ScoreRow(index, metric.id, None, "nan", reason)
    if found is None:
        reason = JOINT_REASON if "joint" in metric.needs else SET_REASON
        return ScoreRow(index, metric.id, None, "skip", reason)
    if found.unavailable:
        return ScoreRow(index, metric.id, None, "skip", found.reason, unavailable=True)
    if found.failed:
        return ScoreRow(index, metric.id, None, "error", found.reason)
    if math.isnan(found.value):
        return ScoreRow(index, metric.id, None, "nan", found.reason or metric.undefined)
    if math.isinf(found.value):
        infinite = f"infinite: the value is {found.value:+} {metric.unit}, which no average can hold"
        return ScoreRow(index, metric.id, None, "nan", found.reason or infinite)
    return ScoreRow(index, metric.id, found.value, "ok", found.reason)
