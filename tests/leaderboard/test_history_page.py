from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from history_kit import Nights, System
from leaderboard import build
from leaderboard.context import read
from leaderboard.history_chart import HEIGHT, Chart, chart, span_of
from leaderboard.page import Studio
from leaderboard.pages import history
from page_kit import Page
from reports.changes import Course
from reports.history import Point, Series
from reports.results import Results

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = '<img src=x onerror=alert(1)> & "quotes"\x07'


def write(folder: Path) -> Path:
    """Twelve nights: a step, a bad night, a new best, failures, changed data on the last three."""
    nights = Nights(folder, songs=6)
    for day in range(12):
        systems = {"mixture": System(0.0, family="baseline")}
        systems["steady"] = System(0.5, "bad") if day == 5 else System(3.0)
        systems["mine"] = System(5.0) if day < 4 else System(4.0, "2")
        if day >= 6:
            systems[HOSTILE] = System(7.0, failing=("song02",) if day == 8 else (), variant="x" if day == 8 else "1")
        nights.write(day, systems, data="1" if day < 9 else "2")
    return folder


def made_of(results: Path) -> dict[str, bytes]:
    """The history pages and the feed alone, by path."""
    studio = Studio(read(Results(results), run=None, title="board"), results / "site")
    contents = ((page.path, page.content()) for page in history.pages(studio))
    return {path: content.encode() if isinstance(content, str) else content for path, content in contents}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(results, tmp_path_factory.mktemp("site") / "out", base_url="https://example.org/board").parent


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in [site / "history.html", *site.glob("history/*")]}


@pytest.fixture(scope="module")
def feed(site: Path) -> ElementTree.Element:
    return ElementTree.fromstring((site / "history.atom").read_bytes())


def test_with_one_run_the_page_says_that_there_is_nothing_to_look_back_on(tmp_path: Path) -> None:
    Nights(tmp_path / "results").write(0, {"a": System(5.0)})
    made = made_of(tmp_path / "results")
    assert list(made) == ["history.html"]
    (tmp_path / "history.html").write_bytes(made["history.html"])
    assert "There is one run so far: night-000" in Page(tmp_path / "history.html").text


def test_a_place_without_a_value_says_why(site: Path) -> None:
    source = (site / "history.html").read_text(encoding="utf-8")
    assert not re.findall(r"<td[^>]*>\s*\N{EN DASH}\s*</td>", source)
    assert "no value: the event is not of one figure" in source


def test_a_figure_that_rests_on_failures_says_so_beside_its_chart(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "results")
    for day in range(2):
        failing = ("song02",) if day else ()
        nights.write(day, {"mixture": System(0.0, family="baseline"), "a": System(5.0, str(day), failing=failing)})
    source = made_of(tmp_path / "results")["history.html"].decode()
    assert source.count("failed</span>") == 1
    assert '<span class="remark">2 of 20 failed</span>' in source


def test_what_one_run_alone_has_is_a_table_without_charts(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "results")
    for day in range(2):
        systems = {"mixture": System(0.0, family="baseline"), "old": System(5.0, str(day))}
        nights.write(day, systems | ({"new": System(6.0)} if day else {}))
    made = made_of(tmp_path / "results")
    new, old = made["history/new.html"].decode(), made["history/old.html"].decode()
    said = "One run: nothing to look back on yet."
    assert (said in new, said in old) == (True, False)
    assert ("<svg" in new, "<svg" in old) == (False, True)
    assert "night-001" in new


def test_events_stand_in_the_table_the_newest_first(pages: dict[str, Page]) -> None:
    rows = [re.sub(r"\s+", " ", row).strip() for row in pages["history.html"].rows]
    starts = [row.removeprefix("▼ ").removeprefix("★ ") for row in rows]
    runs = [re.search(r"night-\d+", row).group() for row in rows if "night-" in row]  # type: ignore[union-attr]
    assert runs == sorted(runs, reverse=True)
    assert any(start.startswith("Regression") for start in starts)
    assert any(start.startswith("New best") for start in starts)
    (failing,) = [start for start in starts if start.startswith("Began to fail")]
    assert "Ended in an error: LinAlgError" in failing
    (regression,) = [row for row in rows if "Regression" in row]
    assert "night-004" in regression
    assert re.search(r"−\d\.\d\d dB", regression)
    assert re.search(r"95 % interval \[−\d\.\d\d, −\d\.\d\d\]", regression)


def test_every_figure_of_every_run_is_in_a_table(pages: dict[str, Page], site: Path) -> None:
    (mine,) = [page for page in pages.values() if "History of mine" in page.text]
    told = " ".join(mine.rows)
    assert "night-000 to night-003" in re.sub(r"\s+", " ", told)
    assert "night-004 to night-008" in re.sub(r"\s+", " ", told)
    assert "night-009 to night-011" in re.sub(r"\s+", " ", told)
    assert "Figures of unlike series are over other scenes, targets or data" in mine.text


def test_links_lead_somewhere(pages: dict[str, Page], site: Path) -> None:
    for name, page in pages.items():
        for link in [*page.links, *page.fetched]:
            address, _, anchor = link.partition("#")
            if address.startswith("https://"):
                continue
            target = (site / name).parent / address if address else site / name
            assert target.is_file(), f"{name}: {link}"
            if anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{name}: {link}"


def test_headings_go_down_one_level_at_a_time_and_charts_have_words(pages: dict[str, Page]) -> None:
    for page in pages.values():
        assert page.headings[0] == 1
        assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
        assert all(page.labels)
    assert any(re.search(r"mine, SDRi: 3 runs from night-009, \d\.\d\d dB, to night-011", label)
               for label in pages["history.html"].labels)  # fmt: skip


