"""Model cards, which taggers have too: see :mod:`taggers.card`."""

from __future__ import annotations

from taggers.card import ModelCard, Weights

__all__ = ["ModelCard", "Weights"]
