"""Whole clips and mixtures of two that a tagger is judged on, and what it hears in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from torch.nn import functional

from bench.training.clips import TrainingClip
from bench.training.mixer import at_level, other_kin
from bench.training.store import ClipStore
from bench.training.tagging.labels import Truth
from bench.training.tagging.training import TaggerTraining
from ontology import Ontology
from reports.bootstrap import seed_of

LEVEL_DB: Final = -20.0
PARTNERS: Final = 4
"""Mixtures that each clip is the first of, where so many others fit."""
_AT_ONCE: Final = 16


class Labelled(Protocol):
    """What decides which clips are mixed."""

    @property
    def name(self) -> str:
        """Tells it from all others."""

    @property
    def mids(self) -> tuple[str, ...]:
        """Its classes."""

    @property
    def recording(self) -> str:
        """What it was cut from."""


class Item(NamedTuple):
    """Something to listen to."""

    name: str
    recordings: tuple[str, ...]
    parts: tuple[torch.Tensor, ...]
    """What it is the sum of, float32 ``(samples,)`` each."""
    mids: tuple[tuple[str, ...], ...]
    """Classes of each part."""

    @property
    def waveform(self) -> torch.Tensor:
        """float32 ``(samples,)``."""
        return torch.stack(self.parts).sum(dim=0)


@dataclass
class Heard:
    """Clip probabilities and truth of the same items, ``(items, classes)`` each."""

    classes: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    recordings: list[tuple[str, ...]] = field(default_factory=list)
    truth: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    """float32: 1 where a class sounds, 0 where it does not."""
    probabilities: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


def singles(clips: Sequence[TrainingClip], store: ClipStore) -> Iterator[Item]:
    """Each clip that can be read, at -20 dBFS; ``store`` is of the same clips."""
    for number, clip in enumerate(clips):
        audio = store.read(number)
        if audio is not None:
            yield Item(clip.name, (clip.recording,), (at_level(audio, LEVEL_DB),), (clip.mids,))


def meetings(clips: Sequence[Labelled]) -> Iterator[tuple[int, int]]:
    """Which clips are mixed, by number: each labelled one with :data:`PARTNERS` others, or as many as fit.

    Two clips fit that are cut from different recordings, and of which no class of one is, or lies above or below, one
    of the other. The choice hangs on the names of the clips alone; the same two may meet twice, in either order.
    """
    admissible = other_kin(Ontology.audioset())
    labelled = sorted((n for n, clip in enumerate(clips) if clip.mids), key=lambda n: clips[n].name)
    for number in labelled:
        clip = clips[number]
        fit = [
            other
            for other in labelled
            if clips[other].recording != clip.recording and admissible(clip.mids, clips[other].mids)
        ]
        if fit:
            random = np.random.default_rng(seed_of(["pairs", clip.name]))
            chosen = random.choice(fit, min(PARTNERS, len(fit)), replace=False)
            yield from ((number, other) for other in chosen.tolist())


def pairs(clips: Sequence[TrainingClip], store: ClipStore) -> Iterator[Item]:
    """Mixtures of the clips that meet, at 0 dB; ``store`` is of the same clips.

    Both are brought to -20 dBFS; the second is cut, or followed by silence, to be as long as the first.
    """
    for number, other in meetings(clips):
        clip, partner = clips[number], clips[other]
        first, second = store.read(number), store.read(other)
        if first is None or second is None:
            continue
        fitted = functional.pad(second[: len(first)], (0, max(0, len(first) - len(second))))
        yield Item(
            f"{clip.name}+{partner.name}",
            (clip.recording, partner.recording),
            (at_level(first, LEVEL_DB), at_level(fitted, LEVEL_DB)),
            (clip.mids, partner.mids),
        )


def listen(trainable: TaggerTraining, items: Iterable[Item], *, tell: Callable[[str], None] | None = None) -> Heard:
    """What the mean network hears in ``items``; neighbours of one length are heard together."""
    heard = Heard(trainable.description.classes)
    truth = Truth(heard.classes)
    rows: list[np.ndarray] = []
    found: list[np.ndarray] = []
    for batch in _alike(items):
        found.append(trainable.probabilities(torch.stack([item.waveform for item in batch])).numpy())
        for item in batch:
            heard.names.append(item.name)
            heard.recordings.append(item.recordings)
            rows.append(truth.of([mid for mids in item.mids for mid in mids]))
        if tell is not None:
            tell(f"{len(rows)} clips and mixtures heard")
    shape = (0, len(heard.classes))
    heard.truth = np.stack(rows) if rows else np.empty(shape, dtype=np.float32)
    heard.probabilities = np.concatenate(found) if found else np.empty(shape, dtype=np.float32)
    return heard


def _alike(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        if batch and (len(batch) == _AT_ONCE or item.parts[0].shape != batch[0].parts[0].shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
