from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from reports.detection import DETECTION_FIGURES, average_precision, detection_figures, steps
from reports.psds import PSDS1, PSDS2, Scenario, Track, psds, psds_draws, statistics

few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


# Average precision and F1


def rows_of(truth: np.ndarray, scores: np.ndarray, predicted: np.ndarray, *, depth: int = 1) -> pl.DataFrame:
    """Detections from arrays (scenes, classes); truth is 1, 0 or NaN."""
    return pl.DataFrame(
        [
            {
                "scene": f"s{scene}",
                "mid": f"/m/{mid}",
                "depth": depth,
                "truth": None if math.isnan(truth[scene, mid]) else int(truth[scene, mid]),
                "score": None if math.isnan(scores[scene, mid]) else float(scores[scene, mid]),
                "predicted": bool(predicted[scene, mid]),
            }
            for scene, mid in np.ndindex(truth.shape)
        ],
        schema_overrides={"truth": pl.Int8, "depth": pl.Int32, "score": pl.Float64},
    )


def figures_of(detections: pl.DataFrame, **known: object) -> dict[str, dict[str, object]]:
    scenes = detections["scene"].unique()
    given: dict[str, object] = {
        "recordings": {scene: (scene,) for scene in scenes},
        "seconds": dict.fromkeys(scenes, 10.0),
    } | known
    table = detection_figures(detections, **given, names=("t",))  # type: ignore[arg-type]
    assert table.schema == DETECTION_FIGURES
    return {row["figure"]: row for row in table.iter_rows(named=True)}


@few
@given(seeds, st.integers(1, 30), st.integers(1, 4))
def test_average_precision_with_ties_is_that_of_scikit_learn(seed: int, rows: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < 0.5
    truth[generator.integers(rows)] = True
    scores = generator.integers(0, levels + 1, rows) / levels
    counts = generator.integers(0, 4, (3, rows)).astype(float)
    counts[:, truth] += 1
    ours = average_precision(truth, scores, counts)
    theirs = [average_precision_score(truth, scores, sample_weight=weights) for weights in counts]
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_average_precision_by_hand() -> None:
    truth, scores = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.8, 0.1])
    # One of two hits at precision 1; the other within a tie of two, at precision 2/3.
    assert average_precision(truth, scores, np.ones((1, 4))) == pytest.approx([0.5 * 1 + 0.5 * 2 / 3])


def test_average_precision_without_any_truth_has_no_value() -> None:
    assert np.isnan(average_precision(np.zeros(2, bool), np.ones(2), np.ones((1, 2)))).all()


@few
@given(seeds)
def test_figures_over_a_set_are_those_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = (generator.random((8, 4)) < 0.4).astype(float)
    truth[0, :3] = 1
    truth[:, 3] = 0  # never sounds: in no mean over classes
    scores, predicted = generator.random((8, 4)), generator.random((8, 4)) < 0.5
    figures = figures_of(rows_of(truth, scores, predicted))
    assert figures["map"]["value"] == pytest.approx(average_precision_score(truth[:, :3], scores[:, :3]))
    assert figures["f1_micro"]["value"] == pytest.approx(f1_score(truth, predicted, average="micro"))
    macro = f1_score(truth[:, :3], predicted[:, :3], average="macro", zero_division=0)
    assert figures["f1_macro"]["value"] == pytest.approx(macro)
    assert figures["map"]["classes"] == 3
    assert figures["map"]["scenes"] == 8


def test_unknown_pairs_enter_nothing_and_are_counted() -> None:
    truth = np.array([[1.0, math.nan], [0.0, 1.0], [1.0, 0.0]])
    scores, predicted = np.array([[0.9, 1.0], [0.2, 0.8], [0.7, 0.1]]), np.array([[1, 1], [0, 1], [1, 0]], dtype=bool)
    figures = figures_of(rows_of(truth, scores, predicted))
    assert [figures[name]["value"] for name in ("map", "f1_micro", "f1_macro")] == [1, 1, 1]
    assert figures["map"]["unknown"] == 1


def test_a_class_that_the_system_cannot_tell_is_worth_what_chance_is() -> None:
    truth = np.array([[1.0], [0.0], [0.0], [1.0], [0.0]])
    figures = figures_of(rows_of(truth, np.full((5, 1), math.nan), np.zeros((5, 1), bool)))
    assert figures["map"]["value"] == pytest.approx(2 / 5)
    assert figures["map"]["untold"] == 5
    assert figures["f1_micro"]["value"] == 0


