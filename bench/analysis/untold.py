"""What a tagger cannot tell, said so that nobody takes a class for silent that was never listened for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.analysis.walk import Heard
from ontology import Node

_FEW: Final = 40
"""Classes that a note names; where there are more, their number has to do."""


def untold(heard: Heard, tagger: str, *, card: bool) -> Iterator[str]:
    """A note on the classes asked for that ``tagger`` cannot tell, if there are any.

    It names them where they are few; else it names those that the tagger can tell where these are, and points to the
    tagger's card if it has one.
    """
    count = len(heard.unknown)
    if not count:
        return
    if count <= _FEW:
        yield f"{tagger} cannot tell {count} of the classes asked for, at some times or at all: {_names(heard.unknown)}"
        return
    told = f"; it tells {_names(heard.told)}, and the classes above these" if len(heard.told) <= _FEW else ""
    more = f"; more stands on its card (stemtree card {tagger})" if card else ""
    yield (
        f"{tagger} cannot tell {count} of the classes asked for, at some times or at all, so that they may sound "
        f"although they are not listed{told}{more}"
    )


def _names(nodes: Sequence[Node]) -> str:
    return "; ".join(node.name for node in nodes)
