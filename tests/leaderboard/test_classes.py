from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from leaderboard import numbers
from leaderboard.class_figures import Atlas
from leaderboard.context import Site, read
from leaderboard.icicle import WIDTH, WIDTHS, tiles
from leaderboard.page import Studio
from leaderboard.pages import classes, datasets
from ontology import Ontology
from reports.results import Results

ONTO = Ontology.audioset()
SEPARATORS = {
    "mixture": ("baseline", 0.0),
    "irm": ("oracle", 13.9),
    "hpss": ("primitive", 9.0),  # refuses bass and other
    "repet": ("primitive", 4.0),  # refuses drums and bass
    "whole": ("my-family", 5.0),
}
STEMS = {"vocals": ["Singing"], "drums": ["Drum kit"], "bass": ["Bass guitar"], "other": []}
BELLS = {"ring": ["Bicycle bell"], "keys": ["Piano", "Organ"]}


def write(
    make_writer: Callable[..., Any], folder: Path, datasets: Mapping[str, Mapping[str, list[str]]], *, songs: int = 8
) -> Site:
    """Data sets, each of a song less than the one before; by label, the names of the classes that it stands for."""
    writer = make_writer(folder, separators=SEPARATORS)
    plain = writer._scores
    for place, (name, labels) in enumerate(datasets.items()):
        mids = {label: [ONTO[one].mid for one in known] for label, known in labels.items()}

        def scored(*given: Any, mids: dict[str, list[str]] = mids) -> list[dict[str, Any]]:
            return [row | {"mids": mids[row["target"]]} for row in plain(*given)]

        writer._scores = scored
        scenes = {f"{name} {one}": (tuple(labels), (f"{name}-{one}",)) for one in range(songs - place)}
        writer.dataset(name, scenes, title=name)
    return read(Results(writer.finish()), run=None, title="a site")


def made(site: Site, folder: Path) -> dict[str, str]:
    return {page.path: str(page.content()) for page in classes.pages(Studio(site, folder))}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_writer: Callable[..., Any]) -> Site:
    return write(make_writer, tmp_path_factory.mktemp("classes"), {"stems": STEMS, "bells": BELLS})


@pytest.fixture(scope="module")
def pages(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return made(site, tmp_path_factory.mktemp("site"))


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)).split())


def figures_of(site: Site, dataset: str, targets: list[str], separator: str) -> tuple[str, str]:
    """Value and interval in the first column, as text."""
    (board,) = [board for board in site.boards if board.dataset == dataset]
    row = board.figures(targets, [separator]).row(0, named=True)
    return numbers.measure(row["value"], "dB"), numbers.interval(row["low"], row["high"], "dB")


def test_every_class_stands_once_in_the_tree_and_its_other_places_lead_to_it(pages: dict[str, str]) -> None:
    tree = pages["classes.html"].partition('<ul class="tree">')[2]
    found = re.findall(r'<li id="(c-[^"]+)"', tree)
    assert len(found) == len(set(found)) == len(ONTO)
    again = re.findall(r'class="again" href="#(c-[^"]+)"', tree)
    assert len(again) == sum(len(node.parents) - 1 for node in ONTO if node.parents)
    assert set(again) <= set(found)


def test_a_line_shows_the_best_system_of_those_that_leave_nothing_out(site: Site, pages: dict[str, str]) -> None:
    heads = r"<(?:summary|div class=\"leaf\")>.*?</(?:summary|div)>"
    found = re.findall(heads, pages["classes.html"], flags=re.DOTALL)
    lines = {
        re.sub(r".*?class-name\">(?:<a [^>]*>)?([^<]*).*", r"\1", line, flags=re.DOTALL): text(line) for line in found
    }
    value, interval = figures_of(site, "stems", ["drums"], "hpss")
    assert f"best at it: {value} dB 95 % interval {interval} hpss" in lines["Drum kit"]
    value, interval = figures_of(site, "stems", ["bass", "drums"], "whole")  # hpss has drums alone
    assert f"{value} dB 95 % interval {interval} whole on stems" in lines["Musical instrument"]
    assert "irm" not in " ".join(lines.values())
    assert "below it" in lines["Human voice"]


def test_a_heading_by_target_leads_to_the_page_of_its_one_class(site: Site, tmp_path: Path) -> None:
    atlas, studio = Atlas(site), Studio(site, tmp_path)
    found = "".join(str(page.content()) for page in datasets.pages(studio) if page.path.endswith(".html"))
    for label, name in [("ring", "Bicycle bell"), ("drums", "Drum kit"), ("vocals", "Singing")]:
        assert set(re.findall(f'<a href="([^"]+)">{label}</a>', found)) == {f"../{atlas.href(ONTO[name])}"}
    for label in ("keys", "other"):  # two classes, and none
        heads = re.findall(f'<a href="([^"]+)">{label}</a>', found)
        assert heads
        assert all("metrics.html#" in href for href in heads)