def test_a_class_without_a_row_in_a_scene_is_absent_there_and_was_not_predicted() -> None:
    generator = np.random.default_rng(2)
    truth = (generator.random((12, 2)) < 0.4).astype(float)
    scores = np.where(generator.random((12, 2)) < 0.5, generator.random((12, 2)), math.nan)
    whole = rows_of(truth, scores, ~np.isnan(scores))
    sparse = whole.filter((pl.col("truth") == 1) | pl.col("score").is_not_null())
    assert sparse["scene"].n_unique() < 12
    seconds, recordings = {f"s{n}": 10.0 for n in range(12)}, {f"s{n}": (str(n),) for n in range(12)}
    given = {"seconds": seconds, "recordings": recordings}
    assert figures_of(sparse, **given) == figures_of(whole, **given)


def test_a_row_of_a_scene_that_the_system_was_not_asked_about_is_refused() -> None:
    rows = rows_of(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1), bool))
    with pytest.raises(ValueError, match=r"scene 's1' has a row of /m/0 at depth 1, but no length"):
        figures_of(rows, seconds={"s0": 1.0})


def test_a_depth_at_which_nothing_sounds_has_no_value_and_says_why() -> None:
    figures = figures_of(rows_of(np.zeros((3, 2)), np.ones((3, 2)), np.ones((3, 2), bool)))
    for name in ("map", "f1_micro", "f1_macro"):
        assert figures[name]["value"] is None
        assert figures[name]["note"] == "no class of this depth sounds in any scene"


def test_a_class_carried_down_is_judged_in_scenes_where_it_is_absent_too() -> None:
    # /m/0 ends above depth 3 in the first scene alone. It is absent from the second, where it scores higher; in the
    # third a finer class stands for it, and of the fourth nobody can tell.
    truth, scores = np.array([[1.0], [0.0], [1.0], [math.nan]]), np.array([[0.4], [0.9], [0.8], [0.9]])
    shallow = rows_of(truth, scores, scores > 0.3, depth=2)
    carried = rows_of(truth[:1], scores[:1], scores[:1] > 0.3, depth=3)
    seconds, recordings = dict.fromkeys(("s0", "s1", "s2", "s3"), 1.0), {f"s{n}": (str(n),) for n in range(4)}
    table = detection_figures(
        pl.concat([shallow, carried]), recordings=recordings, seconds=seconds, names=("t",)
    )  # fmt: skip
    deep = {row["figure"]: row for row in table.filter(pl.col("depth") == 3).iter_rows(named=True)}
    assert deep["map"]["value"] == pytest.approx(1 / 2)  # one hit, at rank two of two
    assert deep["f1_micro"]["value"] == pytest.approx(2 / 3)  # one hit, one false alarm
    assert deep["map"]["unknown"] == 2


def test_each_depth_has_its_own_figures() -> None:
    shallow = rows_of(np.eye(3), np.eye(3), np.eye(3) > 0)
    deep = rows_of(np.eye(3), 1 - np.eye(3), np.eye(3) == 0, depth=2)
    seconds, recordings = dict.fromkeys(("s0", "s1", "s2"), 1.0), {f"s{n}": (str(n),) for n in range(3)}
    table = detection_figures(pl.concat([shallow, deep]), recordings=recordings, seconds=seconds, names=("t",))
    micro = table.filter(pl.col("figure") == "f1_micro").select("depth", "value").rows()
    assert micro == [(1, 1.0), (2, 0.0)]


def test_interval_holds_the_value_and_is_resampled_by_recording() -> None:
    generator = np.random.default_rng(1)
    truth = np.tile((generator.random((10, 3)) < 0.5).astype(float), (4, 1))
    scores = np.clip(truth * 0.4 + np.tile(generator.random((10, 3)), (4, 1)), 0, 1)
    detections = rows_of(truth, scores, scores > 0.6)
    own = figures_of(detections)
    for figure in own.values():
        assert figure["low"] < figure["value"] < figure["high"]  # type: ignore[operator]
    # Forty scenes from ten recordings, four equal ones each, know no more than ten.
    shared = figures_of(detections, recordings={f"s{n}": (str(n % 10),) for n in range(40)})
    narrow, wide = (given["f1_micro"]["high"] - given["f1_micro"]["low"] for given in (own, shared))  # type: ignore[operator]
    assert 1.5 < wide / narrow < 2.5
    one = figures_of(detections, recordings={f"s{n}": ("only",) for n in range(40)})
    assert one["map"]["low"] is None
    assert one["map"]["note"] == "one recording: no interval"


