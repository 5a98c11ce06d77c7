"""One table of the leaderboard as data: CSV, JSON and Parquet, with numbers in full precision.

A :class:`Sheet` is what a reader sees, row by row; :mod:`reports.sheet_text` writes it for people.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import polars as pl

from reports.published import Published

_FORMULA: Final = tuple("=+-@＝＋－＠")
"""How a formula begins; the wide forms count in Japanese settings."""
_COUNTS: Final = (
    "pairs", "measured", "failed", "skipped", "not_run", "targets_covered", "targets", "scenes_run", "scenes",
)  # fmt: skip
_COSTS: Final = ("real_time_factor", "peak_mb")


@dataclass(frozen=True)
class Head:
    """A column of figures; ``id`` is metric/aggregation, ``remark`` what stands under its title."""

    id: str
    metric: str
    title: str
    unit: str
    better: str
    aggregation: str
    remark: str | None


@dataclass(frozen=True)
class Figure:
    """One figure: in numbers, and as it is shown."""

    value: float | None
    low: float | None
    high: float | None
    note: str | None
    """Why there is no value, no interval, or only a weak one."""
    measured: int
    imputed: int
    """Failures counted with the score of the mixture."""
    dropped: int
    """Failures left out, because the mixture has no score there."""
    text: str | None
    """The value as it is rounded; None where there is none."""
    interval: str | None
    remarks: tuple[str, ...]
    """What stands beside the figure where it is shown: what is missing, and failures counted."""


@dataclass(frozen=True)
class Line:
    """One separator. ``counts`` and ``costs`` hold what is named so in the docstring of :func:`frame`."""

    group: str | None
    separator: str
    family: str
    kind: str
    """``system``, ``baseline`` or ``oracle``."""
    rank: tuple[int, int] | str
    """Best and worst rank, or why there is none."""
    figures: tuple[Figure, ...]
    counts: Mapping[str, int]
    costs: Mapping[str, float | None]
    measured_text: str
    cost_texts: tuple[str | None, str | None]


@dataclass(frozen=True)
class Reported:
    """A figure of others, never ranked with those that were measured, and its value as it is rounded."""

    figure: Published
    text: str


@dataclass(frozen=True)
class Sheet:
    """A table as it is shown: lines in their order, those of one group together."""

    title: str
    facts: Mapping[str, Any]
    """What it is a table of: data set, split, protocol, version, citation, licence, numbers of scenes and such."""
    notes: tuple[str, ...]
    """Sentences without which the table would be misread."""
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    reported: tuple[Reported, ...]


def frame(sheet: Sheet) -> pl.DataFrame:
    """The table with a row per separator and then one per reported figure, in the order in which it is shown.

    Columns: ``group`` (heading above the row), ``separator``, ``family``, ``kind`` (system, baseline, oracle or
    reported), ``rank_best``, ``rank_worst``, ``rank_note``. Then for each column of figures, under its id: the value,
    and with `` low``, `` high``, `` note``, `` measured``, `` imputed``, `` left out`` after the id the 95 % interval,
    why there is none, and how many pairs were measured, failed and counted with the mixture's score, failed and left
    out. Then counts of pairs, targets and scenes, ``real_time_factor`` (s/s) and ``peak_mb``. Where others have
    reported figures: ``reported_`` with target, metric, aggregation, value, unit, note, and ``source`` and ``url``.
    """
    schema: dict[str, pl.DataType] = {name: pl.String() for name in ("group", "separator", "family", "kind")}
    schema |= {"rank_best": pl.Int64(), "rank_worst": pl.Int64(), "rank_note": pl.String()}
    for head in sheet.heads:
        schema |= {f"{head.id}{end}": pl.Float64() for end in ("", " low", " high")} | {f"{head.id} note": pl.String()}
        schema |= {f"{head.id} {name}": pl.Int64() for name in ("measured", "imputed", "left out")}
    schema |= {name: pl.Int64() for name in _COUNTS} | {name: pl.Float64() for name in _COSTS}
    if sheet.reported:
        schema |= {f"reported_{name}": pl.String() for name in ("target", "metric", "aggregation")}
        schema |= {"reported_value": pl.Float64()}
        schema |= {name: pl.String() for name in ("reported_unit", "reported_note", "source", "url")}
    rows = [_row(line, sheet.heads) for line in sheet.lines] + [_reported_row(row.figure) for row in sheet.reported]
    return pl.DataFrame(rows, schema=schema)


def csv_bytes(sheet: Sheet) -> bytes:
    """:func:`frame` as CSV in UTF-8: floats in the shortest form that reads back the same, empty where there is none.

    Texts are on one line. One that a spreadsheet would take for a formula, because it begins with ``=``, ``+``, ``-``
    or ``@``, gets an apostrophe before it, here and in no other format. Numbers stay numbers.
    """
    table = frame(sheet)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_harmless(name) for name in table.columns])
    writer.writerows([_harmless(cell) for cell in row] for row in table.iter_rows())
    return stream.getvalue().encode()


def parquet_bytes(sheet: Sheet) -> bytes:
    """:func:`frame` as Parquet."""
    stream = io.BytesIO()
    frame(sheet).write_parquet(stream)
    return stream.getvalue()


def json_bytes(sheet: Sheet) -> bytes:
    """The table as JSON: ``table`` (what it is of), ``notes``, ``columns``, ``rows``, ``reported``."""
    rows = [
        {
            "group": line.group,
            "separator": line.separator,
            "family": line.family,
            "kind": line.kind,
            "rank": _rank(line.rank),
            "figures": {head.id: _numbers(figure) for head, figure in zip(sheet.heads, line.figures, strict=True)},
            **line.counts,
            **_costs(line),
        }
        for line in sheet.lines
    ]
    described = {
        "table": {"title": sheet.title, **sheet.facts},
        "notes": sheet.notes,
        "columns": [asdict(head) for head in sheet.heads],
        "rows": rows,
        "reported": [asdict(row.figure) for row in sheet.reported],
    }
    return (json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _row(line: Line, heads: tuple[Head, ...]) -> dict[str, Any]:
    rank = _rank(line.rank)
    row: dict[str, Any] = {"group": line.group, "separator": line.separator, "family": line.family, "kind": line.kind}
    row |= {f"rank_{name}": said for name, said in rank.items()}
    for head, figure in zip(heads, line.figures, strict=True):
        numbers = _numbers(figure)
        row[head.id] = numbers.pop("value")
        row |= {f"{head.id} {name.replace('_', ' ')}": number for name, number in numbers.items()}
    return row | dict(line.counts) | _costs(line)


def _reported_row(figure: Published) -> dict[str, Any]:
    told = {f"reported_{name}": getattr(figure, name) for name in ("metric", "aggregation", "value", "unit", "note")}
    own = {"separator": figure.separator, "kind": "reported", "source": figure.source, "url": figure.url}
    return own | told | {"reported_target": figure.target or "all"}


def _numbers(figure: Figure) -> dict[str, Any]:
    ends = {name: _finite(getattr(figure, name)) for name in ("value", "low", "high")}
    counts = {"measured": figure.measured, "imputed": figure.imputed, "left_out": figure.dropped}
    return {**ends, "note": figure.note, **counts}


def _costs(line: Line) -> dict[str, float | None]:
    return {name: _finite(cost) for name, cost in line.costs.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _rank(rank: tuple[int, int] | str) -> dict[str, Any]:
    if isinstance(rank, str):
        return {"best": None, "worst": None, "note": rank}
    return {"best": rank[0], "worst": rank[1], "note": None}


def one_line(text: str) -> str:
    """``text`` without line ends, control and direction characters; a no-break space stays."""
    shown = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text)
    return re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", shown).strip(" ")


def _harmless(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = one_line(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
