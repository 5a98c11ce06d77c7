"""What one cell may use before its worker is stopped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Wall time of a cell in seconds, resident memory of its worker in GB (2**30 bytes)."""

    seconds: float = 600.0
    memory_gb: float = 8.0
