"""The plug-in ``mini-uss``: a small universal separator with the weights that come with stemtree.

The small tagger (``taggers.mini``) hears the mixture, and what it hears of the classes at or below the target,
scaled so that the loudest of them is 1, is the query. Whoever asks has decided that the class sounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from ontology import Ontology, Target
from separators.base import Unavailable
from separators.card import ModelCard
from separators.uss.checkpoint import SUFFIX, describe_checkpoint
from separators.uss.description import Description
from separators.uss.engine import Precision
from separators.uss.separator import UssClasses
from taggers.card import read_card
from taggers.query_nets import class_mask

WEIGHTS: Final = Path(__file__).with_name("mini-uss.safetensors")
"""What ships with stemtree."""
CARD: Final = WEIGHTS.with_suffix(".yaml")
_TRAIN: Final = "`stemtree train uss query=at_soft query_tagger=mini-tagger`"


class MiniUss(UssClasses):
    """A small universal separator by class, for the classes that its checkpoint was trained to extract."""

    def __init__(
        self, *, checkpoint: str | None = None, query_net: str | None = None, dtype: Precision = "auto"
    ) -> None:
        """Load both networks.

        Args:
            checkpoint: path of the separator's weights; None for those that come with stemtree.
            query_net: path of the tagger's weights; None for those that come with stemtree.
            dtype: as for :class:`separators.uss.universal.UniversalSeparator`.

        Raises:
            Unavailable: there are no weights at a path.
            ValueError: a file does not hold weights of these networks, or the separator was trained with another
                tagger; the message names it.
        """
        weights = Path(checkpoint).expanduser() if checkpoint is not None else WEIGHTS
        if not weights.is_file():
            raise Unavailable(f"no weights at {weights}: give the path of a file that `stemtree train uss` wrote")
        described = _described(weights)
        super().__init__(checkpoint=str(weights), query_net=query_net, threshold=0.0, dtype=dtype)
        ontology = Ontology.audioset()
        self._trained = class_mask(described.classes)
        self._askable = frozenset(
            node.mid for mid in described.classes for node in ontology.ancestors(mid, include_self=True)
        )

    def refuses(self, target: Target) -> str | None:
        """Why ``target`` cannot be asked for, or None if it was trained on a class at or below it."""
        if target.mids and self._askable.isdisjoint(target.mids):
            return f"{target.label!r} was not among the classes of its training, nor was a class below it"
        return super().refuses(target)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it, with the weights that come with stemtree."""
        return read_card(CARD)

    def _mask(self, target: Target) -> torch.Tensor:
        """As for any query by classes, without those whose weights were never learnt."""
        return class_mask(target.mids) & self._trained


def _described(weights: Path) -> Description:
    described = describe_checkpoint(weights)
    if described is None:
        raise ValueError(f"{weights}: is no {SUFFIX} file that `stemtree train` wrote; make one with {_TRAIN}")
    if (described.query, described.query_net) != ("at_soft", "mini-tagger"):
        told = described.query if described.query == "labels" else f"{described.query} of {described.query_net}"
        raise ValueError(
            f"{weights}: was trained on {told}, and mini-uss asks with mini-tagger; take uss-labels or uss-classes, "
            f"or train one with {_TRAIN}"
        )
    return described
