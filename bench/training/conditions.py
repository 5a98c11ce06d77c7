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
from taggers.query_nets import QueryNet


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

    def of(self, segments: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        return torch.stack([self._condition(target) for target in targets]).to(segments.device)


class HeardConditions:
    """What a frozen query net hears in the clean target segment, as the paper trains.

    The public code also has query nets with an adaptor behind them, which its optimiser leaves out; there is none here.
    """

    def __init__(
        self, bottleneck: Literal["at_soft", "embedding"], *, checkpoint: Path | None, device: torch.device
    ) -> None:
        """Load Cnn14's weights from ``checkpoint``, or the published ones.

        Raises:
            taggers.base.Unavailable: the weights are not to be had; the message is the remedy.
            ValueError: the file does not hold them; the message names it.
        """
        from taggers.panns import load_cnn14

        base = load_cnn14(checkpoint)
        base.module.to(device)
        self._net = QueryNet(base, bottleneck=bottleneck)
        self.name: QueryName = bottleneck
        self.size = self._net.dimensions
        self.sha256 = self._net.weights_sha256()

    def of(self, segments: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        # A copy made outside inference mode, so that gradients can pass through what is computed with it.
        return self._net.encode(segments).clone()
