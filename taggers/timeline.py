"""What a tagger hears in a recording of any length: one row of probabilities per segment."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timeline:
    """Tags of a recording, segment by segment; rows are in order of time and cover all of it.

    Segment ``i`` runs from ``i * hop_seconds`` for ``segment_seconds`` (the last ones may end after the recording does,
    and are padded with zeros).
    """

    seconds: float
    """Length of the recording."""
    segment_seconds: float
    hop_seconds: float
    probabilities: torch.Tensor
    """float32 ``(segments, 632)`` in walking order, NaN where the tagger cannot tell."""
    known: torch.Tensor
    """bool ``(632,)``."""
    clipwise: torch.Tensor | None = None
    """float32 ``(segments, 527)``."""
    embedding: torch.Tensor | None = None
    """float32 ``(segments, dimensions)``."""
    counts: torch.Tensor | None = None
    """int64 ``(segments, 632)``."""
    frames: torch.Tensor | None = None
    """float32 ``(frames, 632)``, frame ``t`` covering ``frame_seconds`` from ``t * frame_seconds``: from taggers with
    framewise output, where segments overlap their mean."""
    frame_seconds: float | None = None
