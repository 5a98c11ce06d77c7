"""The walk through the ontology, and which classes it finds active."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis_kit import CLASSES, ONTO, timeline
from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import Heard, detect, force, walk
from ontology import Node
from ontology.first_parents import levels
from taggers.timeline import Timeline

ALL = (1, 2, 3, 4, 5, 6)
HARD = AnalysisSettings(min_seconds=0, close_gap_seconds=0)


def found(heard: Heard) -> dict[str, tuple[tuple[float, float], ...]]:
    return {detection.node.name: detection.spans for detection in heard.detections}


def uss_timeline(scores: dict[str, Sequence[float]], *, seconds: float) -> Timeline:
    count = len(next(iter(scores.values())))
    clipwise = torch.zeros((count, 527))
    for name, values in scores.items():
        index = ONTO[name].index
        assert index is not None
        clipwise[:, index] = torch.tensor(list(values))
    rows = ONTO.roll_up(clipwise)
    return Timeline(seconds, 2.0, 2.0, rows, ~torch.isnan(rows).any(dim=0), clipwise=clipwise)


def test_with_every_class_active_each_is_visited_and_asked_about_once_after_all_its_parents() -> None:
    asked: Counter[str] = Counter()

    def active(node: Node) -> bool:
        asked[node.mid] += 1
        return True

    visits = list(walk(active))
    assert [visit.node for visit in visits] == list(ONTO.walk())
    assert len(visits) == 632
    assert set(asked.values()) == {1}
    assert all(visit.reached_from == visit.node.parents for visit in visits)


def test_hiss_is_reached_from_its_four_parents() -> None:
    (hiss,) = [visit for visit in walk(lambda node: True) if visit.node.name == "Hiss"]
    assert {node.name for node in hiss.reached_from} == {"Cat", "Snake", "Steam", "Onomatopoeia"}


def test_the_walk_goes_down_below_active_classes_only_and_knows_through_which() -> None:
    through = {"Animal", "Wild animals", "Snake"}
    visits = {visit.node.name: visit.reached_from for visit in walk(lambda node: node.name in through)}
    assert [node.name for node in visits["Hiss"]] == ["Snake"]
    assert "Rattle" in visits
    assert "Dog" not in visits  # Domestic animals, pets was visited and is not active
    assert "Meow" not in visits


def test_all_classes_forced_without_a_tagger_are_detected_once_from_beginning_to_end() -> None:
    heard = force(7.5, AnalysisSettings(depths=ALL))
    assert [detection.node for detection in heard.detections] == list(ONTO.walk())
    assert {detection.spans for detection in heard.detections} == {((0.0, 7.5),)}
    assert all(detection.confidence is None and detection.activity is None for detection in heard.detections)


def test_named_classes_are_forced_at_any_depth_and_those_above_them_are_active_but_not_asked_for() -> None:
    heard = force(1.0, AnalysisSettings(classes=("Hiss", ONTO["Speech"].mid), depths=(1,)))
    assert list(found(heard)) == ["Speech", "Hiss"]
    assert {"Animal", "Snake", "Onomatopoeia", "Human sounds"} <= {node.name for node in heard.active}


def test_a_class_is_active_wherever_one_below_it_is_though_its_own_score_says_otherwise() -> None:
    tags = timeline({"Hiss": [0, 0.9, 0, 0], "Cat": [0, 0, 0, 0.5]}, rolled_up=False)
    spans = found(detect(tags, HARD.model_copy(update={"depths": ALL})))
    assert spans["Hiss"] == ((1.0, 2.0),)
    assert spans["Cat"] == ((1.0, 2.0), (3.0, 4.0))
    assert spans["Snake"] == spans["Steam"] == spans["Onomatopoeia"] == ((1.0, 2.0),)
    assert spans["Animal"] == spans["Cat"]
    assert "Dog" not in spans


def test_calibrated_thresholds_come_before_the_common_one_which_serves_where_there_is_none() -> None:
    tags = timeline({"Speech": [0.3, 0.3], "Dog": [0.3, 0.3]}, rolled_up=False)
    thresholds = torch.full((CLASSES,), float("nan"))
    thresholds[ONTO["Speech"].row] = 0.4
    assert {"Speech", "Dog"} <= found(detect(tags, HARD)).keys()
    calibrated = found(detect(tags, HARD, thresholds=thresholds))
    assert "Dog" in calibrated
    assert "Speech" not in calibrated


def test_unknown_scores_are_never_active_and_listed_where_they_were_asked_for() -> None:
    tags = timeline({"Speech": [0.9, 0.9]}, unknown=["Dog", "Meow"])
    heard = detect(tags, HARD)
    assert "Dog" not in found(heard)
    assert [node.name for node in heard.unknown] == ["Dog"]  # Meow lies at depth 4, which nobody asked for
    whole = detect(tags, HARD.model_copy(update={"depths": ALL}))
    assert {node.name for node in whole.unknown} == {"Dog", "Meow"}


def test_an_unknown_class_is_active_where_one_below_it_is_known_to_sound() -> None:
    heard = detect(timeline({"Bark": [0.0, 0.7]}, unknown=["Dog"]), HARD)
    (dog,) = [detection for detection in heard.detections if detection.node.name == "Dog"]
    assert dog.spans == ((1.0, 2.0),)
    assert dog.confidence == pytest.approx(0.7)
    assert dog.activity is not None
    assert np.isnan(dog.activity).all()
    assert "Dog" not in {node.name for node in heard.unknown}


def test_depths_and_classes_choose_what_is_reported_but_never_where_the_walk_goes() -> None:
    tags = timeline({"Meow": [0.8]})
    assert list(found(detect(tags, HARD.model_copy(update={"depths": (4,)})))) == ["Meow"]
    named = HARD.model_copy(update={"classes": ("Cat",)})
    assert list(found(detect(tags, named))) == ["Cat"]


def test_abstract_classes_are_detected_like_others() -> None:
    spans = found(detect(timeline({"Speech": [0.8]}), HARD))
    assert ONTO["Human sounds"].restrictions == ("abstract",)
    assert {"Human sounds", "Human voice", "Speech"} <= spans.keys()


def test_the_tree_of_the_uss_rules_has_the_level_sizes_of_the_public_code() -> None:
    assert sorted(Counter(levels().values()).items()) == [
        (1, 7), (2, 42), (3, 286), (4, 229), (5, 63), (6, 5),
    ]  # fmt: skip


def test_under_the_uss_rules_activity_follows_the_first_parent_alone_by_hard_segments() -> None:
    tags = uss_timeline({"Hiss": [0.1, 0.2, 0.19], "Choir": [0.5, 0.0, 0.0]}, seconds=5.0)
    heard = detect(tags, AnalysisSettings.uss(depths=ALL))
    spans = found(heard)
    assert spans["Hiss"] == spans["Cat"] == spans["Animal"] == ((2.0, 4.0),)  # 0.2 counts, 0.19 does not
    assert "Snake" not in spans
    assert "Steam" not in spans
    assert spans["Choir"] == ((0.0, 2.0),)
    assert "Music" not in spans  # Choir hangs below Singing alone in that tree
    assert spans["Human sounds"] == ((0.0, 2.0),)


def test_under_the_uss_rules_the_last_span_ends_with_the_recording() -> None:
    heard = detect(uss_timeline({"Speech": [0.0, 0.0, 0.9]}, seconds=5.0), AnalysisSettings.uss(depths=(1,)))
    assert found(heard)["Human sounds"] == ((4.0, 5.0),)


def test_under_the_uss_rules_what_the_tagger_does_not_tell_is_unknown_and_not_silent() -> None:
    tags = uss_timeline({"Speech": [0.9]}, seconds=2.0)
    told = torch.zeros(len(ONTO), dtype=torch.bool)
    told[[node.row for node in ONTO.ancestors("Speech", include_self=True)]] = True
    heard = detect(replace(tags, known=told), AnalysisSettings.uss(depths=ALL))
    assert {"Human sounds", "Speech"} <= found(heard).keys()
    unknown = {node.name for node in heard.unknown}
    assert {"Music", "Dog", "Male speech, man speaking"} <= unknown
    assert not {"Human sounds", "Speech"} & unknown


def test_the_uss_rules_refuse_a_tagger_without_clipwise_output() -> None:
    with pytest.raises(ValueError, match="527 labelled classes"):
        detect(timeline({"Speech": [0.9]}, segment=2, hop=2), AnalysisSettings.uss())


def test_settings_that_contradict_each_other_are_refused_by_name() -> None:
    for given, says in [
        ({"off_threshold": 0.5}, "off_threshold"),
        ({"depths": (0,)}, "depths"),
        ({"classes": ("Dogg",)}, "Dog"),
        ({"hop_seconds": 3.0}, "hop_seconds"),
        ({"block_seconds": 1.0, "block_fade_seconds": 2.0}, "block_fade_seconds"),
        ({"partition_depth": 5}, "partition_depth"),
        ({"rules": "uss"}, "hop_seconds"),
        ({"tresholt": 0.5}, "tresholt"),
        ({"block_seconds": math.inf}, "block_seconds"),
        ({"edge_seconds": math.inf}, "edge_seconds"),
    ]:
        with pytest.raises(ValueError, match=says):
            AnalysisSettings(**given)  # type: ignore[arg-type]
    assert AnalysisSettings.uss(threshold=0.2).rules == "uss"
