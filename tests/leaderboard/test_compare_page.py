"""The pages that hold separators against each other: what they say, how large they are, and what a script adds."""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import unescape
from importlib import resources
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from bench.imports import import_results
from bench.reported import Reading
from leaderboard import numbers
from leaderboard.context import read
from leaderboard.page import Studio
from leaderboard.pages import compare
from reports.pairs import Pairs, all_pairs
from reports.results import Results

HOSTILE = "<script>alert('a')</script>&\"b\", c"
READING = Reading(constants={"dataset": "songs", "unit": "dB", "better": "higher", "metric": "sdr@1", "split": "test"})


def results_of(folder: Path, names: Sequence[str], *, songs: int = 12, step: float = 0.35) -> Path:
    """Separators of rising level on songs with two targets each."""
    random = np.random.default_rng(4)
    songs_values = random.normal(5, 2, (songs, 2))
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["separator", "scene", "target", "value"])
        for level, name in enumerate(names):
            values = songs_values + step * level + random.normal(0, 0.5, (songs, 2))
            for song, target in np.ndindex(songs, 2):
                writer.writerow([name, f"Song {song}", ("vocals", "drums")[target], values[song, target]])
    import_results(folder / "table.csv", format="csv", results=folder / "r", reading=READING, oracles=[], run="a")
    return folder / "r"


