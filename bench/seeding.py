"""Seed the global generators."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the global generators too, for plug-ins that draw from them in spite of the seed in their context."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
