"""BSS Eval, versions 3 and 4: exact, and made for whole songs."""

from __future__ import annotations

from bench.metrics.bss_eval.sdr import SDR_BSSEVAL_V4, framewise_sdr, sdr_bsseval_v4

__all__ = ["SDR_BSSEVAL_V4", "framewise_sdr", "sdr_bsseval_v4"]
