"""Batches of mixtures for a tagger. A batch is a function of seed and step alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from bench.training.clips import TrainingClip
from bench.training.errors import TrainError
from bench.training.mixer import at_level, other_kin
from bench.training.sampler import BalancedSampler
from bench.training.store import ClipStore
from bench.training.tagging.augment import Augment, coloured, cut
from bench.training.tagging.labels import Truth
from ontology import Ontology, Target

_CHANCE: Final = 3
"""Stream of random numbers, beside those of the sampler."""
_SILENT: Final = Target("clips without a label")


@dataclass(frozen=True)
class TagBatch:
    """Spectrograms in dB ``(items, frames, bands)`` and which classes sound in them, float32 ``(items, classes)``."""

    spectrograms: torch.Tensor
    labels: torch.Tensor
    without_partner: int
    """Items that hold fewer clips than were drawn for them, as one was left out for being of another one's kin."""


@dataclass(frozen=True)
class TagDrawing:
    """How a batch is made."""

    batch: int
    samples: int
    """Samples of an item."""
    sample_rate: int
    seed: int
    level_db: tuple[float, float]
    """Bounds of the level of an item's first clip, in dBFS."""
    energy_share: float
    augment: Augment
    rank: int = 0
    world: int = 1


class TagBatches:
    """Makes the batch of any step.

    All classes are drawn equally often, and so are clips without labels, as if they were one more class.
    """

    def __init__(
        self,
        clips: Sequence[TrainingClip],
        store: ClipStore,
        *,
        classes: Sequence[str],
        spectrogram: Callable[[torch.Tensor], torch.Tensor],
        drawing: TagDrawing,
    ) -> None:
        self._clips, self._store, self._spectrogram, self._drawing = clips, store, spectrogram, drawing
        by_label: dict[Target, list[int]] = {}
        for number, clip in enumerate(clips):
            for label in clip.labels or (_SILENT,):
                by_label.setdefault(label, []).append(number)
        self._labels = sorted(by_label, key=lambda label: (label.label, label.mids))
        self._sampler = BalancedSampler([by_label[label] for label in self._labels], seed=drawing.seed)
        truth = Truth(classes)
        self._truth = [truth.of(clip.mids) for clip in clips]
        self._admissible = other_kin(Ontology.audioset())
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: tuple[int, Future[TagBatch]] | None = None

    @property
    def broken(self) -> Mapping[int, str]:
        """Why clips met so far cannot be used, by number."""
        return self._store.broken

    def at(self, step: int) -> TagBatch:
        """The batch of ``step``, counted from 0; the next one is made meanwhile.

        Raises:
            TrainError: no clip of a class can be read.
        """
        ready = self._ahead[1] if self._ahead and self._ahead[0] == step else self._pool.submit(self._make, step)
        made = ready.result()
        self._ahead = (step + 1, self._pool.submit(self._make, step + 1))
        return made

    def close(self) -> None:
        """Stop making batches."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @torch.no_grad()
    def _make(self, step: int) -> TagBatch:
        how = self._drawing
        waveforms = torch.zeros(how.batch, how.samples)
        labels = np.zeros((how.batch, len(self._truth[0])), dtype=np.float32)
        randoms, short = [], 0
        for item in range(how.batch):
            number = (step * how.batch + item) * how.world + how.rank
            random = np.random.default_rng([how.seed, _CHANCE, number])
            randoms.append(random)
            if random.random() >= how.augment.silence_share:
                short += self._fill(waveforms[item], labels[item], number, random)
        spectrograms = coloured(self._spectrogram(waveforms), how.augment, randoms)
        return TagBatch(spectrograms, torch.from_numpy(labels), short)

    def _fill(self, item: torch.Tensor, labels: np.ndarray, number: int, random: np.random.Generator) -> bool:
        """Put one mixture into ``item`` and what is in it into ``labels``; whether it holds fewer clips than drawn."""
        how, augment = self._drawing, self._drawing.augment
        wanted = 1 + int(random.choice(len(augment.sources), p=augment.sources))
        chosen: list[int] = []
        for nth in range(wanted):
            clip, audio = self._draw(number * len(augment.sources) + nth)
            if not all(self._admissible(self._clips[other].mids, self._clips[clip].mids) for other in chosen):
                continue
            piece = cut(
                audio,
                how.samples,
                how=augment,
                sample_rate=how.sample_rate,
                energy_share=how.energy_share,
                random=random,
            )
            item += at_level(piece, random.uniform(*(augment.other_db if chosen else how.level_db)))
            np.maximum(labels, self._truth[clip], out=labels)
            chosen.append(clip)
        item *= 10 ** (random.uniform(*augment.gain_db) / 20)
        if random.random() < augment.noise_share:
            noise = torch.from_numpy(random.standard_normal(how.samples, dtype=np.float32))
            item += noise.mul_(10 ** (random.uniform(*augment.noise_db) / 20))
        return len(chosen) < wanted

    def _draw(self, number: int) -> tuple[int, torch.Tensor]:
        place, candidates = self._sampler.draw(number)
        for clip in candidates:
            audio = self._store.read(clip)
            if audio is not None:
                return clip, audio
        why = next(iter(self._store.broken.values()))
        raise TrainError(f"no clip of {self._labels[place].label} can be used, e.g. {why}")
