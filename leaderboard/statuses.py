"""Statuses and reasons of cells and scores in words. Files keep them as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reports.outcomes import EMPTY

_WORDS: Final = {
    "ok": "done",
    "skip": "skipped",
    "error": "ended in an error",
    "timeout": "ran out of time",
    "oom": "ran out of memory",
    "nan": "without a finite value",
    "pending": "still to come",
    "unscored": "not scored",
    EMPTY: "nothing to score",
}


def status_words(status: str) -> str:
    """What a status means, to stand alone or after a number of cells; one that is words already is left as it is."""
    return _WORDS.get(status, status)


def of_any(reason: str, targets: Iterable[str]) -> str:
    """A reason that names one of these targets, in words that hold for each of them."""
    for target in targets:
        reason = reason.replace(repr(target), "the target")
    return reason
