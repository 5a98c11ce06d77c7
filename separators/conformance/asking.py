"""Checks on how a separator takes its queries: together or alone, in any order, repeated."""

from __future__ import annotations

import torch

from separators.base import Query
from separators.conformance.subject import SeparatorSubject
from taggers.conformance.cases import Check, NotApplicable, Violation
from taggers.conformance.compare import ALIKE, difference

_JOINT_REMEDY = "do not let queries see each other, or declare joint = True if that is the method"


def batch(subject: SeparatorSubject) -> str:
    """Queries asked together get what each gets alone: otherwise a result depends on which others were asked."""
    audio, queries = _several(subject)
    _unless_joint(subject)
    together = subject.asking_for(audio, queries)()["audio"]
    for place, query in enumerate(queries):
        alone = subject.asking_for(audio, (query,))()["audio"][0]
        _must_agree(together[place], alone, f"{query.target.label!r} asked with others and alone")
    return f"{len(queries)} queries together as each alone"


def order(subject: SeparatorSubject) -> str:
    """Queries in another order get the same estimates in that order: rows are matched to queries by their place."""
    audio, queries = _several(subject)
    _unless_joint(subject)
    forwards = subject.asking_for(audio, queries)()["audio"]
    backwards = subject.asking_for(audio, queries[::-1])()["audio"].flip(0)
    for place, query in enumerate(queries):
        _must_agree(backwards[place], forwards[place], f"{query.target.label!r} asked in another order")
    return f"{len(queries)} queries backwards, estimates backwards"


def repeats(subject: SeparatorSubject) -> str:
    """A query may be repeated and gets a row each time: a scene can hold two sources of one class."""
    audio = subject.audio()
    query = subject.queries(audio)[0]
    rows = subject.asking_for(audio, (query, query))()["audio"]
    if rows.shape[0] != 2:
        raise Violation(f"{rows.shape[0]} rows for one query asked twice")
    if subject.plugin.joint:
        return "two rows"
    _must_agree(rows[0], rows[1], "one query asked twice")
    return "two equal rows"


def _several(subject: SeparatorSubject) -> tuple[torch.Tensor, tuple[Query, ...]]:
    audio = subject.audio()
    queries = subject.queries(audio)
    if len(queries) < 2:
        raise NotApplicable(f"it can be asked for {queries[0].target.label!r} alone")
    return audio, queries


def _unless_joint(subject: SeparatorSubject) -> None:
    if subject.plugin.joint:
        raise NotApplicable("it declares itself joint: an estimate depends on what else is asked")


def _must_agree(got: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    apart = difference({"audio": got}, {"audio": expected}, tolerance=ALIKE)
    if apart:
        raise Violation(f"{what}: {apart}")


BATCH = Check("batch", batch, _JOINT_REMEDY)
ORDER = Check("order", order, f"return estimates in the order of the queries; {_JOINT_REMEDY}")
REPEATS = Check("repeats", repeats, "answer every query in turn, and collect the answers in a list, not by class")
