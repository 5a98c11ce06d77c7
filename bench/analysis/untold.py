"""What a tagger cannot tell, said so that nobody takes a class for silent that was never listened for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.analysis.walk import Heard
from ontology import Node

_FEW: Final = 40
"""Classes that a note names; where there are more, their number has to do."""


def untold(heard: Heard, tagger: str) -> Iterator[str]:
    """A note on the classes asked for that ``tagger`` cannot tell, if there are any.

    It names them where they are few; else it names those that the tagger can tell where these are, and points to the
    tagger's card.
    """
    count = len(heard.unknown)
    if not count:
        return
    if count <= _FEW:
        yield f"{tagger} cannot tell, at times or ever, {count} of the classes asked for: {_names(heard.unknown)}"
        return
    told = f"it tells {_names(heard.told)}, and the classes above these; " if len(heard.told) <= _FEW else ""
    yield (
        f"{tagger} cannot tell, at times or ever, {count} of the classes asked for, which may sound although they are "
        f"not listed; {told}more stands on its card (stemtree card {tagger})"
    )


def _names(nodes: Sequence[Node]) -> str:
    return "; ".join(node.name for node in nodes)
