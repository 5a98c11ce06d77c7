"""Paired differences of blind boards, whose scenes may be empty for one state of the results and not for the other."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from reports.differences import differences
from reports.outcomes import OUTCOMES
from reports.schema import DatasetEntry, MetricEntry
from reports.tables import Board

METRIC = MetricEntry(title="m", unit="dB", better="higher", definition="d", undefined="u", aggregations=("mean",))
ENTRY = DatasetEntry(
    title="Set", split="test", licence="MIT", citation="c", url="u", columns=("m@1/mean/d1",), metrics=("m@1",),
    scenes=20, version="v",
)  # fmt: skip
SCENES = [f"{place:02d}" for place in range(20)]


def board(scores: Sequence[float | None]) -> Board:
    """One system; a scene without a score is empty."""
    rows = [
        {"separator": "a", "scene": scene, "index": 1, "target": "depth 1", "metric": "m@1", "status": "ok",
         "state": "empty" if score is None else "measured", "value": score, "used": score}
        for scene, score in zip(SCENES, scores, strict=True)
    ]  # fmt: skip
    scenes = pl.DataFrame({"scene": SCENES}).with_columns(recordings=pl.concat_list("scene"))
    cells = pl.DataFrame({"separator": "a", "scene": SCENES, "key": SCENES})
    return Board("Set", "test", "scene", ENTRY, cells, scenes, pl.DataFrame(rows, schema=OUTCOMES), pl.DataFrame())


@pytest.mark.parametrize(("before", "after", "verdict"), [(None, 0.0, "worse"), (0.0, None, "better")])
def test_sound_newly_found_in_silence_is_no_scene_to_leave_out(
    before: float | None, after: float | None, verdict: str
) -> None:
    base, head = (board([5.0] * 10 + [silent] * 10) for silent in (before, after))
    recomputed = pl.DataFrame(
        {"dataset": "Set", "split": "test", "protocol": "scene", "separator": "a", "scene": SCENES}
    )
    row = differences(
        [base], [head], recomputed, metrics=(), definitions={"m@1": METRIC}, tolerance=0.0
    ).row(0, named=True)  # fmt: skip
    figures = [one.overall["value"].item() for one in (base, head)]
    assert [row["base"], row["head"]] == figures
    assert (row["verdict"], row["pairs"], row["base_only"], row["head_only"]) == (verdict, 20, 0, 0)
