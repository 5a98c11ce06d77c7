"""The conformance kit for taggers: what walking, timelines and scores rely on, checked one by one.

``stemtree check my_pkg:MyTagger`` runs it and prints a table. A package of taggers runs it from pytest::

    import pytest
    from taggers.conformance import tagger_checks
    from my_pkg import MyTagger

    @pytest.mark.parametrize("case", tagger_checks(MyTagger), ids=str)
    def test_conformance(case):
        case.run()

The kit for separators, :mod:`separators.conformance`, is made of the same parts: a :class:`Check` is a function, a
:class:`Case` runs one on one plug-in in a process of its own, a :class:`Result` says what was seen and what mends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taggers.base import Tagger
from taggers.conformance import behaviour, declared, tagging
from taggers.conformance.cases import Case, Check, NotApplicable, Result, Violation, cases_of, passed
from taggers.conformance.isolation import CHECK_SECONDS, recipe_of
from taggers.conformance.leaks import MEMORY
from taggers.conformance.tagging import TaggerSubject

TAGGER_CHECKS: Final[tuple[Check, ...]] = (
    behaviour.SPAWNED,
    declared.OPTIONS,
    declared.DESCRIPTION,
    tagging.DECLARATIONS,
    tagging.TAGS,
    tagging.KNOWN,
    tagging.VALUES,
    tagging.HIERARCHY,
    tagging.SHORT,
    tagging.BATCHES,
    tagging.ANNOTATION,
    tagging.THRESHOLDS,
    *behaviour.INPUT_CHECKS,
    *behaviour.CALL_CHECKS,
    MEMORY,
)
"""What is asked of a tagger, in the order in which it is best mended."""


def tagger_checks(
    tagger: type[Tagger],
    *,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    seconds: float = CHECK_SECONDS,
) -> list[Case]:
    """One case per check of a tagger; nothing is loaded before the first is run.

    Args:
        tagger: the class.
        options: what its constructor is given.
        device: where it computes.
        seconds: how long one check may take.
    """
    recipe = recipe_of(tagger, TaggerSubject, options=options or {}, device=device)
    return cases_of(TAGGER_CHECKS, recipe, seconds=seconds)


__all__ = ["TAGGER_CHECKS", "Case", "Check", "NotApplicable", "Result", "Violation", "passed", "tagger_checks"]
