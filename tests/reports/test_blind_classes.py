from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from ontology import Ontology
from reports.blind import Blind
from reports.blind_classes import BlindClasses
from reports.blind_text import blind_lines
from reports.schema import DETECTIONS, SCENES, SCORES

ONTO = Ontology.audioset()
DOG, ANIMAL, ABSTRACT = ONTO["Dog"], ONTO["Animal"], ONTO["Human sounds"]
THERE = tuple(f"scene-{place}" for place in range(8))
SOUNDING = THERE[:5]


def blind() -> Blind:
    """A dog sounds in five of eight scenes: ``ears+one`` finds it in all, ``ears+two`` in three."""
    cells, scores, detections = [], [], []
    for system, found in (("ears+one", 5), ("ears+two", 3)):
        for place, scene in enumerate(THERE):
            key = f"{system}/{scene}"
            cells.append(
                {"key": key, "separator": system, "scene": scene, "status": "ok", "oracle": False, "reason": None}
            )
            there = scene in SOUNDING
            for node in (DOG, ANIMAL, ABSTRACT):
                if there:
                    missed = place >= found
                    row = {"key": key, "index": 1000 * node.depth + node.row, "target": node.name, "mids": [node.mid]}
                    value: dict[str, Any] = {"value": None, "status": "skip", "reason": "missed"}
                    if not missed:
                        value = {"value": float(place), "status": "ok", "reason": None}
                    for depth in (node.depth, node.depth + 1):  # deeper down it may stand again, scored otherwise
                        far = 100.0 if depth > node.depth and not missed else value["value"]
                        scores.append(row | value | {"depth": depth, "metric": "sdri@1", "value": far})
                    scores.append(row | value | {"depth": node.depth, "metric": "sdrg@1"})
                detections.append({
                    "key": key, "depth": node.depth, "mid": node.mid, "score": 0.9 if there and place else 0.1,
                    "truth": None if node is ABSTRACT else int(there), "predicted": there and place > 0,
                    "spans": [[0.0, 4.0]] if there else [],
                })  # fmt: skip
    scenes = [{"scene": scene, "seconds": 10.0, "recordings": [f"of {scene}"]} for scene in THERE]
    return Blind(
        pl.DataFrame(cells),
        pl.DataFrame(scores, schema=SCORES),
        pl.DataFrame(schema=SCORES),
        pl.DataFrame(detections, schema=DETECTIONS),
        pl.DataFrame(scenes, schema=SCENES),
    )


@pytest.fixture(scope="module")
def classes() -> BlindClasses:
    return BlindClasses(blind())


def test_a_class_sounds_in_the_scenes_that_have_scores_of_it(classes: BlindClasses) -> None:
    assert classes.scenes == {node.mid: SOUNDING for node in sorted((DOG, ANIMAL, ABSTRACT), key=lambda one: one.mid)}


def test_separation_is_the_mean_where_it_was_found_in_the_cut_of_its_own_depth(classes: BlindClasses) -> None:
    found = classes.separation(DOG.mid)
    assert (found["ears+one"]["value"], found["ears+one"]["measured"], found["ears+one"]["skipped"]) == (2.0, 5, 0)
    assert (found["ears+two"]["value"], found["ears+two"]["measured"], found["ears+two"]["skipped"]) == (1.0, 3, 2)
    assert found["ears+one"]["low"] < 2.0 < found["ears+one"]["high"]


def test_a_tagger_stands_once_for_its_systems_with_f1_and_precision_of_the_class_alone(classes: BlindClasses) -> None:
    found = classes.detection(DOG.mid)
    assert set(found) == {"ears"}
    assert found["ears"]["f1_macro"]["value"] == pytest.approx(2 * 4 / (2 * 4 + 0 + 1))
    assert found["ears"]["map"]["value"] == pytest.approx(4 / 5 + 1 / 5 * 5 / 8)  # one ranks with the three absent


def test_a_class_that_is_never_right_or_wrong_has_separation_but_no_detection(classes: BlindClasses) -> None:
    assert ABSTRACT.restrictions
    assert classes.detection(ABSTRACT.mid) == {}
    assert classes.separation(ABSTRACT.mid)["ears+one"]["measured"] == 5


