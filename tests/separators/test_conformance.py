"""The conformance kit for separators and parsers: each fault is seen, by the check that is there for it."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
import textwrap
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import separators.conformance as kit
from bench import plugins
from separators.base import Parser, Unavailable
from separators.conformance.subject import ParserSubject, SeparatorSubject
from taggers.conformance.cases import NotApplicable, Violation
from taggers.conformance.isolation import Isolation, NotStartedError, Raised, recipe_of

broken = importlib.import_module("broken_separators")

SOUND = kit.separator_checks(broken.Sound)


class Here(Isolation):
    """Runs checks in this process, which is quicker, where a fault can hurt nobody."""

    def call(self, function: Callable[[Any], Any]) -> Any:
        if not hasattr(self, "loaded"):
            module, _, name = self.recipe.path.partition(":")
            try:
                self.loaded = self.recipe.subject(self.recipe, lambda: getattr(importlib.import_module(module), name))
            except Unavailable as error:
                raise NotStartedError(str(error), unavailable=True) from error
        try:
            return function(self.loaded)
        except (Violation, NotApplicable):
            raise
        except Exception as error:
            raise Raised(type(error).__name__, str(error), "here") from error


def here(kind: type) -> Here:
    subject = ParserSubject if issubclass(kind, Parser) else SeparatorSubject
    return Here(recipe_of(kind, subject, options={}, device="cpu"))


def result(kind: type, check: str) -> kit.Result:
    checks = kit.PARSER_CHECKS if issubclass(kind, Parser) else kit.SEPARATOR_CHECKS
    (chosen,) = (each for each in checks if each.name == check)
    return kit.Case(chosen, here(kind)).result()


@pytest.fixture(autouse=True)
def shared_state() -> Iterator[None]:
    threads, states = torch.get_num_threads(), (torch.get_rng_state(), np.random.get_state(), random.getstate())
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


@pytest.mark.parametrize("case", SOUND, ids=str)
def test_a_sound_separator_passes_every_check(case: kit.Case) -> None:
    case.run()


def test_the_checks_of_a_parser_are_cases_that_run_by_themselves() -> None:
    cases = kit.parser_checks(broken.FindsAll)
    assert [case.check for case in cases] == list(kit.PARSER_CHECKS)
    assert {case.check.name: case.result().outcome for case in cases[1:6]} == dict.fromkeys(
        ("options", "description", "declarations", "classes", "rows"), "pass"
    )


@pytest.mark.parametrize("check", kit.PARSER_CHECKS, ids=lambda check: check.name)
def test_a_sound_parser_passes_every_check(check: kit.Check) -> None:
    kit.Case(check, here(broken.FindsAll)).run()


@pytest.mark.parametrize(
    ("fault", "check", "seen", "remedy"),
    [
        ("PositionalOption", "options", "kernel", "*, option=default"),
        ("OptionOfObjects", "options", "not plain data", "a number, a text"),
        ("Undocumented", "description", "no docstring", "docstring"),
        ("OtherFamily", "description", "'other'", "one family"),
        ("NamelessWeights", "description", "names weights", "SHA-256"),
        ("NoFamily", "declarations", "family is None", "family ="),
        ("ThreeChannels", "declarations", "channels is 3", "separators/base.py"),
        ("UnknownClass", "classes", "Speech", "'Speech' or '/m/09x0r'"),
        ("BareString", "classes", "not a tuple", "('Speech',)"),
        ("RefusesItsOwn", "refuses", "and refuses it: only plain speech", "inherited"),
        ("RefusesAll", "refuses", "refuses every class", "inherited"),
        ("UnknownNeed", "needs", "'mood'", "NEEDS"),
        ("OneRow", "shape", "expected (3, any, 24000)", "torch.stack"),
        ("LoudScores", "shape", "scores leaves 0..1", "between 0 and 1"),
        ("Double", "dtype", "audio is torch.float64", ".float()"),
        ("OneRate", "rate", "16 kHz only", "declare sample_rate"),
        ("WholeFrames", "length", "expected", "cut after it"),
        ("MonoOnly", "channels", "AssertionError", "channels = 1"),
        ("Gathers", "hour", "memory grew by", "from segment to segment"),
        ("Normalises", "silence", "NaN", "clamp"),
        ("Unstable", "clipping", "NaN or infinite", "samples within -1 and 1"),
        ("RaisesOnNaN", "nan", "IndexError", "raise ValueError"),
        ("RemembersNaN", "nan", "after hearing NaN", "raise ValueError"),
        ("Shares", "batch", "asked with others and alone", "joint = True"),
        ("FirstIsLoudest", "order", "in another order", "in the order of the queries"),
        ("ByClass", "repeats", "1 rows for one query asked twice", "not by class"),
        ("Dithers", "determinism", "asked twice in one process", "context.seed"),
        ("InPlace", "inputs", "changed mixture", "clone()"),
        ("OneBuffer", "results", "the next call changed the audio", "buffer"),
        ("Elsewhere", "device", "on meta", "device=context.device"),
        ("SharedScratch", "threads", "two threads at once", "local variables"),
        ("SetsThreads", "state", "changed threads from", "set_num_threads"),
        ("Seeds", "state", "random generator of torch", "torch.Generator()"),
        ("Litters", "files", "debug.txt", "TemporaryDirectory"),
        ("Leaks", "memory", "memory grew by", "keep no audio"),
        ("FindsNameless", "rows", "no targets for 1 rows", "one target of the vocabulary per row"),
        ("FindsOthers", "rows", "'Piano', which is not in the vocabulary", "one target"),
        ("FindsOthers", "vocabulary", "'Piano'", "drop what was found outside"),
        ("FindsTwiceAsSure", "scores", "a score of 2", "sigmoid"),
        ("FindsAtOneRate", "rate", "16 kHz only", "declare sample_rate"),
        ("FindsInMono", "channels", "AssertionError", "channels = 1"),
        ("FindsShort", "length", "0 samples came back for 1", "cut after it"),
    ],
)
def test_a_fault_is_seen_by_its_check_and_its_remedy_named(fault: str, check: str, seen: str, remedy: str) -> None:
    found = result(getattr(broken, fault), check)
    assert found.outcome == "fail", found.seen
    assert seen in found.seen
    assert remedy in found.remedy


def test_a_joint_separator_is_spared_the_comparison_and_nothing_else() -> None:
    assert {check: result(broken.SharesAndSays, check).outcome for check in ("batch", "order", "repeats")} == {
        "batch": "skip", "order": "skip", "repeats": "pass",
    }  # fmt: skip


def test_a_separator_that_differs_between_processes_is_seen() -> None:
    found = result(broken.HashSeed, "determinism")
    assert found.outcome == "fail"
    assert "asked in a fresh process" in found.seen


def test_an_option_without_a_default_is_seen() -> None:
    cases = {str(case): case for case in kit.separator_checks(broken.OptionWithoutDefault, options={"kernel": 3})}
    with pytest.raises(AssertionError, match=r"'kernel' has no default\n  -> give kernel a default"):
        cases["options"].run()


@pytest.mark.parametrize(("fault", "seen"), [("HangsOnNaN", "did not end within 2 s"), ("CrashesOnNaN", "SIGSEGV")])
def test_a_hang_or_crash_costs_its_own_check_only(fault: str, seen: str) -> None:
    cases = {str(case): case for case in kit.separator_checks(getattr(broken, fault), seconds=2)}
    found = cases["nan"].result()
    assert found.outcome == "fail"
    assert seen in found.seen
    assert cases["needs"].result().outcome == "pass"


def test_one_that_cannot_be_made_fails_as_a_test_and_says_why() -> None:
    cases = kit.separator_checks(broken.CannotBeMade)
    with pytest.raises(AssertionError, match="RuntimeError: no such model"):
        cases[0].run()


def test_a_skip_is_a_skip_in_pytest_too() -> None:
    case = next(case for case in kit.separator_checks(broken.MonoOnly) if str(case) == "hour")
    skipped = kit.Case(case.check, here(plugins.load("separators", "mixture")))
    with pytest.raises(unittest.SkipTest, match="the whole recording at once"):
        skipped.run()


@pytest.mark.parametrize("name", ["mixture", "gain-oracle", "mwf", "ft2d"])
def test_separators_that_come_with_it_pass(name: str) -> None:
    isolation = here(plugins.load("separators", name))
    slow = {"determinism", "memory"}
    for check in kit.SEPARATOR_CHECKS:
        if check.name not in slow:
            found = kit.Case(check, isolation).result()
            assert found.outcome != "fail", f"{found}"


def test_the_example_of_the_docstring_runs_in_a_package_of_somebody_else(tmp_path: Path) -> None:
    assert kit.__doc__ is not None
    example = textwrap.dedent(kit.__doc__.partition("::\n")[2].partition("\nOptions of")[0])
    (tmp_path / "test_mine.py").write_text(example)
    (tmp_path / "my_pkg.py").write_text(
        "import torch\nfrom separators.base import Separator\n\n\n"
        "class MySeparator(Separator):\n"
        '    """Half."""\n'
        '    family = "mine"\n'
        "    def separate(self, mixture, queries, *, context):\n"
        "        return 0.5 * torch.stack([mixture] * len(queries))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "spawn or hour", "test_mine.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "1 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
