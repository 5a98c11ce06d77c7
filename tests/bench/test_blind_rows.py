"""From a scene made by hand to the rows of its cell, for systems whose figures are known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from bench.analysis.settings import AnalysisSettings
from bench.blind.execute import scoring
from bench.blind.rows import CLASS_INDEX
from bench.blind.system import make_system, system_specs
from bench.cells import Job, SeparatorSpec, SystemSpec
from bench.plugins import Kind, resolve
from bench.scene import Scene
from blind_kit import ONTO, scene, tone, write_plugins

HALF_OF_TWO = 10 * math.log10(2)
"""SDRi in dB of half the mixture of two equally loud sources."""
CAPI = "capi_sdri@dcase2026"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plugins(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def specs(*, taggers: str = "labels", separators: str = "", parsers: str = "", **settings: Any) -> list[SystemSpec]:
    def part(kind: Kind, name: str) -> SeparatorSpec:
        return SeparatorSpec(name, resolve(kind, name), {}, kind)

    return system_specs(
        taggers=taggers.split(), separators=separators.split(), parsers=parsers.split(),
        settings=AnalysisSettings(**settings), part=part,
    )  # fmt: skip


def rows(made: Scene, spec: SystemSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of scores, those of the sweep among them, and of detections."""
    job = Job("key", spec, made, (), {}, {}, "run", Path())
    scored = scoring(make_system(spec), job)
    scores = pl.DataFrame([*scored.scores(), *scored.swept()], infer_schema_length=None)
    return scores, pl.DataFrame(list(scored.detections()), infer_schema_length=None)


def value(scores: pl.DataFrame, metric: str, depth: int, target: str | None = None) -> float | None:
    own = scores.filter(pl.col("threshold").is_null() & (pl.col("metric") == metric) & (pl.col("depth") == depth))
    found = own.filter(pl.col("target").is_null() if target is None else pl.col("target") == target)
    return found["value"].item()  # type: ignore[no-any-return]


TWO = [("Bark", tone(100)), ("Piano", tone(170))]


def test_half_of_two_equal_sources_gains_3_db_at_every_depth_that_tells_them_apart() -> None:
    (spec,) = specs(separators="half")
    scores, _ = rows(scene(TWO), spec)
    for depth in range(1, 6):
        assert value(scores, CAPI, depth) == pytest.approx(HALF_OF_TWO, abs=1e-4)
        assert value(scores, "true_positives@1", depth) == 2
        assert value(scores, "false_positives@1", depth) == 0
    assert value(scores, "sdri@1", 1, "Animal") == pytest.approx(HALF_OF_TWO, abs=1e-4)
    assert value(scores, "sdrg@1", 1, "Animal") == pytest.approx(0, abs=1e-4)


def test_rows_of_the_scene_and_of_classes_have_places_of_their_own() -> None:
    (spec,) = specs(separators="half")
    scores, _ = rows(scene(TWO), spec)
    own = scores.filter(pl.col("threshold").is_null())
    assert not own.select("index", "metric").is_duplicated().any()
    assert own.filter(pl.col("target").is_null())["index"].is_in(range(1, 7)).all()
    animal = own.filter((pl.col("target") == "Animal") & (pl.col("depth") == 1))
    assert animal["index"].unique().to_list() == [CLASS_INDEX + ONTO["Animal"].row]


