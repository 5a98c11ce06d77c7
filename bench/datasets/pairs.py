"""Pairs of clips: which clip is mixed with which, as pure functions on rows, and the scene that a pair makes.

Two constructions turn a table of labelled clips into query scenes (one target, one interferer at 0 dB):

- :func:`faithful` repeats the public USS evaluation set pair by pair. The partner is always the next row of the
  table, and it cycles to 100 pairs per class, so a class with fewer rows repeats identical pairs; partners may be kin
  of the target (Bark beside Dog) or come from the same recording, and another order of rows gives another set.
- :func:`repaired` takes each clip once as target. The partner has another label, comes from another recording and
  shares no ancestor relation with it in the ontology. The choice hangs on names alone, not on the order of rows.

:func:`matched` puts each clip into one pair only, for scenes in which both clips are targets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from bench.audio import EnergyMatched, Sum
from bench.datasets.base import DatasetError
from bench.scene import Scene, SceneTarget, Signal, Source
from ontology import Ontology, Target

USS_PAIRS_PER_CLASS = 100
USS_SEED = 1234


@dataclass(frozen=True)
class Clip:
    """One labelled clip. ``recording`` is what it was cut from: clips of one recording are not independent."""

    name: str
    label: str
    mids: tuple[str, ...]
    recording: str


@dataclass(frozen=True)
class Pair:
    """A clip and the one it is mixed with, scaled to the first one's energy."""

    target: Clip
    partner: Clip

    @property
    def clips(self) -> tuple[Clip, Clip]:
        """Target and partner, in that order."""
        return self.target, self.partner


Admissible = Callable[[Clip, Clip], bool]
"""Whether two clips may be mixed; symmetric."""


def faithful(rows: Sequence[Clip], *, per_class: int = USS_PAIRS_PER_CLASS) -> list[Pair]:
    """The pairs of the public USS code, in the order in which it draws them, repeats included.

    Row i goes with row i + 1 when their labels differ. Rows are drawn by ``RandomState(1234).permutation(N - 1)``, so
    that the last row is never a target, pass after pass until each class has ``per_class`` pairs.
    Source: bytedance/uss, evaluation/dataset_creation/fsdkaggle2018.py.

    Raises:
        DatasetError: a class has no row that is followed by another class; the public code never ends there.
    """
    usable = {a.label for a, b in pairwise(rows) if a.label != b.label}
    stuck = sorted({row.label for row in rows} - usable)
    if not rows or stuck:
        raise DatasetError(
            "the USS construction needs, for each class, a row followed by one of another class; "
            f"{', '.join(stuck) or 'an empty table'} has none. Use pairing=repaired, or the complete table in its "
            "published order"
        )
    random = np.random.RandomState(USS_SEED)
    counts = dict.fromkeys((row.label for row in rows), 0)
    pairs = []
    while min(counts.values()) < per_class:
        for index in random.permutation(len(rows) - 1):
            target, partner = rows[index], rows[index + 1]
            if target.label != partner.label and counts[target.label] < per_class:
                counts[target.label] += 1
                pairs.append(Pair(target, partner))
    return pairs


def repaired(rows: Iterable[Clip], *, admissible: Admissible, seed: str) -> list[Pair]:
    """Each clip once as target, with the next admissible clip on a ring of all, ordered by hashed names.

    The pairs keep that order, so that the first few of them are a fair sample of the classes. A clip for which no
    other is admissible is left out. A clip more or less in the table changes the pairs of its neighbours on the ring
    only.

    Raises:
        DatasetError: one clip has two different rows.
    """
    ring = _shuffled(rows, seed)
    pairs = []
    for place, target in enumerate(ring):
        others = (ring[(place + step) % len(ring)] for step in range(1, len(ring)))
        partner = next((other for other in others if admissible(target, other)), None)
        if partner is not None:
            pairs.append(Pair(target, partner))
    return pairs


