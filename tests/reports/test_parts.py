"""Reading many rows at once: fast ways must find what the plain ones do."""

from __future__ import annotations

import math

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.parts import last_of_each

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.sampled_from([0.0, 1.0, math.nan, None]),
        st.sampled_from([[], ["x"], None]),
    ),
    max_size=12,
)
SCHEMA = {"key": pl.String, "value": pl.Float64, "mids": pl.List(pl.String)}


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_last_of_rows_alike_stays_and_no_other(
    rows: list[tuple[str | None, float | None, list[str] | None]],
) -> None:
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index("place")
    for names in (["key"], ["key", "value"], ["key", "value", "mids"]):
        last = {repr(row[1:][: len(names)]): row[0] for row in table.iter_rows()}
        assert sorted(last_of_each(table, names)["place"]) == sorted(last.values())
