"""Checks on what a separator or parser declares: family, layout, classes, needs."""

from __future__ import annotations

from collections.abc import Iterable

from ontology import Ontology
from ontology.labelmaps import complement_labels
from separators.base import ANY, NEEDS, ComponentSeparator
from separators.conformance.queries import askable, target_of
from separators.conformance.subject import ParserSubject, SeparatorSubject
from taggers.conformance.cases import Check, Violation
from taggers.conformance.declared import rate_problems


def declarations(subject: SeparatorSubject | ParserSubject) -> str:
    """Family, rate, channels and segments are of their kinds: everything else is arranged by them."""
    problems = list(_problems(subject))
    if problems:
        raise Violation("; ".join(problems))
    plugin = subject.plugin
    rate = f"{plugin.sample_rate} Hz" if plugin.sample_rate else "any rate"
    layout = f"{plugin.channels} channel{'s' if plugin.channels > 1 else ''}" if plugin.channels else "any channels"
    return f"family {plugin.family}, {rate}, {layout}"


def classes(subject: SeparatorSubject | ParserSubject) -> str:
    """Every class that it declares is in the ontology, by name or mid, once: others would never be asked for."""
    plugin = subject.plugin
    entries: dict[str, tuple[str, ...]] = {}
    if isinstance(plugin, ComponentSeparator):
        entries = {f"component {name!r}": _names(name, each) for name, each in plugin.components.items()}
    elif plugin.classes is not ANY:
        entries = {"classes": _names("classes", plugin.classes)}
    onto = Ontology.audioset()
    for where, names in entries.items():
        for name in names:
            if name in onto or (where != "classes" and name in complement_labels()):
                continue
            try:
                onto[name]
            except KeyError as error:
                raise Violation(f"{where}: {error.args[0]}") from None
        if len(set(names)) < len(names):
            raise Violation(f"{where} names a class twice")
    for label in _names("labels", getattr(plugin, "labels", ())):
        if label not in complement_labels():
            known = ", ".join(sorted(complement_labels()))
            raise Violation(f"labels: {label!r} is no complement label; there are {known}")
    if not entries:
        return "any class"
    named = [name for names in entries.values() for name in names]
    return f"{len(named)}: {', '.join(named[:4])}{', ...' if len(named) > 4 else ''}"


def refuses(subject: SeparatorSubject) -> str:
    """It refuses what it does not declare, in words, and accepts what it does: dispatch and the plan go by that.

    At least one class must be left, or nobody could ever ask for anything.
    """
    plugin, onto = subject.plugin, Ontology.audioset()
    reasons = {node.mid: plugin.refuses(target_of(node)) for node in onto}
    for mid, reason in reasons.items():
        if reason is not None and (not isinstance(reason, str) or not reason.strip()):
            raise Violation(f"refuses({onto[mid].name!r}) returned {reason!r}", "return the reason as text, or None")
    askable(plugin)
    if plugin.classes is not ANY:
        inside = {node.mid for name in plugin.classes for node in onto.descendants(name, include_self=True)}  # type: ignore[union-attr]
        for mid, reason in reasons.items():
            if mid in inside and reason is not None:
                raise Violation(f"it declares {onto[mid].name!r}, or a class above it, and refuses it: {reason}")
            if mid not in inside and reason is None:
                raise Violation(f"it accepts {onto[mid].name!r}, which lies outside the classes that it declares")
    if isinstance(plugin, ComponentSeparator):
        for name in (entry for entries in plugin.components.values() for entry in entries if entry in onto):
            if reasons[onto[name].mid] is not None:
                raise Violation(f"a component stands for {name!r}, and it refuses it: {reasons[onto[name].mid]}")
    accepted = sum(reason is None for reason in reasons.values())
    return f"accepts {accepted} of {len(reasons)} classes"


def needs(subject: SeparatorSubject) -> str:
    """What it needs can be put into a query: the harness supplies what is named, and nothing else."""
    declared = subject.plugin.needs
    if isinstance(declared, str) or not isinstance(declared, frozenset | set | tuple):
        raise Violation(f"needs is {declared!r}, not a set of names")
    unknown = sorted(set(declared) - NEEDS)
    if unknown:
        raise Violation(f"unknown needs {', '.join(map(repr, unknown))}; it may name {', '.join(sorted(NEEDS))}")
    size = subject.plugin.condition_size
    if size is not None and (not isinstance(size, int) or size < 1):
        raise Violation(f"condition_size is {size!r}, not a number from 1 up or None")
    return ", ".join(sorted(declared)) or "nothing"


def _problems(subject: SeparatorSubject | ParserSubject) -> Iterable[str]:
    plugin = subject.plugin
    family = getattr(plugin, "family", None)
    if not isinstance(family, str) or not family.strip():
        yield f"family is {family!r}, not a name"
    yield from rate_problems(plugin.sample_rate)
    if plugin.channels not in (None, 1, 2):
        yield f"channels is {plugin.channels!r}, not 1, 2 or None"
    segment, context = getattr(plugin, "segment_seconds", None), getattr(plugin, "context_seconds", 0.0)
    if segment is not None and not (isinstance(segment, int | float) and segment > 0):
        yield f"segment_seconds is {segment!r}, not a time or None"
    elif segment is not None and not 0 <= context <= segment / 2:
        yield f"context_seconds is {context!r}, not between 0 and half of the segment"
    elif segment is None and context:
        yield f"context_seconds is {context!r} without segment_seconds: there is nothing to overlap"


def _names(where: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, tuple | list):
        raise Violation(f"{where} is {names!r}, not a tuple of names", f"write {where} as a tuple: ('Speech',)")
    return tuple(names)


DECLARATIONS = Check(
    "declarations", declarations, 'declare family = "...", sample_rate and channels as separators/base.py says'
)
CLASSES = Check("classes", classes, "name classes as `stemtree` and AudioSet do, e.g. 'Speech' or '/m/09x0r'")
REFUSES = Check("refuses", refuses, "leave refuses() as it is inherited, or let it agree with classes")
NEEDS_CHECK = Check("needs", needs, "write needs = frozenset({...}) with names from separators.base.NEEDS")
