"""Whole clips and mixtures of two that a tagger is judged on, and what it hears in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

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
"""Mixtures that each clip is the first of."""
_AT_ONCE: Final = 16


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


def pairs(clips: Sequence[TrainingClip], store: ClipStore, *, partners: int = PARTNERS) -> Iterator[Item]:
    """Mixtures of two labelled clips at 0 dB: each with ``partners`` others of another kind and another recording.

    Both are brought to -20 dBFS; the second is cut, or followed by silence, to be as long as the first. Which clips
    meet hangs on their names alone.
    """
    admissible = other_kin(Ontology.audioset())
    labelled = sorted((n for n, clip in enumerate(clips) if clip.labels), key=lambda n: clips[n].name)
    for number in labelled:
        clip = clips[number]
        fit = [
            other
            for other in labelled
            if clips[other].recording != clip.recording and admissible(clip.mids, clips[other].mids)
        ]
        first = store.read(number)
        if first is None or not fit:
            continue
        random = np.random.default_rng(seed_of(["pairs", clip.name]))
        for other in random.choice(fit, min(partners, len(fit)), replace=False):
            second = store.read(int(other))
            if second is None:
                continue
            fitted = functional.pad(second[: len(first)], (0, max(0, len(first) - len(second))))
            partner = clips[other]
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
