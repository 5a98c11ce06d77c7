"""What is true of a scene in a hierarchy: each class is present, absent or unknown.

With A_j the annotation nodes of source j and D(c) a class with all its descendants, the reference of c is the sum of
the sources whose A_j meets D(c), each once, however many paths lead there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.scene import Scene
from ontology import Node

State = Literal["present", "absent", "unknown"]


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


@dataclass(frozen=True)
class Truth:
    """The truth about one scene. ``states`` and ``members`` have one entry per class, in walking order."""

    scene: Scene
    states: tuple[State, ...]
    members: tuple[tuple[int, ...], ...]

    def cut(self, depth: int) -> Cut:
        """What is scored at ``depth`` (1 to 6)."""
        raise NotImplementedError
