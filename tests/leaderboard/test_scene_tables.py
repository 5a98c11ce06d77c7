"""The tables of a scene: what stands in a column, and what is said once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from leaderboard.details import SceneTables
from reports.outcomes import EMPTY


@pytest.mark.parametrize(("heard", "columns"), [((None, None), ["first@1"]), ((None, 1.0), ["first@1", "second@1"])])
def test_a_metric_with_nothing_to_score_for_anybody_has_no_column(
    heard: tuple[float | None, float | None], columns: list[str]
) -> None:
    rows: list[dict[str, Any]] = []
    for name, value in zip("ab", heard, strict=True):
        row = {"scene": "one", "index": 1, "target": "depth 1", "separator": name, "state": "measured"}
        empty = {"value": None, "status": EMPTY, "reason": "it is not empty"}
        rows.append(row | {"metric": "first@1", "value": 2.5, "status": "ok", "reason": None})
        rows.append(row | {"metric": "second@1"} | (empty if value is None else {"value": value, "status": "ok"}))
    site: Any = SimpleNamespace(
        separator_href=str, families={"a": "f", "b": "f"}, kind=lambda _: "system",
        metric=lambda _: SimpleNamespace(unit="dB", better="higher"),
    )  # fmt: skip
    board: Any = SimpleNamespace(
        cells=pl.DataFrame(rows), outcomes=pl.DataFrame(rows, infer_schema_length=None),
        left_out=pl.DataFrame(schema=["scene", "index", "target", "reason"]),
        entry=SimpleNamespace(metrics=["first@1", "second@1"]),
    )  # fmt: skip
    (table,) = SceneTables(site, board).of("one")
    assert list(table.metrics) == columns
    assert table.nothing == ((("it is not empty", ("second@1",)),) if len(columns) == 1 else ())
    assert table.particular == (len(columns) == 2)
