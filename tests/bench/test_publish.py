"""The commands that publish: files for GitHub that are valid and ask for little, and the look at results of others."""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bench.cli import main
from bench.imports import import_results
from bench.reported import Reading

READING = Reading(constants={"unit": "dB", "better": "higher", "metric": "sdri@1", "dataset": "songs"})


def stemtree(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    done = stemtree("leaderboard", "files", "--out", root)
    assert done.exit_code == 0, done.output
    assert set(done.stdout.split()) == {str(path) for path in root.rglob("*") if path.is_file()}
    return root


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("results")
    rows = [
        f"{name},test,song-{song},vocals,{level + song}"
        for name, level in (("good", 5), ("mixture", 0))
        for song in range(3)
    ]
    (base / "scores.csv").write_text("separator,split,scene,target,value\n" + "\n".join(rows) + "\n")
    import_results(base / "scores.csv", format="csv", results=base / "results", reading=READING)
    return base / "results"


def workflow(repository: Path, name: str) -> dict[Any, Any]:
    found = yaml.safe_load((repository / ".github/workflows" / name).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(found: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in found["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", ["leaderboard.yml", "submission.yml"])
def test_workflows_are_valid_and_ask_for_little(repository: Path, name: str) -> None:
    found = workflow(repository, name)
    assert found["permissions"] == {"contents": "read"}
    for step in steps(found):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), "official, its major version pinned"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert all(job["timeout-minutes"] <= 30 for job in found["jobs"].values())


def test_only_the_deployment_may_write(repository: Path) -> None:
    jobs = workflow(repository, "leaderboard.yml")["jobs"]
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert "permissions" not in jobs["build"]
    assert not any("run" in step for step in jobs["deploy"]["steps"])


def test_a_pull_request_is_read_and_never_run(repository: Path) -> None:
    text = (repository / ".github/workflows/submission.yml").read_text(encoding="utf-8")
    found = workflow(repository, "submission.yml")
    assert list(found[True]) == ["pull_request"], "YAML 1.1 reads the key `on` as true"
    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert all("permissions" not in job for job in found["jobs"].values())
    scripts = [step["run"] for step in steps(found) if "run" in step]
    assert not [script for script in scripts if "${{" in script], "what a stranger writes reaches no shell"
    installs = [script for script in scripts if "pip install" in script]
    assert installs == ["pip install -r published/requirements.txt"]


def test_every_command_of_the_files_is_one_that_there_is(repository: Path) -> None:
    texts = [
        step["run"]
        for name in ("leaderboard.yml", "submission.yml")
        for step in steps(workflow(repository, name))
        if "run" in step
    ]
    guide = (repository / "SUBMITTING.md").read_text(encoding="utf-8")
    lines = [
        line.strip()
        for text in [*texts, *re.findall(r"^    (.+)$", guide, flags=re.MULTILINE)]
        for line in text.splitlines()
    ]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("stemtree ")]
    assert len(commands) >= 8
    for words in commands:
        command: Any = main
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, words
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_requirements_pin_what_is_installed_here(repository: Path) -> None:
    lines = (repository / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"stemtree=={version('stemtree')}"]
    assert "results/** -text" in (repository / ".gitattributes").read_text(encoding="utf-8")


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "SUBMITTING.md").write_text("Mine.")
    done = stemtree("leaderboard", "files", "--out", tmp_path)
    assert done.exit_code == 2
    assert "SUBMITTING.md: is there with other contents; move it away" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["SUBMITTING.md"]


def test_files_that_are_there_already_are_left(repository: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    done = stemtree("leaderboard", "files", "--out", repository)
    assert (done.exit_code, "all files are there already" in done.stdout) == (0, True)
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_good_results_pass(results: Path) -> None:
    done = stemtree("results", "validate", results, "--against", results)
    assert done.exit_code == 0, done.output
    assert done.stdout == "5 files, 6 cells, 6 scores: all well\n"


def test_bad_results_are_named_as_text_and_as_json(results: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "setup.py").write_text("raise SystemExit('executed')")
    done = stemtree("results", "validate", mine)
    assert done.exit_code == 1
    assert "setup.py: does not belong to a results folder; take it out" in done.stdout.splitlines()
    found = json.loads(stemtree("results", "validate", mine, "--against", results, "--json").stdout)
    assert found["valid"] is False
    assert {finding["file"] for finding in found["findings"]} == {"setup.py", "runs"}


def test_what_is_no_folder_is_wrong_usage(results: Path, tmp_path: Path) -> None:
    for arguments in ([tmp_path / "nowhere"], [results, "--against", tmp_path]):
        done = stemtree("results", "validate", *arguments)
        assert done.exit_code == 2, done.output
        assert len(done.stderr.splitlines()) == 1
