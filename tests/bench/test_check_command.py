"""``stemtree check``: exit status, the table a person sees, and output that scripts can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main

PACKAGE = '''
import torch
from separators.base import Parser, Separator, Unavailable
from taggers.base import Tagger

class Half(Separator):
    """Half of the mixture."""
    family = "mine"
    def __init__(self, *, gain=0.5):
        self.gain = gain
    def separate(self, mixture, queries, *, context):
        print("noise on stdout")
        return self.gain * torch.stack([mixture] * len(queries))

class Undocumented(Half):
    family = "mine"

class NeedsWeights(Half):
    """Has none."""
    def __init__(self):
        raise Unavailable("weights are absent: fetch them")

class Breaks(Half):
    """Cannot be made."""
    def __init__(self):
        raise RuntimeError("no such model")

class Thing:
    pass
'''


def test_a_card_is_printed_as_yaml_and_what_has_none_is_one_line() -> None:
    shown = CliRunner().invoke(main, ["card", "panns"])
    card = yaml.safe_load(shown.stdout)
    assert (card["name"], card["weights"][0]["licence"]) == ("panns", "CC-BY-4.0")
    for name, said in (("pans", "did you mean panns"), ("collections:Counter", "has no card")):
        done = CliRunner().invoke(main, ["card", name])
        assert done.exit_code == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_pkg.py").write_text(PACKAGE)
    return tmp_path


def check(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bench.cli", "check", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)


def test_a_failed_check_is_status_1_with_its_remedy_in_the_table(folder: Path) -> None:
    done = check("my_pkg:Undocumented", folder=folder)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.split()[:2] == ["description", "fail"])
    assert "no docstring" in lines[place]
    assert lines[place + 1].strip().startswith("-> begin the class with a docstring")
    assert lines[-1] == "my_pkg:Undocumented, separator: 25 checks passed, 1 failed, 1 skipped"
    assert "noise on stdout" not in done.stdout


def test_json_has_every_check_and_options_reach_the_constructor(folder: Path) -> None:
    done = check("my_pkg:Half", "--option", "gain=.nan", "--json", folder=folder)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert (report["object"], report["kind"], report["passed"]) == ("my_pkg:Half", "separator", False)
    found = {each["check"]: each for each in report["checks"]}
    assert found["silence"]["outcome"] == "fail"
    assert found["silence"]["remedy"]
    assert found["shape"]["outcome"] == "pass"
    assert found["options"] == found["options"] | {"outcome": "pass", "seen": "gain", "remedy": ""}


def test_parsers_and_taggers_are_told_from_separators_by_their_class(folder: Path) -> None:
    done = check("nothing", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "parser"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["my_pkg:Nowhere"], "has no attribute 'Nowhere'"),
        (["nowhere:Half"], "No module named 'nowhere'"),
        (["my_pkg:Thing"], "not a class derived from Separator, Parser or Tagger"),
        (["hpps"], "did you mean hpss"),
        (["my_pkg.py:Half"], "name the module, not its file: my_pkg:Half"),
        (["my_pkg:Half", "--option", "gian=1"], "did you mean gain"),
        (["my_pkg:Half", "--option", "gain"], "KEY=VALUE"),
        (["my_pkg:Breaks"], "my_pkg:Breaks cannot be loaded: RuntimeError: no such model"),
        (["my_pkg:NeedsWeights"], "weights are absent: fetch them"),
    ],
)
def test_what_cannot_be_checked_is_one_line_and_status_2(folder: Path, arguments: list[str], words: str) -> None:
    done = check(*arguments, folder=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("stemtree: ")
    assert words in lines[0]
