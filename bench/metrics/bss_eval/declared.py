"""BSS Eval as metrics of the harness. All are joint over the targets that sound in a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import torch

from bench.metrics.base import Metric, Scored, Shared
from bench.metrics.bss_eval.result import BssEval
from bench.metrics.bss_eval.sdr import framewise_sdr, median
from bench.metrics.bss_eval.silence import undefined
from bench.metrics.bss_eval.split import frames_of
from bench.metrics.bss_eval.v3 import bss_eval_v3
from bench.metrics.bss_eval.v4 import bss_eval_v4

Ratio = Literal["sdr", "isr", "sir", "sar"]

_SIGNALS: Final = ("estimates", "references", "sample_rate")


def _strict(estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> BssEval:
    return bss_eval_v4(estimates, references, window=sample_rate, silence="strict")


def _as_museval(found: BssEval, estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> BssEval:
    """The rules differ in what they leave out alone, and museval's leaves out all that the strict one does."""
    frames = frames_of(references.shape[-1], window=sample_rate, hop=None)
    return found.without(undefined(estimates, references, frames, silence="museval"))


def _sources(estimates: torch.Tensor, references: torch.Tensor) -> BssEval:
    return bss_eval_v3(estimates, references, criteria="sources", silence="strict")


def _images(estimates: torch.Tensor, references: torch.Tensor) -> BssEval:
    return bss_eval_v3(estimates, references, criteria="images", silence="strict")


def _ordered_sources(estimates: torch.Tensor, references: torch.Tensor) -> BssEval:
    return bss_eval_v3(estimates, references, criteria="sources", permutation="mean-sir", silence="strict")


_V4_STRICT: Final = Shared("found", _strict, _SIGNALS)
_V4_MUSEVAL: Final = Shared("found", _as_museval, (_V4_STRICT, *_SIGNALS))
_V3_SOURCES: Final = Shared("found", _sources, _SIGNALS[:2])
_V3_IMAGES: Final = Shared("found", _images, _SIGNALS[:2])
_V3_ORDERED: Final = Shared("found", _ordered_sources, _SIGNALS[:2])

_FORMULAS: Final[dict[Ratio, str]] = {
    "sdr": "10 log10(|s|^2 / |s - ŝ|^2)",
    "isr": "10 log10(|s|^2 / |P_j ŝ - s|^2)",
    "sir": "10 log10(|P_j ŝ|^2 / |P ŝ - P_j ŝ|^2)",
    "sar": "10 log10(|P ŝ|^2 / |ŝ - P ŝ|^2)",
}
_SOURCE_SDR: Final = "10 log10(|P_j ŝ|^2 / |ŝ - P_j ŝ|^2)"
_PROJECTIONS: Final = (
    "P projects on the channels of all references delayed by 0 to 511 samples, P_j on those of the target's own; "
    "energies over all channels"
)
_JOINT: Final = "Joint over the targets that sound in the scene."
_FRAMES: Final = (
    "frames of 1 s, one after the other; an incomplete one at the end is dropped, unless it is the only one; the value "
    "is the median over frames, exact ones (+inf) left out"
)
_MUSEVAL: Final = (
    "A frame counts for no target where any reference or estimate is silent in it (channels that sum to 0), as in "
    "museval 0.4.1, whose numbers these are"
)
_STRICT: Final = (
    "A frame counts for all targets but those whose own reference is silent in it; where museval 0.4.1 has a value for "
    "a frame, it is the same"
)
_V4_SOURCE: Final = "Source: Stöter, Liutkus and Ito 2018, arXiv:1804.06267."
_V3_SOURCE: Final = "Source: Vincent, Gribonval and Févotte 2006, doi:10.1109/TSA.2005.858005."


def _over_frames(values: torch.Tensor, dropped: torch.Tensor) -> Scored:
    """Medians of ``(targets, frames)``, with a remark where frames were left out for silence."""
    count = values.shape[-1]
    told = [f"{lost} of {count} frames left out because of silence" if lost else None for lost in dropped.tolist()]
    medians = median(values)
    return Scored(medians, [why if value else None for why, value in zip(told, medians.isfinite(), strict=True)])


