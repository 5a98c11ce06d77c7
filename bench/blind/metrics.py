"""What is scored in the scene protocol, and where its figures stand."""

from __future__ import annotations

from typing import Final

from bench.metrics import joint_declared
from bench.metrics.base import Metric

CLASS_METRICS: Final = ("sdri@1", "sdrg@1")
"""Scored on each class that was found where it is."""
METRICS: Final[dict[str, str]] = {
    one.id: f"{joint_declared.__name__}:{name}" for name, one in vars(joint_declared).items() if isinstance(one, Metric)
} | {name: name for name in CLASS_METRICS}
"""Metrics by id with the plug-ins that compute them."""
HEADLINE_DEPTHS: Final = (1, 2, 3)
COLUMNS: Final = tuple(
    f"{metric}/mean/d{depth}"
    for metric in ("capi_sdri@dcase2026", "ca_sdri@dcase2025", "casa_sdri_st@1", "false_alarm_energy@1")
    for depth in HEADLINE_DEPTHS
)
"""Headline columns of a data set of blind scenes; the first one ranks."""
THRESHOLDS: Final = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds at which the joint scores are repeated, at the headline depths."""
