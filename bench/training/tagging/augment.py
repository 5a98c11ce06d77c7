"""How the items of a tagger's batches are made from clips: mixed, played at other speeds, coloured and masked.

Masks of spectrograms: SpecAugment (Park et al., arXiv:1904.08779).
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch.nn import functional

from bench.training.anchors import STEP_SECONDS, EnergyAnchors
from ontology import Target

_Share = Annotated[float, Field(ge=0, le=1)]
_NOWHERE: Final = Target("any")


class Augment(BaseModel):
    """What is done to clips; ``augment.*`` of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[_Share, ...] = Field(default=(0.4, 0.45, 0.15), min_length=1)
    """Probabilities that an item mixes one, two, three, ... clips."""
    other_db: tuple[float, float] = (-28.0, -20.0)
    """Bounds of the levels of all clips of an item but the first, in dBFS."""
    speed_octaves: float = Field(default=0.25, ge=0)
    """By how much a clip is played faster or slower at most, in octaves of pitch."""
    speed_share: _Share = 0.7
    """Share of the clips that are played at another speed."""
    gain_db: tuple[float, float] = (-20.0, 6.0)
    """Bounds of the gain of a whole item."""
    noise_db: tuple[float, float] = (-90.0, -45.0)
    """Bounds of the level of the white noise that is added to an item, in dBFS."""
    noise_share: _Share = 0.5
    """Share of the items that white noise is added to."""
    silence_share: _Share = 0.02
    """Share of the items that are digital silence."""
    time_masks: int = Field(default=2, ge=0)
    """Stretches of frames that are hidden in each item."""
    time_mask_frames: int = Field(default=40, ge=0)
    """Frames of such a stretch at most."""
    band_masks: int = Field(default=1, ge=0)
    """Stretches of mel bands that are hidden in each item."""
    band_mask_bands: int = Field(default=8, ge=0)
    """Bands of such a stretch at most."""
    equaliser_points: int = Field(default=5, ge=2)
    """Points over the mel bands, evenly spaced, at which a random gain is drawn; between them it is interpolated."""
    equaliser_db: float = Field(default=6.0, ge=0)
    """The greatest gain or loss at such a point."""

    @model_validator(mode="after")
    def _fits_together(self) -> Augment:
        if abs(sum(self.sources) - 1) > 1e-8:  # what numpy draws by
            raise ValueError(f"sources: probabilities add up to 1, not {sum(self.sources):.9g}")
        for name in ("other_db", "gain_db", "noise_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the lower bound comes first")
        return self


def cut(
    audio: torch.Tensor,
    samples: int,
    *,
    how: Augment,
    sample_rate: int,
    energy_share: float,
    random: np.random.Generator,
) -> torch.Tensor:
    """A segment ``(samples,)`` of a clip ``(any,)`` at a random speed.

    It is taken from where the clip sounds: from any stretch that has at least ``energy_share`` of the energy of the
    loudest stretch. A clip that is too short is put somewhere into silence.
    """
    speed = 2 ** random.uniform(-how.speed_octaves, how.speed_octaves) if random.random() < how.speed_share else 1.0
    taken = round(samples * speed)
    anchors = EnergyAnchors(taken, round(STEP_SECONDS * sample_rate), energy_share)
    start = anchors.start(0, audio, _NOWHERE, random)
    piece = audio[start : start + taken]
    length = samples if len(piece) == taken else min(samples, max(1, round(len(piece) / speed)))
    if length != len(piece):
        piece = functional.interpolate(piece[None, None], size=length, mode="linear", align_corners=False)[0, 0]
    before = int(random.integers(samples - length + 1))
    return functional.pad(piece, (before, samples - length - before))


def coloured(spectrograms: torch.Tensor, how: Augment, randoms: list[np.random.Generator]) -> torch.Tensor:
    """Spectrograms in dB ``(batch, frames, bands)``, parts of them hidden behind their mean, and then equalised."""
    _, frames, bands = spectrograms.shape
    hidden = np.zeros(spectrograms.shape, dtype=bool)
    gains = np.empty((len(randoms), 1, bands), dtype=np.float32)
    places = np.linspace(0, how.equaliser_points - 1, bands)
    for item, random in enumerate(randoms):
        for _ in range(how.time_masks):
            first, last = _stretch(frames, how.time_mask_frames, random)
            hidden[item, first:last] = True
        for _ in range(how.band_masks):
            first, last = _stretch(bands, how.band_mask_bands, random)
            hidden[item, :, first:last] = True
        points = random.uniform(-how.equaliser_db, how.equaliser_db, how.equaliser_points)
        gains[item, 0] = np.interp(places, np.arange(how.equaliser_points), points)
    device = spectrograms.device
    means = spectrograms.mean(dim=(1, 2), keepdim=True)
    masked = torch.where(torch.from_numpy(hidden).to(device), means, spectrograms)
    return masked.add_(torch.from_numpy(gains).to(device))


def _stretch(length: int, most: int, random: np.random.Generator) -> tuple[int, int]:
    wide = int(random.integers(min(most, length) + 1))
    first = int(random.integers(length - wide + 1))
    return first, first + wide
