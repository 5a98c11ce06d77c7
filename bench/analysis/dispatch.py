"""Hand each class to the first separator, in order of preference, that declares it can extract it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import plugins
from bench.cells import SeparatorSpec
from bench.describe import make_separator
from ontology import Node, Target
from separators.base import Separator, Unavailable


@dataclass(frozen=True)
class Named:
    """A separator that is ready to work, under the name it was asked for by."""

    name: str
    separator: Separator


@dataclass(frozen=True)
class Choice:
    """Which separator extracts a class, or why none does."""

    chosen: Named | None
    reason: str | None = None


def prepare(
    names: Sequence[str], *, options: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """Construct separators in order of preference.

    Args:
        names: plug-in names or ``module:object``.
        options: constructor options, by name.

    Returns:
        Those that are there to work, and a note for each that lacks something it cannot do without.

    Raises:
        PluginError: one is unknown, cannot be loaded, or does not take its options.
    """
    ready, notes = [], []
    for name in names:
        given = (options or {}).get(plugins.option_name(name), {})
        try:
            spec = SeparatorSpec(name, plugins.resolve("separators", name), given)
            ready.append(Named(name, make_separator(spec)))
        except Unavailable as error:
            notes.append(f"separator {name} was passed over: {error}")
    return tuple(ready), tuple(notes)


def target_of(node: Node) -> Target:
    """The class as a separator is asked for it."""
    return Target(node.name, (node.mid,))


def dispatch(targets: Sequence[Target], separators: Sequence[Named], *, given: frozenset[str]) -> tuple[Choice, ...]:
    """The first separator in order of preference that takes each target.

    Args:
        targets: what is to be extracted.
        separators: in order of preference.
        given: the fields of a :class:`separators.base.Query` that can be filled in; one that needs another is passed
            over.

    Returns:
        One choice per target; where nobody takes it, the reason names each separator's own.
    """
    return tuple(_choose(target, separators, given) for target in targets)


def _choose(target: Target, separators: Sequence[Named], given: frozenset[str]) -> Choice:
    reasons = []
    for named in separators:
        lacking = sorted(named.separator.needs - given)
        refusal = (
            f"needs {', '.join(lacking)}, which an analysis cannot give" if lacking else named.separator.refuses(target)
        )
        if refusal is None:
            return Choice(named)
        reasons.append(f"{named.name}: {refusal}")
    return Choice(None, "; ".join(reasons) or "no separator is there to extract it")
