"""The plug-in ``mini-tagger``: the small network with the weights that come with stemtree."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import torch

from ontology import Ontology
from taggers.base import CLASSES, LABELLED, TagContext, Tagger, Tags, Unavailable
from taggers.card import ModelCard, read_card
from taggers.mini.checkpoint import Description, load
from taggers.mini.network import FRAME_SAMPLES, MIN_SAMPLES, SAMPLE_RATE, MiniNet
from taggers.panns import Loaded

WEIGHTS: Final = Path(__file__).with_name("mini-tagger.safetensors")
"""What ships with stemtree."""
CARD: Final = WEIGHTS.with_suffix(".yaml")
_SMALLEST: Final = 1e-6
"""Probabilities nearer to 0 and 1 than this are not told apart."""


def load_mini(checkpoint: Path | str | None = None) -> Loaded:
    """The network, as a query net listens with it: maps ``(batch, samples)`` at 32 kHz to the dict of ``MiniNet``.

    ``checkpoint`` is the path of weights; None for those that come with stemtree. Errors as for :class:`MiniTagger`.
    """
    module, _, sha256 = _opened(checkpoint)
    return Loaded(module, sha256)


class MiniTagger(Tagger):
    """A small tagger with frames and calibrated thresholds, for the classes that its checkpoint declares."""

    sample_rate = SAMPLE_RATE
    min_seconds = MIN_SAMPLES / SAMPLE_RATE

    def __init__(self, *, checkpoint: str | Path | None = None) -> None:
        """Load the weights at ``checkpoint``; without one those that come with stemtree.

        Raises:
            Unavailable: there is no such file.
            OSError: it cannot be read.
            ValueError: it is no checkpoint of this network; the message names it.
        """
        self._module, self._description, self._sha256 = _opened(checkpoint)
        ontology = Ontology.audioset()
        self._known = torch.zeros(CLASSES, dtype=torch.bool)
        for mid in self._description.classes:
            self._known[[node.row for node in ontology.ancestors(mid, include_self=True)]] = True
        self._shift = torch.zeros(LABELLED)
        for mid, threshold in self._description.thresholds.items():
            index = ontology[mid].index
            assert index is not None  # the network refuses classes without a label
            self._shift[index] = math.log(threshold / (1 - threshold))

    @torch.inference_mode()
    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        """Tag; a class above a known one is as probable as the most probable class below it that is known.

        That is a lower bound: of the sounds of animals it only tells those of the animals that it knows. Segments with
        samples that are not finite have probabilities of NaN, as nobody can tell.
        """
        if waveforms.ndim != 2 or waveforms.dtype != torch.float32:
            raise ValueError(f"it hears float32 (batch, samples), not {waveforms.dtype} {tuple(waveforms.shape)}")
        heard = self._module.to(context.device)(waveforms.to(context.device))
        framewise = heard["framewise_output"]
        frames = max(1, min(round(waveforms.shape[-1] / FRAME_SAMPLES), framewise.shape[1]))
        return Tags(
            probabilities=self._told(heard["clipwise_output"]),
            known=self._known.to(context.device),
            framewise=self._told(framewise[:, :frames]),
            clipwise=heard["clipwise_output"],
            embedding=heard["embedding"],
        )

    def weights_sha256(self) -> str:
        """SHA-256 of the checkpoint."""
        return self._sha256

    def thresholds(self) -> torch.Tensor | None:
        """0.5 for every class that it knows, ``(632,)``; None where nobody calibrated."""
        if not self._description.thresholds:
            return None
        return torch.where(self._known, 0.5, torch.nan)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it, with the weights that come with stemtree."""
        return read_card(CARD)

    def _told(self, output: torch.Tensor) -> torch.Tensor:
        """Output ``(..., 527)`` on all classes: calibrated, rolled up, and NaN for those that it cannot tell.

        Calibrating shifts the log-odds of each class so that its threshold comes to lie at 0.5. Only so do classes
        above, which take the highest value below them, go on exactly where one of those does.
        """
        odds = torch.logit(output, eps=_SMALLEST) - self._shift.to(output.device)
        # What it does not know is exactly 0, and must not outdo what it knows on the way up.
        calibrated = torch.where(output == 0, 0.0, torch.sigmoid(odds))
        return torch.where(self._known.to(output.device), Ontology.audioset().roll_up(calibrated), torch.nan)


def _opened(checkpoint: Path | str | None) -> tuple[MiniNet, Description, str]:
    path = Path(checkpoint).expanduser() if checkpoint is not None else WEIGHTS
    if not path.is_file():
        raise Unavailable(f"no weights at {path}: give the path of a file that `stemtree train tagger` wrote")
    return load(path)
