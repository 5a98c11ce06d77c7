"""The files beside a data set's page hold what the page shows: rows, order, columns, rounding, marks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from leaderboard import build, numbers
from leaderboard.downloads import FORMATS, table_bytes
from reports.results import ResultsError

DATASETS = ("musdb18", "slakh2100", "esc50")
COLUMNS = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def site(results_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(results_folder, tmp_path_factory.mktemp("downloads") / "out").parent


def page_rows(site: Path, dataset: str) -> list[list[str]]:
    """Rows of the first table of a page, as they are seen: each cell as text, a heading of a group as one cell."""
    source = (site / f"datasets/{dataset}.html").read_text(encoding="utf-8")
    table = re.sub(r"<span class=\"(?:unseen|narrow|said narrow)\".*?</span>", "", source[source.index("<tbody") :])
    rows = []
    for row in re.findall(r"<tr.*?</tr>", table[: table.index("</table>")], flags=re.DOTALL):
        cells: list[str] = []
        for start, cell in re.findall(r"<t[hd]([^>]*)>(.*?)</t[hd]>", row, flags=re.DOTALL):
            cells.append(" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()))
            if "nothing" in start:
                cells += [""] * (int(re.findall(r'colspan="(\d+)"', start)[0]) - 1)
        rows.append(cells)
    return rows


def markdown_rows(site: Path, dataset: str) -> list[list[str]]:
    text = (site / f"datasets/{dataset}.md").read_text(encoding="utf-8").split("###")[0]
    rows = [re.split(r"(?<!\\)\|", row)[1:-1] for row in text.splitlines() if row.startswith("| ")][2:]
    return [[re.sub(r"\\([^A-Za-z0-9\s])", r"\1", cell).strip() for cell in row] for row in rows]


def csv_rows(site: Path, dataset: str) -> list[dict[str, str]]:
    content = (site / f"datasets/{dataset}.csv").read_text(encoding="utf-8")
    return [row for row in csv.DictReader(io.StringIO(content)) if row["kind"] != "reported"]


def words(text: str) -> set[str]:
    """What is said in a cell, whatever stands between."""
    return set(re.sub(r"[(),;]", " ", text).split())


@pytest.mark.parametrize("dataset", DATASETS)
def test_markdown_has_the_rows_the_order_and_the_words_of_the_page(site: Path, dataset: str) -> None:
    shown, written = page_rows(site, dataset), markdown_rows(site, dataset)
    assert len(shown) == len(written) > 8
    for seen, row in zip(shown, written, strict=True):
        if len(seen) == 1:
            assert row[0] == f"*{seen[0]}*"
            continue
        name, rank, *figures, pairs, cost = seen
        assert words(name) <= {*words(row[0]), row[1]}, row  # the page tags systems with their family
        assert rank == row[2]
        for one, other in zip(figures, row[3:-3], strict=True):
            assert words(one) - {DASH} == words(other) - {DASH}
        assert words(pairs) == words(row[-3])
        assert words(cost) - {DASH} == words(" ".join(row[-2:])) - {DASH}


@pytest.mark.parametrize("dataset", DATASETS)
def test_csv_has_the_rows_and_its_numbers_round_to_the_page(site: Path, dataset: str) -> None:
    shown, written = [row for row in page_rows(site, dataset) if len(row) > 1], csv_rows(site, dataset)
    assert len(shown) == len(written)
    for seen, row in zip(shown, written, strict=True):
        assert seen[0].startswith(row["separator"])
        best, worst = row["rank_best"], row["rank_worst"]
        assert seen[1] == (DASH if not best else best if best == worst else f"{best}{DASH}{worst}")
        for cell, column in zip(seen[2:-2], COLUMNS, strict=True):
            if not row[column]:
                assert not re.search(r"\d\.\d\d", cell)
                assert row[f"{column} note"]
                continue
            expected = numbers.measure(float(row[column]), "dB")
            if row[f"{column} low"]:
                ends = (float(row[f"{column} {end}"]) for end in ("low", "high"))
                expected += f" {numbers.interval(*ends, 'dB')}"
            assert cell.startswith(expected)
            assert (f"{row[f'{column} imputed']} of" in cell) == (row[f"{column} imputed"] != "0")
        assert seen[-2].startswith(f"{row['measured']} of {row['pairs']}")


def test_latex_has_the_figures_of_markdown(site: Path) -> None:
    text = (site / "datasets/musdb18.tex").read_text(encoding="utf-8")
    rows = [row.removesuffix(r" \\").split(" & ") for row in text.splitlines() if row.count(" & ") == 8]
    plain = [row for row in markdown_rows(site, "musdb18") if any(row[1:])]
    assert len(rows) - 1 == len(plain)
    for row, other in zip(rows[1:], plain, strict=True):
        told = [cell.replace("$-$", "\N{MINUS SIGN}").replace(r"\textendash{}", DASH).replace("~", " ") for cell in row]
        told = [re.sub(r"\\textless{}", "<", cell).replace(r"\_", "_") for cell in told]
        assert told == [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in other]


def test_the_page_links_to_its_files(site: Path) -> None:
    source = (site / "datasets/esc50.html").read_text(encoding="utf-8")
    for suffix, title in (("csv", "CSV"), ("md", "Markdown"), ("tex", "LaTeX")):
        assert f'<a href="../datasets/esc50.{suffix}" download>{title}</a>' in source
        assert (site / f"datasets/esc50.{suffix}").is_file()


def test_the_notes_of_the_page_come_along(site: Path) -> None:
    esc50 = (site / "datasets/esc50.md").read_text(encoding="utf-8")
    assert "Two clips of one recording may stand in different pairs." in esc50
    assert "Left out for all separators: 1 trivial target." in esc50
    assert "median in a class, mean over classes" in esc50
    slakh = (site / "datasets/slakh2100.md").read_text(encoding="utf-8")
    assert "One recording: no interval." in slakh
    assert "USS (reported)" in slakh


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_the_command_writes_what_lies_beside_the_page(results_folder: Path, site: Path, format: str) -> None:
    content = table_bytes(results_folder, "musdb18", format=format)
    beside = site / f"datasets/musdb18.{FORMATS[format].suffix}"
    if beside.is_file():
        assert beside.read_bytes() == content
    elif format == "json":
        described = json.loads(content)
        assert described["table"]["dataset"] == "musdb18"
        assert [row["separator"] for row in described["rows"]] == [
            row["separator"] for row in csv_rows(site, "musdb18")
        ]
    else:
        table = pl.read_parquet(io.BytesIO(content)).filter(pl.col("kind") != "reported")
        assert table["separator"].to_list() == [row["separator"] for row in csv_rows(site, "musdb18")]


def test_a_data_set_that_is_not_there_or_has_several_tables_is_named(
    results_folder: Path, make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(ResultsError, match="no results of data set 'x'; there are those of 'esc50', 'musdb18'"):
        table_bytes(results_folder, "x", format="csv")
    for run in ("train", "test"):
        writer = make_writer(tmp_path, separators={"mixture": ("baseline", 0.0)})
        writer.dataset("set", {f"{run}-scene": (("x",), ("r",))}, title="Set", split=run)
        writer.finish(run=run)
    with pytest.raises(ResultsError, match="several tables; name one of 'set test query', 'set train query'"):
        table_bytes(tmp_path, "set", format="csv")
    assert b"Set (train, query)" in table_bytes(tmp_path, "set train query", format="markdown")


def test_hostile_names_are_escaped_in_the_files_too(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    names = (r"\input{x}", "=1+1", "a|b", "<script>alert(1)</script>", "50%_off")
    writer = make_writer(
        tmp_path / "results", separators={"mixture": ("baseline", 0.0), **{n: (n, 1.0) for n in names}}
    )
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    site = build(writer.finish(), tmp_path / "site").parent
    assert {row["separator"] for row in csv_rows(site, "set")} == {"mixture", "'=1+1", *names} - {"=1+1"}
    assert {row[0] for row in markdown_rows(site, "set") if row[1]} == {"mixture", *names}
    text = (site / "datasets/set.tex").read_text(encoding="utf-8")
    assert r"\textbackslash{}input\{x\}" in text
    assert r"50\%\_off" in text
    assert "<script" not in (site / "datasets/set.md").read_text(encoding="utf-8").replace(r"\<", "")
