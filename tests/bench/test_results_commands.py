"""The commands that export a table and compare two separators."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.imports import import_results
from bench.reported import Reading

SONGS = 12
LEVELS = {"mixture": 0.0, "silent": -0.05, "good": 5.0, "better": 6.0}
READING = Reading(constants={"unit": "dB", "better": "higher", "metric": "sdri@1", "dataset": "songs"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three separators on twelve songs; ``better`` leads ``good`` by 1 dB, now more, now less."""
    base = tmp_path_factory.mktemp("commands")
    with (base / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("separator", "split", "scene", "target", "value"))
        for name, level in LEVELS.items():
            for song in range(SONGS):
                value = level + (song % 5) * (level > 0) + (song % 2 - 0.5) * (level == 6)
                writer.writerow((name, "test", f"song-{song:02d}", "vocals", value))
    import_results(base / "scores.csv", format="csv", results=base / "results", reading=READING)
    return base / "results"


def stemtree(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def power(folder: Path, *arguments: str) -> Result:
    return stemtree("results", "power", *arguments, "--dataset", "songs", "--results", folder)


def test_a_table_goes_to_stdout_or_to_a_file(folder: Path, tmp_path: Path) -> None:
    shown = stemtree("results", "export", "songs", "--results", folder)
    assert shown.exit_code == 0, shown.output
    rows = [row for row in shown.stdout.splitlines() if row.startswith(("| better", "| good"))]
    assert [row.split(" | ")[0] for row in rows] == ["| better", "| good"]
    out = tmp_path / "new" / "table.md"
    assert stemtree("results", "export", "songs", "--results", folder, "--out", out).stdout == ""
    assert out.read_text(encoding="utf-8") == shown.stdout


def test_every_format_holds_the_same_separators(folder: Path, tmp_path: Path) -> None:
    written = {}
    for name in ("latex", "csv", "json", "parquet"):
        out = tmp_path / name
        done = stemtree("results", "export", "songs", "--format", name, "--results", folder, "--out", out)
        assert done.exit_code == 0, done.output
        written[name] = out.read_bytes()
    order = [row["separator"] for row in json.loads(written["json"])["rows"]]
    assert sorted(order) == sorted(LEVELS)
    assert [row["separator"] for row in csv.DictReader(io.StringIO(written["csv"].decode()))] == order
    assert pl.read_parquet(io.BytesIO(written["parquet"]))["separator"].to_list() == order
    places = [written["latex"].decode().index(f"\n{name} & ") for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "songs", "--format", "parquet"), "--out"),
        (("export", "nothing"), "no results of data set 'nothing'; there are those of 'songs'"),
        (("export", "songs", "--run", "x"), "no run 'x'"),
        (("power", "good", "best", "--dataset", "songs"), "no separator 'best' on songs"),
        (("power", "good", "better", "--dataset", "songs", "--metric", "pesq@1"), "in no column of songs"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = stemtree("results", *arguments, "--results", folder)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr


def test_power_says_the_difference_the_number_and_the_share(folder: Path) -> None:
    done = power(folder, "better", "good", "--metric", "sdri@1/mean")
    assert done.exit_code == 0, done.output
    assert "on 12 recordings, 12 pairs of scene and target" in done.stdout
    assert "better less good: 1.00 dB [0." in done.stdout
    assert "6 recordings would tell them apart" in done.stdout
    assert "better is better on a share of the recordings, ties half, of 1.000 [0.758, 1.000]" in done.stdout


def test_a_difference_that_counts_as_none_says_so(folder: Path) -> None:
    assert "counts as none" not in power(folder, "better", "good", "--metric", "sdri@1/mean").stdout
    done = power(folder, "mixture", "silent", "--metric", "sdri@1/mean")
    assert "mixture less silent: 0.05 dB [0.05, 0.05] (up to 0.1 dB counts as none)" in done.stdout


def test_power_as_json_has_the_numbers(folder: Path) -> None:
    found = json.loads(power(folder, "better", "good", "--metric", "sdri@1/mean", "--json").stdout)
    assert (found["difference"], found["recordings"], found["power"]) == (1.0, SONGS, 0.8)
    assert found["superiority"]["share"] == 1.0
    assert found["low"] < 1 < found["high"]
    assert found["deviation"] == pytest.approx(0.522, rel=0.05)  # half a dB up and down, twelve songs


def test_power_is_that_of_the_column_that_ranks_unless_said(folder: Path) -> None:
    columns = [json.loads(power(folder, "better", "good", *more, "--json").stdout)["column"] for more in _METRICS]
    assert columns == ["sdri@1/class-median-mean", "sdri@1/class-median-mean", "sdri@1/median"]


_METRICS = ((), ("--metric", "sdri@1"), ("--metric", "sdri@1/median"))