def _framewise_sdr(estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> Scored:
    values = framewise_sdr(estimates, references, sample_rate=sample_rate)
    return _over_frames(values, values.isnan().sum(-1))


def _framewise(ratio: Ratio) -> Callable[..., Scored]:
    return lambda found: _over_frames(getattr(found, ratio), found.dropped)


def _whole(ratio: Ratio) -> Callable[..., torch.Tensor]:
    return lambda found: getattr(found, ratio)[:, 0]


def _leakage(found: BssEval) -> torch.Tensor:
    return torch.nanquantile(found.leakage.where(found.leakage.isfinite(), torch.nan), 0.5, dim=-1)


def _v4(ratio: Ratio, rule: Literal["museval", "strict"]) -> Metric:
    museval = rule == "museval"
    filters = f"{_PROJECTIONS}; filters fitted to the whole recording" if ratio != "sdr" else "no filter enters"
    rules = f"{_MUSEVAL if museval else _STRICT}. {_JOINT}" + (" Infinite for one source." if ratio == "sir" else "")
    return Metric(
        name=f"{ratio}_bsseval_v4" if museval else f"{ratio}_bsseval_v4_strict",
        version=1,
        function=_framewise(ratio),
        needs=(_V4_MUSEVAL if museval else _V4_STRICT,),
        unit="dB",
        better="higher",
        title=f"{ratio.upper()} (BSS Eval v4)" if museval else f"{ratio.upper()} (BSS Eval v4, strict)",
        definition=f"{_FORMULAS[ratio]}; {filters}; {_FRAMES}. {rules} {_V4_SOURCE}",
        undefined=(
            "BSS Eval v4 has no value: in every frame some reference or estimate of the scene is silent, or the ratio "
            "is infinite"
            if museval
            else "BSS Eval v4 has no value: in every frame the reference is silent, or the ratio is infinite or 0 / 0"
        ),
        scope="scene",
    )


def _v3(ratio: Ratio, kind: Literal["sources", "images", "sources_perm_sir"], shared: Shared) -> Metric:
    ordered = kind == "sources_perm_sir"
    formula = _SOURCE_SDR if ratio == "sdr" and kind != "images" else _FORMULAS[ratio]
    order = " Estimates are put in the order with the greatest mean SIR, labels ignored." if ordered else ""
    rules = f"The numbers of mir_eval 0.8.2.{order} {_JOINT}"
    return Metric(
        name=f"{ratio}_bsseval_v3_{kind}",
        version=1,
        function=_whole(ratio),
        needs=(shared,),
        unit="dB",
        better="higher",
        title=f"{ratio.upper()} (BSS Eval v3, {'sources, permuted by SIR' if ordered else kind})",
        definition=f"{formula} over the whole signal; {_PROJECTIONS}. {rules} {_V3_SOURCE}",
        undefined="BSS Eval v3 has no value: the estimate is silent, and the ratio is 0 / 0",
        scope="scene",
    )


SDR_BSSEVAL_V4: Final = Metric(
    name="sdr_bsseval_v4",
    version=1,
    function=_framewise_sdr,
    needs=_SIGNALS,
    unit="dB",
    better="higher",
    title="SDR (BSS Eval v4)",
    definition=(
        "Median over frames of 10 log10(|s|^2 / |s - ŝ|^2), energies over all channels, as museval 0.4.1 computes the "
        "SDR of BSS Eval v4 (it needs no distortion filter): frames of 1 s, one after the other; an incomplete one at "
        "the end is dropped, unless it is the only one. A frame counts for no target of the scene where any reference "
        "or estimate is silent in it (channels that sum to 0); exact frames do not count either. Joint over the "
        "targets that sound in the scene; absent targets take no part, and through the silent frames alone a value "
        "depends on which targets do. Source: Stöter, Liutkus and Ito 2018, arXiv:1804.06267."
    ),
    undefined=(
        "BSS Eval v4 has no value: in every frame some reference or estimate of the scene is silent, or this "
        "estimate is exact"
    ),
    scope="scene",
)
ISR_BSSEVAL_V4: Final = _v4("isr", "museval")
SIR_BSSEVAL_V4: Final = _v4("sir", "museval")
SAR_BSSEVAL_V4: Final = _v4("sar", "museval")

SDR_BSSEVAL_V4_STRICT: Final = _v4("sdr", "strict")
ISR_BSSEVAL_V4_STRICT: Final = _v4("isr", "strict")
SIR_BSSEVAL_V4_STRICT: Final = _v4("sir", "strict")
SAR_BSSEVAL_V4_STRICT: Final = _v4("sar", "strict")
LEAKAGE_BSSEVAL_V4_STRICT: Final = Metric(
    name="leakage_bsseval_v4_strict",
    version=1,
    function=_leakage,
    needs=(_V4_STRICT,),
    unit="dB",
    better="lower",
    title="Leakage in silence",
    definition=(
        "Level of the estimate in the frames of 1 s in which its target is silent: 10 log10 of the mean square over "
        "channels and samples; the value is the median over those frames, silent estimates (-inf) left out. The frames "
        "that sdr_bsseval_v4_strict@1 leaves out."
    ),
    undefined="leakage in silence has no value: the target sounds in every frame, or its estimate is silent with it",
    aggregations=("median",),
    scope="scene",
)

SDR_BSSEVAL_V3_SOURCES: Final = _v3("sdr", "sources", _V3_SOURCES)
SIR_BSSEVAL_V3_SOURCES: Final = _v3("sir", "sources", _V3_SOURCES)
SAR_BSSEVAL_V3_SOURCES: Final = _v3("sar", "sources", _V3_SOURCES)
SDR_BSSEVAL_V3_IMAGES: Final = _v3("sdr", "images", _V3_IMAGES)
ISR_BSSEVAL_V3_IMAGES: Final = _v3("isr", "images", _V3_IMAGES)
SIR_BSSEVAL_V3_IMAGES: Final = _v3("sir", "images", _V3_IMAGES)
SAR_BSSEVAL_V3_IMAGES: Final = _v3("sar", "images", _V3_IMAGES)
SDR_BSSEVAL_V3_SOURCES_PERM_SIR: Final = _v3("sdr", "sources_perm_sir", _V3_ORDERED)
SIR_BSSEVAL_V3_SOURCES_PERM_SIR: Final = _v3("sir", "sources_perm_sir", _V3_ORDERED)
SAR_BSSEVAL_V3_SOURCES_PERM_SIR: Final = _v3("sar", "sources_perm_sir", _V3_ORDERED)
