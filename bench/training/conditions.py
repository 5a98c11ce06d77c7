"""What the separator is told to extract while it is trained: from a query net, or from the labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import torch

from ontology.targets import Target
from separators.uss.description import QueryName
from separators.uss.label_query import label_condition
from taggers.base import LABELLED
from taggers.mini.network import MiniNet
from taggers.query_nets import Base, QueryNet, QueryTagger, class_mask, load_base


class Conditions(Protocol):
    """Makes conditions for a batch."""

    @property
    def name(self) -> QueryName:
        """Where they come from."""

    @property
    def size(self) -> int:
        """Length of one."""

    @property
    def sha256(self) -> str | None:
        """Of the query net's weights, where there is one."""

    def asks(self, target: Target) -> bool:
        """Whether a condition can tell ``target`` from silence; what cannot be asked for is not trained on."""

    def of(self, segments: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        """Conditions float32 ``(batch, size)`` on the segments' device.

        Args:
            segments: the clean target segments, float32 ``(batch, samples)`` at 32 kHz.
            targets: what each is taken to hold.
        """


class LabelConditions:
    """Marks the labelled classes at or below the target's; the sound plays no part."""

    name: QueryName = "labels"
    size = LABELLED
    sha256 = None

    def __init__(self) -> None:
        self._condition = cache(lambda target: label_condition(target.mids))

    def asks(self, target: Target) -> bool:
        return bool(class_mask(target.mids).any())

    def of(self, segments: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        return torch.stack([self._condition(target) for target in targets]).to(segments.device)


class HeardConditions:
    """What a frozen query net hears in the clean target segment, as the paper trains.

    The public code also has query nets with an adaptor behind them, which its optimiser leaves out; there is none here.
    """

    def __init__(
        self,
        bottleneck: Literal["at_soft", "embedding"],
        *,
        tagger: QueryTagger = "cnn14",
        checkpoint: Path | None,
        scaled: bool = False,
        masked: bool = False,
        device: torch.device,
    ) -> None:
        """Load the tagger; weights and errors as for :func:`taggers.query_nets.load_base`.

        Args:
            bottleneck: the layer that is read.
            tagger: who hears.
            checkpoint: path of its weights.
            scaled: divide a condition by its highest value.
            masked: keep what lies at or below the target's class, as a query by classes does.
            device: where it computes.
        """
        base = load_base(tagger, checkpoint)
        base.module.to(device)
        self._net = QueryNet(base, bottleneck=bottleneck, scaled=scaled)
        self._masked = masked
        self._mask = cache(lambda target: class_mask(target.mids) & _told(base))
        self.name: QueryName = bottleneck
        self.size = self._net.dimensions
        self.sha256 = self._net.weights_sha256()

    def asks(self, target: Target) -> bool:
        return not self._masked or bool(self._mask(target).any())

    def of(self, segments: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        heard = self._net.hear(segments)
        if self._masked:
            conditions = self._net.condition(heard, torch.stack([self._mask(target) for target in targets]))
        else:
            conditions = self._net.adapt(heard)
        # A copy made outside inference mode, so that gradients can pass through what is computed with it.
        return conditions.clone()


def _told(base: Base) -> torch.Tensor:
    """The labelled classes that a tagger can tell at all: bool ``(527,)``."""
    if not isinstance(base.module, MiniNet):
        return torch.ones(LABELLED, dtype=torch.bool)
    told = torch.zeros(LABELLED, dtype=torch.bool)
    told[base.module.places.cpu()] = True
    return told
