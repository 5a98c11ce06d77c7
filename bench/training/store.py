"""Decoded clips in memory, within a budget: mono at the family's rate, resampled once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch

from bench.audio import Mono, Resampled
from bench.scene import SceneError
from bench.training.clips import TrainingClip


class ClipStore:
    """Gives the audio of clips by number.

    Clips are kept in the order in which they are first asked for, until the budget is full; the others are decoded
    each time. A balanced sampler comes back to each clip after a whole pass, so that throwing the oldest out would
    throw out what is wanted next.
    """

    def __init__(self, clips: Sequence[TrainingClip], *, sample_rate: int, memory_bytes: float) -> None:
        self._clips = clips
        self._rate = sample_rate
        self._room = memory_bytes
        self._kept: dict[int, torch.Tensor] = {}
        self._lock = threading.Lock()
        self.broken: dict[int, str] = {}
        """Why a clip cannot be used, by number; filled as they are met."""

    def read(self, clip: int) -> torch.Tensor | None:
        """float32 ``(samples,)``; None where the clip cannot be read or is silent throughout."""
        if clip in self._kept:
            return self._kept[clip]
        if clip in self.broken:
            return None
        try:
            audio = Resampled(Mono(self._clips[clip].signal), self._rate).read()[0]
        except SceneError as error:
            self.broken[clip] = str(error)
            return None
        if not audio.any():
            self.broken[clip] = f"{self._clips[clip].name}: is silent throughout"
            return None
        audio = audio.clone()  # what was read may be a view of something larger
        with self._lock:
            if audio.nbytes <= self._room:
                self._room -= audio.nbytes
                self._kept[clip] = audio
        return audio
