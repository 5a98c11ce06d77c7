"""PANNs: convolutional networks that tag all 527 classes of AudioSet.

Source: Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition", IEEE/ACM
TASLP 28, 2020 (arXiv:1912.10211). The networks are those of the package panns_inference (MIT), at 32 kHz with 64 mel
bands from 50 to 14,000 Hz over windows of 1024 samples every 320; the weights are the authors' own (Zenodo, CC BY 4.0).
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from ontology import Ontology
from taggers.base import LABELLED, TagContext, Tagger, Tags
from taggers.card import ModelCard
from taggers.weights import FoundWeights, WeightsFile, fill, find, read_checkpoint, state_dict

SAMPLE_RATE: Final = 32_000
HOP: Final = 320
"""Samples between two frames."""
MIN_SAMPLES: Final = 9_920
"""Shortest input that five halvings leave a frame of."""
RANDOM: Final = "random"
"""In place of a checkpoint: no training at all, weights drawn from a seed."""

_RECORD: Final = "https://zenodo.org/records/3987831"
# The record publishes size and MD5 (541141fa2ee191a88f24a3219fff024e and 70539c43c18b6a289b3199c503a82c5a); the SHA-256
# are those by which public projects tell the files that meet them.
CNN14: Final = WeightsFile(
    name="Cnn14_mAP=0.431.pth",
    url=f"{_RECORD}/files/Cnn14_mAP%3D0.431.pth?download=1",
    size=327_428_481,
    checksum="sha256:0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
    licence="CC-BY-4.0",
    source=_RECORD,
)
CNN14_DECISION_LEVEL_MAX: Final = WeightsFile(
    name="Cnn14_DecisionLevelMax_mAP=0.385.pth",
    url=f"{_RECORD}/files/Cnn14_DecisionLevelMax_mAP%3D0.385.pth?download=1",
    size=327_428_481,
    checksum="sha256:dd3b4043a87d4ec13df8082c0fcfee3fb5084151808e47e060987a95eabdd142",
    licence="CC-BY-4.0",
    source=_RECORD,
)
_FRONT_END: Final = ("spectrogram_extractor.", "logmel_extractor.")
_FRAMES_PER_DECISION: Final = 32
"""Frames that share one decision of Cnn14_DecisionLevelMax: five halvings of time."""
_PARAMETERS: Final = 80_753_615


@dataclass(frozen=True)
class Loaded:
    """A network with its weights: in evaluation mode, on the CPU, and without gradients for its parameters."""

    module: nn.Module
    sha256: str
    """Of the checkpoint's file; of names and values for random weights."""


def load_cnn14(checkpoint: Path | str | None = None, *, seed: int = 0) -> Loaded:
    """Cnn14: maps float32 ``(batch, samples)`` at 32 kHz to a dict.

    Its entries are ``clipwise_output`` ``(batch, 527)`` and ``embedding`` ``(batch, 2048)``.

    Args:
        checkpoint: path of the weights; None for the published file, which is downloaded if need be;
            :data:`RANDOM` for weights drawn from ``seed``.
        seed: of the random weights; checkpoints do not need it.

    Raises:
        Unavailable: the weights are not to be had; the message is the remedy.
        ValueError: the file does not hold weights of this network; the message names it.
    """
    return _load("Cnn14", CNN14, checkpoint, seed)


def cnn14_from(state: Mapping[str, torch.Tensor], *, origin: Path) -> Loaded:
    """Cnn14 with weights that stand in the checkpoint of another model; its hash is of their names and values.

    Raises:
        ValueError: they are not those of this network; the message names ``origin``.
    """
    module = _build("Cnn14", 0)
    fill(module, state, origin=origin, fixed=_FRONT_END)
    return Loaded(module.eval().requires_grad_(False), _digest(module))


def load_cnn14_decision_level_max(checkpoint: Path | str | None = None) -> Loaded:
    """Cnn14_DecisionLevelMax: maps float32 ``(batch, samples)`` at 32 kHz to a dict.

    Its entries are ``clipwise_output`` ``(batch, 527)`` and ``framewise_output`` ``(batch, frames, 527)`` at 100 frames
    per second. The path and the errors are as for :func:`load_cnn14`.
    """
    return _load("Cnn14_DecisionLevelMax", CNN14_DECISION_LEVEL_MAX, checkpoint, 0)


def _load(network: str, published: WeightsFile, checkpoint: Path | str | None, seed: int) -> Loaded:
    # Weights are looked for first: building 80 million parameters takes a second that a missing file need not cost.
    found = None if checkpoint == RANDOM else find(published, checkpoint)
    if found is not None:
        _refuse_the_other(published, found)
    module = _build(network, seed)
    if found is not None:
        state = state_dict(read_checkpoint(found.path), origin=found.path)
        fill(module, state, origin=found.path, fixed=_FRONT_END)
    return Loaded(module.eval().requires_grad_(False), found.sha256 if found else _digest(module))


def _build(network: str, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs as well, for good
        module: nn.Module = getattr(_networks(), network)(
            sample_rate=SAMPLE_RATE, window_size=1024, hop_size=HOP, mel_bins=64, fmin=50, fmax=14_000,
            classes_num=LABELLED,
        )  # fmt: skip
    return module


def _refuse_the_other(wanted: WeightsFile, found: FoundWeights) -> None:
    """The two networks have tensors of the same names and shapes, so that only the file itself tells them apart."""
    for other in {CNN14, CNN14_DECISION_LEVEL_MAX} - {wanted}:
        if other.checksum == f"sha256:{found.sha256}":
            raise ValueError(f"{found.path}: is the published {other.name}; this network takes {wanted.name}")


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy())
    return digest.hexdigest()


