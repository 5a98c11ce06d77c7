"""What is printed of results: names as they are, the best separator first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from compare_kit import write_run
from reports.compare import State, compare
from reports.compare_text import comparison_text
from reports.results import Results
from reports.text import summary


@pytest.mark.parametrize("name", ["net[large]", "bass[/b]", ":dog:"])
def test_a_name_is_neither_markup_nor_a_picture_to_a_terminal(name: str, tmp_path: Path) -> None:
    write_run(tmp_path, "base", {name: {"1": {"x": 1.0}}})
    write_run(tmp_path, "head", {name: {"1": {"x": 2.0}}}, hour=1, version="2")
    assert f"\n{name} " in summary(Results(tmp_path)).replace("\n ", "\n")
    base, head = (State(Results(tmp_path, left_by=run), run) for run in ("base", "head"))
    (row,) = [line for line in comparison_text(compare(base, head, tolerance=0.0)).splitlines() if "1.000" in line]
    assert row.strip().startswith(name)


@pytest.mark.parametrize(("better", "first"), [("higher", "loud"), ("lower", "soft"), ("neither", "loud")])
def test_the_best_separator_stands_first_whichever_way_the_metric_goes(
    better: Literal["higher", "lower", "neither"], first: str, tmp_path: Path
) -> None:
    write_run(tmp_path, "base", {"soft": {"1": {"x": 1.0}}, "loud": {"1": {"x": 2.0}}}, better=better)
    names = re.findall(r"^ *(soft|loud) ", summary(Results(tmp_path)), flags=re.MULTILINE)
    assert names[0] == first
    assert len(names) == 2


def test_a_failure_without_a_reason_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}}})
    for path in (tmp_path / "cells").glob("*.parquet"):
        pl.read_parquet(path).with_columns(status=pl.lit("oom"), reason=pl.lit(None, pl.String)).write_parquet(path)
    assert re.search("^oom: a on .*, 2 cells: no reason was recorded$", summary(Results(tmp_path)), flags=re.MULTILINE)


def test_a_reason_that_somebody_sent_commands_no_terminal(tmp_path: Path) -> None:
    write_run(tmp_path, "base", {"a": {"1": {"x": 1.0}, "2": {"x": 1.0}}})
    write_run(tmp_path, "head", {"a": {"1": "error", "2": {"x": 1.0}}}, hour=1, version="2")
    for path in (tmp_path / "cells").glob("*.parquet"):
        hostile = pl.lit("\x1b[2J\u202egone\r", pl.String)
        pl.read_parquet(path).with_columns(reason=pl.when(pl.col("status") == "error").then(hostile)).write_parquet(
            path
        )
    base, head = (State(Results(tmp_path, left_by=run), run) for run in ("base", "head"))
    for text in (summary(Results(tmp_path)), comparison_text(compare(base, head, tolerance=0.0))):
        assert "[2J" in text
        assert not {"\x1b", "\u202e", "\r"} & set(text)
