from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Ontology
from reports.aggregate import AGGREGATIONS
from reports.blocks import Block, figure
from reports.bootstrap import Resampler
from reports.class_scores import ClassScores, Part
from reports.outcomes import STATES

ONTO = Ontology.audioset()
TARGETS = ("bass", "bell", "keys and strings", "other", "vocals")
MIDS = {
    "bass": (ONTO["Bass guitar"].mid,),
    "bell": (ONTO["Bicycle bell"].mid,),  # below Bell and below Bicycle
    "keys and strings": (ONTO["Piano"].mid, ONTO["Bowed string instrument"].mid),
    "other": (),
    "vocals": (ONTO["Singing"].mid, "/m/nowhere"),
}
COLUMN = "sdri@1/class-median-mean"


def code_of(state: str) -> int:
    return list(STATES).index(state)


def block(states: dict[tuple[int, int], tuple[str, float]]) -> Block:
    """By target and scene: the state and what is used."""
    places = sorted(states)
    return Block(
        state=np.array([code_of(states[place][0]) for place in places]),
        used=np.array([states[place][1] for place in places], dtype=float),
        targets=np.array([target for target, _ in places], dtype=np.int64),
        scenes=np.array([scene for _, scene in places], dtype=np.int64),
        reasons=pl.Series([None if states[place][0] == "measured" else states[place][0] for place in places]),
    )


def resampler(scenes: int) -> Resampler:
    return Resampler.of([[f"song {scene}"] for scene in range(scenes)], names=["test"], draws=200)


def scores(*, seed: int = 0, scenes: int = 8, share: float = 0.8) -> tuple[ClassScores, dict[tuple[str, str], Block]]:
    draw = np.random.default_rng(seed)
    kinds = ("measured", "measured", "failed", "failed", "skipped")
    blocks = {}
    for name in ("a", "b"):
        states = {}
        for place in np.ndindex(len(TARGETS), scenes):
            if draw.random() < share:
                kind = kinds[int(draw.integers(len(kinds)))]
                lost = kind == "skipped" or (kind == "failed" and draw.random() < 0.5)
                states[place] = kind, float("nan") if lost else float(draw.normal())
        blocks[name, "sdri@1"] = block(states)
    return ClassScores(lambda: blocks, lambda: resampler(scenes), TARGETS, MIDS, {}), blocks


def test_a_class_with_two_parents_counts_below_both_and_once_above_them() -> None:
    below = scores()[0].below
    assert below[ONTO["Bell"].mid] == below[ONTO["Bicycle"].mid] == (1,)
    assert below[ONTO["Sounds of things"].mid] == (1,)


def test_a_target_of_several_classes_is_in_each_and_once_above_them() -> None:
    found = scores()[0]
    assert found.own[ONTO["Piano"].mid] == found.own[ONTO["Bowed string instrument"].mid] == (2,)
    assert found.below[ONTO["Musical instrument"].mid] == (0, 1, 2)
    assert (ONTO["Bowed string instrument"].depth, ONTO["Piano"].depth) == (3, 4)
    assert 2 in found.at_depth[3]
    assert 2 not in found.at_depth.get(4, ())


def test_what_is_no_class_is_below_none_and_at_no_depth() -> None:
    found = scores()[0]
    assert found.unclassed == ("other",)
    assert all(3 not in part for parts in (found.own, found.below, found.at_depth) for part in parts.values())


def test_a_mid_that_the_ontology_does_not_know_is_left_out() -> None:
    assert scores()[0].classes("vocals") == (ONTO["Singing"].mid,)


@pytest.mark.parametrize("rule", ["class-median-mean", "class-mean-mean", "mean", "median"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), part=st.sets(st.integers(0, 4), min_size=1), share=st.floats(0.05, 1.0))
def test_the_figure_of_a_part_is_that_of_its_rows(rule: str, seed: int, part: set[int], share: float) -> None:
    found, blocks = scores(seed=seed, share=share)
    codes = tuple(sorted(part))
    made = found.figures(f"sdri@1/{rule}", ["a", "b"], [codes, (0,)])
    for name in ("a", "b"):
        plain = figure(blocks[name, "sdri@1"], np.array(codes), AGGREGATIONS[rule], resampler(8))
        assert made[name, codes].keys() == plain.keys()
        for field, value in plain.items():
            assert made[name, codes][field] == (pytest.approx(value) if isinstance(value, float) else value)


def test_a_separator_without_the_metric_has_no_figure_and_says_why() -> None:
    row = scores()[0].figures(COLUMN, ["c"], [(0, 1)])["c", (0, 1)]
    assert row["due"] == 0
    assert row["note"] == "no target sounds in any scene"


@pytest.mark.parametrize(
    ("state", "able"), [("measured", True), ("failed", False), ("skipped", False), ("not run", False)]
)
def test_only_who_did_all_of_a_part_is_held_against_others(state: str, able: bool) -> None:
    states = {(target, scene): ("measured", 1.0) for target in (0, 1) for scene in range(4)}
    states[1, 3] = state, 3.0 if state in ("measured", "failed") else float("nan")
    found = ClassScores(lambda: {("a", "sdri@1"): block(states)}, lambda: resampler(4), TARGETS, MIDS, {})
    whole: Part = (0, 1)
    assert (found.value("a", COLUMN, whole, coverage=0.95) is not None) is able
    assert found.value("a", COLUMN, (0,), coverage=0.95) == 1.0


def test_recordings_are_counted_over_the_scenes_in_which_a_part_is_due() -> None:
    states = {(0, 0): ("measured", 1.0), (0, 1): ("skipped", float("nan")), (1, 1): ("measured", 1.0)}
    found = ClassScores(lambda: {("a", "sdri@1"): block(states)}, lambda: resampler(4), TARGETS, MIDS, {})
    assert found.recordings((0,)) == 2
    assert found.recordings((0, 1)) == 2
    assert found.recordings((2,)) == 0
