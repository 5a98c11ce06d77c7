"""A build into the folder of an earlier one makes what changed, and leaves the bytes of a build from nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import reports.archive
from history_kit import Nights, System
from leaderboard import build
from leaderboard.folder import SiteFolder
from leaderboard.kept import FILE, HISTORY
from leaderboard.page import Page
from reports.results import Results
from reports.tables import Board

Change = Callable[[Path, Callable[..., Any]], None]


def run(folder: Path, make_writer: Callable[..., Any], name: str, separators: dict[str, tuple[str, float]]) -> None:
    writer = make_writer(folder, separators=separators)
    for dataset in ("songs", "clips"):
        writer.dataset(dataset, {f"scene {n}": (("x", "y"), (f"r{n}",)) for n in range(6)}, title=dataset.title())
    writer.finish(run=name)


@pytest.fixture
def results(make_writer: Callable[..., Any], tmp_path: Path) -> Path:
    run(tmp_path / "results", make_writer, "night-1", {"mixture": ("baseline", 0.0), "a": ("f", 2.0)})
    return tmp_path / "results"


def files(site: Path) -> dict[str, bytes]:
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def new_run(folder: Path, make_writer: Callable[..., Any]) -> None:
    run(folder, make_writer, "night-2", {"b": ("g", 3.0)})


def run_that_found_all_done(folder: Path, make_writer: Callable[..., Any]) -> None:
    runs = folder / "runs"
    described = json.loads((runs / "night-1.json").read_text(encoding="utf-8"))
    described |= {"run": "night-9", "started": "2026-09-09T00:00:00Z"}
    (runs / "night-9.json").write_text(json.dumps(described), encoding="utf-8")
    shutil.copyfile(runs / "night-1.parquet", runs / "night-9.parquet")


def one_scene(folder: Path, make_writer: Callable[..., Any]) -> None:
    writer = make_writer(folder, separators={"a": ("f", 9.0)})
    writer.dataset("songs", {"scene 3": (("x", "y"), ("r3",))}, title="Songs")
    writer.finish(run="night-3")


def changed_card(folder: Path, make_writer: Callable[..., Any]) -> None:
    Results(folder).write_card("a", {"name": "a", "licence": "GPL-3.0"})


def changed_definition(folder: Path, make_writer: Callable[..., Any]) -> None:
    metrics = Results(folder).metrics()
    Results(folder).write_metrics({"sdri@1": metrics["sdri@1"].model_copy(update={"unit": "bel"})})


def removed_run(folder: Path, make_writer: Callable[..., Any]) -> None:
    for path in (folder / "runs").glob("night-2.*"):
        path.unlink()


def merged_parts(folder: Path, make_writer: Callable[..., Any]) -> None:
    Results(folder).compact()


def changed_scores(folder: Path, make_writer: Callable[..., Any]) -> None:
    for path in sorted((folder / "scores").glob("*.parquet"))[::3]:
        pl.read_parquet(path).with_columns(pl.col("value") + 0.5).write_parquet(path)


CHANGES: list[Change] = [
    new_run, one_scene, changed_card, changed_definition, removed_run, changed_scores, merged_parts,
    run_that_found_all_done,
]  # fmt: skip


def test_after_any_changes_the_bytes_are_those_of_a_build_from_nothing(
    results: Path, make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    build(results, tmp_path / "site")
    changes = random.Random(0).sample(CHANGES, len(CHANGES))
    for number in range(0, len(changes), 2):
        for change in changes[number : number + 2]:
            change(results, make_writer)
        build(results, tmp_path / "site")
        assert files(tmp_path / "site") == files(build(results, tmp_path / f"fresh-{number}").parent), number


def made(monkeypatch: pytest.MonkeyPatch, results: Path, site: Path) -> set[str]:
    """The pages of boards that a build makes."""
    found: set[str] = set()
    kept = SiteFolder.add

    def add(self: SiteFolder, relative: str, content: str | bytes, *, made_of: str | None = None) -> None:
        if made_of is not None:
            found.add(relative)
        kept(self, relative, content, made_of=made_of)

    with monkeypatch.context() as patch:
        patch.setattr(SiteFolder, "add", add)
        build(results, site)
    return found


def test_cells_of_one_scene_make_its_own_page_anew_and_no_other_scene(
    results: Path, make_writer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(results, make_writer)  # with the second run separators have a history, and all pages are made anew once
    build(results, tmp_path / "site")
    assert made(monkeypatch, results, tmp_path / "site") == set()
    one_scene(results, make_writer)
    again = made(monkeypatch, results, tmp_path / "site")
    assert {path for path in again if path.startswith("scenes/")} == {
        path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site/scenes/songs").glob("scene-3*")
    }
    assert "datasets/songs.html" in again
    assert "datasets/clips.html" not in again


def test_a_run_that_found_all_done_makes_no_page_anew_that_names_no_run(
    results: Path, make_writer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(results, make_writer)
    build(results, tmp_path / "site")
    run_that_found_all_done(results, make_writer)
    again = made(monkeypatch, results, tmp_path / "site")
    assert {path.split("/")[0] for path in again} == {
        "separators", "history", "history.html", "history.atom", ".stemtree-history.json",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["gone", "other"])
def test_a_page_that_somebody_changed_is_made_again(results: Path, tmp_path: Path, damage: str) -> None:
    site = build(results, tmp_path / "site").parent
    before = files(site)
    page = next((site / "scenes/songs").iterdir())
    page.unlink() if damage == "gone" else page.write_text("something else", encoding="utf-8")
    build(results, site)
    assert files(site) == before


def test_a_marker_that_tells_of_no_fingerprints_makes_every_page(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(results, tmp_path / "site").parent
    before = files(site)
    marker = site / ".stemtree-site.json"
    described = json.loads(marker.read_text(encoding="utf-8"))
    every = set(described.pop("made"))
    marker.write_text(json.dumps(described), encoding="utf-8")
    assert made(monkeypatch, results, site) == every
    assert files(site) == before


def test_a_page_that_may_show_anything_is_made_at_every_build(tmp_path: Path) -> None:
    page = Page("index.html", lambda: "text", None)
    assert page.of is None
    folder = SiteFolder(tmp_path / "site")
    folder.add(page.path, page.content())
    folder.write()
    assert not SiteFolder(tmp_path / "site").keeps(page.path, None)


def shown(site: Path) -> dict[str, bytes]:
    """All files but the figures that are kept: what no page asks for is not worked out again only to be kept."""
    return {name: content for name, content in files(site).items() if name != FILE}


@pytest.mark.parametrize("damage", ["{}", "no JSON", None])
def test_kept_figures_may_be_damaged_or_deleted(results: Path, tmp_path: Path, damage: str | None) -> None:
    site = build(results, tmp_path / "site").parent
    before, file = shown(site), site / FILE
    file.unlink() if damage is None else file.write_text(damage, encoding="utf-8")
    build(results, site)
    assert shown(site) == before


def test_forged_figures_are_not_shown(results: Path, tmp_path: Path) -> None:
    site = build(results, tmp_path / "site").parent
    before, file = shown(site), site / FILE
    described = json.loads(file.read_text(encoding="utf-8"))
    for board in described["boards"].values():
        for row in board["overall"]:
            row["value"] = 99.0
    file.write_text(json.dumps(described), encoding="utf-8")
    build(results, site)
    assert shown(site) == before


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Three runs in which one system changes its level by far, each time in all of its scores."""
    found = Nights(tmp_path / "nights")
    for day, level in enumerate((5.0, 3.0, 6.0)):
        found.write(day, {"mixture": System(0.0, family="baseline"), "a": System(level, str(day))})
    return found


