"""AudioSet's classes as a directed acyclic graph.

632 classes under 7 roots; 38 of them have several parents. The 527 classes that AudioSet labels carry an index, the
column of a tagger's output. Source: Gemmeke et al., "Audio Set: an ontology and human-labeled dataset for audio
events", ICASSP 2017; data and licence in ``ontology/data``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = TypeVar("Array", np.ndarray, torch.Tensor)

_DATA = Path(__file__).parent / "data" / "audioset.json"


@dataclass(frozen=True, slots=True)
class Node:
    """One class of the ontology. Nodes are equal where what they say is equal, whichever process built them."""

    mid: str
    """AudioSet's id, e.g. ``"/m/09x0r"``."""
    name: str
    index: int | None
    """Column among the classes that AudioSet labels (0 to 526), None for a class without labels."""
    depth: int
    """Least number of classes on a path from a root, both ends counted: 1 for a root."""
    row: int
    """Position in :meth:`Ontology.walk`, and so in the last axis of :meth:`Ontology.roll_up`."""
    restrictions: tuple[str, ...]
    """``"abstract"``: exists only to hold its children; ``"blacklist"``: too obscure to label reliably."""
    _ontology: Ontology = field(repr=False, compare=False)

    @property
    def parents(self) -> tuple[Node, ...]:
        """The classes directly above, in walking order; empty for a root."""
        return self._ontology._parents[self.mid]

    @property
    def children(self) -> tuple[Node, ...]:
        """The classes directly below, in the order of the ontology's file."""
        return self._ontology._children[self.mid]


