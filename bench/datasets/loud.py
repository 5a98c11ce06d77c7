"""Example clips without their silence."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.audio import Derived, Mono, Resampled, digest
from bench.scene import Signal
from taggers.examples import SILENCE_FRAME, SILENCE_PEAK, loud_frames
from taggers.query_nets import SAMPLE_RATE


def without_silence(signal: Signal) -> Signal:
    """The signal in mono at 32 kHz, without each frame of 0.1 s whose peak is at most 0.02; it may be empty.

    The evaluation of arXiv:2305.07447 makes queries of such clips on MUSDB18 and VoiceBank-DEMAND.
    """
    return _Loud(Resampled(Mono(signal), SAMPLE_RATE))


@dataclass(frozen=True)
class _Loud(Derived):
    """The loud frames of a mono signal at 32 kHz, joined; how many there are is known once it is read."""

    @property
    def samples(self) -> int:
        return self.read().shape[1]

    def read(self) -> torch.Tensor:
        return loud_frames(self.signal.read()[0])[None]

    def fingerprint(self) -> str:
        return digest("loud", self.signal.fingerprint(), SILENCE_FRAME, SILENCE_PEAK)
