"""Checkpoints of ResUNet30: the published ones with all that training left in them, bare state dicts, and our own.

Our own are safetensors files whose metadata describe the network: see :mod:`separators.uss.description`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
import torch

from separators.uss.description import Description
from separators.uss.model import ResUNet30
from separators.uss.spectra import BINS, WINDOW
from taggers.base import LABELLED
from taggers.weights import WeightsFile, fill, read_checkpoint, state_dict

_FOLDER: Final = "https://huggingface.co/RSNuts/Universal_Source_Separation/resolve/main/uss_material"

AT_SOFT: Final = WeightsFile(
    name="ss_model=resunet30,querynet=at_soft,data=full,devices=8,step=1000000.ckpt",
    url=f"{_FOLDER}/ss_model%3Dresunet30%2Cquerynet%3Dat_soft%2Cdata%3Dfull%2Cdevices%3D8%2Cstep%3D1000000.ckpt",
    size=1_121_024_828,
    licence="not stated for the weights; the code is Apache-2.0",
    source="https://github.com/bytedance/uss",
)
"""The checkpoint that the public code fetches: conditions are 527 clip probabilities, trained on all of AudioSet.

Its publisher gives a size and no checksum.
"""

SUFFIX: Final = ".safetensors"
"""What the file of a checkpoint of our own ends on."""
_KEY: Final = "stemtree"

_PREFIX: Final = "ss_model."
# Transforms that the public code keeps beside the weights, though they are no weights; here they are computed.
_TRANSFORMS: Final = {
    "base.stft.conv_real.weight": (BINS, 1, WINDOW),
    "base.stft.conv_imag.weight": (BINS, 1, WINDOW),
    "base.istft.ola_window": (WINDOW,),
    "base.istft.conv_real.weight": (WINDOW, WINDOW, 1),
    "base.istft.conv_imag.weight": (WINDOW, WINDOW, 1),
}


def load_separator(path: Path) -> ResUNet30:
    """Build the network that a checkpoint was made from, in evaluation mode on the CPU.

    A checkpoint of our own tells its sizes, and may be kept in half precision. Of a Lightning checkpoint, what lies
    under ``ss_model.`` is taken; the query net, the detector and the optimiser are not looked at. A bare state dict of
    the network is taken as it is.

    Args:
        path: the file; it may hold tensors and plain containers only.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no checkpoint, or not of this network: a tensor is missing, has another shape, is not finite
            or unknown. The message names the file and the tensors.
    """
    if path.suffix == SUFFIX:
        return _load_own(path)
    state = _separator_state(path)
    # The length that most layers agree on, so that one of another shape is told by its own name.
    sizes = Counter(value.shape[1] for key, value in state.items() if key.startswith("film.") and value.ndim == 2)
    model = ResUNet30(sizes.most_common(1)[0][0] if sizes else LABELLED)
    fill(model, state, origin=path)
    return model.eval()


def describe_checkpoint(path: Path) -> Description | None:
    """What a checkpoint of our own says of itself; None for one of the other kinds. Reads the head of the file only.

    Raises:
        OSError: the file cannot be read.
        ValueError: it ends on ``.safetensors`` and is no checkpoint of our own; the message names it.
    """
    return _read_own(path)[0] if path.suffix == SUFFIX else None


def save_separator(path: Path, model: ResUNet30, description: Description) -> None:
    """Write a checkpoint of our own, which :func:`load_separator` builds the network from.

    Raises:
        OSError: it cannot be written.
        ValueError: the path does not end on ``.safetensors``.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: a checkpoint's name ends on {SUFFIX}")
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    path.write_bytes(safetensors.torch.save(tensors, {_KEY: description.model_dump_json()}))


def _load_own(path: Path) -> ResUNet30:
    description, state = _read_own(path, tensors=True)
    try:
        model = description.build()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    fill(model, state, origin=path)
    return model.eval()


def _read_own(path: Path, *, tensors: bool = False) -> tuple[Description, Mapping[str, torch.Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            state = {name: _whole(file.get_tensor(name)) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: cannot be read as safetensors ({error})") from error
    if text is None:
        raise ValueError(f"{path}: does not describe its network; only files that `stemtree train` wrote can be loaded")
    return Description.parse(text, origin=path), state


def _whole(value: torch.Tensor) -> torch.Tensor:
    """As float32 what was kept in less, as shipped files are."""
    return value.float() if value.is_floating_point() else value


def _separator_state(path: Path) -> Mapping[str, torch.Tensor]:
    """The network's own tensors, once the transforms are found to be the ones that it computes."""
    found = state_dict(read_checkpoint(path), origin=path, key="state_dict")
    inner = {key.removeprefix(_PREFIX): value for key, value in found.items() if key.startswith(_PREFIX)} or found
    for key, shape in _TRANSFORMS.items():
        if key in inner and inner[key].shape != shape:
            raise ValueError(
                f"{path}: {key} is {tuple(inner[key].shape)}, not {shape}: "
                "it was trained on another spectrogram than windows of 2048 samples"
            )
    return {key: value for key, value in inner.items() if key not in _TRANSFORMS}