def test_a_class_page_has_the_table_by_target_and_all_below(site: Site, pages: dict[str, str]) -> None:
    page = text(pages["classes/singing.html"])
    for separator in ("irm", "hpss", "repet", "whole", "mixture"):
        assert all(said in page for said in figures_of(site, "stems", ["vocals"], separator))
    music = text(pages["classes/music.html"])
    assert all(said in music for said in figures_of(site, "stems", ["bass", "drums"], "whole"))
    assert all(said in music for said in figures_of(site, "bells", ["keys", "ring"], "whole"))
    assert "On the targets they cover only: not to be compared" in music


def test_a_class_below_several_parents_names_every_way_to_a_root(pages: dict[str, str]) -> None:
    node = ONTO["Bicycle bell"]
    (page,) = [html for path, html in pages.items() if path.startswith("classes/bicycle-bell")]
    crumbs = re.findall(r'<p class="crumbs">(.*?)</p>', page)
    assert len(crumbs) > 1
    assert {parent.name for parent in node.parents} <= {text(one).split(" / ")[-2] for one in crumbs}


def test_a_target_of_several_classes_says_so_on_each_of_their_pages(pages: dict[str, str]) -> None:
    assert "keys stands for several classes, with this one for Organ" in text(pages["classes/piano.html"])
    assert "keys stands for several classes, with this one for Piano" in text(pages["classes/organ.html"])


def test_only_classes_with_results_have_pages_and_can_be_reached_by_keyboard(pages: dict[str, str]) -> None:
    linked = {path for path in pages if path.startswith("classes/")}
    names = ("Singing", "Drum kit", "Bass guitar", "Bicycle bell", "Piano", "Organ")
    above = {node for name in names for node in ONTO.ancestors(name, include_self=True)}
    assert len(linked) == len(above)
    (icicle,) = re.findall(r'<svg class="icicle" viewBox.*?</svg>', pages["classes.html"], flags=re.DOTALL)
    (bare,) = re.findall(r'<g class="none" aria-hidden="true">.*?</g>', icicle, flags=re.DOTALL)
    assert bare.count("<a ") == bare.count('tabindex="-1"') == len(ONTO) - len(above)
    rest = icicle.replace(bare, "")
    assert "tabindex" not in rest
    assert set(re.findall(r'<a href="([^"]+)" aria-label="[^"]+"', rest)) == linked


def test_a_page_names_the_boards_that_it_shows(site: Site, tmp_path: Path) -> None:
    named = {page.path: [board.dataset for board in page.of or ()] for page in classes.pages(Studio(site, tmp_path))}
    assert named["classes.html"] == named["depths.html"] == named["classes/music.html"] == ["bells", "stems"]
    assert named["classes/singing.html"] == ["stems"]
    assert named["classes/organ.html"] == ["bells"]


def test_targets_that_are_no_class_stand_in_a_list_of_their_own(pages: dict[str, str]) -> None:
    assert "stems : other" in text(pages["classes.html"]).partition("Targets that are no class")[2]


def test_scores_by_depth_are_means_over_the_targets_of_that_depth(site: Site, pages: dict[str, str]) -> None:
    page = text(pages["depths.html"])
    depths: dict[int, list[str]] = {}
    for label, names in (STEMS | BELLS).items():
        if names:
            depths.setdefault(min(ONTO[name].depth for name in names), []).append(label)
    assert len(depths) > 2
    for depth, labels in depths.items():
        assert f"Depth {depth}" in page
        for dataset, own in (("stems", STEMS), ("bells", BELLS)):
            here = [label for label in labels if label in own]
            if here:
                assert all(said in page for said in figures_of(site, dataset, here, "whole"))


def test_a_site_without_classes_says_so_and_still_has_the_tree(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    found = made(write(make_writer, tmp_path / "results", {"stems": {"other": []}}), tmp_path)
    assert set(found) == {"classes.html"}
    assert "No target of any data set here is one of them." in text(found["classes.html"])
    assert found["classes.html"].count("<li id=") == len(ONTO)


def test_the_tree_stays_light_where_every_labelled_class_has_results(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    every = {node.name: [node.name] for node in ONTO if node.index is not None}
    site = write(make_writer, tmp_path / "results", {"all": every}, songs=2)
    page = next(classes.pages(Studio(site, tmp_path)))
    assert page.path == "classes.html"
    assert len(gzip.compress(str(page.content()).encode())) < 100_000


@pytest.mark.parametrize("tall", [1.2, 14.0])
def test_a_class_is_as_tall_as_those_below_it_together_and_none_overlap(tall: float) -> None:
    laid, height = tiles(lambda node: tall)
    assert {one.node.mid for one in laid} == {node.mid for node in ONTO}
    columns: dict[float, list[Any]] = {}
    for one in laid:
        columns.setdefault(one.x, []).append(one)
        assert one.x + one.width <= WIDTH
        assert 0 <= one.y < one.y + one.height <= height + 0.2
        assert one.label is None or len(one.label) <= len(one.node.name)
    assert len(columns) == len(WIDTHS)
    for column in columns.values():
        for upper, lower in pairwise(column):
            assert upper.y + upper.height <= lower.y + 0.2
