"""`stemtree compare`: exit status, the line a person sees, and output that scripts can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from compare_kit import REUSED, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two nights that agree, and a third on which a score changed under its key and a cell failed."""
    results = tmp_path / "results"
    write_run(results, "monday", {"a": {"1": {"x": 1.0}, "2": {"x": 2.0}}})
    write_run(results, "tuesday", {"a": {"1": REUSED, "2": REUSED}}, hour=1)
    write_run(results, "wednesday", {"a": {"1": {"x": 1.5}, "2": REUSED}, "b": {"1": "error"}}, hour=2)
    return results


def stemtree(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_nothing_worse_is_status_0(folder: Path) -> None:
    done = stemtree("monday", "tuesday", "--results", folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "nothing worse: 0 of 2 cells in both were recomputed"


def test_a_changed_score_is_status_1_and_named(folder: Path) -> None:
    done = stemtree("tuesday", "wednesday", "--results", folder)
    assert done.exit_code == 1
    assert "a on set (test, query), 1, x, sdri@1: 1 -> 1.5" in done.stdout
    assert stemtree("tuesday", "wednesday", "--results", folder, "--tolerance", "0.5").exit_code == 0


def test_json_has_what_the_text_says(folder: Path) -> None:
    done = stemtree("tuesday", "wednesday", "--results", folder, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["base"] == {"folder": str(folder), "run": "tuesday"}
    assert found["regressed"] is True
    assert found["counts"]["changed_scores"] == 1
    assert found["counts"]["statuses"] == {"new": 1}
    (row,) = found["changed_scores"]
    assert (row["scene"], row["base"], row["head"]) == ("1", 1.0, 1.5)
    (figure,) = found["figures"]
    assert (figure["separator"], figure["verdict"]) == ("a", "not recomputed")


def test_a_path_is_the_newest_state_of_its_folder(folder: Path) -> None:
    assert stemtree(folder, folder).exit_code == 0
    assert stemtree("monday", folder, "--results", folder).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["monday", "sunday"], "there are monday, tuesday, wednesday"),
        (["nowhere/results", "monday"], "'nowhere/results' is neither a run in"),
        (["monday", "tuesday", "--metric", "sdr"], "no metric 'sdr' in either; there are other@1, sdri@1"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(folder: Path, arguments: list[str], words: str) -> None:
    done = stemtree(*arguments, "--results", folder)
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("stemtree: ")
    assert words in line


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    done = stemtree("a", "b", "--results", tmp_path)
    assert done.exit_code == 2
    assert "it has none" in done.stderr