def matched(rows: Iterable[Clip], *, admissible: Admissible, seed: str) -> list[Pair]:
    """Disjoint pairs: each clip in one of them, or in none where no partner can be found for it.

    Clips are taken in the order of their hashed names, each with the first free admissible one; two clips left over
    are given the members of an earlier pair where both then fit. With an even number of clips nobody is left over
    if each fits with at least half of them (Dirac's condition for a perfect matching).

    Raises:
        DatasetError: one clip has two different rows.
    """
    ring = _shuffled(rows, seed)
    waiting = ring.copy()
    pairs: list[Pair] = []
    left: list[Clip] = []
    while waiting:
        clip = waiting.pop(0)
        partner = next((other for other in waiting if admissible(clip, other)), None)
        if partner is None:
            left.append(clip)
        else:
            waiting.remove(partner)
            pairs.append(Pair(clip, partner))
    while len(left) > 1 and _resettle(pairs, left, admissible):
        pass
    places = {clip.name: place for place, clip in enumerate(ring)}
    return sorted(pairs, key=lambda pair: places[pair.target.name])


def _resettle(pairs: list[Pair], left: list[Clip], admissible: Admissible) -> bool:
    """Break one pair so that its members take two of the clips left over; False where none can be broken."""
    for index, pair in enumerate(pairs):
        for a in left:
            for b in left:
                if a is not b and admissible(pair.target, a) and admissible(pair.partner, b):
                    pairs[index] = Pair(pair.target, a)
                    pairs.append(Pair(pair.partner, b))
                    left.remove(a)
                    left.remove(b)
                    return True
    return False


def _shuffled(rows: Iterable[Clip], seed: str) -> list[Clip]:
    """The rows, each once, in an order that hangs on seed and names alone."""
    unique: dict[str, Clip] = {}
    for row in rows:
        if unique.setdefault(row.name, row) != row:
            raise DatasetError(f"clip {row.name} has two rows that differ: {unique[row.name]} and {row}; keep one")
    return sorted(unique.values(), key=lambda row: (hashlib.sha256(f"{seed}\n{row.name}".encode()).digest(), row.name))


def no_kin(ontology: Ontology) -> Admissible:
    """The rule of :func:`repaired`: other labels and recordings, and no class that is or lies above one of the other's.

    A label without a class is kin to no other.
    """

    @cache
    def upwards(mids: tuple[str, ...]) -> frozenset[str]:
        return frozenset(node.mid for mid in mids for node in ontology.ancestors(mid, include_self=True))

    def admissible(a: Clip, b: Clip) -> bool:
        if a.label == b.label or a.recording == b.recording:
            return False
        return upwards(a.mids).isdisjoint(b.mids) and upwards(b.mids).isdisjoint(a.mids)

    return admissible


def list_hash(pairs: Iterable[Pair]) -> str:
    """SHA-256 of a pair list: names, labels and order of its pairs."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update("\t".join(f"{clip.name}\t{clip.label}" for clip in pair.clips).encode() + b"\n")
    return digest.hexdigest()


def pair_scene(
    pair: Pair,
    signals: tuple[Signal, Signal],
    *,
    id: str,
    dataset: str,
    split: str,
    targets: Sequence[Target],
    notes: tuple[str, ...] = (),
) -> Scene:
    """The mixture of two signals of one rate and length, the second scaled to the energy of the first (0 dB).

    ``targets`` stand for the clips in their order: one target leaves the partner as interferer only.
    """
    placed = (signals[0], EnergyMatched(signals[1], anchor=signals[0]))
    return Scene(
        id=id,
        dataset=dataset,
        split=split,
        mixture=Sum(placed),
        sources=tuple(
            Source(clip.label, clip.mids, signal, clip.recording)
            for clip, signal in zip(pair.clips, placed, strict=True)
        ),
        targets=tuple(SceneTarget(target, (index,)) for index, target in enumerate(targets)),
        recordings=tuple(clip.recording for clip in pair.clips),
        notes=notes,
    )
