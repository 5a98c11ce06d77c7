"""Parsers that do not parse: the floor under every table of blind scenes."""

from __future__ import annotations

import torch

from ontology.targets import Target
from separators.base import Context, Estimates, Parser
from taggers.card import ModelCard


class Nothing(Parser):
    """Finds nothing, whatever sounds: right on an empty scene, and nowhere else."""

    family = "baseline"

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[Target, ...], *, context: Context) -> Estimates:
        return Estimates(audio=mixture.new_zeros((0, *mixture.shape)), scores=(), targets=())

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this parser."""
        return ModelCard(
            name="nothing", family="baseline", summary="finds nothing in any scene", licence="MIT", parameters=0
        )
