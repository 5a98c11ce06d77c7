"""How the public code of universal source separation works, written from its description.

One class at a time, its active segments in batches of at most 8; for each batch the query net hears the segments anew,
and the network transforms them by convolution, in float32 and torch's default layout, and back by convolution.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn
from torchlibrosa.stft import ISTFT, STFT  # type: ignore[import-untyped]

from separators.uss.model import ResUNet30

MOST_AT_ONCE: Final = 8
_FLOOR: Final = 1e-10


class Reference:
    """The query net and the separating network, neither of which remembers anything."""

    def __init__(self, model: ResUNet30, query_net: nn.Module) -> None:
        transform = {"n_fft": model.window, "hop_length": model.hop, "win_length": model.window, "window": "hann",
                     "center": True, "pad_mode": "reflect", "freeze_parameters": True}  # fmt: skip
        self.model, self.query_net = model, query_net
        self.stft, self.istft = STFT(**transform), ISTFT(**transform)

    @torch.no_grad()
    def separate(self, segments: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Estimates of one class in its active segments ``(batch, samples)``.

        The conditions are given, so that the active classes are those of the scene; the query net is run all the same.
        """
        batches = zip(segments.split(MOST_AT_ONCE), conditions.split(MOST_AT_ONCE), strict=True)
        return torch.cat([self._batch(*batch) for batch in batches])

    def _batch(self, waveform: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        self.query_net(waveform)
        real, imaginary = (x[:, 0] for x in self.stft(waveform))
        magnitude = (real**2 + imaginary**2).clamp(_FLOOR, torch.inf).sqrt()
        cosine, sine = real / magnitude, imaginary / magnitude
        maps = nn.functional.pad(self.model.network(magnitude, self.model.film(condition)), (0, 1))
        gain, turn_real, turn_imaginary = maps.sigmoid()[:, 0], maps[:, 1].tanh(), maps[:, 2].tanh()
        turn = (turn_real**2 + turn_imaginary**2).clamp(_FLOOR**2, torch.inf).sqrt()
        turn_cosine, turn_sine = turn_real / turn, turn_imaginary / turn
        kept = magnitude * gain
        out_real = kept * (cosine * turn_cosine - sine * turn_sine)
        out_imaginary = kept * (sine * turn_cosine + cosine * turn_sine)
        return self.istft(out_real[:, None], out_imaginary[:, None], waveform.shape[1])
