"""Separators that do not separate: the floor under every table."""

from __future__ import annotations

import torch

from separators.base import Context, Query, Separator
from separators.card import ModelCard


def _card(name: str, summary: str) -> ModelCard:
    return ModelCard(name=name, family="baseline", summary=summary, licence="MIT", parameters=0)


class Mixture(Separator):
    """The mixture itself, bit for bit, whatever is asked for; its SDRi is 0 by definition."""

    family = "baseline"

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return mixture.expand(len(queries), *mixture.shape)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this separator."""
        return _card("mixture", "the unprocessed mixture")


class Silence(Separator):
    """Silence, whatever is asked for; its SDR is 0 dB by definition."""

    family = "baseline"

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return mixture.new_zeros((len(queries), *mixture.shape))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this separator."""
        return _card("silence", "silence")


class Half(Separator):
    """The mixture 6 dB down: on two equally loud, uncorrelated sources this alone earns 10 log10(2) = 3 dB of SDRi."""

    family = "baseline"

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return (0.5 * mixture).expand(len(queries), *mixture.shape)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this separator."""
        return _card("half", "the mixture at half its amplitude")
