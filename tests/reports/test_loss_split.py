from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.loss_split import SPLITS, Quadruple, loss_split, quadruples, shares

ONE = Quadruple("panns", "nmf>hpss", "labels", "irm")
REAL, DETECTED, SEPARATED, BOTH = ONE.systems
CAPI = "capi_sdri@dcase2026"


def rows(scores: dict[str, list[float | None]], *, depth: int = 1, metric: str = CAPI) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"separator": name, "scene": f"s{scene}", "metric": metric, "depth": depth, "value": value}
            for name, values in scores.items()
            for scene, value in enumerate(values)
        ],
        schema={
            "separator": pl.String,
            "scene": pl.String,
            "metric": pl.String,
            "depth": pl.Int32,
            "value": pl.Float64,
        },
    )


def split(table: pl.DataFrame, recordings: dict[str, tuple[str, ...]] | None = None) -> list[dict[str, object]]:
    recordings = recordings or {scene: (scene,) for scene in table["scene"].unique()}
    found = loss_split(table, ONE, recordings=recordings)
    assert found.schema == SPLITS
    return found.to_dicts()


def test_systems_are_named_by_what_is_real_in_them() -> None:
    assert ONE.systems == ("panns+nmf>hpss", "labels+nmf>hpss", "panns+irm", "labels+irm")


def test_quadruples_are_those_whose_four_systems_are_all_there() -> None:
    systems = [*ONE.systems, "labels+ibm", "labels+half", "other+hpss", "labels+hpss", "parser", "panns+mwf"]
    found = quadruples(systems, oracle_taggers={"labels"}, oracle_separators={"irm", "ibm", "mwf"})
    assert found == [ONE]  # panns+ibm, other+irm and labels+mwf are missing
    more = quadruples([*systems, "panns+ibm"], oracle_taggers={"labels"}, oracle_separators={"irm", "ibm", "mwf"})
    assert more == [Quadruple("panns", "nmf>hpss", "labels", "ibm"), ONE]


def test_no_quadruple_of_oracles_alone() -> None:
    assert quadruples(["labels+irm"], oracle_taggers={"labels"}, oracle_separators={"irm"}) == []


def test_shares_by_hand() -> None:
    (found,) = split(rows({REAL: [1, 3], DETECTED: [4, 4], SEPARATED: [5, 7], BOTH: [12, 14]}))
    # Means 2, 4, 6, 13: detection adds 2 and 7, separation 4 and 9.
    assert [found[name] for name in ("score", "score_detected", "score_separated", "score_oracle")] == [2, 4, 6, 13]
    assert (found["detection"], found["separation"], found["total"]) == (4.5, 6.5, 11)
    assert (found["tagger"], found["separator"]) == ("panns", "nmf>hpss")
    assert (found["oracle_tagger"], found["oracle_separator"]) == ("labels", "irm")
    assert (found["scenes"], found["left_out"]) == (2, 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 4), min_size=1, max_size=20))
def test_shares_add_up_to_what_is_lost(scores: list[tuple[float, float, float, float]]) -> None:
    four = dict(zip(ONE.systems, map(list, zip(*scores, strict=True)), strict=True))
    (found,) = split(rows(four))
    exact = {name: sum(map(Fraction, values)) / len(values) for name, values in four.items()}
    lost = float(exact[BOTH] - exact[REAL])
    detection = (exact[DETECTED] - exact[REAL] + exact[BOTH] - exact[SEPARATED]) / 2
    assert found["total"] == found["detection"] + found["separation"]  # type: ignore[operator]
    scale = max(abs(value) for values in scores for value in values) + 1
    assert found["total"] == pytest.approx(lost, abs=1e-12 * scale)
    assert found["detection"] == pytest.approx(float(detection), abs=1e-12 * scale)


def test_shares_swap_when_detection_and_separation_do() -> None:
    given = tuple(np.array([value]) for value in (1.0, 4.0, 2.0, 9.0))
    detection, separation = shares(*given)
    assert shares(given[0], given[2], given[1], given[3]) == (separation, detection)


