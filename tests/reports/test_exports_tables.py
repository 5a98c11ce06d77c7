"""Tables in the formats of others: nothing that a name holds becomes markup, a formula or a command there."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.published import Published
from reports.sheet_text import latex, latex_escape, markdown, markdown_escape
from reports.sheets import Figure, Head, Line, Reported, Sheet, csv_bytes, frame, json_bytes, one_line, parquet_bytes

COLUMN = "sdri@1/mean"
HOSTILE = (
    r"\input{/etc/passwd}", r"a \\ \hline & b", "50% off", "=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "a|b", "<script>",
    "[x](javascript:alert(1))", "*[ ", "{", "$x_1^2$", "line\nbreak\r\n", "a -- b", "`x`", '"a', "https://example.org",
    "a,b", "~~x~~", "&amp;", "#1", "\N{RIGHT-TO-LEFT OVERRIDE}x",
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))


def figure(value: float | None, **more: Any) -> Figure:
    shown = None if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
    own: dict[str, Any] = {
        "value": value, "low": None, "high": None, "note": None, "measured": 1, "imputed": 0, "dropped": 0,
        "text": shown, "interval": None, "remarks": (),
    }  # fmt: skip
    return Figure(**own | more)


def line(name: str, value: Figure, *, group: str | None = None, family: str = "f", rank: Any = (1, 2)) -> Line:
    counts = dict.fromkeys(
        ("pairs", "measured", "failed", "skipped", "not_run", "targets_covered", "targets", "scenes_run", "scenes"), 1
    )
    costs = {"real_time_factor": 0.1, "peak_mb": None}
    return Line(group, name, family, "system", rank, (value,), counts, costs, "1 of 1", ("0.10", None))


def sheet(*lines: Line, title: str = "Set", reported: tuple[Reported, ...] = (), remark: str | None = None) -> Sheet:
    head = Head(COLUMN, "sdri@1", "SDRi", "dB", "higher", "mean over scenes and targets", remark)
    return Sheet(title, {"dataset": "set"}, ("Two scenes.",), (head,), lines, reported)


def cells(text: str) -> list[list[str]]:
    """The cells of Markdown tables, as a reader of GitHub sees them."""
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    split = [re.split(r"(?<!\\)(?:\\\\)*\|", row)[1:-1] for row in rows]
    return [[re.sub(r"\\([^A-Za-z0-9\s])", r"\1", cell).strip() for cell in row] for row in split]


def without_escapes(text: str) -> str:
    """LaTeX less what :func:`latex_escape` may write: what is left must be letters alone."""
    words = "textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|char34"
    words += "|textendash|textemdash|textperiodcentered"
    return re.sub(rf"\\(?:{words}){{}}|\\[{{}}$&#_%]|\$-\$|{{}}", "", text)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_no_text_is_a_command_to_latex(text: str) -> None:
    escaped = latex_escape(text)
    assert not re.search(r'[\\{}$&#_%^<>|`"\n\r]', without_escapes(escaped)), escaped
    assert not escaped.startswith(("[", "*"))
    assert "--" not in escaped


@given(TEXTS, TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_row_of_latex_has_its_cells_whatever_the_names(name: str, family: str) -> None:
    lines = latex(sheet(line(name, figure(1.0), family=family))).splitlines()
    (row,) = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(re.findall(r"(?<!\\)&", row)) == 6
    assert row.endswith(r"0.10 & \textendash{} \\")


@given(TEXTS, TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_row_of_markdown_has_its_cells_whatever_the_names(name: str, family: str) -> None:
    rows = cells(markdown(sheet(line(name, figure(1.0), family=family))))
    assert [len(row) for row in rows] == [7, 7, 7]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup_in_markdown(text: str) -> None:
    escaped = markdown_escape(text)
    assert not re.search(r"(?<!\\)[`*_\[\]<>|&$~#@]|(?<!\\)://", re.sub(r"\\\\", "", escaped)), escaped
    assert "\n" not in escaped


def test_a_name_reads_in_markdown_as_it_was_given() -> None:
    rows = cells(markdown(sheet(line("a_b|c\\d*", figure(1.0)))))
    assert rows[2][0] == "a_b|c\\d*"


@given(st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_text_of_a_csv_is_a_formula_and_all_others_stay(names: list[str]) -> None:
    told = sheet(*(line(name, figure(-1.5)) for name in names))
    content = csv_bytes(told).decode()
    assert content.count("\n") == len(names) + 1  # no name ends a line
    rows = list(csv.reader(io.StringIO(content, newline="")))
    place = rows[0].index("separator")
    for name, row in zip(names, rows[1:], strict=True):
        assert row[place].isprintable() or "\N{NO-BREAK SPACE}" in row[place]
        assert not row[place].startswith(tuple("=+-@"))
        text = one_line(name)
        assert row[place] == (f"'{text}" if text.startswith(tuple("=+-@＝＋－＠")) else text)
        assert row[rows[0].index(COLUMN)] == "-1.5"  # a number, however it begins


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=60, deadline=None)
def test_numbers_come_back_in_full_precision(value: float) -> None:
    told = sheet(line("a", figure(value, low=value, high=value)))
    (row,) = csv.DictReader(io.StringIO(csv_bytes(told).decode()))
    assert float(row[COLUMN]) == float(row[f"{COLUMN} low"]) == value
    (found,) = json.loads(json_bytes(told))["rows"]
    assert found["figures"][COLUMN]["high"] == value
    read = pl.read_parquet(io.BytesIO(parquet_bytes(told)))
    assert read[COLUMN].item() == value
    assert read.schema == frame(told).schema


def test_what_has_no_value_is_empty_and_says_why_in_every_format() -> None:
    told = sheet(line("a", figure(None, note="skipped by rule", remarks=("skipped",)), rank="nothing was measured"))
    (row,) = csv.DictReader(io.StringIO(csv_bytes(told).decode()))
    assert (row[COLUMN], row[f"{COLUMN} note"], row["rank_best"]) == ("", "skipped by rule", "")
    assert row["rank_note"] == "nothing was measured"
    assert json.loads(json_bytes(told))["rows"][0]["figures"][COLUMN]["value"] is None
    assert cells(markdown(told))[2][2:4] == ["–", "– (skipped)"]
    assert r"\textendash{} & \textendash{} (skipped)" in latex(told)


def test_a_value_that_is_not_finite_is_no_number_in_any_format() -> None:
    told = sheet(line("a", figure(float("inf"))))
    assert frame(told)[COLUMN].to_list() == [None]
    assert json.loads(json_bytes(told))["rows"][0]["figures"][COLUMN]["value"] is None


def test_a_minus_is_that_of_formulas_in_latex_and_intervals_stand_beside() -> None:
    told = sheet(line("a", figure(-1.0, low=-2.0, high=0.5, interval="[\N{MINUS SIGN}2.00, 0.50]")))
    assert "$-$1.00 [$-$2.00, 0.50]" in latex(told)
    assert "\N{MINUS SIGN}1.00 [\N{MINUS SIGN}2.00, 0.50]" in markdown(told)


def test_failures_that_are_counted_stand_beside_the_figure() -> None:
    told = sheet(line("a", figure(1.0, measured=3, imputed=2, remarks=("2 of 5 imputed",))))
    assert cells(markdown(told))[2][3] == "1.00 (2 of 5 imputed)"
    assert frame(told)[f"{COLUMN} imputed"].item() == 2


def test_groups_stand_in_their_order_under_their_headings() -> None:
    told = sheet(
        line("top", figure(9.0), group="Oracles"), line("b", figure(2.0)), line("c", figure(1.0)),
        line("d", figure(3.0), group="Apart"),
    )  # fmt: skip
    assert [row[0] for row in cells(markdown(told))[2:]] == ["*Oracles*", "top", "b", "c", "*Apart*", "d"]
    assert frame(told)["separator"].to_list() == ["top", "b", "c", "d"]
    assert frame(told)["group"].to_list() == ["Oracles", None, None, "Apart"]
    rows = latex(told).splitlines()
    assert rows.count(r"\midrule") == 3
    assert r"\multicolumn{7}{@{}l}{\emph{Oracles}} \\" in rows


def test_latex_names_its_package_and_closes_what_it_opens() -> None:
    text = latex(sheet(line("a", figure(1.0)), reported=(REPORTED,), remark="median"))
    assert text.startswith("% Needs \\usepackage{booktabs}")
    assert re.findall(r"\\(begin|end){(\w+)}", text) == [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
    ] * 2  # fmt: skip
    assert text.count("{") == text.count("}")
    assert "\n &  &  & median &  &  &  \\\\\n" in text


REPORTED = Reported(
    Published("Théirs", "set", "", "SDR (paper)", "mean", 5.5, "dB", "a paper", "https://example.org/p", "other clips"),
    "5.50",
)


def test_reported_figures_stand_apart_marked_and_with_their_source() -> None:
    told = sheet(line("a", figure(1.0)), reported=(REPORTED,))
    table = frame(told)
    assert table["kind"].to_list() == ["system", "reported"]
    assert table[COLUMN].to_list() == [1.0, None]  # never in a column that was measured
    assert table.row(1, named=True) | {"reported_value": 5.5, "source": "a paper"} == table.row(1, named=True)
    text = markdown(told)
    assert text.index("not measured here, and not ranked") < text.index("Théirs (reported)")
    assert cells(text)[-1][4] == "5.50 dB"
    assert json.loads(json_bytes(told))["reported"][0]["url"] == "https://example.org/p"


def test_equal_tables_are_equal_bytes() -> None:
    told = sheet(line("a", figure(1.0)))
    for write in (csv_bytes, json_bytes, parquet_bytes, markdown, latex):
        assert write(told) == write(told)
