"""What a conformance kit is made of: checks, their results, and cases that run one check on one plug-in."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from taggers.conformance.isolation import CHECK_SECONDS, Died, Isolation, NotStartedError, Raised, Recipe

Outcome = Literal["pass", "fail", "skip"]


class Violation(AssertionError):
    """A check failed: what was seen, and the remedy where it is more precise than the check's own."""

    def __init__(self, seen: str, remedy: str = "") -> None:
        super().__init__(seen, remedy)
        self.seen, self.remedy = seen, remedy

    def __str__(self) -> str:
        return self.seen


class NotApplicable(Exception):
    """A check has nothing to look at in this plug-in, or cannot be run here; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """One thing that is asked of a plug-in.

    ``function`` gets the plug-in as a :class:`~taggers.conformance.subject.Subject` in a process of its own and returns
    what was seen in a few words; it raises :class:`Violation` or :class:`NotApplicable`. Its docstring says what it
    checks and why. ``remedy`` says in one line what to do where it fails.
    """

    name: str
    function: Callable[[Any], str]
    remedy: str


@dataclass(frozen=True)
class Result:
    """What became of a check. ``remedy`` is empty unless it failed; ``seconds`` is the time it took."""

    check: str
    outcome: Outcome
    seen: str
    remedy: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """One check on one plug-in. All cases of a plug-in share the process in which it is loaded."""

    check: Check
    isolation: Isolation

    def __str__(self) -> str:
        return self.check.name

    def result(self) -> Result:
        """Run the check. Whatever the plug-in does, it costs this check alone."""
        started = time.perf_counter()
        outcome, seen, remedy = self._run()
        return Result(self.check.name, outcome, " ".join(seen.split()), remedy, time.perf_counter() - started)

    def run(self) -> None:
        """Run the check as a test.

        Raises:
            AssertionError: it failed; the message says what was seen, and the remedy.
            unittest.SkipTest: it has nothing to look at; pytest counts it as skipped.
        """
        result = self.result()
        if result.outcome == "skip":
            raise unittest.SkipTest(result.seen)
        if result.outcome == "fail":
            raise AssertionError(f"{result.check}: {result.seen}\n  -> {result.remedy}")

    def _run(self) -> tuple[Outcome, str, str]:
        try:
            return "pass", self.isolation.call(self.check.function), ""
        except Violation as error:
            return "fail", str(error), error.remedy or self.check.remedy
        except NotApplicable as error:
            return "skip", str(error), ""
        except Raised as error:
            if error.name == "Unavailable":
                return "skip", str(error), ""
            return "fail", f"{error.name}: {error} (at {error.place})", self.check.remedy
        except Died as error:
            return "fail", str(error), f"{self.check.remedy}; whatever it meets, it must return or raise"
        except NotStartedError as error:
            if error.unavailable:
                return "skip", str(error), ""
            return "fail", str(error), _START_REMEDY


_START_REMEDY: Final = "define the class at the top of a module, and let its constructor work in a fresh process"


def cases_of(checks: Sequence[Check], recipe: Recipe, *, seconds: float = CHECK_SECONDS) -> list[Case]:
    """One case per check of the plug-in of a recipe, sharing one process; ``seconds`` is how long one may take."""
    isolation = Isolation(recipe, seconds=seconds)
    return [Case(check, isolation) for check in checks]


def passed(results: Sequence[Result]) -> bool:
    """Whether no check failed; skips are no failures."""
    return not any(result.outcome == "fail" for result in results)