def _networks() -> ModuleType:
    """The module ``panns_inference.models``.

    Its package downloads a list of labels into the home folder when it is imported, and goes on with no labels where
    it cannot. A module with the labels, put in place of the one that does so, keeps it from that.
    """
    if "panns_inference.config" not in sys.modules:
        nodes = [Ontology.audioset()[index] for index in range(LABELLED)]
        facts: dict[str, Any] = {
            "sample_rate": SAMPLE_RATE,
            "labels": [node.name for node in nodes],
            "ids": [node.mid for node in nodes],
            "classes_num": LABELLED,
            "lb_to_ix": {node.name: node.index for node in nodes},
            "ix_to_lb": {node.index: node.name for node in nodes},
            "id_to_ix": {node.mid: node.index for node in nodes},
            "ix_to_id": {node.index: node.mid for node in nodes},
        }
        config = ModuleType("panns_inference.config", "AudioSet's labels, from stemtree's ontology.")
        vars(config).update(facts)
        sys.modules[config.__name__] = config
    return importlib.import_module("panns_inference.models")


class _Panns(Tagger):
    """What the taggers here share: one network, and what is made of its output."""

    sample_rate = SAMPLE_RATE
    min_seconds = MIN_SAMPLES / SAMPLE_RATE

    def __init__(self, loaded: Loaded) -> None:
        self._module = loaded.module
        self._sha256 = loaded.sha256

    @torch.inference_mode()
    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        if waveforms.ndim != 2 or waveforms.dtype != torch.float32:
            raise ValueError(f"PANNs hear float32 (batch, samples), not {waveforms.dtype} {tuple(waveforms.shape)}")
        samples = waveforms.shape[-1]
        padded = functional.pad(waveforms.to(context.device), (0, max(0, MIN_SAMPLES - samples)))
        heard: dict[str, torch.Tensor] = self._module.to(context.device)(padded)
        framewise = heard.get("framewise_output")
        return Tags(
            probabilities=Ontology.audioset().roll_up(heard["clipwise_output"]),
            known=torch.tensor(Ontology.audioset().known, device=context.device),
            framewise=None if framewise is None else _framewise(framewise, samples),
            clipwise=heard["clipwise_output"],
            embedding=heard.get("embedding"),
        )

    def weights_sha256(self) -> str:
        return self._sha256


class Panns(_Panns):
    """Cnn14: probabilities, and an embedding of 2048 dimensions."""

    def __init__(self, *, checkpoint: str | Path | None = None) -> None:
        """Load the weights at ``checkpoint``; without one the published file, downloaded if need be.

        Raises:
            Unavailable: the weights are not to be had; the message is the remedy.
            ValueError: the file does not hold weights of this network; the message names it.
        """
        super().__init__(load_cnn14(_trained(checkpoint)))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return _card("panns", "Cnn14; mean average precision on AudioSet's evaluation set 0.431 as published", CNN14)


class PannsSed(_Panns):
    """Cnn14_DecisionLevelMax: probabilities, and probabilities by frame at 100 frames per second.

    The network decides every 0.32 s; the frames in between repeat the decision.
    """

    def __init__(self, *, checkpoint: str | Path | None = None) -> None:
        """Load the weights; argument and errors as for :class:`Panns`."""
        super().__init__(load_cnn14_decision_level_max(_trained(checkpoint)))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        summary = "Cnn14_DecisionLevelMax, framewise; mean average precision 0.385 as published"
        return _card("panns-sed", summary, CNN14_DECISION_LEVEL_MAX)


class PannsRandom(_Panns):
    """Cnn14 without any training: the floor that a trained tagger must clear."""

    def __init__(self, *, seed: int = 0) -> None:
        """Draw the weights from ``seed``."""
        super().__init__(load_cnn14(RANDOM, seed=seed))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return _card("panns-random", "Cnn14 with random weights, untrained: it has learnt nothing", None)


def _trained(checkpoint: str | Path | None) -> str | Path | None:
    if checkpoint == RANDOM:
        raise ValueError(
            "checkpoint=random: random weights are a tagger of their own, panns-random, so that tables say so"
        )
    return checkpoint


def _card(name: str, summary: str, published: WeightsFile | None) -> ModelCard:
    return ModelCard(
        name=name,
        family="panns",
        summary=summary,
        paper="Kong et al., PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition, "
        "IEEE/ACM TASLP 28, 2020, arXiv:1912.10211",
        url="https://github.com/qiuqiangkong/audioset_tagging_cnn",
        licence="MIT",
        parameters=_PARAMETERS,
        training_data=() if published is None else ("AudioSet",),
        weights=() if published is None else published.for_card(),
        notes=None if published is None else f"weights: {published.source}; a checkpoint of your own may replace them",
    )


def _framewise(output: torch.Tensor, samples: int) -> torch.Tensor:
    """Output by frame ``(batch, frames, 527)`` on all classes, without the frames past the end of the segment.

    Frames that repeat one decision are rolled up once.
    """
    frames = max(1, min(round(samples / HOP), output.shape[1]))
    decisions = Ontology.audioset().roll_up(output[:, ::_FRAMES_PER_DECISION])
    return decisions[:, torch.arange(frames, device=output.device) // _FRAMES_PER_DECISION]