def render(results: Path, out: Path) -> dict[str, str]:
    studio = Studio(read(Results(results), run=None, title="A site"), out)
    found = {}
    for page in compare.pages(studio):
        content = page.content()
        assert isinstance(content, str)
        found[page.path] = content
        (out / page.path).parent.mkdir(parents=True, exist_ok=True)
        (out / page.path).write_text(content, encoding="utf-8")
    static = resources.files("leaderboard").joinpath("static", "site")
    with resources.as_file(static) as folder:
        shutil.copytree(folder, out / "static")
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    render(results_of(folder, ["alpha", "beta", "gamma", "delta", HOSTILE]), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def mixed(results_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return render(results_folder, tmp_path_factory.mktemp("mixed") / "site")


def text_of(source: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", source)).split())


def table_of(source: str, kind: str) -> list[list[str]]:
    """Rows of a table as text, its heads first."""
    table = source[source.index(f'<table class="{kind}"') :]
    rows = re.findall(r"<tr.*?</tr>", table[: table.index("</table>")], flags=re.DOTALL)
    return [[text_of(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.DOTALL)] for row in rows]


def page_of(site: Path) -> str:
    return (site / "compare/songs.html").read_text(encoding="utf-8")


def pairs_of(site: Path) -> Pairs:
    (board,) = read(Results(site.parent / "r"), run=None, title="A site").boards
    return all_pairs(board, column=board.columns[0], better="higher", unit="dB")


def test_every_pair_stands_in_the_matrix_and_in_the_list_with_its_numbers(site: Path) -> None:
    pairs = pairs_of(site)
    heads, *rows = table_of(page_of(site), "ranking matrix")
    assert heads[1:] == [row[0] for row in rows] == [" ".join(name.split()) for name in pairs.whole]
    words = {"better": "▲ better,", "worse": "▼ worse,", "tied": "≈ not told apart,"}
    for first, cells in zip(pairs.whole, rows, strict=True):
        for second, cell in zip(pairs.whole, cells[1:], strict=True):
            if first == second:
                assert cell == "itself"
                continue
            pair = pairs.of(first, second)
            assert pair.verdict is not None
            assert pair.low is not None
            difference, low = (numbers.measure(value, "dB") for value in (pair.own.difference or 0.0, pair.low))
            assert cell.startswith(words[pair.verdict])
            assert difference in cell
            assert f"[{low}".replace("[", "") in cell
    listed = table_of(page_of(site), "sortable pairs")[1:]
    assert [(row[0], row[1]) for row in listed] == [
        (" ".join(first.split()), " ".join(second.split())) for first, second in pairs.pairs
    ]
    assert {row[2] for row in listed} == {"▲ better", "≈ not told apart"}


def test_ranks_are_drawn_as_lines_from_the_best_to_the_worst(site: Path) -> None:
    rows = table_of(page_of(site), "ranking rank-lines")[1:]
    drawn = re.findall(r'<line class="span" x1="([\d.]+)" x2="([\d.]+)"', page_of(site))
    assert len(drawn) == len(rows) == 5
    for row, ends in zip(rows, drawn, strict=True):
        best, _, worst = row[2].partition("–")
        assert [float(end) for end in ends] == [5 + 50 * (int(rank) - 1) for rank in (best, worst or best)]


def test_ties_that_do_not_carry_over_are_written_out(site: Path) -> None:
    text = text_of(page_of(site))
    assert re.search(r"\d times one separator is tied with two others that are not tied with each other", text)
    named = [triple for triple in pairs_of(site).intransitive() if HOSTILE not in triple]
    assert named
    for first, middle, last in named:
        assert re.search(rf"{first} is better than {last} , and both are tied with [\w ,]*{middle}", text)


def test_names_are_text_wherever_they_stand(site: Path) -> None:
    source = page_of(site)
    assert "<script>alert" not in source
    assert unescape(re.findall(r'name="s" value="([^"]*)"', source)[0]) == HOSTILE


def test_pairs_link_to_the_scenes_in_which_they_differ_most(site: Path) -> None:
    links = re.findall(r'<a href="(\.\./scenes/songs/song-\d+-[0-9a-f]{8}\.html)">Song \d+</a>', page_of(site))
    assert len(links) == 2 * 10


def test_boards_with_failures_parts_and_one_recording_say_what_cannot_be_said(mixed: dict[str, str]) -> None:
    songs, single = mixed["compare/musdb18.html"], mixed["compare/slakh2100.html"]
    shared = {frozenset(row[:2]): row[8] for row in table_of(songs, "sortable pairs")[1:]}
    assert shared[frozenset(["irm", "crashing"])] == "35 9 recordings 4 imputed 4 of one alone left out"
    assert shared[frozenset(["hpss", "repet"])] == "9 9 recordings 20 of one alone left out"
    text = text_of(songs)
    assert "Apart, for the reason beside each: not to be compared with the figures above" in text
    assert re.search(r"absent-tool the tool is not installed: pip install the-tool", text)
    assert "oracle is given the reference" in text
    assert "One recording: no interval, and nothing can be ranked." in text_of(single)
    assert {row[2] for row in table_of(single, "sortable pairs")[1:]} == {"? no verdict"}


def test_one_alone_has_nobody_to_be_compared_with(tmp_path: Path) -> None:
    source = render(results_of(tmp_path, ["alone"]), tmp_path / "site")["compare/songs.html"]
    assert "Fewer than two separators have a figure here: there is nothing to compare." in text_of(source)
    assert "<table" not in source


def test_fifty_separators_stay_light(tmp_path: Path) -> None:
    names = [f"separator-{place:02d}-of-some-family" for place in range(50)]
    pages = render(results_of(tmp_path, names, songs=8, step=0.1), tmp_path / "site")
    source = pages["compare/songs.html"]
    assert len(table_of(source, "sortable pairs")) == 1 + 1225
    size = len(gzip.compress(source.encode()))
    assert size < 300_000, size


def dumped(address: str, profile: Path) -> str:
    """The page as a browser has made it."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--virtual-time-budget=2000"]
    done = subprocess.run(["chromium", *flags, "--dump-dom", address], capture_output=True, text=True, timeout=120)
    return done.stdout


NEEDS_BROWSER = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
STEPS = """<script>addEventListener("load", async () => {
  const boxes = document.querySelectorAll("#choose input"), told = [];
  const step = async (act) => {
    act();
    await new Promise((done) => setTimeout(done, 100));
    told.push(`${location.search} ${document.getElementById("chosen").textContent}`);
  };
  for (const box of [boxes[1], boxes[2]]) await step(() => box.click());
  for (const times of [1, 2]) await step(() => history.back());
  await step(() => boxes[3].click());
  await step(() => document.querySelector("#choose button").click());
  document.body.append(Object.assign(document.createElement("pre"), { id: "told", textContent: told.join("; ") }));
});</script>"""


@NEEDS_BROWSER
def test_a_choice_goes_into_the_address_and_the_back_button_undoes_it(site: Path, tmp_path: Path) -> None:
    page = site / "compare" / "steps.html"
    page.write_text(page_of(site).replace("</body>", STEPS + "</body>"), encoding="utf-8")
    source = dumped(page.resolve().as_uri(), tmp_path)
    assert unescape(source[source.index('<pre id="told">') :].split("</pre>")[0].partition(">")[2]).split("; ") == [
        "?s=delta 1 of 5 separators, 4 pairs",
        "?s=delta&s=beta 2 of 5 separators, 1 pair",
        "?s=delta 1 of 5 separators, 4 pairs",
        " All 5 separators, 10 pairs",
        "?s=gamma 1 of 5 separators, 4 pairs",
        " All 5 separators, 10 pairs",
    ]


@NEEDS_BROWSER
@pytest.mark.parametrize(
    ("chosen", "rows", "columns", "pairs"),
    [
        ((), 5, 5, 10),
        (("beta",), 1, 5, 4),
        (("beta", HOSTILE, "delta"), 3, 3, 3),
        (("beta", "delta", "nobody"), 2, 2, 1),
    ],
)
def test_an_address_chooses_who_is_shown(
    site: Path, tmp_path: Path, chosen: tuple[str, ...], rows: int, columns: int, pairs: int
) -> None:
    query = urlencode([("s", name) for name in chosen])
    address = (site / "compare/songs.html").resolve().as_uri() + (f"?{query}" if query else "")
    source = dumped(address, tmp_path)
    matrix = source[source.index('<table class="ranking matrix"') :].split("</table>")[0]
    lines = re.findall(r"<tr[^>]*data-s=[^>]*>", matrix)
    heads = re.findall(r"<th[^>]*data-s=[^>]*>", matrix)
    assert [sum("unchosen" not in tag for tag in tags) for tags in (lines, heads)] == [rows, columns]
    listed = re.findall(r"<tr[^>]*data-p=[^>]*>", source)
    assert sum("hidden" not in tag for tag in listed) == pairs
    told = text_of(source[source.index('<output id="chosen"') :].split("</output>")[0])
    shown = len(set(chosen) - {"nobody"})
    assert told.startswith(f"{shown} of 5 separators, " if chosen else "All 5 separators, ")
    assert ("not on this data set: nobody" in told) == ("nobody" in chosen)
    assert ("open" in re.findall(r'<details id="details"[^>]*>', source)[0]) == bool(chosen)