def test_a_cell_that_failed_has_no_row_of_the_class_and_is_counted_as_left_out() -> None:
    whole = blind()
    failed, waiting = ["ears+one/scene-2", "ears+one/scene-3"], ["ears+one/scene-4"]
    status = pl.when(pl.col("key").is_in(failed)).then(pl.lit("oom"))
    status = status.when(~pl.col("key").is_in(waiting)).then("status")
    gone = pl.col("key").is_in(failed + waiting)
    found = BlindClasses(
        replace(whole, cells=whole.cells.with_columns(status=status), scores=whole.scores.filter(~gone))
    ).separation(DOG.mid)["ears+one"]
    assert (found["value"], found["measured"], found["coverage"]) == (0.5, 2, 0.5)
    assert (found["dropped"], found["skipped"], found["not_run"]) == (2, 0, 1)


def test_detection_says_which_scenes_it_leaves_out_and_why() -> None:
    whole = blind()
    fates = {"scene-2": "oom", "scene-3": "skip", "scene-4": None, "scene-5": "nan"}
    status = pl.col("scene").replace_strict(fates, default="ok", return_dtype=pl.String)
    no_length = pl.when(pl.col("scene") != "scene-6").then("seconds")
    crashed = pl.col("key").is_in(
        [f"{system}/scene-{place}" for system in ("ears+one", "ears+two") for place in (2, 3, 4)]
    )
    found = replace(
        whole,
        cells=whole.cells.with_columns(status=status),
        scenes=whole.scenes.with_columns(seconds=no_length),
        detections=whole.detections.filter(~crashed),
    )
    assert found.detection["scenes"].unique().to_list() == [4], "what has no finite estimate was heard all the same"
    counted = {"failed": 1, "skipped": 1, "not run": 1, "of unknown length": 1}
    assert found.unheard("ears+one") == counted
    assert BlindClasses(found).unheard("ears") == counted
    assert BlindClasses(found).detection(DOG.mid)["ears"]["map"]["scenes"] == 4
    assert whole.unheard("ears+one") == {}
    (line,) = [line for line in blind_lines(found, 200) if line.startswith(" ears ")]
    assert line.endswith("4 of 8, 1 failed, 1 skipped, 1 not run, 1 of unknown length")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spans", []),
        ("spans", None),
        ("spans", [[1.0]]),
        ("spans", [[4.0, 1.0]]),
        ("spans", [[float("nan"), 1.0]]),
        ("spans", [[0.0, 1e308]]),
        ("hop_seconds", 1e-9),
    ],
)
def test_detections_that_cannot_be_cost_their_scene_and_are_counted(field: str, value: Any) -> None:
    whole = blind()
    odd = (pl.col("key") == "ears+one/scene-1") & (pl.col("mid") == DOG.mid)
    spoilt = pl.when(odd).then(pl.lit(value, DETECTIONS[field])).otherwise(field)
    found = replace(whole, detections=whole.detections.with_columns(spoilt.alias(field)))
    assert found.unheard("ears+one") == {"with damaged detections": 1}
    assert found.unheard("ears+two") == {}
    assert found.detection.filter(separator="ears+one")["scenes"].unique().to_list() == [7]


def test_what_heard_no_scene_is_named_with_the_reason() -> None:
    whole = blind()
    deaf = [
        {
            "key": f"deaf/{scene}",
            "separator": "deaf+one",
            "scene": scene,
            "status": "oom",
            "oracle": False,
            "reason": None,
        }
        for scene in THERE
    ]
    found = replace(whole, cells=pl.concat([whole.cells, pl.DataFrame(deaf, schema=whole.cells.schema)]))
    assert whole.unheard_detectors == {}
    assert found.unheard_detectors == {"deaf": "deaf+one"}
    (line,) = [line for line in blind_lines(found, 200) if line.startswith(" deaf ")]
    assert line.endswith("0 of 8, 8 failed")


def test_a_scene_in_which_the_class_is_trivial_is_not_one_in_which_it_was_missed() -> None:
    whole = blind()
    trivial = pl.col("key").str.ends_with("scene-4")
    scores = whole.scores.with_columns(
        value=pl.when(~trivial).then("value"),
        status=pl.when(trivial).then(pl.lit("skip")).otherwise("status"),
        reason=pl.when(trivial).then(pl.lit("trivial: no other sound")).otherwise("reason"),
    )
    classes = BlindClasses(replace(whole, scores=scores))
    found = classes.separation(DOG.mid)
    assert (found["ears+one"]["measured"], found["ears+one"]["skipped"]) == (4, 0)
    assert (found["ears+two"]["measured"], found["ears+two"]["skipped"]) == (3, 1)
    assert classes.scenes[DOG.mid] == SOUNDING
    only = replace(whole, scores=scores.filter(trivial))
    assert BlindClasses(only).separation(DOG.mid) == {}
