"""Weights of models: found on this machine, or fetched; read without running anything that a file may hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from taggers.base import Unavailable
from taggers.cache import cache_folder
from taggers.card import Weights

if TYPE_CHECKING:
    from torch import nn

_FRONT_END_TOLERANCE: Final = 1e-3
"""Largest relative difference (in the Euclidean norm) of a fixed tensor computed by different libraries."""


@dataclass(frozen=True)
class WeightsFile:
    """One published file of weights: what is known of it before it is here."""

    name: str
    """File name under which it is kept."""
    url: str
    size: int
    """Bytes."""
    licence: str
    source: str
    """Where it is published: a record or page that a person can read."""
    checksum: str | None = None
    """``"sha256:..."`` or ``"md5:..."`` in hexadecimal; None where its publisher gives none and nobody has checked."""

    def __post_init__(self) -> None:
        if self.checksum is not None and self.checksum.partition(":")[0] not in ("sha256", "md5"):
            raise ValueError(f"the checksum of {self.name} must start with sha256: or md5:, not {self.checksum!r}")

    @property
    def path(self) -> Path:
        """Where it is kept on this machine."""
        return cache_folder() / "weights" / self.name

    def for_card(self) -> tuple[Weights, ...]:
        """The file as a model card lists it; nothing where no SHA-256 is known."""
        kind, _, digest = (self.checksum or "").partition(":")
        if kind != "sha256":
            return ()
        return (Weights(url=self.url, size=self.size, sha256=digest, licence=self.licence),)


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights on this machine."""

    path: Path
    sha256: str


def find(published: WeightsFile, path: Path | str | None = None) -> FoundWeights:
    """The weights at ``path``; without one, the published file, downloaded if it is not kept here yet.

    A file of the user's own is taken as it is. The published file is held against its size and checksum.

    Raises:
        Unavailable: there is no such file, it cannot be read or downloaded, or the kept one is damaged. One line says
            what is missing, where it comes from and where to put it.
    """
    if path is None and not published.path.is_file():
        from taggers.download import download

        download(published.url, published.path, size=published.size, checksum=published.checksum)
    here = published.path if path is None else Path(os.path.expanduser(path))  # noqa: PTH111 (leaves ~nobody as it is)
    try:
        if path is None:
            return FoundWeights(here, _checked(published))
        if here.is_file():
            return FoundWeights(here, _digest(here, "sha256"))
    except OSError as error:
        raise Unavailable(f"{here}: cannot be read ({error.strerror}); check its name and permissions") from error
    raise Unavailable(f"no weights at {here}: give the path of {published.name} from {published.url}")


def _checked(published: WeightsFile) -> str:
    """SHA-256 of the kept file, once its size and checksum are found to be right."""
    path = published.path
    size = path.stat().st_size
    damaged = f"remove it, and it is downloaded again from {published.url}"
    if size != published.size:
        raise Unavailable(f"{path} is damaged (it has {size:,} bytes, not {published.size:,}): {damaged}")
    sha256 = _digest(path, "sha256")
    if published.checksum is not None:
        kind, _, wanted = published.checksum.partition(":")
        if (sha256 if kind == "sha256" else _digest(path, kind)) != wanted:
            raise Unavailable(f"{path} is damaged (its {kind} is not {wanted}): {damaged}")
    return sha256


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def read_checkpoint(path: Path) -> Any:
    """What a PyTorch file holds, on the CPU: tensors and plain containers, never code.

    Raises:
        ValueError: it is no such file, it is cut off, or it holds more than that; the message names it.
    """
    import zipfile

    try:
        # Only files in the zip format (PyTorch 1.6 and later) can be mapped, which spares a copy in memory.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged file breaks the reader anywhere
        raise ValueError(
            f"{path}: cannot be read as weights ({_fault(path)}); it must load with torch.load(..., weights_only=True)"
        ) from error


def _fault(path: Path) -> str:
    """What is wrong with a file that PyTorch refuses: its own words advise to load the file without protection."""
    import zipfile

    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if not head:
        return "it is empty"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page; download the file itself"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the file that it stands for"
    if zipfile.is_zipfile(path):
        return "it holds other things than tensors, which could run code, or is damaged; save its state dict alone"
    if head.startswith(b"pk"):
        return "it is cut off or damaged; fetch it anew"
    return "it is no PyTorch file, is damaged, or holds other things than tensors, which could run code"


def state_dict(checkpoint: Any, *, origin: Path, key: str = "model") -> Mapping[str, torch.Tensor]:
    """The tensors by name in a checkpoint: under ``key``, or the checkpoint itself where that is all it holds.

    Raises:
        ValueError: there is no such mapping; the message names ``origin``.
    """
    found = checkpoint.get(key, checkpoint) if isinstance(checkpoint, Mapping) else checkpoint
    if (
        not isinstance(found, Mapping)
        or not found
        or not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items())
    ):
        raise ValueError(f"{origin}: holds no weights: it must be a state dict, or a dict with one under {key!r}")
    packed = [name for name, value in found.items() if not _plain(value)]
    if packed:
        raise ValueError(
            f"{origin}: holds quantised, sparse, complex or empty shells of tensors; save dense real numbers: "
            f"{_listed(packed)}"
        )
    return found


def _plain(tensor: torch.Tensor) -> bool:
    return not (tensor.is_quantized or tensor.is_complex() or tensor.is_meta) and tensor.layout == torch.strided


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], *, origin: Path, fixed: Collection[str] = ()) -> None:
    """Copy ``state`` into ``module``, in place.

    Every learnable tensor must be there, in the module's shape, finite, and nothing else. A batch norm's count of
    batches may be absent. Tensors under the prefixes ``fixed`` (``"name."``), which the model computes itself, may be
    absent too, but must agree with it where they are there.

    Raises:
        ValueError: they are not; the message names ``origin`` and the tensors.
    """
    own = module.state_dict()
    optional = {n for n in own if n.endswith(".num_batches_tracked") or n.startswith(tuple(fixed))}
    shared = [name for name in own if name in state]
    shaped = [name for name in shared if own[name].shape == state[name].shape]
    faults = {
        "missing": [name for name in own if name not in state and name not in optional],
        "unexpected": [name for name in state if name not in own],
        "of another shape": [
            f"{name} {tuple(state[name].shape)}, not {tuple(own[name].shape)}" for name in shared if name not in shaped
        ],
        "not finite": [name for name in shaped if not state[name].sum(dtype=torch.float64).isfinite()],
        "computed otherwise than here (another rate, window or filter bank?)": [
            name for name in shaped if name.startswith(tuple(fixed)) and not _agree(state[name], own[name])
        ],
    }
    told = "; ".join(f"{what}: {_listed(names)}" for what, names in faults.items() if names)
    if told:
        raise ValueError(f"{origin}: is no checkpoint of {type(module).__name__}: {told}")
    module.load_state_dict({name: state[name] for name in shared}, strict=False)


def _agree(a: torch.Tensor, b: torch.Tensor) -> bool:
    a, b = a.double(), b.double()
    return bool((a - b).norm() <= _FRONT_END_TOLERANCE * b.norm())


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
