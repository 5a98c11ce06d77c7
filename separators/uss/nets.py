"""The two networks behind a USS separator, found by path or fetched: what extracts, and what hears the query."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from separators.uss.checkpoint import AT_SOFT, SUFFIX, describe_checkpoint, load_separator
from separators.uss.description import LABELS, Description
from separators.uss.model import ResUNet30
from taggers.base import LABELLED
from taggers.panns import RANDOM, cnn14_from
from taggers.query_nets import EMBEDDING, Adaptor, Base, Bottleneck, QueryNet, load_base
from taggers.weights import fill, find, read_checkpoint, state_dict

_QUERY_NET: Final = "query_net."
_BASE: Final = "base."
_BY_SIZE: Final[Mapping[int, Bottleneck]] = {LABELLED: "at_soft", EMBEDDING: "embedding"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of the separating network on this machine."""

    path: Path
    sha256: str
    description: Description | None
    """What a checkpoint of our own says of itself; None for the published ones."""

    def load(self) -> ResUNet30:
        """The network, in evaluation mode on the CPU; errors as for :func:`load_separator`."""
        return load_separator(self.path)

    def condition_size(self) -> int:
        """Length of its conditions, without keeping the network; errors as for :meth:`load`."""
        return self.description.condition_size if self.description is not None else self.load().condition_size


def open_checkpoint(checkpoint: Path | str | None) -> Checkpoint:
    """The checkpoint at a path; without one the published one, downloaded if need be.

    Raises:
        Unavailable: it is not to be had; one line says what is missing, where it comes from and where to put it.
        ValueError: it is a file of our own that does not describe its network.
    """
    found = find(AT_SOFT, checkpoint)
    return Checkpoint(found.path, found.sha256, describe_checkpoint(found.path))


def open_query_net(checkpoint: Checkpoint, query_net: Path | str | None, *, condition_size: int) -> QueryNet:
    """The query net that a checkpoint was trained with.

    Its tagger is the one that the checkpoint describes, Cnn14 where it describes none: from the file ``query_net``
    where one is named, else from the checkpoint itself where training left it there, else as it comes with stemtree or
    was published, downloaded if need be. Which of its layers is read goes by the checkpoint.

    Raises:
        Unavailable: the tagger's weights are not to be had.
        OSError: they cannot be read.
        ValueError: the checkpoint has no query net, or another than this; the message names it.
    """
    if query_net == RANDOM:
        raise ValueError("query_net=random: a separator hears nothing with it; give the path of its tagger's weights")
    said = checkpoint.description
    if said is not None and said.query == LABELS:
        raise ValueError(
            f"{checkpoint.path}: was trained on labels and hears no queries; take the separator uss-labels"
        )
    inside = _inside(checkpoint.path)
    adaptor = _adaptor({key: value for key, value in inside.items() if not key.startswith(_BASE)}, checkpoint.path)
    units = condition_size if adaptor is None else adaptor.fc1.in_features
    if units not in _BY_SIZE or (adaptor is not None and adaptor.fc2.out_features != condition_size):
        raise ValueError(
            f"{checkpoint.path}: its conditions have {condition_size} values, which is the output of no query net: "
            f"{LABELLED} are clip probabilities, {EMBEDDING} an embedding"
        )
    net = QueryNet(
        _tagger(inside, query_net, checkpoint),
        bottleneck=said.query if said is not None and said.query != LABELS else _BY_SIZE[units],
        adaptor=adaptor,
        scaled=said is not None and said.query_scaled,
    )
    if said is not None and said.query_sha256 is not None and said.query_sha256 != net.weights_sha256():
        raise ValueError(
            f"{checkpoint.path}: was trained with a query net whose weights have the SHA-256 {said.query_sha256}, and "
            f"these have {net.weights_sha256()}; give the path of the others as query_net"
        )
    return net


def joint_sha256(*parts: str) -> str:
    """One SHA-256 for several."""
    return parts[0] if len(parts) == 1 else hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _inside(path: Path) -> Mapping[str, torch.Tensor]:
    """The query net's tensors in a checkpoint, nothing where it holds the separating network alone."""
    if path.suffix == SUFFIX:
        return {}
    found = state_dict(read_checkpoint(path), origin=path, key="state_dict")
    return {key.removeprefix(_QUERY_NET): value for key, value in found.items() if key.startswith(_QUERY_NET)}


def _tagger(inside: Mapping[str, torch.Tensor], query_net: Path | str | None, checkpoint: Checkpoint) -> Base:
    own = {key.removeprefix(_BASE): value for key, value in inside.items() if key.startswith(_BASE)}
    if own and query_net is None:
        return cnn14_from(own, origin=checkpoint.path)
    said = checkpoint.description
    return load_base(said.query_net if said is not None else "cnn14", query_net)


def _adaptor(state: Mapping[str, torch.Tensor], path: Path) -> Adaptor | None:
    if not state:
        return None
    first, second = state.get("fc1.weight"), state.get("fc2.weight")
    if first is None or second is None or first.ndim != 2 or second.ndim != 2:
        raise ValueError(f"{path}: its query net has {', '.join(list(state)[:5])}, which are no adaptor of two layers")
    adaptor = Adaptor(first.shape[1], second.shape[0])
    fill(adaptor, state, origin=path)
    return adaptor
