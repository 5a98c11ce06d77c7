"""Small networks, and a tagger that costs nothing, for tests of the USS separators."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from ontology import Ontology
from separators.uss.checkpoint import save_separator
from separators.uss.description import Description, QueryName
from separators.uss.model import ResUNet30
from separators.uss.separator import Uss, UssClasses, UssOracle, UssQuery
from taggers.base import TagContext, Tagger, Tags

EAR_SHA256 = hashlib.sha256(b"ear").hexdigest()
SIZES = {"at_soft": 527, "embedding": 2048, "labels": 527}


class Ear(nn.Module):
    """Hears by fixed random projections of the waveform's level, and counts the segments it was given."""

    soft: torch.Tensor
    deep: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("soft", 12 * torch.randn(3, 527, generator=generator))
        self.register_buffer("deep", torch.randn(3, 2048, generator=generator))
        self.segments = 0

    def forward(self, waveform: torch.Tensor) -> Mapping[str, torch.Tensor]:
        self.segments += len(waveform)
        rough = waveform.diff(dim=1).abs().mean(1)
        x = torch.stack([waveform.square().mean(1).sqrt(), waveform.abs().amax(1), rough], 1)
        return {"clipwise_output": (x @ self.soft - 3).sigmoid(), "embedding": x @ self.deep}


@dataclass
class StandIn:
    """In the place of Cnn14 and its weights."""

    module: Ear = field(default_factory=Ear)
    sha256: str = EAR_SHA256


@contextmanager
def ears(base: StandIn | None = None) -> Iterator[Ear]:
    """While it lasts, the tagger of every query net is the stand-in."""
    base = base or StandIn()
    with mock.patch("taggers.panns.load_cnn14", return_value=base):
        yield base.module


def write_checkpoint(path: Path, *, query: QueryName = "at_soft", **changed: Any) -> ResUNet30:
    """A checkpoint of a small network with fixed random weights."""
    description = Description(
        condition_size=SIZES[query], channels=(3, 3, 4, 4, 5, 5, 6), window=256, hop=128, query=query,
        classes=("/m/04rlf", "/m/0jbk"), step=0, **changed,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(7)
        model = description.build().eval()
        # Fresh weights answer all conditions alike.
        for layer in model.film.children():
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.5)
    save_separator(path, model, description)
    return model


class Hears(Tagger):
    """The stand-in as a tagger."""

    sample_rate = 32_000

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        heard = Ear()(waveforms)["clipwise_output"]
        onto = Ontology.audioset()
        return Tags(onto.roll_up(heard), torch.tensor(onto.known), clipwise=heard)


class CheapUss(Uss):
    """Uss with the stand-in."""

    def __init__(self, *, checkpoint: str | None = None) -> None:
        with ears():
            super().__init__(checkpoint=checkpoint)


class CheapOracle(UssOracle):
    """UssOracle with the stand-in."""

    def __init__(self, *, checkpoint: str | None = None) -> None:
        with ears():
            super().__init__(checkpoint=checkpoint)


class CheapClasses(UssClasses):
    """UssClasses with the stand-in."""

    def __init__(self, *, checkpoint: str | None = None, compat: bool = False) -> None:
        with ears():
            super().__init__(checkpoint=checkpoint, compat=compat)


class CheapQuery(UssQuery):
    """UssQuery with the stand-in."""

    def __init__(self, *, checkpoint: str | None = None, queries: str | None = None) -> None:
        with ears():
            super().__init__(checkpoint=checkpoint, queries=queries)
