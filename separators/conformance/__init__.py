"""The conformance kit for separators and parsers: what the harness relies on, checked one by one.

``stemtree check my_pkg:MySeparator`` runs it and prints a table. A package of separators runs it from pytest::

    import pytest
    from separators.conformance import separator_checks
    from my_pkg import MySeparator

    @pytest.mark.parametrize("case", separator_checks(MySeparator), ids=str)
    def test_conformance(case):
        case.run()

Options of the constructor follow the class, ``separator_checks(MySeparator, options={"kernel": 17})``. The plug-in is
loaded in a process of its own, so that one that hangs or crashes fails the check that met it, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from separators.base import Parser, Separator
from separators.conformance import asking, declared, parsing, recordings
from separators.conformance.subject import ParserSubject, SeparatorSubject
from taggers.conformance import behaviour
from taggers.conformance import declared as common
from taggers.conformance.cases import Case, Check, Result, cases_of
from taggers.conformance.isolation import CHECK_SECONDS, recipe_of
from taggers.conformance.leaks import MEMORY

SEPARATOR_CHECKS: Final[tuple[Check, ...]] = (
    behaviour.SPAWNED,
    common.OPTIONS,
    common.DESCRIPTION,
    declared.DECLARATIONS,
    declared.CLASSES,
    declared.REFUSES,
    declared.NEEDS_CHECK,
    recordings.SHAPE,
    behaviour.DTYPE,
    recordings.RATE,
    recordings.LENGTH,
    recordings.CHANNELS,
    recordings.HOUR,
    *behaviour.INPUT_CHECKS,
    asking.BATCH,
    asking.ORDER,
    asking.REPEATS,
    *behaviour.CALL_CHECKS,
    MEMORY,
)
"""What is asked of a separator, in the order in which it is best mended."""

PARSER_CHECKS: Final[tuple[Check, ...]] = (
    behaviour.SPAWNED,
    common.OPTIONS,
    common.DESCRIPTION,
    declared.DECLARATIONS,
    declared.CLASSES,
    parsing.ROWS,
    parsing.VOCABULARY,
    parsing.SCORES,
    behaviour.DTYPE,
    parsing.RATE,
    parsing.LENGTH,
    parsing.CHANNELS,
    *behaviour.INPUT_CHECKS,
    *behaviour.CALL_CHECKS,
    MEMORY,
)
"""What is asked of a parser."""


def separator_checks(
    separator: type[Separator],
    *,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    seconds: float = CHECK_SECONDS,
) -> list[Case]:
    """One case per check of a separator; nothing is loaded before the first is run.

    Args:
        separator: the class.
        options: what its constructor is given.
        device: where it computes.
        seconds: how long one check may take.
    """
    recipe = recipe_of(separator, SeparatorSubject, options=options or {}, device=device)
    return cases_of(SEPARATOR_CHECKS, recipe, seconds=seconds)


def parser_checks(
    parser: type[Parser],
    *,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    seconds: float = CHECK_SECONDS,
) -> list[Case]:
    """One case per check of a parser, as :func:`separator_checks`."""
    recipe = recipe_of(parser, ParserSubject, options=options or {}, device=device)
    return cases_of(PARSER_CHECKS, recipe, seconds=seconds)


__all__ = ["PARSER_CHECKS", "SEPARATOR_CHECKS", "Case", "Result", "parser_checks", "separator_checks"]
