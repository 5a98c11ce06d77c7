"""The command on a page, parsed by the project's own parser, gives the configuration of the run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.config import RunConfig, compose
from leaderboard import build, rerun
from leaderboard.context import read
from reports.results import Results
from reports.schema import Manifest

OWN = {"run", "results", "executor", "retry", "estimates", "excerpts", "dry_run"}
"""What decides no figure, and is left to the reader."""
NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,9}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" '\\\"=:,[]{}()#%~"))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(LEAVES | st.lists(LEAVES, max_size=3), lambda inner: st.dictionaries(NAMES, inner, max_size=3))
PLUGINS = st.sampled_from(["hpss", "my_pkg.models:MySeparator", "mini-uss", "nmf>hpss"])


def configuration(**changes: Any) -> dict[str, Any]:
    config = RunConfig(**{"separators": ("hpss",), "datasets": ("musdb18",), **changes})
    return config.model_dump(mode="json", exclude={"dry_run"})


def manifest(configuration: dict[str, Any], **more: Any) -> Manifest:
    return Manifest(
        run="night-1", started="2026-01-05T02:00:00Z", configuration=configuration, provenance=more, datasets={}
    )


def again(command: str | None) -> dict[str, Any]:
    assert command is not None
    words = shlex.split(command)
    assert words[:2] == ["stemtree", "run"]
    return compose(words[2:]).model_dump(mode="json", exclude=OWN)


def figures_of(configuration: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in configuration.items() if name not in OWN}


@settings(max_examples=15, deadline=None)
@given(
    separators=st.lists(PLUGINS.filter(lambda name: ">" not in name), min_size=1, max_size=3, unique=True),
    options=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=2),
    folder=TEXTS.filter(lambda text: text.strip() not in ("", ".")),
    limit=st.none() | st.integers(1, 10**6),
    seed=st.integers(-(2**40), 2**40),
)
def test_a_run_with_the_classes_given_comes_back_as_it_was(
    separators: list[str], options: dict[str, Any], folder: str, limit: int | None, seed: int
) -> None:
    said = configuration(
        separators=tuple(separators), options=options, limit=limit, seed=seed,
        data={"musdb18": Path("/data") / folder.strip("/")}, metrics=("sdri@1", "si_sdr@1"), limits={"seconds": 1.5},
    )  # fmt: skip
    again_ = rerun.of_run(manifest(said))
    if "${" in str(said):
        assert again_.command is None
        assert again_.reason is not None
    else:
        assert again(again_.command) == figures_of(said)


@settings(max_examples=5, deadline=None)
@given(count=st.integers(1, 99), threshold=st.floats(0.01, 0.99), frozen=st.none() | st.just(Path("/lists/a b's.json")))
def test_a_run_on_blind_scenes_comes_back_as_it_was(count: int, threshold: float, frozen: Path | None) -> None:
    said = configuration(
        protocol="scene", taggers=("panns",), separators=("nmf>hpss", "irm"), parsers=("nothing",),
        scenes={"count": count, "seed": 3, "manifest": frozen}, detect={"threshold": threshold, "depths": (1, 2)},
    )  # fmt: skip
    assert again(rerun.of_run(manifest(said)).command) == figures_of(said)


def test_one_separator_of_many_takes_its_own_options_alone() -> None:
    said = configuration(
        separators=("hpss", "my_pkg:Mine"), datasets=("musdb18",),
        options={"hpss": {"kernel": 31}, "Mine": {"mask": {"power": 2}}, "musdb18": {"split": "train"}},
    )  # fmt: skip
    found = again(shlex.join(["stemtree", "run", *rerun.overrides(rerun.cut_down(said, "my_pkg:Mine"))]))
    assert found["separators"] == ["my_pkg:Mine"]
    assert found["options"] == {"Mine": {"mask": {"power": 2}}, "musdb18": {"split": "train"}}


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("panns+nmf>hpss", {"taggers": ["panns"], "separators": ["nmf>hpss"], "parsers": []}),
        ("nothing", {"taggers": [], "separators": [], "parsers": ["nothing"]}),
    ],
)
def test_one_blind_system_of_many_is_its_own_parts(system: str, expected: dict[str, list[str]]) -> None:
    said = configuration(
        protocol="scene", taggers=("labels", "panns"), separators=("irm", "nmf>hpss"), parsers=("nothing",),
        options={"hpss": {"kernel": 31}, "irm": {"power": 2}},
    )  # fmt: skip
    found = again(shlex.join(["stemtree", "run", *rerun.overrides(rerun.cut_down(said, system))]))
    assert {name: found[name] for name in expected} == expected
    assert found["options"] == ({"hpss": {"kernel": 31}} if ">" in system else {})


def test_figures_scored_or_imported_show_what_was_typed() -> None:
    typed = ["stemtree", "score", "musdb18", "--root", "/data/a b", "--name", "x; rm -rf ~"]
    shown = rerun.of_run(manifest({"protocol": "query", "score": "x"}, command=typed))
    assert shown.recorded
    assert shlex.split(str(shown.command)) == typed


@pytest.mark.parametrize(
    "said",
    [
        {"separators": "hpss", "datasets": None},
        {"separators": ["hpss"], "datasets": ["musdb18"], "options": {"hpss": {"a=b": 1}}},
        {"separators": ["hpss"], "datasets": ["musdb18"], "options": {"hpss": {"kernel": [{"a": 1}]}}},
        {"separators": ["hpss"], "datasets": ["musdb18"], "options": ["hpss"]},
        {"separators": ["two\nlines"], "datasets": ["musdb18"]},
        {"protocol": "query"},
    ],
)
def test_what_no_command_can_tell_says_so(said: dict[str, Any]) -> None:
    for found in (rerun.of_run(manifest(said)), rerun.of_run(manifest(rerun.cut_down(said, "hpss")))):
        assert found.command is None
        assert found.reason


def small(make_writer: Callable[..., Any], folder: Path) -> Path:
    """Two runs of two separators on one recording, the newer one with options."""
    writer = make_writer(folder, separators={"hpss": ("hpss", 2.0), "repet": ("repet", 1.0)})
    writer.dataset("songs", {"a": (("vocals",), ("a",))}, title="Songs")
    for run in ("night-1", "night-2"):
        writer.finish(run=run)
        said = Results(folder).run(run)
        assert said is not None
        options = {"hpss": {"kernel": 31}} if run == "night-2" else {}
        known = configuration(separators=("hpss", "repet"), datasets=("songs",), options=options)
        Results(folder).write_manifest(said.model_copy(update={"configuration": known}))
    return folder


def test_the_command_stands_on_the_pages_of_run_and_separator(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    site = build(small(make_writer, tmp_path / "results"), tmp_path / "site").parent
    shown = {}
    for path in ("runs/night-1.html", "runs/night-2.html", "separators/hpss.html"):
        page = (site / path).read_text(encoding="utf-8")
        found = re.search(r'<pre class="copyable"[^>]*>(.*?)</pre>', page, flags=re.DOTALL)
        assert found, path
        config = again(unescape(found[1]))
        shown[path] = (config["separators"], config["options"])
        assert "torch==2.6.0" in page
        assert "commit 0123abc, Python 3.11.9" in page
        assert "0" * 64 in page, "the version of the data set"
        assert f"sha256 <code>{'feed' * 16}</code>" in page, "the weights"
    assert shown == {
        "runs/night-1.html": (["hpss", "repet"], {}),
        "runs/night-2.html": (["hpss", "repet"], {"hpss": {"kernel": 31}}),
        "separators/hpss.html": (["hpss"], {"hpss": {"kernel": 31}}),
    }


def test_only_runs_behind_the_figures_are_shown(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    site = read(Results(small(make_writer, tmp_path / "results")), run=None, title="t")
    assert [found.manifest.run for found in rerun.of_separator(site, "hpss")] == ["night-2"]
    assert rerun.of_separator(site, "nobody") == []
