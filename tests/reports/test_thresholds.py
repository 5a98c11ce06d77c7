from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from reports.figures import PAGE, Curve, Kind, curve_drawing
from reports.thresholds import CURVES, threshold_curves, threshold_drawing

SCHEMA = {
    "separator": pl.String,
    "scene": pl.String,
    "metric": pl.String,
    "depth": pl.Int32,
    "threshold": pl.Float64,
    "value": pl.Float64,
}
Row = tuple[str, str, str, int, float | None, float | None]


def curves_of(rows: list[Row]) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    found = threshold_curves(table, recordings={scene: (scene,) for scene in table["scene"]})
    assert found.schema == CURVES
    return found


def drawn(system: str = "panns+hpss", *, shift: float = 0.0, scenes: int = 12) -> list[Row]:
    generator = np.random.default_rng(3)
    levels = generator.normal(0, 2, scenes)
    return [
        (system, f"s{scene}", "m@1", 1, threshold, float(levels[scene]) + shift - threshold)
        for scene in range(scenes)
        for threshold in (0.5, 0.25, 0.75)
    ]


def test_means_by_threshold_with_what_is_left_out() -> None:
    rows: list[Row] = [
        ("a+b", "s0", "m@1", 1, 0.2, 1.0),
        ("a+b", "s1", "m@1", 1, 0.2, 3.0),
        ("a+b", "s0", "m@1", 1, 0.4, 5.0),
        ("a+b", "s1", "m@1", 1, 0.4, None),
        ("a+b", "s0", "m@1", 1, None, 9.0),  # at the run's own threshold
        ("a+b", "s0", "m@1", 2, 0.2, 7.0),
    ]
    found = curves_of(rows).select("depth", "threshold", "value", "scenes", "left_out").rows()
    assert found == [(1, 0.2, 2.0, 2, 0), (1, 0.4, 5.0, 1, 1), (2, 0.2, 7.0, 1, 0)]


def test_a_threshold_without_any_value_says_so() -> None:
    (found,) = curves_of([("a+b", "s0", "m@1", 1, 0.2, None)]).to_dicts()
    assert (found["value"], found["low"], found["note"]) == (None, None, "nothing measured: no interval")


def test_intervals_hold_the_value_and_a_curve_moves_as_one() -> None:
    found = curves_of(drawn())
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()
    # The same scenes under the same draws: what is 0.25 lower everywhere has an interval that is.
    steps = found["low"].diff().drop_nulls().to_list() + found["high"].diff().drop_nulls().to_list()
    assert steps == pytest.approx([-0.25] * 4)


def test_no_rows_on_a_grid_give_no_curves() -> None:
    assert curves_of([("a+b", "s0", "m@1", 1, None, 1.0)]).is_empty()


def test_two_rows_of_one_scene_and_threshold_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\+b has two rows of m@1 at depth 1, threshold 0.2, scene 's0'"):
        curves_of([("a+b", "s0", "m@1", 1, 0.2, 1.0)] * 2)


def test_figure_names_every_system_once_and_says_where_it_is_highest() -> None:
    curves = curves_of([*drawn("a+b"), *drawn("labels+irm", shift=5.0), *drawn("x+<half>", shift=-1.0)])
    kinds: dict[str, Kind] = {"labels+irm": "oracle", "x+<half>": "baseline"}
    figure = threshold_drawing(curves, kinds=kinds, title="T", axis="dB").on(PAGE).page
    ET.fromstring(figure.replace("xlink:href", "href"))  # whole, with names escaped
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", figure)
    assert [texts.count(name) for name in ("a+b", "labels+irm", "x+&lt;half&gt;", "Threshold", "dB")] == [1] * 5
    description = re.search(r"<desc[^>]*>(.*?)</desc>", figure)
    assert description is not None
    assert "a+b is highest at 0.25 with" in description.group(1)
    assert "var(--accent)" in figure
    assert "#0a0b0c" not in figure


def test_figure_of_several_metrics_or_depths_is_refused() -> None:
    rows = [*drawn(), ("a+b", "s0", "m@1", 2, 0.2, 1.0)]
    with pytest.raises(ValueError, match="one metric at one depth make a figure, not of 2"):
        threshold_drawing(curves_of(rows), kinds={}, title="T", axis="dB")


def label_heights(figure: str, labels: list[str]) -> list[float]:
    places = [
        re.search(rf'translate\([\d.]+ ([\d.]+)\)[^<]*<?[^>]*>{label}<|y="([\d.]+)"[^>]*>{label}<', figure)
        for label in labels
    ]
    return [float(next(group for group in place.groups() if group)) for place in places if place is not None]


def test_labels_of_curves_that_end_together_do_not_lie_on_each_other() -> None:
    labels = [f"system{n}" for n in range(6)]
    lines = [Curve(label, (0.1, 0.2), (0.0, 1.0), (None, None), (None, None), "system") for label in labels]
    figure = curve_drawing(lines, across="x", axis="y", title="t", description="d").on(PAGE).page
    heights = sorted(label_heights(figure, labels))
    assert len(heights) == len(labels)
    assert min(np.diff(heights)) > 9  # points


def test_a_gap_in_a_curve_and_one_without_values_are_drawn_without_complaint() -> None:
    lines = [
        Curve("gap", (0.1, 0.2, 0.3), (1.0, None, 2.0), (0.5, None, None), (1.5, None, None), "system"),
        Curve("none", (0.1, 0.2, 0.3), (None, None, None), (None,) * 3, (None,) * 3, "baseline"),
    ]
    figure = curve_drawing(lines, across="x", axis="y", title="t", description="d").on(PAGE).page
    assert ">gap<" in figure
    assert ">none<" not in figure
