"""Queries on disk: a condition with the query net, the weights and the clips that it was made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import torch

if TYPE_CHECKING:
    from taggers.query_nets import QueryNet

SUFFIX: Final = ".safetensors"
"""What the file of a saved query ends on."""
_KEY: Final = "stemtree-query"
_TENSOR: Final = "vector"


@dataclass(frozen=True)
class QueryMeta:
    """What a saved query was made from."""

    net: str
    """Name of the query net, e.g. ``"at_soft"``."""
    weights_sha256: str
    """The net's weights."""
    dimensions: int
    target: str
    """Label of what it asks for."""
    clips: tuple[str, ...] = ()
    """SHA-256 of the example clips' samples."""

    @staticmethod
    def of(net: QueryNet, target: str, clips: tuple[str, ...] = ()) -> QueryMeta:
        """Describe a query for ``target`` made with ``net``."""
        return QueryMeta(net.name, net.weights_sha256(), net.dimensions, target, clips)


def save_query(path: Path, vector: torch.Tensor, meta: QueryMeta) -> None:
    """Write ``vector`` ``(dimensions,)`` and what it was made from as one safetensors file, whole or not at all.

    Raises:
        ValueError: the vector has another length than ``meta`` says, or values that are not finite.
    """
    from safetensors.torch import save

    if vector.shape != (meta.dimensions,) or not torch.isfinite(vector).all():
        raise ValueError(f"a query of {meta.dimensions} finite values is wanted, not {tuple(vector.shape)}")
    tensors = {_TENSOR: vector.detach().cpu().float().contiguous()}
    write_atomically(path, save(tensors, metadata={_KEY: json.dumps(asdict(meta), sort_keys=True)}))


def load_query(path: Path, *, net: QueryNet | None = None) -> tuple[torch.Tensor, QueryMeta]:
    """Read a saved query: float32 ``(dimensions,)``, and what it was made from.

    Args:
        path: the file.
        net: the query net of the separator that will be asked; the query must come from the same net and weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no saved query, or comes from another net, or from other weights.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such saved query")
    try:
        with safe_open(path, framework="pt") as file:
            vector = file.get_tensor(_TENSOR)
            fields = json.loads((file.metadata() or {})[_KEY])
        meta = QueryMeta(**{**fields, "clips": tuple(fields["clips"])})
        if not all(isinstance(text, str) for text in (meta.net, meta.weights_sha256, meta.target, *meta.clips)):
            raise TypeError("what should be text is none")
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no saved query ({error}); write it with save_query") from error
    if vector.shape != (meta.dimensions,) or vector.dtype != torch.float32 or not torch.isfinite(vector).all():
        raise ValueError(f"{path}: says {meta.dimensions} dimensions, holds {tuple(vector.shape)} {vector.dtype}")
    if net is not None:
        _check(path, meta, net)
    return vector, meta


def _check(path: Path, meta: QueryMeta, net: QueryNet) -> None:
    for field, saved, wanted in (
        ("net", meta.net, net.name),
        ("dimensions", meta.dimensions, net.dimensions),
        ("weights_sha256", meta.weights_sha256, net.weights_sha256()),
    ):
        if saved != wanted:
            raise ValueError(f"{path}: its {field} is {saved}, the separator's is {wanted}; encode the clips anew")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it and rename it, making its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
