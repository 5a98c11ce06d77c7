"""Anchor mining: which segment of a weakly labelled clip is taken to hold its class.

``framewise`` is the paper's: the segment around the moment at which a tagger hears most of the class. ``energy`` needs
no tagger: the clip's class is taken to be what sounds in it. ``random`` takes any segment of the whole clip (the public
code's own random mode only draws from the first two or three seconds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import torch
from torch.nn import functional

from ontology import Ontology
from ontology.targets import Target
from taggers.base import TagContext, Tagger

FRAMES_PER_SECOND: Final = 100
"""Of framewise probabilities, as in the public USS code."""
STEP_SECONDS: Final = 0.05
"""Between the segments whose energies are compared."""


class Anchors(Protocol):
    """Chooses a segment of a clip."""

    def start(self, clip: int, audio: torch.Tensor, target: Target, random: np.random.Generator) -> int:
        """First sample of the segment; 0 where the clip is no longer than one.

        Args:
            clip: names the clip, for what is remembered of it.
            audio: float32 ``(samples,)``.
            target: the class that the segment is to hold.
            random: the only source of chance.
        """


@dataclass(frozen=True)
class RandomAnchors:
    """Any segment, all alike."""

    length: int
    """Samples of a segment."""

    def start(self, clip: int, audio: torch.Tensor, target: Target, random: np.random.Generator) -> int:
        return int(random.integers(max(len(audio) - self.length, 0) + 1))


@dataclass(frozen=True)
class EnergyAnchors:
    """Where the clip sounds: any of the segments with at least ``share`` of the energy of its loudest one."""

    length: int
    """Samples of a segment."""
    step: int
    """Samples between the segments compared."""
    share: float

    def start(self, clip: int, audio: torch.Tensor, target: Target, random: np.random.Generator) -> int:
        spare = len(audio) - self.length
        if spare <= 0:
            return 0
        energy = functional.pad(audio.double().square().cumsum(dim=0), (1, 0))
        starts = torch.arange(0, spare + 1, self.step)
        held = energy[starts + self.length] - energy[starts]
        loud = starts[held >= self.share * held.max()]
        return int(loud[int(random.integers(len(loud)))])


@dataclass(frozen=True)
class FramewiseAnchors:
    """Where a tagger hears most of the class, or of a class below it; each clip and class is tagged once per run.

    Raises ``ValueError`` where the tagger has no framewise output, or cannot tell the class.
    """

    tagger: Tagger
    length: int
    sample_rate: int
    """Of the clips; the tagger's own."""
    device: torch.device
    _centres: dict[tuple[int, str], float] = field(default_factory=dict, compare=False)

    def start(self, clip: int, audio: torch.Tensor, target: Target, random: np.random.Generator) -> int:
        spare = len(audio) - self.length
        if spare <= 0:
            return 0
        key = (clip, "\t".join(target.mids))
        if key not in self._centres:
            self._centres[key] = self._mine(audio, target)
        return min(max(round(self._centres[key] * self.sample_rate) - self.length // 2, 0), spare)

    def _mine(self, audio: torch.Tensor, target: Target) -> float:
        context = TagContext(device=self.device, sample_rate=self.sample_rate, starts=(0.0,))
        with torch.inference_mode():
            framewise = self.tagger.tag(audio[None].to(self.device), context=context).framewise
        if framewise is None:
            raise ValueError(
                f"anchor=framewise: {type(self.tagger).__name__} does not tell when a class sounds; "
                "name a tagger with framewise output, such as panns-sed, or say anchor=energy"
            )
        rows = [Ontology.audioset()[mid].row for mid in target.mids]
        heard = framewise[0, :, rows].amax(dim=1).cpu()
        if heard.isnan().any():
            raise ValueError(f"anchor=framewise: the tagger cannot tell {target.label}; say anchor=energy")
        seconds = len(audio) / self.sample_rate
        return anchor(_at_rate(heard, round(seconds * FRAMES_PER_SECOND)), self.length / self.sample_rate)


def anchor(probabilities: torch.Tensor, seconds: float) -> float:
    """The middle, in seconds, of the stretch in which a class is most likely on average.

    A box filter one frame longer than a segment runs over the probabilities, whose ends are repeated; the first of its
    maxima is moved away from the ends by half a segment. Source: the public USS code, where a segment has 200 frames,
    the filter 201, and the anchor of a clip of 1000 frames lies from 100 to 900.

    Args:
        probabilities: ``(frames,)`` at 100 frames per second, more than a segment of them.
        seconds: length of a segment.
    """
    half = round(seconds * FRAMES_PER_SECOND) // 2
    padded = functional.pad(probabilities.double()[None], (half, half), mode="replicate")
    smooth = padded[0].unfold(0, 2 * half + 1, 1).mean(dim=1)
    frame = int(torch.argmax(smooth))
    return min(max(frame, half), len(probabilities) - half) / FRAMES_PER_SECOND


def _at_rate(heard: torch.Tensor, frames: int) -> torch.Tensor:
    """Repeat or drop frames of an even grid so that it has ``frames`` of them."""
    place = (torch.arange(frames) + 0.5) * len(heard) / frames
    return heard[place.long().clamp(max=len(heard) - 1)]
