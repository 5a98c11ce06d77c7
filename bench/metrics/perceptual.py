"""PESQ, computed by the package ``pesq`` 0.0.4, which wraps the code of ITU-T P.862.

The package is an extra (``stemtree[speech]``), because it has to be compiled; without it the metric is skipped. What it
cannot score is no error: such a target has no value, and the reason says why.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import prod
from typing import Final, Literal

import numpy as np
import torch

from bench.metrics.base import Metric, Scored, Shared
from bench.metrics.rates import at_rate
from bench.metrics.tensors import SignalLike, as_signal, check_alike
from separators.base import Unavailable

PACKAGE_ABSENT: Final = "PESQ is not installed: pip install 'stemtree[speech]' (pesq 0.0.4, which needs a C compiler)"

MOST_SECONDS: Final = 20.0
"""The package has room for 50 utterances and writes beyond it unchecked. An utterance has more than 0.2 s and lies
more than 0.2 s after the one before, so that the fifty-first cannot begin earlier than this."""

Band = Literal["wb", "nb"]
RATES: Final[dict[Band, int]] = {"wb": 16_000, "nb": 8_000}


def pesq(estimates: SignalLike, references: SignalLike, *, sample_rate: int, band: Band = "wb") -> Scored:
    """PESQ as MOS-LQO, wide band (P.862.2, 1.04 to 4.64) or narrow band (P.862.1, 1.02 to 4.55).

    Signals at other rates than 16 kHz (wide band) or 8 kHz (narrow band) are resampled by soxr's high quality filter.
    PESQ brings reference and estimate to one level each, and the package divides both by the greatest sample of the
    two first. Several channels: the mean of their values.

    Args:
        estimates: ``(..., channels, samples)``.
        references: the same channels and samples; batch axes broadcast.
        sample_rate: in Hz.
        band: ``"wb"`` or ``"nb"``.

    Returns:
        Values ``(...)``, and one reason per item, in row-major order: NaN where any channel cannot be scored, because
        PESQ finds no utterance in it, or it is shorter than 0.25 s or longer than 20 s, or exactly silent.

    Raises:
        Unavailable: the package is not installed.
        ValueError: the shapes do not fit.
    """
    if not available():
        raise Unavailable(PACKAGE_ABSENT)
    estimates, references = as_signal(estimates, "estimates"), as_signal(references, "references")
    batch = check_alike(estimates=estimates, references=references)
    pair = [at_rate(signal, sample_rate, RATES[band]).cpu() for signal in (estimates, references)]
    shapes = ((signal.expand(*batch, *signal.shape[-2:]), (prod(batch), *signal.shape[-2:])) for signal in pair)
    items = zip(*(signal.reshape(shape) for signal, shape in shapes), strict=True)
    found = [_of_item(estimate.numpy(), reference.numpy(), band) for estimate, reference in items]
    values = torch.tensor([value for value, _ in found], dtype=torch.float64).reshape(batch)
    return Scored(values, [reason for _, reason in found])


def available() -> bool:
    """Whether the package is installed."""
    return find_spec("pesq") is not None


def _of_item(estimate: np.ndarray, reference: np.ndarray, band: Band) -> tuple[float, str | None]:
    values = []
    for channel, signal in zip(estimate, reference, strict=True):
        value, reason = _of_channel(channel, signal, band)
        if reason is not None:
            return np.nan, reason
        values.append(value)
    return float(np.mean(values)), None


def _of_channel(estimate: np.ndarray, reference: np.ndarray, band: Band) -> tuple[float, str | None]:
    from pesq import PesqError
    from pesq import pesq as score

    if len(reference) > MOST_SECONDS * RATES[band]:
        return np.nan, f"PESQ has no value: the package cannot be trusted with more than {MOST_SECONDS:.0f} s"
    for name, signal in (("reference", reference), ("estimate", estimate)):
        if not signal.any():
            return np.nan, f"PESQ has no value: the {name} is silent"
    try:
        value = float(score(RATES[band], reference, estimate, band))
    except PesqError as error:
        return np.nan, f"PESQ has no value: {_words(error)}"
    return value, None if np.isfinite(value) else "PESQ has no value: the package returned none"


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else type(error).__name__
    said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return said.strip().rstrip("!.").lower()


def _wide(estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> Scored:
    return pesq(estimates, references, sample_rate=sample_rate, band="wb")


def _narrow(estimates: torch.Tensor, references: torch.Tensor, sample_rate: int) -> Scored:
    return pesq(estimates, references, sample_rate=sample_rate, band="nb")


def _itself(wide: Scored) -> Scored:
    return wide


WIDE: Final = Shared("wide", _wide, needs=("estimates", "references", "sample_rate"))
"""PESQ wide band of a cell, for PESQ itself and the composite measures."""

_RULES: Final = (
    "to which other rates are resampled (soxr HQ), by the package pesq 0.0.4. Mono; "
    "the mean of the channels' values where there are several. No value, with the "
    "reason, where it finds no utterance or a signal is silent, shorter than 0.25 s or longer than 20 s."
)

PESQ_WB: Final = Metric(
    name="pesq_wb",
    version=1,
    function=_itself,
    needs=(WIDE,),
    unit="MOS",
    better="higher",
    title="PESQ wb",
    definition=(f"PESQ, wide band, as MOS-LQO (ITU-T P.862.2), at 16 kHz, {_RULES}"),
    undefined="PESQ has no value here",
    aggregations=("mean", "class-median-mean"),
)

PESQ_NB: Final = Metric(
    name="pesq_nb",
    version=1,
    function=_narrow,
    needs=("estimates", "references", "sample_rate"),
    unit="MOS",
    better="higher",
    title="PESQ nb",
    definition=(f"PESQ, narrow band, as MOS-LQO (ITU-T P.862.1), at 8 kHz, {_RULES}"),
    undefined="PESQ has no value here",
    aggregations=("mean", "class-median-mean"),
)