def test_the_oracle_is_told_each_of_two_sources_of_one_class() -> None:
    made = scene([("Bark", tone(100)), ("Bark", tone(900)), ("Piano", tone(2000))])
    irm, half = specs(separators="irm half")
    scores, detections = rows(made, irm)
    assert value(scores, CAPI, 4) > 20  # type: ignore[operator]
    assert value(scores, "true_positives@1", 4) == 3
    assert value(scores, "true_positives@1", 1) == 3
    bark = detections.filter((pl.col("mid") == ONTO["Bark"].mid) & (pl.col("depth") == 4))
    assert bark.select("truth", "predicted", "score").row(0) == (1, True, 1.0)
    # Half answers both queries alike: each estimate stands for one source, the class as a whole for both.
    scores, _ = rows(made, half)
    # One of three: the mixture has -3.01 dB, half of it 10 log10(1 / (1/4 + 1/4 + 1/4)) = 1.25 dB.
    assert value(scores, CAPI, 4) == pytest.approx(10 * math.log10(2 / 0.75), abs=1e-4)
    assert value(scores, "sdri@1", 4, "Bark") == pytest.approx(10 * math.log10(1 / 0.75), abs=1e-4)


def test_what_no_separator_takes_is_missed_and_says_so() -> None:
    (spec,) = specs(separators="blind_plugins:DrumsOnly")
    scores, detections = rows(scene(TWO), spec)
    assert value(scores, CAPI, 1) == 0
    assert value(scores, "false_negatives@1", 1) == 2
    animal = scores.filter((pl.col("target") == "Animal") & (pl.col("depth") == 1) & (pl.col("metric") == "sdri@1"))
    assert animal["value"].item() is None
    assert animal["reason"].item().startswith("detected, but no separator takes it: blind_plugins:DrumsOnly: ")
    assert detections.filter(pl.col("mid") == ONTO["Animal"].mid)["predicted"].all()


def test_a_chain_asks_the_second_for_what_the_first_refuses() -> None:
    (spec,) = specs(separators="blind_plugins:DrumsOnly>half")
    assert spec.name == "labels+blind_plugins:DrumsOnly>half"
    scores, _ = rows(scene([("Snare drum", tone(100)), ("Bark", tone(170))]), spec)
    assert value(scores, "true_positives@1", 1) == 2
    assert value(scores, "true_positives@1", 4) == 2


def test_an_empty_scene_in_which_nothing_is_found_has_no_score_and_a_true_negative() -> None:
    (spec,) = specs(separators="half")
    scores, _ = rows(scene([]), spec)
    empty = scores.filter((pl.col("metric") == CAPI) & pl.col("threshold").is_null())
    assert empty["value"].null_count() == 6
    assert set(empty["status"]) == {"skip"}
    assert value(scores, "true_negative@1", 1) == 1


def test_a_parser_counts_for_the_classes_above_what_it_finds() -> None:
    (spec,) = specs(taggers="", parsers="blind_plugins:Optimist")
    made = scene([("Singing", tone(100)), ("Bark", tone(170))])
    scores, detections = rows(made, spec)
    assert value(scores, "sdri@1", 1, "Human sounds") == pytest.approx(HALF_OF_TWO, abs=1e-4)
    assert value(scores, CAPI, 1) == pytest.approx(HALF_OF_TWO / 2, abs=1e-4)
    told = {row["mid"]: row["score"] for row in detections.filter(pl.col("depth") == 1).to_dicts()}
    assert told[ONTO["Human sounds"].mid] == 0.9
    assert told[ONTO["Animal"].mid] is None, "it says nothing of animals: they are missed, not denied"


def test_a_false_alarm_on_an_empty_scene_gives_0_and_is_told_by_its_energy() -> None:
    (spec,) = specs(taggers="", parsers="blind_plugins:Optimist")
    scores, _ = rows(scene([]), spec)
    depth = ONTO["Singing"].depth
    assert value(scores, CAPI, depth) == 0
    assert value(scores, "true_negative@1", depth) == 0
    assert value(scores, "false_alarm_energy@1", depth) == pytest.approx(0.25)
    assert value(scores, CAPI, 1) is None, "the root above is abstract: an estimate of it is no error"