def test_scenes_without_a_value_of_any_of_the_four_are_left_out_of_all() -> None:
    scores = {REAL: [0.0, 1, 3], DETECTED: [None, 4, 4], SEPARATED: [0.0, 5, 7], BOTH: [None, 12, 14]}
    (found,) = split(rows(scores))  # type: ignore[arg-type]
    (without,) = split(rows({name: values[1:] for name, values in scores.items()}))  # type: ignore[arg-type]
    assert [found[name] for name in ("score", "detection", "separation")] == [2, 4.5, 6.5]
    assert found["detection"] == without["detection"]
    assert (found["scenes"], found["left_out"]) == (2, 1)


def test_a_scene_without_any_row_is_left_out_too() -> None:
    table = rows({name: [1.0, 2.0] for name in ONE.systems})
    (found,) = split(table, {f"s{place}": (f"s{place}",) for place in range(5)})
    assert (found["scenes"], found["left_out"]) == (2, 3)


def test_a_value_that_is_not_finite_is_none() -> None:
    (found,) = split(rows({REAL: [1, math.nan], DETECTED: [1, 1], SEPARATED: [1, math.inf], BOTH: [2, 2]}))
    assert (found["scenes"], found["left_out"], found["total"]) == (1, 1, 1)


def test_no_common_scene_and_no_such_system_give_no_value_and_say_why() -> None:
    disjoint = rows({REAL: [1, None], DETECTED: [1, 1], SEPARATED: [1, 1], BOTH: [None, 1]})
    missing = rows({REAL: [1, 1], DETECTED: [1, 1], SEPARATED: [1, 1]})
    for table in (disjoint, missing):
        (found,) = split(table)
        assert found["note"] == "no scene in which all four systems have a value"
        assert found["total"] is None
        assert (found["scenes"], found["left_out"]) == (0, 2)


def test_each_metric_and_depth_has_its_own_split_and_other_systems_enter_none() -> None:
    base: dict[str, list[float | None]] = {REAL: [0, 0], DETECTED: [1, 1], SEPARATED: [2, 2], BOTH: [3, 3]}
    tables = [
        rows(base),
        rows({name: [2.0 * (value or 0) for value in values] for name, values in base.items()}, depth=2),
        rows({name: [3.0 * (value or 0) for value in values] for name, values in base.items()}, metric="z@1"),
        rows({"other+hpss": [50, 50]}),
    ]
    found = split(pl.concat(tables))
    assert [(row["metric"], row["depth"], row["total"]) for row in found] == [(CAPI, 1, 3), (CAPI, 2, 6), ("z@1", 1, 9)]


def test_two_rows_of_one_scene_are_refused() -> None:
    table = rows({name: [1.0] for name in ONE.systems})
    with pytest.raises(ValueError, match=rf"two rows of {CAPI} at depth 1 in scene 's0'"):
        split(pl.concat([table, table]))


def test_intervals_are_paired_and_by_recording() -> None:
    generator = np.random.default_rng(0)
    scene = generator.normal(0, 10, 60)  # what all four share
    four = {
        name: list(scene + shift + generator.normal(0, 0.1, 60))
        for name, shift in zip(ONE.systems, range(4), strict=True)
    }
    (found,) = split(rows(four))  # type: ignore[arg-type]
    for share in ("detection", "separation"):
        low, value, high = (found[f"{share}{end}"] for end in ("_low", "", "_high"))
        assert low < value < high  # type: ignore[operator]
        assert high - low < 0.2  # type: ignore[operator]
    assert found["detection_low"] != found["separation_low"]
    (alone,) = split(rows(four), dict.fromkeys((f"s{n}" for n in range(60)), ("one",)))  # type: ignore[arg-type]
    assert alone["detection"] == found["detection"]
    assert alone["detection_low"] is None
    assert alone["note"] == "one recording: no interval"
