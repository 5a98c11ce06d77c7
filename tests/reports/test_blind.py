"""Curves over thresholds of a board of blind scenes, some cells of which failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from reports.blind import RANKED, Blind
from reports.schema import DETECTIONS, SCENES, SCORES

SCENE_NAMES = [f"scene-{place}" for place in range(4)]


def blind(*, failed: dict[str, str], with_fallback: bool = True) -> Blind:
    """``ears+one`` scores 4 dB at thresholds 0.2 and 0.8 wherever it did not fail; doing nothing earns 0 dB."""
    cells: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    swept: list[dict[str, Any]] = []
    for system, value in (("ears+one", 4.0), ("labels+mixture", 0.0)):
        if system == "labels+mixture" and not with_fallback:
            continue
        for scene in SCENE_NAMES:
            key, status = f"{system}/{scene}", failed.get(scene, "ok") if system == "ears+one" else "ok"
            cells.append({"key": key, "separator": system, "scene": scene, "status": status, "oracle": False})
            row = {"key": key, "index": 1, "depth": 1, "metric": RANKED, "status": status}
            score = {"value": value if status == "ok" else None}
            own.append(row | score)
            if status in ("ok", "nan"):  # of the others there is no row
                swept += [row | score | {"threshold": threshold} for threshold in (0.2, 0.8)]
    scenes = [{"scene": scene, "seconds": 10.0, "recordings": [scene]} for scene in SCENE_NAMES]
    return Blind(
        pl.DataFrame(cells),
        pl.DataFrame(own, schema=SCORES),
        pl.DataFrame(swept, schema=SCORES),
        pl.DataFrame(schema=DETECTIONS),
        pl.DataFrame(scenes, schema=SCENES),
    )


@pytest.mark.parametrize("status", ["oom", "nan"])
def test_a_cell_that_failed_lowers_the_curve_as_it_lowers_the_figure_that_ranks(status: str) -> None:
    curves = blind(failed={"scene-2": status}).curves.filter(separator="ears+one")
    assert curves.select("threshold", "value", "scenes", "left_out").rows() == [(0.2, 3.0, 4, 0), (0.8, 3.0, 4, 0)]


@pytest.mark.parametrize("status", ["oom", "nan"])
def test_a_cell_that_failed_is_counted_as_left_out_where_nothing_stands_in_for_it(status: str) -> None:
    curves = blind(failed={"scene-2": status}, with_fallback=False).curves
    assert curves.select("threshold", "value", "scenes", "left_out").rows() == [(0.2, 4.0, 3, 1), (0.8, 4.0, 3, 1)]


def test_scores_of_no_depth_and_of_no_threshold_stand_on_no_curve() -> None:
    whole = blind(failed={})
    odd = [
        whole.swept.with_columns(threshold=pl.lit(threshold), value=pl.lit(99.0))
        for threshold in (-1.0, 1e300, float("nan"), float("inf"))
    ]
    odd += [whole.swept.with_columns(value=pl.lit(99.0), index=pl.lit(depth, pl.Int32)) for depth in (-7, None)]
    found = replace(whole, swept=pl.concat([whole.swept, *odd]))
    assert found.curves.equals(whole.curves)
