"""The about page can be cited: its BibTeX parses, whatever the names in it, and says which run it is of."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import build, citation
from reports.results import Results
from reports.schema import Manifest

ROOT = Path(__file__).parents[2]


def parse(bib: str) -> dict[str, dict[str, str]]:
    """Entries by key, read as BibTeX reads them: braces are counted, whatever stands before them."""
    entries, place = {}, 0
    while (start := bib.find("@", place)) >= 0:
        assert not bib[place:start].strip(), f"text between entries: {bib[place:start]!r}"
        key, end = bib[bib.index("{", start) + 1 : bib.index(",", start)], _closing(bib, bib.index("{", start))
        fields, at = {}, bib.index(",", start) + 1
        while match := re.compile(r"\s*(\w+) = (?=\{)").match(bib, at):
            close = _closing(bib, match.end())
            fields[match[1]] = bib[match.end() + 1 : close]
            at = close + 2  # past brace and comma
        assert bib[at:end].strip() == "", f"{key}: {bib[at:end]!r}"
        assert key not in entries, f"{key} stands twice"
        entries[key], place = fields, end + 1
    assert not bib[place:].strip()
    return entries


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    raise AssertionError("a brace is never closed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_writer: Callable[..., Any]) -> Path:
    """Two separators of one paper on one recording."""
    folder = tmp_path_factory.mktemp("about")
    writer = make_writer(folder / "results", separators={"hpss": ("hpss", 2.0), "repet": ("repet", 1.0)})
    writer.dataset("songs", {"a": (("vocals",), ("a",))}, title="100 % Songs {live}")
    writer.finish()
    results = Results(folder / "results")
    for name, card in results.cards().items():
        paper = {"paper": "A. Author, Ways & Means, 2019, arXiv:1811.02508", "url": "https://example.org/x_{y}"}
        results.write_card(name, {**card, **paper})
    return build(folder / "results", folder / "site").parent


def test_the_file_and_the_page_hold_the_same_entries(site: Path) -> None:
    page = (site / "about.html").read_text(encoding="utf-8")
    shown = [unescape(text) for text in re.findall(r'<pre class="copyable"[^>]*>(.*?)</pre>', page, flags=re.DOTALL)]
    assert parse("\n".join(shown)) == parse((site / "citation.bib").read_text(encoding="utf-8"))
    assert 'href="citation.bib"' in page


def test_the_leaderboard_is_cited_by_run_date_version_and_commit(site: Path) -> None:
    entry = parse((site / "citation.bib").read_text(encoding="utf-8"))["stemtree-leaderboard-2026-01-05"]
    assert (entry["year"], entry["month"]) == ("2026", "01")
    for said in ("Run night-1", "2026-01-05T02:00:00Z", "commit 0123abc", "Data sets: songs"):
        assert said in entry["note"]


def test_author_and_title_are_those_of_the_citation_file() -> None:
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert [author["name"] for author in known["authors"]] == [citation.AUTHOR]
    assert (known["title"], known["abstract"].rstrip(".")) == (citation.TITLE, citation.ABSTRACT)


def test_a_paper_of_two_separators_is_cited_once_with_its_number(site: Path) -> None:
    entries = parse((site / "citation.bib").read_text(encoding="utf-8"))
    papers = {key: entry for key, entry in entries.items() if key.startswith("separator-")}
    assert list(papers) == ["separator-hpss"]
    paper = papers["separator-hpss"]
    assert (paper["eprint"], paper["archiveprefix"], paper["year"]) == ("1811.02508", "arXiv", "2019")
    assert entries["data-songs"]["title"] == r"{100 \% Songs \textbraceleft{}live\textbraceright{}}"
    assert paper["note"] == r"A. Author, Ways \& Means, 2019, arXiv:1811.02508"
    assert paper["url"] == "https://example.org/x_%7By%7D"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("{}\\@%\"#,='")))
def test_no_text_breaks_out_of_its_field(text: str) -> None:
    entry = citation.Entry("key", "title", {"title": f"{{{citation.escape(text)}}}", "note": citation.escape(text)})
    assert set(parse(f"{entry}\n\n@misc{{next,\n}}")) == {"key", "next"}
    assert "\n" not in citation.escape(text)


def test_dates_that_are_none_are_left_out() -> None:
    run = Manifest(run="x", started="yesterday", configuration={}, provenance={}, datasets={})
    assert citation._date(run) == {}


def test_the_page_defines_every_headline_metric_and_names_every_licence(site: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", (site / "about.html").read_text(encoding="utf-8"))
    text = " ".join(unescape(text).split())
    for said in (
        "SDRi sdri@1",
        "SI-SDRi si_sdri@1",
        "CC BY-NC 4.0",
        "MIT licence",
        "CC BY-SA 4.0",
        "95 in 100 such intervals",
    ):
        assert said in text.replace("\N{NO-BREAK SPACE}", " ")


def test_every_page_leads_to_the_about_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        root = "../" * len(page.relative_to(site).parents[:-1])
        assert f'href="{root}about.html"' in page.read_text(encoding="utf-8"), page


def test_sources_of_a_definition_become_links() -> None:
    told = "Source: arXiv:1811.02508; see github.com/sigsep/museval. doi:10.1214/07-AOAS122, twice arXiv:1811.02508."
    assert [address for _, address in citation.links(told)] == [
        "https://arxiv.org/abs/1811.02508", "https://doi.org/10.1214/07-AOAS122", "https://github.com/sigsep/museval",
    ]  # fmt: skip
