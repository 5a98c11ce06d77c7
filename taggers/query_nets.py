"""Query nets: what a query-conditioned separator is told to listen for, as a vector.

A frozen tagger hears example sound of the target (2-second segments at 32 kHz) and one of its layers is the
condition: its clip probabilities (``at_soft``) or its penultimate embedding. A learnt adaptor may follow. Source:
Kong et al., "Universal Source Separation with Weakly Labelled Data", arXiv:2305.07447, and its public code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, Protocol

import torch
from torch import nn

from ontology import Ontology
from ontology.graph import Node
from taggers.base import LABELLED

SAMPLE_RATE: Final = 32_000
EMBEDDING: Final = 2048
"""Units of Cnn14's penultimate layer."""

Bottleneck = Literal["at_soft", "embedding"]
QueryTagger = Literal["cnn14", "mini-tagger"]
"""Pre-trained taggers that a query net can listen with; only Cnn14's embedding is read."""

_OUTPUTS: Final[dict[str, tuple[str, int]]] = {
    "at_soft": ("clipwise_output", LABELLED),
    "embedding": ("embedding", EMBEDDING),
}
_HIDDEN: Final = 2048
_SLOPE: Final = 0.01
_DROPOUT: Final = 0.5


class Base(Protocol):
    """A pre-trained tagger, e.g. what ``taggers.panns.load_cnn14`` returns."""

    @property
    def module(self) -> nn.Module:
        """Maps ``(batch, samples)`` to ``clipwise_output`` ``(batch, 527)`` and ``embedding`` ``(batch, features)``."""

    @property
    def sha256(self) -> str:
        """Names the weights in use."""


def load_base(tagger: QueryTagger, checkpoint: Path | str | None = None) -> Base:
    """The tagger of that name with the weights at ``checkpoint``, on the CPU.

    None takes those that come with stemtree for mini-tagger, and the published ones for Cnn14, downloaded if need be.

    Raises:
        taggers.base.Unavailable: the weights are not to be had; the message is the remedy.
        OSError: they cannot be read.
        ValueError: the file does not hold weights of this network; the message names it.
    """
    if tagger == "mini-tagger":
        from taggers.mini.tagger import load_mini

        return load_mini(checkpoint)
    from taggers.panns import load_cnn14

    return load_cnn14(checkpoint)