def test_a_class_given_twice_is_refused() -> None:
    rows = rows_of(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1), bool))
    with pytest.raises(ValueError, match=r"scene 's0' has two rows of /m/0 at depth 1"):
        figures_of(pl.concat([rows, rows]))


# PSDS

STRICT = Scenario("strict", dtc=1.0, gtc=1.0, cttc=0.3, alpha_ct=0.0, alpha_st=0.0, max_efpr=100.0)
HALF = Scenario("half", dtc=0.5, gtc=0.5, cttc=0.5, alpha_ct=1.0, alpha_st=0.0, max_efpr=3600.0)
LONG = Scenario("long", dtc=0.5, gtc=0.5, cttc=0.3, alpha_ct=1.0, alpha_st=0.5, max_efpr=2000.0)
LOOSE = Scenario("loose", dtc=0.3, gtc=0.2, cttc=0.1, alpha_ct=0.2, alpha_st=0.0, max_efpr=1000.0)


def track(mid: str, spans: Sequence[tuple[float, float]], scores: Sequence[float], *, scene: str = "s") -> Track:
    return Track(scene, mid, tuple(spans), np.array(scores, dtype=float), step_seconds=1.0, seconds=float(len(scores)))


def score(tracks: Sequence[Track], scenario: Scenario) -> float:
    return psds(statistics(tracks, scenario), scenario)


def test_psds_of_a_perfect_system_is_one_and_of_a_deaf_one_zero() -> None:
    spans, scores = [(1, 3)], [0, 0.9, 0.9, 0]
    for scenario in (STRICT, PSDS1, PSDS2):
        assert score([track("a", spans, scores)], scenario) == 1
        assert score([track("a", spans, [math.nan] * 4)], scenario) == 0


def test_psds_has_no_value_where_nothing_sounds() -> None:
    assert math.isnan(score([track("a", [], [0.3, 0.2])], PSDS1))
    assert math.isnan(score([], PSDS1))


def test_psds_by_hand_weighs_a_false_alarm_by_the_hour() -> None:
    # Above 0.5 the false alarm alone, at 0.5 the event too: one false alarm in 36 s is a rate of 100 per hour.
    scores = [0.9, *[0] * 15, *[0.5] * 2, *[0] * 18]
    tracks = [track("a", [(16, 18)], scores)]
    scenario = Scenario("x", dtc=0.7, gtc=0.7, cttc=0.3, alpha_ct=0.0, alpha_st=0.0, max_efpr=400.0)
    assert score(tracks, scenario) == pytest.approx(300 / 400)
    assert score(tracks, PSDS1) == 0


