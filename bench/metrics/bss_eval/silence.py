"""What becomes of frames in which a source is silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

Silence = Literal["museval", "strict"]
"""Rules for frames in which a source is silent.

``museval``: a frame has no value for any source where any reference or estimate is silent in it; silent are channels
that sum to exactly 0 at every sample, so that a stereo signal in antiphase counts as silent. As museval 0.4.1, and
as mir_eval 0.8.2 for frames.

``strict``: a frame has no value for the sources whose own reference is silent in it, silent meaning that every
channel is 0; instead the level of their estimate is told, as leakage. An estimate that falls silent under a sounding
reference keeps the values that the formulas give (an SDR of 0 dB): otherwise a separator could choose its frames.
"""

OnSilence = Literal["nan", "raise"]


def sounds(signals: torch.Tensor, frames: Sequence[tuple[int, int]], *, silence: Silence) -> torch.Tensor:
    """Whether each source sounds in each frame, bool ``(sources, frames)``, for ``(sources, channels, samples)``."""
    out = torch.empty((len(signals), len(frames)), dtype=torch.bool, device=signals.device)
    for index, signal in enumerate(signals):
        for place, (start, stop) in enumerate(frames):
            out[index, place] = _sounds(signal[:, start:stop], silence)
    return out


def _sounds(signal: torch.Tensor, silence: Silence) -> bool:
    """Looks at the beginning first: mostly that settles it."""
    for part in (signal[:, :1024], signal[:, 1024:]):
        if bool(((part.to(torch.float64).sum(0) if silence == "museval" else part) != 0).any()):
            return True
    return False


def undefined(
    estimates: torch.Tensor, references: torch.Tensor, frames: Sequence[tuple[int, int]], *, silence: Silence
) -> torch.Tensor:
    """Where silence leaves no value, bool ``(sources, frames)``."""
    lost = ~sounds(references, frames, silence=silence)
    if silence == "strict":
        return lost
    return (lost | ~sounds(estimates, frames, silence=silence)).any(dim=0, keepdim=True).expand_as(lost)


def leakage(estimates: torch.Tensor, references: torch.Tensor, frames: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Level of the estimates in frames where their references are silent, float64 ``(sources, frames)``.

    In dB relative to a mean square of 1 over channels and samples: -inf for a silent estimate, NaN in frames where the
    reference sounds.
    """
    silent = ~sounds(references, frames, silence="strict")
    out = torch.full(silent.shape, torch.nan, dtype=torch.float64, device=estimates.device)
    for source, frame in silent.nonzero().tolist():
        start, stop = frames[frame]
        out[source, frame] = 10 * torch.log10(estimates[source, :, start:stop].to(torch.float64).square().mean())
    return out


def refuse_silence(estimates: torch.Tensor, references: torch.Tensor, *, silence: Silence) -> None:
    """Raise where a whole signal is silent.

    Raises:
        ValueError: naming the first silent source.
    """
    for name, signals in (("reference", references), ("estimate", estimates)):
        heard = sounds(signals, [(0, signals.shape[-1])], silence=silence)[:, 0].tolist()
        if not all(heard):
            raise ValueError(f"{name} {heard.index(False)} is silent; on_silence='nan' gives NaN instead of this error")
