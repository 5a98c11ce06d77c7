"""Reading many rows at once: fast ways must find what the plain ones do."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.parts import Parts, last_of_each

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.sampled_from([0.0, 1.0, math.nan, None]),
        st.sampled_from([[], ["x"], None]),
    ),
    max_size=12,
)
SCHEMA = pl.Schema({"key": pl.String(), "value": pl.Float64(), "mids": pl.List(pl.String)})


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_last_of_rows_alike_stays_and_no_other(
    rows: list[tuple[str | None, float | None, list[str] | None]],
) -> None:
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index("place")
    for names in (["key"], ["key", "value"], ["key", "value", "mids"]):
        last = {repr(row[1:][: len(names)]): row[0] for row in table.iter_rows()}
        assert sorted(last_of_each(table, names)["place"]) == sorted(last.values())


def test_a_zero_read_has_no_sign(tmp_path: Path) -> None:
    schema = pl.Schema({"value": pl.Float64(), "seconds": pl.Float64()})
    pl.DataFrame({"value": [-0.0, 0.0, -1.0, None], "seconds": [-0.0, 2.0, 3.0, None]}).write_parquet(
        tmp_path / "part.parquet"
    )
    read = Parts(tmp_path, schema).read()
    assert sorted(map(repr, read["value"])) == ["-1.0", "0.0", "0.0", "None"]
    assert sorted(map(repr, read["seconds"])) == ["0.0", "2.0", "3.0", "None"]