def test_a_sweep_drops_what_lies_under_the_threshold() -> None:
    (spec,) = specs(taggers="", parsers="blind_plugins:Optimist")
    scores, _ = rows(scene([("Singing", tone(100)), ("Bark", tone(170))]), spec)
    swept = scores.filter((pl.col("metric") == CAPI) & (pl.col("depth") == 1) & pl.col("threshold").is_not_null())
    assert swept["threshold"].to_list() == [round(0.05 * step, 2) for step in range(1, 20)]
    assert [value > 0 for value in swept.sort("threshold")["value"]] == [True] * 18 + [False]


def test_a_sweep_of_a_tagger_agrees_with_a_run_at_that_threshold() -> None:
    made = scene([("Bark", tone(100) + 0.01 * torch.randn((1, 16000), generator=torch.Generator().manual_seed(1)))])
    (low,) = specs(taggers="blind_plugins:Dice", separators="half", threshold=0.9)
    (own,) = specs(taggers="blind_plugins:Dice", separators="half", threshold=0.5)
    swept, _ = rows(made, low)
    at_half = swept.filter((pl.col("threshold") == 0.5) & pl.col("target").is_null()).sort("metric", "depth")
    alone, _ = rows(made, own)
    alone = alone.filter(pl.col("threshold").is_null() & pl.col("target").is_null() & (pl.col("depth") <= 3))
    assert at_half["value"].to_list() == alone.sort("metric", "depth")["value"].to_list()
    assert at_half.filter(pl.col("metric") == "false_positives@1")["value"].sum() > 0


def test_a_parser_that_names_what_it_was_not_asked_for_is_refused() -> None:
    (spec,) = specs(taggers="", parsers="blind_plugins:Stranger")
    with pytest.raises(ValueError, match="Stranger found Dog, which was not in its vocabulary"):
        rows(scene([]), spec)


def test_abstract_and_blacklisted_classes_are_never_judged_as_detections_and_yet_separated() -> None:
    (spec,) = specs(separators="half")
    scores, detections = rows(
        scene([("Livestock, farm animals, working animals", tone(100)), ("Speech", tone(170))]), spec
    )
    spared = {ONTO["Human sounds"].mid, ONTO["Human voice"].mid}
    told = detections.filter(pl.col("mid").is_in(list(spared)))
    assert told["predicted"].to_list() == [True, True]
    assert told["truth"].null_count() == len(told)
    assert detections.filter(pl.col("mid") == ONTO["Animal"].mid)["truth"].to_list()[0] == 1
    hits = [value(scores, f"{name}@1", 1) for name in ("true_positives", "false_positives", "false_negatives")]
    assert hits == [1, 0, 0]
    assert value(scores, CAPI, 1) == pytest.approx(HALF_OF_TWO, abs=1e-4)
    assert value(scores, "sdri@1", 1, "Human sounds") == pytest.approx(HALF_OF_TWO, abs=1e-4)


def test_a_missed_abstract_class_is_no_false_negative() -> None:
    (spec,) = specs(parsers="nothing")
    scores, _ = rows(scene([("Bark", tone(100)), ("Speech", tone(170))]), spec)
    assert value(scores, "false_negatives@1", 1) == 1
    assert value(scores, "false_negatives@1", 3) == 2
    assert value(scores, CAPI, 1) == 0


def test_a_class_below_a_coarse_annotation_has_a_row_that_says_nobody_can_tell() -> None:
    (spec,) = specs(parsers="nothing")
    _, detections = rows(scene([("Dog", tone(100))]), spec)
    bark = detections.filter(pl.col("mid") == ONTO["Bark"].mid)
    assert bark["truth"].to_list() == [None]
    assert bark["spans"].to_list() == [[]]


def test_equal_estimates_of_many_classes_are_kept_once() -> None:
    from bench.blind.separate import Distinct

    known, several = Distinct(), torch.stack([tone(100), tone(100), tone(170)])
    first, second, other = (known.of(one) for one in several)
    assert first is second
    assert other is not first
    assert torch.equal(other, several[2])
    assert other.untyped_storage().nbytes() == other.nbytes
