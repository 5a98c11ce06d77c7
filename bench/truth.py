"""What is true of a scene in a hierarchy: each class is present, absent or unknown.

With A_j the annotation nodes of source j and D(c) a class with all its descendants, the reference of c is the sum of
the sources whose A_j meets D(c), each once, however many paths lead there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Literal

import torch

from bench.scene import Scene, Source
from ontology import Node, Ontology
from taggers.base import Annotation, Event

State = Literal["present", "absent", "unknown"]

DEPTHS: Final = (1, 2, 3, 4, 5, 6)
"""The least depths that classes of the ontology have."""


@dataclass(frozen=True)
class CutClass:
    """A class that is scored at a depth: its state, and the sources (places in ``scene.sources``) that make it up."""

    node: Node
    state: State
    members: tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """What is scored at a depth: the classes at that depth, and annotations that end above it, carried down.

    ``classes`` has one entry per class in walking order. Of present classes that lie on one chain and have the same
    members only the deepest stands here; the others are in ``merged``, and count neither as hit nor as error.
    """

    depth: int
    classes: tuple[CutClass, ...]
    merged: tuple[Node, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """The sources that the cut's references are made of, each once: at every depth all that carry a class."""
        return tuple(sorted({place for one in self.classes for place in one.members}))


@dataclass(frozen=True)
class Truth:
    """The truth about one scene. ``states`` and ``members`` have one entry per class, in walking order."""

    scene: Scene
    states: tuple[State, ...]
    members: tuple[tuple[int, ...], ...]

    def cut(self, depth: int) -> Cut:
        """What is scored at ``depth`` (1 to 6): classes by their least depth.

        An annotation that ends above it (no finer one of the same source lies below) is carried down, so that no
        source is lost with depth.

        Raises:
            ValueError: no class lies at this depth.
        """
        if depth not in DEPTHS:
            raise ValueError(f"no class has its least depth at {depth}; depths run from {DEPTHS[0]} to {DEPTHS[-1]}")
        carried = {row for row in self._ends if _nodes()[row].depth < depth}
        rows = sorted({node.row for node in Ontology.audioset().at_depth(depth)} | carried)
        present = [row for row in rows if self.members[row]]
        merged = {
            row
            for row in present
            if any(row in _above(lower) - {lower} and self.members[row] == self.members[lower] for lower in present)
        }
        classes = (CutClass(_nodes()[row], self.states[row], self.members[row]) for row in rows if row not in merged)
        return Cut(depth, tuple(classes), tuple(_nodes()[row] for row in sorted(merged)))

    @cached_property
    def _ends(self) -> frozenset[int]:
        return frozenset(row for source in self.scene.sources for row in _finest(source.mids))


def truth(scene: Scene) -> Truth:
    """Which classes are present, absent and unknown in a scene. Reads no audio.

    A class is present where a source is annotated at or below it. One that is not is unknown

    - strictly below an annotation of a source that has no finer one,
    - at, below or above a class that a source may contain (above, because what lies below it may sound),
    - where it is abstract or blacklisted in AudioSet: it was never labelled reliably.

    Every other class is absent. A source without a class (noise, residuals) is in no reference.

    Raises:
        KeyError: a source names a class that is not in the ontology.
    """
    members: list[list[int]] = [[] for _ in _nodes()]
    unknown = set(_restricted())
    for place, source in enumerate(scene.sources):
        for row in sorted(frozenset[int]().union(*(_above(_row(mid)) for mid in source.mids))):
            members[row].append(place)
        for row in _finest(source.mids):
            unknown |= _below(row) - {row}
        for mid in _may_contain(source):
            unknown |= _below(_row(mid)) | _above(_row(mid))
    states: list[State] = [
        "present" if places else "unknown" if row in unknown else "absent" for row, places in enumerate(members)
    ]
    return Truth(scene, tuple(states), tuple(map(tuple, members)))


def reference(of: Truth, members: Iterable[int]) -> torch.Tensor:
    """The sum of sources of the scene, each once: float32 ``(channels, samples)``, zeros where ``members`` is empty."""
    mixture = of.scene.mixture
    total = torch.zeros((mixture.channels, mixture.samples))
    for place in sorted(set(members)):
        total += of.scene.sources[place].signal.read()
    return total


def annotation(scene: Scene) -> Annotation:
    """What a tagger that is told everything is told: one event per source, finest class and span.

    ``instance`` is the source's place in ``scene.sources``. A source without spans sounds throughout.
    """
    events = []
    for place, source in enumerate(scene.sources):
        spans = ((0.0, scene.mixture.seconds),) if source.spans is None else source.spans
        for row in _finest(source.mids):
            events += [Event(_nodes()[row].mid, start, end, instance=place) for start, end in spans]
    held = dict.fromkeys(mid for source in scene.sources for mid in _may_contain(source))
    return Annotation(tuple(events), tuple(held))


def _may_contain(source: Source) -> tuple[str, ...]:
    if source.may_contain is not None:
        return source.may_contain
    return () if source.mids else roots()


@cache
def roots() -> tuple[str, ...]:
    """The mids of the ontology's roots: together they stand for every class."""
    return tuple(node.mid for node in Ontology.audioset().at_depth(1))


def finest(mids: tuple[str, ...]) -> tuple[str, ...]:
    """Of annotation nodes those below which no other of them lies, in walking order."""
    return tuple(_nodes()[row].mid for row in _finest(mids))


@cache
def _finest(mids: tuple[str, ...]) -> tuple[int, ...]:
    """Rows of the annotation nodes below which no other of them lies, in walking order."""
    rows = {_row(mid) for mid in mids}
    return tuple(sorted(row for row in rows if _below(row) & rows == {row}))


@cache
def _nodes() -> tuple[Node, ...]:
    return tuple(Ontology.audioset())


@cache
def _restricted() -> frozenset[int]:
    return frozenset(node.row for node in _nodes() if node.restrictions)


def _row(mid: str) -> int:
    return Ontology.audioset()[mid].row


@cache
def _above(row: int) -> frozenset[int]:
    """Rows of a class and of all its ancestors."""
    return frozenset(node.row for node in Ontology.audioset().ancestors(_nodes()[row], include_self=True))


@cache
def _below(row: int) -> frozenset[int]:
    """Rows of a class and of all its descendants."""
    return frozenset(node.row for node in Ontology.audioset().descendants(_nodes()[row], include_self=True))
