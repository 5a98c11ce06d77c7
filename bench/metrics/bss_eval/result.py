"""What BSS Eval gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class BssEval:
    """Ratios in dB, float64 ``(..., sources, frames)``, and what silence did to them."""

    sdr: torch.Tensor
    """Source to distortion."""
    isr: torch.Tensor
    """Image to spatial distortion; NaN in the criteria of sources."""
    sir: torch.Tensor
    """Source to interference; +inf where there is one source."""
    sar: torch.Tensor
    """Sources to artefacts."""
    undefined: torch.Tensor
    """bool: frames that have no value because of silence."""
    leakage: torch.Tensor
    """Under the strict rule: level of the estimate where the target is silent, in dB relative to a mean square of 1
    over channels and samples (-inf for silence); NaN elsewhere."""
    permutation: torch.Tensor
    """int64: the estimate taken for each reference; 0, 1, 2 ... where none was looked for."""

    @property
    def dropped(self) -> torch.Tensor:
        """How many frames have no value because of silence, int64 ``(..., sources)``."""
        return self.undefined.sum(-1)

    def without(self, undefined: torch.Tensor) -> BssEval:
        """The same with no values in more frames, and no word on leakage."""
        lost = self.undefined | undefined
        sdr, isr, sir, sar = (x.masked_fill(lost, torch.nan) for x in (self.sdr, self.isr, self.sir, self.sar))
        nothing = torch.full_like(self.leakage, torch.nan)
        return replace(self, sdr=sdr, isr=isr, sir=sir, sar=sar, undefined=lost, leakage=nothing)
