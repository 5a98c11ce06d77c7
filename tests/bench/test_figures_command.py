"""The command that draws a data set's figures for a paper, and that they are those of its page."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.commands_figures import _KINDS
from bench.imports import import_results
from bench.reported import Reading
from leaderboard.context import read
from leaderboard.figures import KINDS, View, plates_of
from leaderboard.page import Studio
from leaderboard.pages import datasets
from reports.results import Results

SONGS = 16
LEVELS = {"mixture": 0.0, "good": 5.0, "better": 6.0, "worse": 2.0}
READING = Reading(constants={"unit": "dB", "better": "higher", "dataset": "songs"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four separators on sixteen songs; the input SDR of vocals falls from 0 dB by one a song."""
    base = tmp_path_factory.mktemp("figures")
    with (base / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("separator", "split", "scene", "target", "metric", "value"))
        for song in range(SONGS):
            for target in ("drums", "vocals"):
                for name, level in LEVELS.items():
                    value = level + (song % 5) * (level > 0) - 3 * (target == "drums") * (level > 0)
                    writer.writerow((name, "test", f"song-{song:02d}", target, "sdri@1", value))
                writer.writerow(("mixture", "test", f"song-{song:02d}", target, "sdr@1", -song))
    import_results(base / "scores.csv", format="csv", results=base / "results", reading=READING)
    return base / "results"


def figures(folder: Path, out: Path, *arguments: str) -> Result:
    command = ["results", "figures", "songs", "--results", str(folder), "--out", str(out), *arguments]
    return CliRunner().invoke(main, command)


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_help_names_every_kind_of_figure() -> None:
    assert tuple(KINDS) == _KINDS


def test_all_that_can_be_drawn_is_and_the_rest_says_why(folder: Path, tmp_path: Path) -> None:
    done = figures(folder, tmp_path / "new", "--width", "84mm")
    assert done.exit_code == 0, done.output
    names = [Path(line.partition(": ")[0]).name for line in done.stdout.splitlines()]
    assert names == [f"songs-{kind}.pdf" for kind in ("intervals", "box", "classes", "heat", "input")]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new").iterdir())
    lacking = dict(line.split(": not drawn: ") for line in done.stderr.splitlines())
    assert set(lacking) == {"depths", "pareto", "thresholds"}
    assert "cells were not computed" in lacking["pareto"]


def test_a_figure_for_a_paper_is_that_of_the_page(folder: Path, tmp_path: Path) -> None:
    assert figures(folder, tmp_path, "--format", "svg").exit_code == 0
    studio = Studio(read(Results(folder), run=None, title="t"), tmp_path / "site")
    pages = {page.path: page for page in datasets.pages(studio)}
    shown = str(pages["datasets/songs.html"].content())
    addresses = sorted(set(re.findall(r'href="\.\./(figures/[^"]+)"', shown)))
    kinds = ("box", "input", "intervals")
    assert addresses == [f"figures/songs/{kind}.{suffix}" for kind in kinds for suffix in ("pdf", "svg")]
    figure = dict(re.findall(r'id="figure-(\w+)">(.*?)</figure>', shown, flags=re.DOTALL))
    for kind in kinds:
        written = (tmp_path / f"songs-{kind}.svg").read_bytes()
        assert written == pages[f"figures/songs/{kind}.svg"].content()
        assert texts(written.decode()) == texts(figure[kind])
        pdf = pages[f"figures/songs/{kind}.pdf"].content()
        assert isinstance(pdf, bytes)
        assert pdf.startswith(b"%PDF")
    assert "Not drawn: quality and cost (" in shown


def test_only_the_separators_that_are_asked_for_are_drawn(folder: Path, tmp_path: Path) -> None:
    asked = ("--separator", "worse", "--separator", "good", "--kind", "box", "--format", "svg")
    assert figures(folder, tmp_path, *asked).exit_code == 0
    drawn = texts((tmp_path / "songs-box.svg").read_text(encoding="utf-8"))
    assert [name for name in drawn if name in LEVELS] == ["good", "worse"]


def test_another_metric_takes_the_place_of_the_one_that_ranks(folder: Path, tmp_path: Path) -> None:
    done = figures(folder, tmp_path, "--metric", "sdr@1/mean", "--kind", "intervals", "--format", "svg")
    assert done.exit_code == 0, done.output
    drawn = texts((tmp_path / "songs-intervals-sdr@1_mean.svg").read_text(encoding="utf-8"))
    assert [name for name in drawn if name in LEVELS] == ["mixture"]
    assert "mean over scenes and targets" in done.stdout


def test_the_trend_of_a_gain_stands_at_the_medians_of_its_bins(folder: Path) -> None:
    site = read(Results(folder), run=None, title="t")
    plates = plates_of(View(site, site.boards[0]), "input")
    assert not isinstance(plates, str)
    (plate,) = plates
    # 32 pairs in four bins of input SDR: songs 12 to 15 are the hardest, 0 to 3 the easiest, each with both targets.
    assert "medians of 4 bins" in plate.caption
    hardest = sorted(6.0 + song % 5 - loss for song in (12, 13, 14, 15) for loss in (0, 3))
    middle = (hardest[3] + hardest[4]) / 2
    assert f"better: {middle:.2f} at \N{MINUS SIGN}13.5 dB" in plate.drawing.description


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--width", "84"], "--width '84': say a length"),
        (["--width", "3mm"], "--width '3mm': say a length"),
        (["--separator", "beter"], "'beter': there is none on songs; there are better, good, mixture, worse"),
        (["--metric", "snr@1/mean"], "nobody has scored it"),
        (["--metric", "sdr@1/average"], "mean"),
        (["--kind", "pareto"], "pareto: not drawn"),
        (["--separator", "mixture", "--kind", "input"], "no separator but 'mixture'"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(folder: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = figures(folder, tmp_path / "none", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()
