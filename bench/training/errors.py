"""What a user is told when training cannot go on."""

from __future__ import annotations


class TrainError(ValueError):
    """Training cannot start or go on; the message says why and what mends it."""
