"""Checks on what a class says of itself, whatever its kind."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable

from taggers.card import ModelCard
from taggers.conformance.cases import Check, Violation
from taggers.conformance.subject import Subject


def options(subject: Subject) -> str:
    """Options are given by keyword and have defaults of plain data: a user sets one without knowing the others.

    They are written into the results and their hash, so a default that JSON cannot hold would never compare equal.
    """
    parameters = inspect.signature(subject.kind).parameters
    for name, parameter in parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise Violation(f"the constructor takes {parameter} otherwise than as a keyword of its own")
        if parameter.default is inspect.Parameter.empty:
            raise Violation(f"option {name!r} has no default", f"give {name} a default")
        try:
            json.dumps(parameter.default)
        except TypeError:
            raise Violation(
                f"the default of option {name!r}, {parameter.default!r}, is not plain data",
                f"let the default of {name} be a number, a text, None or a list of them",
            ) from None
    return ", ".join(parameters) or "none"


def description(subject: Subject) -> str:
    """The class has a docstring of its own, and its card, if it has one, is a ModelCard: listings and pages show them.

    The hash of its weights, if it has any, is a SHA-256: results are cached by it.
    """
    summary = (inspect.cleandoc(subject.kind.__dict__.get("__doc__") or "")).partition("\n")[0]
    if not summary:
        raise Violation("the class has no docstring")
    card = subject.kind.card()
    if card is not None and not isinstance(card, ModelCard):
        raise Violation(f"card() returned a {type(card).__name__}", "return a taggers.card.ModelCard, or None")
    family = getattr(subject.kind, "family", None)
    if card is not None and family is not None and card.family != family:
        raise Violation(
            f"its card says family {card.family!r}, the class {family!r}",
            "say one family in card and class",
        )
    weights = subject.plugin.weights_sha256()
    if weights is not None and not (isinstance(weights, str) and re.fullmatch("[0-9a-f]{64}", weights)):
        raise Violation(
            f"weights_sha256() returned {weights!r}", "let weights_sha256() return 64 hexadecimal digits, or None"
        )
    if card is not None and card.weights and weights is None:
        raise Violation(
            "its card names weights, and weights_sha256() returns None",
            "let weights_sha256() return the SHA-256 of the file that was loaded",
        )
    return f"{summary[:60]}{'...' if len(summary) > 60 else ''}{'' if card else ' (no card)'}"


def rate_problems(rate: object) -> Iterable[str]:
    """What is wrong with a declared sample rate."""
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate < 1):
        yield f"sample_rate is {rate!r}, not a whole number of Hz or None"


OPTIONS = Check("options", options, "write def __init__(self, *, option=default): by keyword, each with a default")
DESCRIPTION = Check("description", description, "begin the class with a docstring, one line that says what it is")
