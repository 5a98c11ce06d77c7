"""A choice of classes as a forest: each under those of its ancestors that are nearest to it and also chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ontology.graph import Node, Ontology


@dataclass(frozen=True)
class Place:
    """Where a class stands in a forest. One with two parents has two places; what lies below it is under the first."""

    mid: str
    level: int
    """How many classes stand above it in the forest, from 0."""
    first: bool
    below: tuple[Place, ...]

    def walk(self) -> Iterator[Place]:
        """The place and all below it, top down."""
        yield self
        for place in self.below:
            yield from place.walk()


def forest(mids: Sequence[str], ontology: Ontology | None = None) -> tuple[Place, ...]:
    """The places of ``mids``, siblings in the order given; a mid that the ontology does not know stands alone.

    A class whose parent was not chosen hangs from the nearest chosen ancestor.
    """
    onto = ontology or Ontology.audioset()
    chosen = dict.fromkeys(mids)
    above = {mid: _nearest(onto[mid], chosen, onto) if mid in onto else set() for mid in chosen}
    seen: set[str] = set()

    def place(mid: str, level: int) -> Place:
        if mid in seen:
            return Place(mid, level, first=False, below=())
        seen.add(mid)
        return Place(mid, level, True, tuple(place(other, level + 1) for other in chosen if mid in above[other]))

    return tuple(place(mid, 0) for mid in chosen if not above[mid])


def _nearest(node: Node, chosen: dict[str, None], onto: Ontology) -> set[str]:
    """Chosen parents, and above parents that were not chosen the nearest chosen ancestors."""
    direct = {parent.mid for parent in node.parents if parent.mid in chosen}
    climbed = set().union(*(_nearest(parent, chosen, onto) for parent in node.parents if parent.mid not in chosen))
    found = direct | climbed
    passed = {ancestor.mid for mid in found for ancestor in onto.ancestors(mid)}
    return found - (passed - direct)