def test_psds_by_hand_counts_cross_triggers_per_hour_of_the_other_class() -> None:
    # The only detection of a lies in b's 3 s; where b is judged, it is right. HALF counts 1 per 3600 / h.
    tracks = [
        track("a", [(6, 8)], [0, 0, 0.9, 0.9, 0, 0, 0.4, 0.4, 0, 0]),
        track("b", [(1, 4)], [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
    ]
    false_alarms, cross_triggers = 3600 / 10, 3600 / 3
    a_reached = (3600 - (false_alarms + cross_triggers)) / 3600
    assert score(tracks, HALF) == pytest.approx((a_reached + 1) / 2)


def test_psds_punishes_classes_that_differ() -> None:
    tracks = [track("a", [(1, 3)], [0, 1, 1, 0]), track("b", [(1, 3)], [math.nan] * 4)]
    assert score(tracks, STRICT) == pytest.approx(0.5)
    unstable = Scenario("x", dtc=1.0, gtc=1.0, cttc=0.3, alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0)
    assert score(tracks, unstable) == pytest.approx(0.5 - 0.5)


def test_events_of_one_class_that_overlap_are_one() -> None:
    both = [track("a", [(1, 3), (2, 4)], [0, 1, 1, 1, 0])]
    assert score(both, STRICT) == score([track("a", [(1, 4)], [0, 1, 1, 1, 0])], STRICT) == 1


def test_a_scene_of_weight_two_counts_as_two_scenes() -> None:
    one = [track("a", [(1, 3)], [0.9, 0.5, 0.5, 0])]
    other = [track("a", [(1, 2)], [0.3, 0.8, 0, 0], scene="t")]
    again = [track("a", [(1, 3)], [0.9, 0.5, 0.5, 0], scene="u")]
    weights = {"s": np.array([2.0, 0.0, 0.0]), "t": np.array([1.0, 1.0, 0.0])}
    drawn = psds_draws(statistics([*one, *other], HALF), HALF, weights)
    assert drawn[:2] == pytest.approx([score([*one, *other, *again], HALF), score(other, HALF)])
    assert math.isnan(drawn[2])


@pytest.mark.parametrize("scenario", [PSDS2, LONG], ids=lambda scenario: scenario.name)
def test_whole_weights_are_scenes_that_stand_there_so_often(scenario: Scenario) -> None:
    tracks = drawn_tracks(5, scenes=6, steps=20)
    counts = {f"s{scene}": float(scene % 3) for scene in range(6)}
    repeated = [replace(one, scene=f"{one.scene} {copy}") for one in tracks for copy in range(int(counts[one.scene]))]
    weights = {scene: np.array([1.0, count]) for scene, count in counts.items()}
    expected = [score(tracks, scenario), score(repeated, scenario)]
    assert psds_draws(statistics(tracks, scenario), scenario, weights) == pytest.approx(expected)
    assert expected[0] != expected[1]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([track("a", [(3, 2)], [0] * 4)], r"scene 's', class a: a span from 3 s to 2 s"),
        ([track("a", [(2, 5)], [0] * 4)], r"does not fit a scene of 4.0 s"),
        ([Track("s", "a", (), np.zeros(3), 1.0, 4.0)], r"3 steps of 1.0 s do not cover the 4.0 s"),
        ([track("a", [], [0])] * 2, r"scene 's' has two tracks of a"),
    ],
)
def test_bad_tracks_are_refused_by_name(bad: list[Track], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(bad, PSDS1)


def literal_psds(tracks: Sequence[Track], scenario: Scenario) -> float:
    """The definition, threshold by threshold and detection by detection, over scenes that all know all classes."""
    classes = sorted({one.mid for one in tracks if one.spans})
    seconds = sum({one.scene: one.seconds for one in tracks}.values())
    curves = [literal_curve(mid, classes, tracks, seconds, scenario) for mid in classes]
    edges = sorted({0.0, scenario.max_efpr, *(rate for curve in curves for rate, _ in curve)})
    area = 0.0
    for left, right in itertools.pairwise(edges):
        if right <= scenario.max_efpr:
            ratios = [max([ratio for rate, ratio in curve if rate <= left], default=0.0) for curve in curves]
            mean = sum(ratios) / len(ratios)
            spread = math.sqrt(sum((ratio - mean) ** 2 for ratio in ratios) / len(ratios))
            area += max(mean - scenario.alpha_st * spread, 0.0) * (right - left)
    return area / scenario.max_efpr


def literal_curve(
    mid: str, classes: list[str], tracks: Sequence[Track], seconds: float, scenario: Scenario
) -> list[tuple[float, float]]:
    own = [one for one in tracks if one.mid == mid]
    spans = {(one.scene, one.mid): one.spans for one in tracks}
    total = {c: sum(end - start for one in tracks if one.mid == c for start, end in one.spans) for c in classes}
    points = []
    for threshold in sorted({value for one in own for value in one.scores}):
        hits, false_alarms, cross = 0, 0, dict.fromkeys(classes, 0)
        for one in own:
            kept = []
            for detection in detections_of(one, threshold):
                length = detection[1] - detection[0]
                if shared([detection], one.spans) >= scenario.dtc * length - 1e-6:
                    kept.append(detection)
                    continue
                false_alarms += 1
                for other in classes:
                    inside = shared([detection], spans[one.scene, other])
                    cross[other] += other != mid and inside >= scenario.cttc * length - 1e-6
            hits += sum(shared(kept, [(s, e)]) >= scenario.gtc * (e - s) - 1e-6 for s, e in one.spans)
        rate = 3600 * false_alarms / seconds
        if scenario.alpha_ct and len(classes) > 1:
            rates = [3600 * cross[other] / total[other] for other in classes if other != mid]
            rate += scenario.alpha_ct * sum(rates) / len(rates)
        points.append((rate, hits / sum(len(one.spans) for one in own)))
    return points


def detections_of(one: Track, threshold: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for step, value in enumerate(one.scores):
        start, end = step * one.step_seconds, (step + 1) * one.step_seconds
        if value >= threshold and found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        elif value >= threshold:
            found.append((start, end))
    return found


def shared(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float:
    return sum(max(min(a[1], b[1]) - max(a[0], b[0]), 0.0) for a in one for b in other)


def drawn_tracks(seed: int, *, classes: int = 3, scenes: int = 3, steps: int = 8) -> list[Track]:
    """Scores of a few levels that rise where the class sounds, in steps of half a second."""
    generator = np.random.default_rng(seed)
    found = []
    for scene in range(scenes):
        for mid in range(classes):
            edges = np.unique(np.round(generator.uniform(0, steps / 2, 2 * generator.integers(0, 3)), 2))
            edges = edges[: len(edges) // 2 * 2]
            spans = tuple((float(start), float(end)) for start, end in edges.reshape(-1, 2))
            scores = generator.random(steps)
            for start, end in spans:
                scores[int(start * 2) : math.ceil(end * 2)] += 0.4
            track = Track(f"s{scene}", f"c{mid}", spans, np.round(scores, 1), step_seconds=0.5, seconds=steps / 2)
            found.append(track)
    return found


@pytest.mark.parametrize("scenario", [PSDS1, PSDS2, LONG, LOOSE], ids=lambda scenario: scenario.name)
def test_psds_equals_its_definition(scenario: Scenario) -> None:
    assert_equal(lambda tracks: literal_psds(tracks, scenario), scenario)


@pytest.mark.parametrize(
    ("scenario", "theirs"),
    [
        (PSDS1, 0.009796768317403138),
        (PSDS2, 0.7545226365161238),
        (LONG, 0.36672865208547173),
        (LOOSE, 0.8276050561427459),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_psds_is_that_of_sed_scores_eval(scenario: Scenario, theirs: float) -> None:
    # From intersection_based.psds of sed_scores_eval 0.0.4, with pandas 2.3.3, on the same scores and events.
    tracks = drawn_tracks(8, classes=4, scenes=20, steps=40)
    assert score(tracks, scenario) == pytest.approx(theirs, abs=1e-12)


def assert_equal(reference: Callable[[Sequence[Track]], float], scenario: Scenario) -> None:
    @settings(max_examples=15, deadline=None)
    @given(seeds)
    def check(seed: int) -> None:
        tracks = drawn_tracks(seed)
        if any(one.spans for one in tracks):
            assert score(tracks, scenario) == pytest.approx(reference(tracks), abs=1e-12)

    check()


# Steps and the way from rows to PSDS


def test_steps_are_means_over_the_segments_that_cover_them_whole() -> None:
    given = np.array([1.0, 0.0, 0.4])
    # Segments of 2 s every second: step 1 lies in the first two, step 2 in the last two.
    assert steps(given, 2.0, 1.0, 4.0) == pytest.approx([1.0, 0.5, 0.2, 0.4])
    assert steps(given, 2.0, 2.0, 6.0) == pytest.approx(given)
    assert steps(np.array([0.3]), 10.0, 10.0, 4.0) == pytest.approx([0.3])


def timed_rows(tracks: Sequence[Track]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "scene": one.scene,
                "mid": one.mid,
                "depth": 1,
                "truth": int(bool(one.spans)),
                "score": float(one.scores.max()),
                "predicted": True,
                "spans": [list(span) for span in one.spans],
                "segments": one.scores.tolist(),
                "segment_seconds": one.step_seconds,
                "hop_seconds": one.step_seconds,
            }
            for one in tracks
        ],
        schema_overrides={"truth": pl.Int8, "depth": pl.Int32, "spans": pl.List(pl.List(pl.Float64))},
    )


def test_psds_of_rows_is_that_of_their_tracks_with_an_interval() -> None:
    tracks = drawn_tracks(3, scenes=10)
    seconds: Mapping[str, float] = {one.scene: one.seconds for one in tracks}
    figures = figures_of(timed_rows(tracks), seconds=seconds)
    sounding = {one.mid for one in tracks if one.spans}
    for scenario in (PSDS1, PSDS2):
        expected = score([one for one in tracks if one.mid in sounding], scenario)
        assert figures[scenario.name]["value"] == pytest.approx(expected)
    assert figures["psds2"]["low"] is not None


def test_a_class_that_sounds_at_no_time_is_refused() -> None:
    rows = timed_rows(drawn_tracks(3)).with_columns(spans=pl.lit([], pl.List(pl.List(pl.Float64))))
    with pytest.raises(ValueError, match="but no span says when"):
        figures_of(rows)