def test_a_build_with_nothing_new_leaves_the_history_alone(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(nights.results.folder, tmp_path / "site").parent
    described = json.loads((site / ".stemtree-site.json").read_text(encoding="utf-8"))
    assert {"history.html", "history/a.html", HISTORY} <= set(described["made"])
    assert made(monkeypatch, nights.results.folder, site) == set()


def test_a_new_run_works_out_no_former_state_again(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(nights.results.folder, tmp_path / "site").parent
    assert "new best" in (site / "history.html").read_text(encoding="utf-8").lower()
    nights.write(3, {"mixture": System(0.0, family="baseline"), "a": System(6.0, "2"), "b": System(1.0)})
    kept, asked = reports.archive.boards, list[str | None]()

    def boards(results: Results, run: str | None = None) -> list[Board]:
        asked.append(run)
        return kept(results, run)

    with monkeypatch.context() as patch:
        patch.setattr(reports.archive, "boards", boards)
        build(nights.results.folder, site)
    assert asked == ["night-003"]
    assert shown(site) == shown(build(nights.results.folder, tmp_path / "fresh").parent)


@pytest.mark.parametrize("changed", [changed_scores, None])
def test_a_run_that_is_gone_and_scores_that_changed_leave_nothing_in_the_history(
    nights: Nights, make_writer: Callable[..., Any], tmp_path: Path, changed: Change | None
) -> None:
    folder = nights.results.folder
    site = build(folder, tmp_path / "site").parent
    before = (site / HISTORY).read_bytes()
    for path in (folder / "runs").glob("night-001.*"):
        if changed is None:
            path.unlink()
    if changed is not None:
        changed(folder, make_writer)
    build(folder, site)
    assert (site / HISTORY).read_bytes() != before
    assert shown(site) == shown(build(folder, tmp_path / "fresh").parent)


@pytest.mark.parametrize("damage", ["{}", "[]", "no JSON", None])
def test_kept_history_may_be_damaged_or_deleted(nights: Nights, tmp_path: Path, damage: str | None) -> None:
    site = build(nights.results.folder, tmp_path / "site").parent
    before, file = files(site), site / HISTORY
    file.unlink() if damage is None else file.write_text(damage, encoding="utf-8")
    build(nights.results.folder, site)
    assert files(site) == before


def test_forged_history_is_not_shown(nights: Nights, tmp_path: Path) -> None:
    site = build(nights.results.folder, tmp_path / "site").parent
    file = site / HISTORY
    described = json.loads(file.read_text(encoding="utf-8"))
    for value in described["values"].values():
        for figure in value.get("figures", []):
            figure["value"] = 99.0
    file.write_text(json.dumps(described), encoding="utf-8")
    nights.write(3, {"mixture": System(0.0, family="baseline"), "a": System(1.0, "3")})
    build(nights.results.folder, site)
    assert shown(site) == shown(build(nights.results.folder, tmp_path / "fresh").parent)


def test_a_build_says_how_far_it_is_and_counts_what_it_makes_alone(results: Path, tmp_path: Path) -> None:
    first, again = list[str](), list[str]()
    build(results, tmp_path / "site", progress=first.append)
    build(results, tmp_path / "site", progress=again.append)
    assert first[0] == "reading the results"
    counts = [[int(part.split()[0].replace(",", "")) for part in message.split(" of ")[:2]]
              for message in first if message[0].isdigit()]  # fmt: skip
    assert [made for made, _ in counts] == list(range(1, counts[0][1] + 1))
    assert len(again) < len(first) / 2
