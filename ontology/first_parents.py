"""The tree that the public USS code makes of the ontology.

A class keeps the one parent through which a depth-first search comes to it first, so that 38 classes are missing below
their other parents. Source: ``bytedance/uss`` at c19e2c5.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ontology.graph import Node, Ontology


@cache
def _paths() -> Mapping[str, tuple[Node, ...]]:
    """The one path from a root to each class, both ends included, by mid."""
    paths: dict[str, tuple[Node, ...]] = {}

    def go(node: Node, above: tuple[Node, ...]) -> None:
        if node.mid not in paths:
            paths[node.mid] = (*above, node)
            for child in node.children:
                go(child, paths[node.mid])

    for node in Ontology.audioset():
        if not node.parents:
            go(node, ())
    return paths


@cache
def levels() -> Mapping[str, int]:
    """Level of each class in the tree by mid, roots at 1; 7, 42, 286, 229, 63 and 5 classes at levels 1 to 6."""
    return {mid: len(path) for mid, path in _paths().items()}


@cache
def labelled_below() -> Mapping[str, tuple[int, ...]]:
    """Indices of the labelled classes at or below each class in the tree, by mid; none for some (Oboe)."""
    below: dict[str, list[int]] = {mid: [] for mid in _paths()}
    for path in _paths().values():
        index = path[-1].index
        if index is not None:
            for node in path:
                below[node.mid].append(index)
    return {mid: tuple(indices) for mid, indices in below.items()}