def test_a_hostile_name_is_text_in_page_and_feed(pages: dict[str, Page], feed: ElementTree.Element) -> None:
    assert not any(page.handlers for page in pages.values())
    assert any("<img src=x onerror=alert(1)>" in row for row in pages["history.html"].rows)
    titles = [title.text or "" for title in feed.iter(f"{ATOM}title")]
    assert any('<img src=x onerror=alert(1)> & "quotes"' in title and "\x07" not in title for title in titles)


def test_the_feed_has_what_atom_asks_for(feed: ElementTree.Element, pages: dict[str, Page]) -> None:
    assert feed.tag == f"{ATOM}feed"
    for element in [feed, *feed.findall(f"{ATOM}entry")]:
        for name in ("id", "title", "updated"):
            (found,) = element.findall(f"{ATOM}{name}")
            assert found.text
        assert datetime.fromisoformat(element.findtext(f"{ATOM}updated", "")).tzinfo is not None
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    entries = feed.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id", "") for entry in entries]
    assert len({*ids}) == len(ids) >= 3
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", name) for name in ids)
    links = [link.get("href", "") for entry in entries for link in entry.findall(f"{ATOM}link")]
    assert all(link.startswith("https://example.org/board/history.html#event-") for link in links)
    assert {link.partition("#")[2] for link in links} <= {*pages["history.html"].ids}


def test_the_feed_is_of_what_is_worse_and_of_new_bests_with_the_time_of_the_run(feed: ElementTree.Element) -> None:
    told = {
        entry.findtext(f"{ATOM}title", "").split(":")[0]: entry.findtext(f"{ATOM}updated", "")
        for entry in feed.findall(f"{ATOM}entry")
    }
    assert told == {
        "Regression": "2026-01-09T02:40:00Z",
        "New best": "2026-01-11T02:40:00Z",
        "Began to fail": "2026-01-13T02:40:00Z",
    }
    assert feed.findtext(f"{ATOM}updated") == "2026-01-16T02:40:00Z"


def test_equal_results_give_equal_bytes(results: Path) -> None:
    made = made_of(results)
    assert made == made_of(results)
    assert b'href="history.html#event-' in made["history.atom"]


def test_ids_stay_when_runs_are_added_that_change_nothing(results: Path, tmp_path: Path) -> None:
    def ids(folder: Path) -> list[str | None]:
        feed = ElementTree.fromstring(made_of(folder)["history.atom"])
        return [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]

    shutil.copytree(results, tmp_path / "results")
    kit = Nights(tmp_path / "results", songs=6)
    kit.write(12, {"mixture": System(0.0, family="baseline"), "steady": System(3.0)}, data="2")
    assert ids(tmp_path / "results") == ids(results)


def course(values: dict[str, float | None], *, strays: tuple[str, ...] = (), width: float = 1.0) -> Course:
    points = tuple(
        Point(run, value, value - width / 2, value + width / 2, None, 1, 1, True, True)
        for run, value in values.items()
        if value is not None
    )
    return Course(Series(("d", "s", "query"), "a", "c", "b", points), (), tuple(p for p in points if p.run in strays))


def drawn(*courses: Course, runs: str = "abcdefgh", span: float = 4.0) -> Chart:
    return chart(courses, list(runs), span=span, marked={})


@pytest.mark.parametrize(("missing", "lines"), [("", 1), ("d", 2), ("dg", 3)])
def test_a_run_without_a_figure_is_a_gap_in_the_line(missing: str, lines: int) -> None:
    values = {run: None if run in missing else float(place % 3) for place, run in enumerate("abcdefgh")}
    values["h"] = None if missing == "dg" else values["h"]
    found = drawn(course(values))
    assert found.line.count("M") + len(found.dots) == lines - ("g" in missing)


def test_level_stretches_take_two_points_however_long() -> None:
    runs = [f"r{number}" for number in range(300)]
    found = chart([course(dict.fromkeys(runs, 2.0))], runs, span=3.0, marked={})
    assert found.line.count("L") == 1


def test_series_that_ended_are_not_joined_to_the_last_one() -> None:
    former, last = course({"a": 1.0, "b": 1.0}), course({"c": 3.0, "d": 3.0})
    found = drawn(former, last, runs="abcd")
    assert (found.former.count("M"), found.line.count("M"), len(found.breaks)) == (1, 1, 1)


def test_charts_of_one_board_draw_equal_steps_equally_high() -> None:
    low, high = course({"a": 1.0, "b": 1.5}), course({"a": 9.0, "b": 9.5, "c": 12.0})
    span = span_of([[low], [high]])
    heights = []
    for one in (low, high):
        path = drawn(one, runs="abc", span=span).line
        (_, first), (_, second) = re.findall(r"([\d.]+) ([\d.]+)", path)[:2]
        heights.append(float(first) - float(second))
        assert all(0 <= float(y) <= HEIGHT for _, y in re.findall(r"([\d.]+) (-?[\d.]+)", path))
    assert heights[0] == pytest.approx(heights[1], abs=0.11)
    assert heights[0] > 0


@pytest.mark.parametrize("span", [0.1, 0.37, 1.0, 4.9, 63.0])
def test_every_chart_has_rules_at_round_figures(span: float) -> None:
    found = drawn(course({"a": 1.23, "b": 1.23}, width=0.0), runs="ab", span=span)
    assert 2 <= len(found.ticks) <= 6
    assert len({label for _, label in found.ticks}) == len(found.ticks)