class Ontology:
    """Classes by name, mid or AudioSet index, and the paths between them.

    Wherever a method takes a class, it takes a :class:`Node` or anything that ``ontology[...]`` takes.
    """

    def __init__(self, classes: Sequence[Mapping[str, Any]]) -> None:
        """Build the graph from one record per class.

        Args:
            classes: ``id`` and ``name``; ``index``, ``restrictions`` and ``children`` (ids) where there are any.

        Raises:
            ValueError: two classes share an id or a name, a child is unknown or listed before its parent (so a cycle
                cannot be written down), or the indices are not 0, 1, 2, ... each once.
        """
        self._classes = classes
        depths = _depths(classes)
        self._nodes = {
            record["id"]: Node(
                record["id"], record["name"], record.get("index"), depths[record["id"]], row,
                tuple(record.get("restrictions", ())), self,
            )
            for row, record in enumerate(classes)
        }  # fmt: skip
        self._names = {node.name: node for node in self._nodes.values()}
        self._indices = {node.index: node for node in self._nodes.values() if node.index is not None}
        if len(self._names) < len(classes):
            raise ValueError("two classes of the ontology share a name")
        labelled = sum("index" in record for record in classes)
        if sorted(self._indices) != list(range(labelled)):
            raise ValueError("the indices of the ontology's classes are not 0, 1, 2, ... each once")

        self._children = {r["id"]: tuple(self._nodes[mid] for mid in r.get("children", ())) for r in classes}
        parents: dict[str, list[Node]] = {mid: [] for mid in self._nodes}
        for node in self:
            for child in node.children:
                parents[child.mid].append(node)
        self._parents = {mid: tuple(above) for mid, above in parents.items()}

    @staticmethod
    @cache
    def audioset() -> Ontology:
        """AudioSet's ontology, built once per process."""
        return Ontology(json.loads(_DATA.read_text(encoding="utf-8"))["classes"])

    @cached_property
    def version(self) -> str:
        """SHA-256 over classes, links, restrictions, indices and their order, in hexadecimal: part of a cell's key."""
        import hashlib

        return hashlib.sha256(json.dumps(self._classes, sort_keys=True).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __contains__(self, key: object) -> bool:
        try:
            self[key]  # type: ignore[index]  # what is no key at all is not in it either
        except KeyError:
            return False
        return True

    def __getitem__(self, key: Node | str | int) -> Node:
        """The class with this name, mid or AudioSet index.

        Raises:
            KeyError: there is none; the message has the nearest names.
        """
        if isinstance(key, Node):
            key = key.mid
        if isinstance(key, str):
            node = self._nodes.get(key) or self._names.get(key)
            if node is None:
                raise KeyError(f"no class {key!r} in the ontology{self._nearest(key)}")
            return node
        if isinstance(key, Integral) and not isinstance(key, bool):
            node = self._indices.get(int(key))
            if node is None:
                raise KeyError(f"no class has index {key}: the indices run from 0 to {len(self._indices) - 1}")
            return node
        raise KeyError(f"a class is named by its name, mid or index, not by {key!r}")

    def _nearest(self, name: str) -> str:
        from difflib import get_close_matches

        # "rooster" should find "Chicken, rooster", and case should not stand in the way.
        known = {part.casefold(): full for full in self._names for part in (*full.split(", "), full)}
        found = get_close_matches(name.casefold(), known, n=5, cutoff=0.6)
        nearest = list(dict.fromkeys(known[match] for match in found))[:3]
        return f"; the nearest are {', '.join(map(repr, nearest))}" if nearest else ""

    def walk(self) -> Iterator[Node]:
        """Every class once, each after all of its parents; otherwise in the order of AudioSet's own file."""
        return iter(self)

    def at_depth(self, depth: int) -> tuple[Node, ...]:
        """The classes whose least depth is ``depth`` (7, 43, 305, 223, 50 and 4 at 1 to 6), in walking order."""
        return tuple(node for node in self if node.depth == depth)

    def descendants(self, node: Node | str | int, *, include_self: bool = False) -> tuple[Node, ...]:
        """The classes below ``node``, each once however many paths lead there, in walking order."""
        return self._reached(self[node], self._children, include_self=include_self)

    def ancestors(self, node: Node | str | int, *, include_self: bool = False) -> tuple[Node, ...]:
        """The classes above ``node`` on any path, each once, in walking order."""
        return self._reached(self[node], self._parents, include_self=include_self)

    def _reached(self, start: Node, links: Mapping[str, tuple[Node, ...]], *, include_self: bool) -> tuple[Node, ...]:
        found = {start.row: start}
        stack = [start]
        while stack:
            new = [node for node in links[stack.pop().mid] if node.row not in found]
            found.update((node.row, node) for node in new)
            stack += new
        if not include_self:
            del found[start.row]
        return tuple(found[row] for row in sorted(found))

    @cached_property
    def known(self) -> np.ndarray:
        """Which classes :meth:`roll_up` can tell: bool ``(classes,)``, False where none at or below has an index."""
        import numpy as np

        known = np.array([any(n.index is not None for n in self.descendants(node, include_self=True)) for node in self])
        known.flags.writeable = False  # one array serves everybody
        return known

    def roll_up(self, probabilities: Array) -> Array:
        """Carry a tagger's probabilities up: each class gets the maximum over itself and all its descendants.

        Args:
            probabilities: floating-point array or tensor ``(..., 527)`` in AudioSet's order of indices.

        Returns:
            ``(..., 632)`` of the same kind, dtype and device, in walking order; NaN where :attr:`known` is False.
            Gradients pass through a tensor.

        Raises:
            ValueError: the last axis is not one column per index.
            TypeError: the values are not floating point, which cannot say "unknown".
        """
        import numpy as np

        torch = sys.modules.get("torch")  # a tensor can only come from whoever imported torch
        is_tensor = torch is not None and isinstance(probabilities, torch.Tensor)
        xp: Any = torch if is_tensor else np
        columns: Any = probabilities if is_tensor else np.asarray(probabilities)
        if tuple(columns.shape[-1:]) != (len(self._indices),):
            raise ValueError(f"probabilities have shape {tuple(columns.shape)}, not (..., {len(self._indices)})")
        if not (columns.is_floating_point() if is_tensor else np.issubdtype(columns.dtype, np.floating)):
            raise TypeError(f"probabilities are {columns.dtype}, not floating point")

        # Classes go first: each step then reads and writes whole contiguous rows. -inf is the maximum of nothing. A
        # maximum does not care that a class is reached by several paths, so walking the links is enough.
        columns = xp.moveaxis(columns, -1, 0)
        columns = xp.concatenate([columns, xp.full_like(columns[:1], -np.inf)])
        rows = columns[self._column_of_row]
        for row, family in self._bottom_up:
            rows[row] = xp.amax(rows[family], axis=0)
        rows[~self.known] = np.nan
        rows = xp.moveaxis(rows, 0, -1)
        contiguous: Any = rows.contiguous() if is_tensor else np.ascontiguousarray(rows)
        return contiguous

    @cached_property
    def _column_of_row(self) -> np.ndarray:
        """Index of each class in walking order; one past the last where it has none."""
        import numpy as np

        return np.array([len(self._indices) if node.index is None else node.index for node in self])

    @cached_property
    def _bottom_up(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Each class with children, after all of them: its row, and the rows of itself and its children."""
        import numpy as np

        return tuple(
            (node.row, np.array([node.row, *(child.row for child in node.children)]))
            for node in reversed(tuple(self))
            if node.children
        )


def _depths(classes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Least depth of each class, roots at 1, in one pass: parents come before their children."""
    rows = {record["id"]: row for row, record in enumerate(classes)}
    if len(rows) < len(classes):
        raise ValueError("two classes of the ontology share an id")
    depths: dict[str, int] = {}
    for row, record in enumerate(classes):
        depth = depths.setdefault(record["id"], 1)
        for child in record.get("children", ()):
            if rows.get(child, -1) <= row:
                raise ValueError(f"child {child} of {record['id']} is not listed after it in the ontology")
            depths[child] = min(depths.get(child, depth + 1), depth + 1)
    return depths