class Adaptor(nn.Module):
    """Two linear layers that turn a bottleneck into a condition; the keys of its state are ``fc1`` and ``fc2``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Take ``inputs`` units of a bottleneck, give a condition of ``outputs``; Xavier-uniform weights, zero bias."""
        super().__init__()
        self.fc1 = nn.Linear(inputs, _HIDDEN)
        self.fc2 = nn.Linear(_HIDDEN, outputs)
        self.activation = nn.Sequential(nn.LeakyReLU(_SLOPE), nn.Dropout(_DROPOUT))
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, bottleneck: torch.Tensor) -> torch.Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``; dropout only acts in training mode."""
        condition: torch.Tensor = self.activation(self.fc2(self.activation(self.fc1(bottleneck))))
        return condition


class QueryNet:
    """A frozen tagger, the layer that is read from it, and an adaptor where there is one."""

    def __init__(
        self,
        base: Base,
        *,
        bottleneck: Bottleneck = "at_soft",
        adaptor: Adaptor | None = None,
        scaled: bool = False,
    ) -> None:
        """Put a query net together; the tagger and the adaptor are switched to evaluation mode.

        ``scaled`` divides probabilities by the highest of them before they are adapted, so that a query says which
        classes are meant and not how sure the tagger is.

        Raises:
            ValueError: ``bottleneck`` is neither ``at_soft`` nor ``embedding``, the adaptor does not fit it, or an
                embedding is to be scaled.
        """
        if bottleneck not in _OUTPUTS:
            raise ValueError(f"no bottleneck {bottleneck!r}: a query net reads {' or '.join(map(repr, _OUTPUTS))}")
        if scaled and bottleneck != "at_soft":
            raise ValueError(f"{bottleneck!r} cannot be scaled: its units are no probabilities")
        self._output, self._units = _OUTPUTS[bottleneck]
        if adaptor is not None and adaptor.fc1.in_features != self._units:
            raise ValueError(f"the adaptor takes {adaptor.fc1.in_features} units, but {bottleneck!r} has {self._units}")
        self.base = base
        self.bottleneck = bottleneck
        self.adaptor = adaptor
        self.scaled = scaled
        base.module.eval()
        if adaptor is not None:
            adaptor.eval()

    @property
    def dimensions(self) -> int:
        """Length of a condition."""
        return self.adaptor.fc2.out_features if self.adaptor is not None else self._units

    @property
    def name(self) -> str:
        """``at_soft`` or ``embedding``, with ``+scaled`` where it is, and ``+adaptor`` where one follows."""
        return self.bottleneck + "+scaled" * self.scaled + "+adaptor" * (self.adaptor is not None)

    def weights_sha256(self) -> str:
        """SHA-256 that stands for all weights in use: the tagger's own, or one over it and the adaptor's."""
        if self.adaptor is None:
            return self.base.sha256
        digest = hashlib.sha256(self.base.sha256.encode())
        for key, value in sorted(self.adaptor.state_dict().items()):
            digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.inference_mode()
    def hear(self, waveforms: torch.Tensor) -> torch.Tensor:
        """What the tagger puts out for mono ``(batch, samples)`` at 32 kHz: ``(batch, 527)`` or ``(batch, 2048)``.

        The adaptor is left out: this is what :meth:`condition` takes.

        Raises:
            ValueError: the waveforms are no batch.
        """
        if waveforms.ndim != 2:
            raise ValueError(f"a query net hears (batch, samples), not {tuple(waveforms.shape)}")
        heard: torch.Tensor = self.base.module(waveforms)[self._output]
        return heard

    @torch.inference_mode()
    def adapt(self, bottleneck: torch.Tensor) -> torch.Tensor:
        """Turn what was heard, ``(..., 527)`` or ``(..., 2048)``, into conditions ``(..., dimensions)``.

        Where nothing at all was heard there is nothing to scale: it stays zero.
        """
        if self.scaled:
            highest = bottleneck.amax(dim=-1, keepdim=True)
            bottleneck = bottleneck / torch.where(highest > 0, highest, 1.0)
        return bottleneck if self.adaptor is None else self.adaptor(bottleneck)

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Conditions ``(batch, dimensions)`` for mono example sound ``(batch, samples)`` at 32 kHz."""
        return self.adapt(self.hear(waveforms))

    def condition(self, bottleneck: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ask for classes: keep the probabilities of some, set the others to zero, scale and adapt as the net does.

        Args:
            bottleneck: ``(..., 527)``, from :meth:`hear` or a tagger's ``Tags.clipwise``.
            mask: bool ``(..., 527)`` from :func:`class_mask`; leading axes broadcast against those of
                ``bottleneck``, so that ``(segments, 527)`` and ``(classes, 1, 527)`` give all pairs at once.

        Returns:
            ``(..., dimensions)``.

        Raises:
            ValueError: the net reads an embedding, whose units are not classes, or a last axis is not 527 long.
        """
        if self.bottleneck != "at_soft":
            raise ValueError(
                f"the query net {self.name!r} cannot be asked for classes: the units of an embedding are no classes; "
                "query it with example clips or a saved query, or use an 'at_soft' net"
            )
        if bottleneck.shape[-1] != LABELLED or mask.shape[-1] != LABELLED or mask.dtype != torch.bool:
            raise ValueError(
                f"classes are asked with a bool mask and probabilities (..., {LABELLED}), not with "
                f"{mask.dtype} {tuple(mask.shape)} and {tuple(bottleneck.shape)}"
            )
        return self.adapt(torch.where(mask.to(bottleneck.device), bottleneck, bottleneck.new_zeros(())))


def class_mask(classes: Iterable[Node | str | int]) -> torch.Tensor:
    """Mark the labelled classes at or below any of ``classes`` (nodes, names, mids or indices): bool ``(527,)``.

    All are False where none of them is labelled (Oboe): such a class cannot be asked for through a tagger.

    Raises:
        KeyError: the ontology has no such class; the message has the nearest names.
    """
    ontology = Ontology.audioset()
    mask = torch.zeros(LABELLED, dtype=torch.bool)
    for node in classes:
        below = ontology.descendants(node, include_self=True)
        mask[[one.index for one in below if one.index is not None]] = True
    return mask
