"""Which targets a declaration of classes covers: what a separator is asked, and what it is spared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ontology import Node, Ontology, Target
from ontology.labelmaps import complement_labels
from separators.base import _Any


def refusal(target: Target, *, classes: Sequence[str] | _Any, labels: Sequence[str]) -> str | None:
    """Why a separator is not asked for ``target``: a reason in one line, or None if it is.

    A target is covered if its label is among ``labels``, or if each of its classes is, or lies below, one of
    ``classes`` (names or mids). A complement target has no classes, so only its label can cover it.

    Raises:
        ValueError: one of ``classes`` is not in the ontology, or a bare string stands where a tuple belongs.
        KeyError: one of the target's mids is not in the ontology.
    """
    if isinstance(classes, _Any):
        return None
    declared = [_class(name) for name in _several(classes, "classes")]
    if target.label in _several(labels, "labels"):
        return None
    extracts = ", ".join([*(node.name for node in declared), *labels]) or "nothing"
    if not target.mids:
        return f"{target.label!r} is a complement target, no class, and not among what it extracts: {extracts}"
    onto = Ontology.audioset()
    missing = [onto[mid].name for mid in target.mids if not _above(mid, declared)]
    if missing:
        return f"{target.label!r} stands for {', '.join(missing)}, outside what it extracts: {extracts}"
    return None


def component_of(target: Target, components: Mapping[str, Sequence[str]]) -> str | None:
    """The component that stands for ``target``, or None.

    Args:
        target: what is asked for.
        components: for each component, the classes (names or mids) and complement labels that it stands for. Several
            may cover the target: a label beats a class, the class with the fewest descendants beats the wider one,
            and the component declared first wins a tie. (Depth cannot rank classes here: Bell is as near to a root
            as Musical instrument, its parent.)

    Raises:
        ValueError: an entry is neither a class of the ontology nor a complement label of a label map.
        KeyError: one of the target's mids is not in the ontology.
    """
    widths = {name: _width(target, _several(entries, f"component {name!r}")) for name, entries in components.items()}
    covering = {name: width for name, width in widths.items() if width is not None}
    return min(covering, key=lambda name: covering[name]) if covering else None


def _width(target: Target, entries: Iterable[str]) -> int | None:
    """How loosely entries cover the target: 0 by its label, else classes under the widest one needed; None if not."""
    declared, labels = [], set()
    for entry in entries:
        if entry in complement_labels():
            labels.add(entry)
        else:
            declared.append(_class(entry))
    if target.label in labels:
        return 0
    above = [_above(mid, declared) for mid in target.mids]
    if not above or not all(above):
        return None
    onto = Ontology.audioset()
    return max(min(len(onto.descendants(node, include_self=True)) for node in nodes) for nodes in above)


def _above(mid: str, declared: Iterable[Node]) -> list[Node]:
    """Those of the declared classes that are the class ``mid`` or lie above it."""
    ancestors = Ontology.audioset().ancestors(mid, include_self=True)
    return [node for node in declared if node in ancestors]


def _class(name: str) -> Node:
    try:
        return Ontology.audioset()[name]
    except KeyError as error:
        labels = ", ".join(sorted(complement_labels()))
        raise ValueError(f"{error.args[0]} (labels that are no class: {labels})") from None


def _several(names: Sequence[str], what: str) -> Sequence[str]:
    if isinstance(names, str):  # ("Speech") is no tuple, and would be read letter by letter
        raise ValueError(f"{what} must be a tuple of names, not {names!r}: write ({names!r},)")
    return names
