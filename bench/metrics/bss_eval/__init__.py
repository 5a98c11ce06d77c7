"""BSS Eval, versions 3 and 4: exact, and made for whole songs."""

from __future__ import annotations

from bench.metrics.bss_eval.declared import SDR_BSSEVAL_V4
from bench.metrics.bss_eval.result import BssEval
from bench.metrics.bss_eval.sdr import framewise_sdr, sdr_bsseval_v4
from bench.metrics.bss_eval.v3 import bss_eval_v3
from bench.metrics.bss_eval.v4 import bss_eval_v4

__all__ = ["SDR_BSSEVAL_V4", "BssEval", "bss_eval_v3", "bss_eval_v4", "framewise_sdr", "sdr_bsseval_v4"]
