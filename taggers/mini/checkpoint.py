"""Checkpoints of the small tagger: safetensors files that describe the network in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from taggers.mini.network import CHANNELS, MiniNet
from taggers.weights import fill

SUFFIX: Final = ".safetensors"
_KEY: Final = "stemtree"


class Description(BaseModel):
    """Sizes of a network, the classes it knows, and from which probability on each of them counts as sounding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["stemtree-tagger@1"] = "stemtree-tagger@1"
    classes: tuple[str, ...] = Field(min_length=1)
    """Mids, in the order of the network's outputs."""
    channels: tuple[Annotated[int, Field(ge=1)], ...] = CHANNELS
    thresholds: Mapping[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)
    """Calibrated thresholds by mid, of all classes or, where nobody calibrated, of none."""
    step: int = Field(ge=0)
    """Steps it was trained for."""

    @model_validator(mode="after")
    def _calibrated_whole(self) -> Description:
        if self.thresholds and set(self.thresholds) != set(self.classes):
            raise ValueError("thresholds: of all classes and nothing else, or of none")
        return self


def save(path: Path, module: MiniNet, description: Description, *, half: bool = False) -> None:
    """Write a checkpoint; ``half`` keeps its numbers in half precision, for files that are shipped.

    Raises:
        OSError: it cannot be written.
        ValueError: the path does not end on ``.safetensors``.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: a checkpoint's name ends on {SUFFIX}")
    tensors = {name: _kept(value, half=half) for name, value in module.state_dict().items()}
    path.write_bytes(safetensors.torch.save(tensors, {_KEY: description.model_dump_json()}))


def load(path: Path) -> tuple[MiniNet, Description, str]:
    """The network of a checkpoint in evaluation mode on the CPU, what the file says of it, and its SHA-256.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or no checkpoint of this network; the message names it.
    """
    content = path.read_bytes()
    try:
        state = safetensors.torch.load(content)
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: cannot be read as safetensors ({error})") from error
    if text is None:
        raise ValueError(f"{path}: does not describe its network; only files that `stemtree train` wrote can be loaded")
    description = _described(text, path)
    try:
        module = MiniNet(description.classes, channels=description.channels)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error.args[0]}") from error
    fill(module, {name: value.float() if value.is_floating_point() else value for name, value in state.items()},
         origin=path)  # fmt: skip
    return module.eval().requires_grad_(False), description, hashlib.sha256(content).hexdigest()


def _kept(value: torch.Tensor, *, half: bool) -> torch.Tensor:
    plain = value.detach().cpu().contiguous()
    return plain.half() if half and plain.is_floating_point() else plain


def _described(text: str, path: Path) -> Description:
    try:
        return Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "all of it"
        raise ValueError(f"{path}: its description cannot be read ({field}: {first['msg']})") from error
