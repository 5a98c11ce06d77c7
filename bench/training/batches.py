"""Batches: clips drawn, cut at their anchors, levelled and mixed. A batch is a function of seed and step alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from bench.training.anchors import Anchors
from bench.training.clips import TrainingClip
from bench.training.conditions import Conditions
from bench.training.errors import TrainError
from bench.training.mixer import Admissible, at_level, mix, partners
from bench.training.sampler import BalancedSampler
from bench.training.store import ClipStore
from ontology.targets import Target

_CHANCE, _SNR = 2, 5
"""Streams of random numbers, beside those of the sampler."""


@dataclass(frozen=True)
class Batch:
    """Mixtures, what is to be extracted from them, and what it is labelled; ``(items, samples)`` each."""

    mixtures: torch.Tensor
    targets: torch.Tensor
    labels: tuple[Target, ...]
    without_partner: int
    """Items drawn that no other of the batch could be mixed with, and so are not in it."""


@dataclass(frozen=True)
class Drawing:
    """How a batch is made."""

    batch: int
    samples: int
    """Samples of a segment."""
    seed: int
    level_db: tuple[float, float] | None
    snr_db: tuple[float, float] | None
    """Bounds of the root mean square in dBFS that targets are scaled to; None keeps their own."""
    interferers: int
    """Sources mixed with each target."""
    rank: int = 0
    world: int = 1


class Batches:
    """Makes the batch of any step."""

    def __init__(
        self,
        clips: Sequence[TrainingClip],
        store: ClipStore,
        *,
        anchors: Anchors,
        admissible: Admissible,
        drawing: Drawing,
    ) -> None:
        self._clips, self._store, self._anchors, self._admissible = clips, store, anchors, admissible
        self._drawing = drawing
        by_label: dict[Target, list[int]] = {}
        for number, clip in enumerate(clips):
            for label in clip.labels:
                by_label.setdefault(label, []).append(number)
        self.labels = tuple(sorted(by_label, key=lambda label: (label.label, label.mids)))
        self._sampler = BalancedSampler([by_label[label] for label in self.labels], seed=drawing.seed)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: tuple[int, Future[Batch]] | None = None

    @property
    def broken(self) -> Mapping[int, str]:
        """Why clips met so far cannot be used, by number."""
        return self._store.broken

    def at(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0; the next one is made meanwhile.

        Raises:
            TrainError: no clip of a class can be read, or no item of the batch can be mixed with another.
            ValueError: the anchors' tagger is of no use.
        """
        ready = self._ahead[1] if self._ahead and self._ahead[0] == step else self._pool.submit(self._make, step)
        made = ready.result()
        self._ahead = (step + 1, self._pool.submit(self._make, step + 1))
        return made

    def condition(self, label: Target, conditions: Conditions, most: int, *, device: torch.device) -> torch.Tensor:
        """What asks for a class where its sound is not known: the mean condition of ``most`` of its clips, ``(size,)``.

        Source: the evaluation of the paper, which averages over all training clips of a class.
        """
        place = self.labels.index(label)
        numbers = (n for n in range(len(self.labels) * most) if self._sampler.draw(n)[0] == place)
        segments = [self._segment(number)[2] for number in numbers]
        heard = [conditions.of(segment[None].to(device), [label])[0] for segment in segments]
        return torch.stack(heard).mean(dim=0)

    def close(self) -> None:
        """Stop making batches."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int) -> Batch:
        how = self._drawing
        numbers = [(step * how.batch + item) * how.world + how.rank for item in range(how.batch)]
        drawn = [self._segment(number) for number in numbers]
        chosen = partners(
            [label.mids for label, _, _ in drawn],
            [self._clips[clip].mids for _, clip, _ in drawn],
            count=how.interferers,
            admissible=self._admissible,
        )
        whole = [item for item, others in enumerate(chosen) if len(others) == how.interferers]
        if not whole:
            raise TrainError(
                f"step {step}: no item of the batch can be mixed with {how.interferers} of another kind; "
                "raise batch, or add clips of other classes"
            )
        segments = torch.stack([segment for _, _, segment in drawn])
        mixtures = mix(segments, chosen, snr_db=self._snrs(numbers))
        labels = tuple(drawn[item][0] for item in whole)
        return Batch(mixtures[whole], segments[whole], labels, len(drawn) - len(whole))

    def _snrs(self, numbers: Sequence[int]) -> list[float] | None:
        bounds = self._drawing.snr_db
        if bounds is None:
            return None
        seed = self._drawing.seed
        return [float(np.random.default_rng([seed, _SNR, number]).uniform(*bounds)) for number in numbers]

    def _segment(self, number: int) -> tuple[Target, int, torch.Tensor]:
        how = self._drawing
        random = np.random.default_rng([how.seed, _CHANCE, number])
        place, candidates = self._sampler.draw(number)
        label = self.labels[place]
        for clip in candidates:
            audio = self._store.read(clip)
            if audio is None:
                continue
            start = self._anchors.start(clip, audio, label, random)
            segment = audio[start : start + how.samples]
            segment = torch.nn.functional.pad(segment, (0, how.samples - len(segment)))
            if how.level_db is not None:
                segment = at_level(segment, random.uniform(*how.level_db))
            return label, clip, segment
        why = next(iter(self._store.broken.values()))
        raise TrainError(f"no clip of {label.label} can be used, e.g. {why}")
