"""CSIG, CBAK and COVL: listeners' ratings of enhanced speech, predicted from PESQ, LLR, WSS and SSNR.

Source: Hu and Loizou, "Evaluation of objective quality measures for speech enhancement", IEEE TASLP 16(1), 2008, in
the form of the code that comes with Loizou's book. The regression was fitted with raw narrow-band PESQ; papers on
VoiceBank-DEMAND put wide-band PESQ into it, and so does this, or no figure could be compared with theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from bench.metrics.base import Metric, Scored, Shared
from bench.metrics.perceptual import RATES, WIDE, pesq
from bench.metrics.rates import at_rate
from bench.metrics.segmental import ssnr
from bench.metrics.speech import llr, wss
from bench.metrics.tensors import SignalLike, as_signal

_LEAST, _MOST = 1.0, 5.0


@dataclass(frozen=True)
class Composite:
    """The three ratings, float64 ``(...)``, from 1 to 5, and per item the reason where there is none."""

    signal: torch.Tensor
    """CSIG, of speech distortion."""
    background: torch.Tensor
    """CBAK, of intrusive noise."""
    overall: torch.Tensor
    """COVL, of quality as a whole."""
    reasons: tuple[str | None, ...]


def composite(estimates: SignalLike, references: SignalLike, *, sample_rate: int) -> Composite:
    """CSIG, CBAK and COVL at 16 kHz, to which other rates are resampled by soxr's high quality filter.

    With wide-band PESQ, LLR (not cut at 2), WSS and SSNR of the resampled signals::

        CSIG = 3.093 - 1.029 LLR + 0.603 PESQ - 0.009 WSS
        CBAK = 1.634 + 0.478 PESQ - 0.007 WSS + 0.063 SSNR
        COVL = 1.594 + 0.805 PESQ - 0.512 LLR - 0.007 WSS

    each clipped to [1, 5].

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.

    Raises:
        Unavailable: the package ``pesq`` is not installed.
        ValueError: the shapes do not fit.
    """
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    wide = pesq(estimates, references, sample_rate=sample_rate)
    return _composite(wide, estimates, references, sample_rate)


def _composite(wide: Scored, estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> Composite:
    rate = RATES["wb"]
    pair = {"estimates": at_rate(estimates, sample_rate, rate), "references": at_rate(references, sample_rate, rate)}
    quality = wide.values.to(estimates.device)
    likelihood = llr(**pair, sample_rate=rate, most=None)
    slope = wss(**pair, sample_rate=rate)
    noise = ssnr(**pair, sample_rate=rate)
    return Composite(
        signal=(3.093 - 1.029 * likelihood + 0.603 * quality - 0.009 * slope).clamp(_LEAST, _MOST),
        background=(1.634 + 0.478 * quality - 0.007 * slope + 0.063 * noise).clamp(_LEAST, _MOST),
        overall=(1.594 + 0.805 * quality - 0.512 * likelihood - 0.007 * slope).clamp(_LEAST, _MOST),
        reasons=tuple(wide.reasons),
    )


def _csig(ratings: Composite) -> Scored:
    return Scored(ratings.signal, ratings.reasons)


def _cbak(ratings: Composite) -> Scored:
    return Scored(ratings.background, ratings.reasons)


def _covl(ratings: Composite) -> Scored:
    return Scored(ratings.overall, ratings.reasons)


_RATINGS: Final = Shared("ratings", _composite, needs=(WIDE, "estimates", "references", "sample_rate"))

_RULES: Final = (
    "clipped to [1, 5]; wide-band PESQ, LLR not cut at 2, WSS and SSNR, all at 16 kHz, to which other rates are "
    "resampled (soxr HQ), as papers on VoiceBank-DEMAND compute it. Source: Hu and Loizou 2008, in the code of "
    "Loizou's book. No value where PESQ has none."
)
_UNDEFINED: Final = "no value: PESQ, LLR, WSS or SSNR has none"

CSIG: Final = Metric(
    name="csig",
    version=1,
    function=_csig,
    needs=(_RATINGS,),
    unit="MOS",
    better="higher",
    title="CSIG",
    definition=f"Predicted rating of speech distortion: 3.093 - 1.029 LLR + 0.603 PESQ - 0.009 WSS, {_RULES}",
    undefined=f"CSIG has {_UNDEFINED}",
    aggregations=("mean", "class-median-mean"),
)

CBAK: Final = Metric(
    name="cbak",
    version=1,
    function=_cbak,
    needs=(_RATINGS,),
    unit="MOS",
    better="higher",
    title="CBAK",
    definition=f"Predicted rating of background noise: 1.634 + 0.478 PESQ - 0.007 WSS + 0.063 SSNR, {_RULES}",
    undefined=f"CBAK has {_UNDEFINED}",
    aggregations=("mean", "class-median-mean"),
)

COVL: Final = Metric(
    name="covl",
    version=1,
    function=_covl,
    needs=(_RATINGS,),
    unit="MOS",
    better="higher",
    title="COVL",
    definition=f"Predicted rating of overall quality: 1.594 + 0.805 PESQ - 0.512 LLR - 0.007 WSS, {_RULES}",
    undefined=f"COVL has {_UNDEFINED}",
    aggregations=("mean", "class-median-mean"),
)
