from __future__ import annotations

import gc
import itertools
import math
import weakref
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.energy import sdr, sdrg, sdri
from bench.metrics.joint import ClassScore, Products, class_scores
from bench.metrics.joint_declared import JOINT_METRICS, JointScore, joint_scores
from bench.metrics.joint_scene import Found, JointScene, Reference
from bench.metrics.score import ABSENT_REASON, TRIVIAL_REASON

CAPI, CA = "capi_sdri@dcase2026", "ca_sdri@dcase2025"
CASA, UNION = "casa_sdri_st@1", "casa_sdri_st_union@1"
OF_AUDIO = (CAPI, CA, CASA, UNION, "false_alarm_energy@1")
DB2 = 10 * math.log10(2)


def unit(place: int, level: float = 1.0) -> torch.Tensor:
    """Signals that are orthogonal to each other: all of the energy in one sample."""
    signal = torch.zeros(1, 12)
    signal[0, place] = level
    return signal


BED = unit(11)


def source(place: int, *mids: str, level: float = 1.0) -> Reference:
    return Reference(mids, unit(place, level))


def heard(place: int, mid: str, *, error: float = 0.1, confidence: float = 1.0, level: float = 1.0) -> Found:
    """An estimate of the source at ``place`` that is 20 dB SDR by default: its error is a sample of its own."""
    return Found(mid, unit(place, level) + unit(10, error * level), confidence)


def scene(
    sources: Sequence[Reference], found: Sequence[Found], classes: str = "abcdef", bed: torch.Tensor = BED
) -> JointScene:
    mixture = bed + sum((one.audio for one in sources), torch.zeros(1, 12))
    return JointScene(mixture, sources, found, frozenset(classes))


def values(sources: Sequence[Reference], found: Sequence[Found], classes: str = "abcdef") -> dict[str, float | None]:
    return {name: score.value for name, score in joint_scores(scene(sources, found, classes)).items()}


def counts(given: dict[str, float | None]) -> tuple[float | None, ...]:
    return tuple(given[f"{name}@1"] for name in ("true_positives", "false_positives", "false_negatives"))


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)  # estimates are float32, 0.1 is not exact in it


def test_every_metric_answers_in_every_scene_and_says_what_is_left_out() -> None:
    for sources, found in itertools.product([[], [source(0, "a")]], [[], [heard(0, "a")]]):
        scores = joint_scores(scene(sources, found))
        assert list(scores) == [metric.id for metric in JOINT_METRICS]
        for score in scores.values():
            assert (score.value is None) == (score.status != "ok")
            assert score.value is not None or score.reason


def test_empty_truth_and_empty_prediction_is_left_out_and_is_a_true_negative() -> None:
    scores = joint_scores(scene([], []))
    for name in (CAPI, CA, CASA, UNION):
        assert scores[name] == JointScore(None, "skip", "no source and no estimate to score: left out")
    assert scores["true_negative@1"].value == 1
    assert scores["false_alarm_energy@1"].value == 0


def test_false_alarm_on_an_empty_scene_scores_zero() -> None:
    given = values([], [heard(3, "a")])
    assert [given[name] for name in (CAPI, CA, CASA, UNION, "true_negative@1")] == [0, 0, 0, 0, 0]
    assert counts(given) == (0, 1, 0)
    assert given["false_alarm_energy@1"] == close(1.01)


def test_one_source_one_estimate() -> None:
    given = values([source(0, "a")], [heard(0, "a")])
    for name in (CAPI, CA, CASA, UNION):
        assert given[name] == close(20.0)  # over a mixture of 0 dB
    assert counts(given) == (1, 0, 0)
    assert given["true_negative@1"] is None


def test_missed_class_counts_in_the_denominator() -> None:
    given = values([source(0, "a"), source(1, "b")], [heard(0, "a")])
    for name in (CAPI, CA, CASA, UNION):
        assert given[name] == close((20 + DB2) / 2)
    assert counts(given) == (1, 0, 1)


def test_surplus_of_a_class_counts_in_the_denominator_but_not_in_that_of_unique_labels() -> None:
    found = [heard(0, "a", confidence=0.4), heard(0, "a", error=1.0, confidence=0.9)]
    given = values([source(0, "a")], found)
    assert given[CAPI] == close(20 / 2)  # the better of the two is paired
    assert given[CA] == close(0)  # the more confident of the two, 0 dB over a mixture of 0 dB
    assert given[CASA] == close(20 / 2)
    assert given[UNION] == close(20 / 2)
    assert counts(given) == (1, 1, 0)
    assert given["false_alarm_energy@1"] == close(2 / 2)  # the one that is not paired


def test_wrong_class_is_a_false_alarm_and_a_miss() -> None:
    given = values([source(0, "a")], [heard(0, "b")])
    assert [given[name] for name in (CAPI, CA, CASA, UNION)] == [0, 0, 0, 0]
    assert counts(given) == (0, 1, 1)


def test_two_labels_swapped_cost_the_permutation_first_score_everything() -> None:
    sources = [source(0, "a"), source(1, "b")]
    given = values(sources, [heard(0, "b"), heard(1, "a")])
    assert counts(given) == (2, 0, 0)
    # The class-aware scores pair by label: an SDR of 1 / (1 + 1 + 0.01) over a mixture of 1/2.
    assert given[CAPI] == given[CA] == close(10 * math.log10(1 / 2.01) + DB2)
    assert given[CASA] == given[UNION] == 0


def test_the_two_denominators_part_where_a_label_is_wrong() -> None:
    sources = [source(0, "a"), source(1, "b")]
    given = values(sources, [heard(0, "a"), heard(1, "c")])
    assert given[CASA] == close((20 + DB2) / 2)  # max(2, 2)
    assert given[UNION] == close((20 + DB2) / 3)  # 2 + 2 - 1
    assert given[CAPI] == given[CA] == close((20 + DB2) / 3)  # a, b and c


def test_prediction_of_an_unknown_class_is_left_out_and_counted() -> None:
    alone = values([source(0, "a")], [heard(0, "a")])
    given = values([source(0, "a")], [heard(0, "a"), heard(0, "x"), Found("y", unit(0) * math.nan)])
    assert given == alone | {"unknown_predictions@1": 2}
    assert alone["unknown_predictions@1"] == 0


def test_prediction_of_an_unknown_class_alone_leaves_an_empty_scene_empty() -> None:
    given = values([], [heard(0, "x")])
    assert given[CAPI] is None
    assert given["true_negative@1"] == 1


def test_source_reached_by_two_paths_counts_in_both_classes_and_once_among_the_sources() -> None:
    given = values([source(0, "a", "b")], [heard(0, "a"), heard(0, "b", error=1.0)])
    assert given[CAPI] == given[CA] == close((20 + 0) / 2)
    assert given[CASA] == given[UNION] == close(20.0)  # one source, said twice; the better is paired
    assert counts(given) == (2, 0, 0)
    only_one = values([source(0, "a", "b")], [heard(0, "b")])
    assert only_one[CASA] == close(20.0)  # right by either class
    assert only_one[CAPI] == close(20 / 2)


def test_a_system_that_is_right_about_overlapping_classes_has_the_same_score_permutation_first() -> None:
    bell_and_guitar = [source(0, "a", "b"), source(1, "a")]
    given = values(bell_and_guitar, [heard(0, "a"), heard(1, "a"), heard(0, "b")])
    assert [given[name] for name in (CAPI, CASA, UNION)] == [close(20 + DB2)] * 3


def test_more_estimates_of_a_class_than_sources_are_no_repeats_of_another_class() -> None:
    given = values([source(0, "a", "b")], [heard(0, "a"), heard(0, "a", error=0.2), heard(0, "b", error=0.3)])
    assert given[CASA] == close(20 / 2)
    swapped = values([source(0, "a", "b")], [heard(0, "c"), heard(0, "b", error=0.3)])
    assert swapped[CASA] == 0  # the wrong label is paired: nothing is right, and both estimates count
    assert swapped[UNION] == 0


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_one_estimate_given_to_all_classes_is_right_about_each_in_whatever_order(order: Sequence[str]) -> None:
    sources = [source(place, mid) for place, mid in enumerate("abc")]
    mixture = scene(sources, []).mixture
    given = values(sources, [Found(mid, 0.5 * mixture) for mid in order])
    expected = 10 * math.log10(1 / 1) - 10 * math.log10(1 / 3)  # of each source half, and half of three others
    assert [given[name] for name in (CAPI, CASA, UNION)] == [close(expected)] * 3


@pytest.mark.parametrize(
    ("estimates", "gained", "denominator", "found"),
    [(1, 20 + DB2, 2, (1, 0, 1)), (2, 40 + 2 * DB2, 2, (2, 0, 0)), (3, 40 + 2 * DB2, 3, (2, 1, 0))],
)
def test_two_sources_of_one_class(estimates: int, gained: float, denominator: int, found: tuple[int, ...]) -> None:
    # The third estimate is the worst of the three, and the order is not that of the sources.
    given = values([source(0, "a"), source(1, "a")], [heard(1, "a"), heard(0, "a"), heard(5, "a")][:estimates])
    assert given[CAPI] == given[CASA] == close(gained / denominator)
    assert counts(given) == found
    # Unique labels: the first estimate against both sources together, 2 / (1 + 0.01) over a mixture of 2 / 1.
    assert given[CA] == close(10 * math.log10(2 / 1.01) - DB2)


def test_sources_are_paired_by_sdr_and_not_by_what_is_gained() -> None:
    loud, quiet = source(0, "a", level=2.0), source(1, "a")
    estimate = Found("a", unit(0) + unit(1))
    given = values([loud, quiet], [estimate])
    # SDR: 4 / (1 + 1) for the loud one, 1 / 1 for the quiet one, which would gain more: 1 / 5 against 4 / 2.
    assert given[CAPI] == close((10 * math.log10(4 / 2) - 10 * math.log10(4 / 2)) / 2)


def test_a_right_class_extracted_worse_than_the_mixture_costs_more_than_silence_about_it() -> None:
    given = values([source(0, "a")], [Found("a", unit(0) + unit(5, 10.0))])
    assert given[CAPI] == close(-20.0)


def test_trivial_class_is_left_out_with_its_estimates() -> None:
    nearly_alone = source(0, "a", level=100.0)
    quiet = [source(1, "b")]
    both = scene([nearly_alone, *quiet], [heard(0, "a", level=100.0), heard(1, "b")], bed=BED)
    scores = joint_scores(both)
    assert counts({name: score.value for name, score in scores.items()}) == (1, 0, 0)
    assert scores[CAPI].value == close(20 + 10 * math.log10(100**2 + 1))
    assert scores[CASA].value == close(20 + 10 * math.log10(100**2 + 1))
    rows = class_scores(both)
    assert [row.reason for row in rows if row.mid == "a"] == [TRIVIAL_REASON, TRIVIAL_REASON]
    assert [row.status for row in rows] == ["skip", "skip", "ok", "ok"]


def test_scene_with_a_trivial_class_alone_has_no_score_and_is_not_empty() -> None:
    scores = joint_scores(scene([source(0, "a", level=100.0)], []))
    assert scores[CAPI].status == "skip"
    assert scores["true_negative@1"].reason == "the scene is not empty"


def test_thirty_decibels_are_not_yet_trivial_and_more_are() -> None:
    for level, status in ((10**1.49, "ok"), (10**1.51, "skip")):
        assert joint_scores(scene([source(0, "a", level=level)], []))[CAPI].status == status


def test_source_sixty_decibels_under_the_mixture_is_absent_and_its_estimate_a_false_alarm() -> None:
    sources = [source(0, "a", level=1e-3 / 1.1), source(1, "b")]
    whole = scene(sources, [heard(0, "a"), heard(1, "b")])
    scores = joint_scores(whole)
    assert counts({name: score.value for name, score in scores.items()}) == (1, 1, 0)
    assert scores["false_alarm_energy@1"].value == close(1.01 / 2)
    assert [row.reason for row in class_scores(whole)][:2] == [ABSENT_REASON, ABSENT_REASON]


def test_silent_source_leaves_the_scene_empty() -> None:
    given = values([source(0, "a", level=0.0)], [])
    assert given[CAPI] is None
    assert given["true_negative@1"] == 1


def test_class_whose_sources_cancel_is_absent() -> None:
    given = values([source(0, "a"), source(0, "a", level=-1.0), source(1, "b")], [heard(1, "b")])
    assert counts(given) == (1, 0, 0)


def test_silent_estimate_is_an_estimate() -> None:
    given = values([source(0, "a"), source(1, "b")], [Found("a", unit(0, 0.0))])
    assert given[CAPI] == close((0 + DB2) / 2)  # 0 dB over a mixture of 1/2


def test_estimate_that_is_not_finite_gives_a_status_and_no_score() -> None:
    spoilt = unit(0)
    spoilt[0, 3:5] = torch.tensor([math.nan, math.inf])
    scores = joint_scores(scene([source(0, "a"), source(1, "b")], [Found("a", spoilt), heard(1, "b")]))
    for name in OF_AUDIO:
        assert scores[name] == JointScore(None, "nan", "the estimate of a has 2 samples that are NaN or infinite")
    assert scores["true_positives@1"].value == 2
    rows = class_scores(scene([source(0, "a")], [Found("a", spoilt)]))
    assert [row.status for row in rows] == ["nan", "nan"]


def test_exact_estimate_is_infinite_and_says_so() -> None:
    scores = joint_scores(scene([source(0, "a"), source(1, "a")], [Found("a", unit(1)), Found("a", unit(0))]))
    assert scores[CAPI].status == "nan"
    assert scores[CAPI].reason == "infinite: the value is +inf dB, which no average can hold"


def test_an_error_far_under_the_signal_is_not_lost_in_rounding() -> None:
    given = values([source(0, "a")], [heard(0, "a", error=1e-7)])
    assert given[CAPI] == pytest.approx(140, abs=1e-4)


def test_silent_mixture_has_no_false_alarm_energy() -> None:
    scores = joint_scores(scene([], [heard(0, "a")], bed=unit(0, 0.0)))
    assert scores["false_alarm_energy@1"] == JointScore(None, "skip", "the mixture is silent")


def test_class_rows_are_those_of_the_query_protocol_on_sums() -> None:
    sources = [source(0, "a"), source(1, "a"), source(2, "b")]
    whole = scene(sources, [heard(0, "a"), heard(1, "a", error=0.3), heard(4, "c")])
    estimate, reference = whole.found[0].audio + whole.found[1].audio, unit(0) + unit(1)
    assert class_scores(whole) == [
        ClassScore("a", "sdri@1", close(float(sdri(estimate, reference, whole.mixture))), "ok", None),  # type: ignore[arg-type]
        ClassScore("a", "sdrg@1", close(float(sdrg(estimate, reference, whole.mixture))), "ok", None),  # type: ignore[arg-type]
        ClassScore("b", "sdri@1", None, "skip", "missed"),
        ClassScore("b", "sdrg@1", None, "skip", "missed"),
    ]


def test_shapes_that_differ_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="estimate 0 has shape"):
        joint_scores(scene([], [Found("a", torch.zeros(2, 12))]))
    with pytest.raises(ValueError, match="reference 0 has shape"):
        joint_scores(JointScene(BED, [Reference(("a",), torch.zeros(1, 5))], [], frozenset("a")))


def test_a_source_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="reference 0: 1 samples are NaN or infinite"):
        joint_scores(JointScene(BED, [source(0, "a", level=math.nan)], [], frozenset("a")))


def test_products_of_other_sources_are_refused() -> None:
    one = scene([source(0, "a")], [])
    with pytest.raises(ValueError, match="products are of other sources"):
        joint_scores(one, products=Products(BED, [unit(0)]))


def test_a_sweep_reads_each_tensor_once_and_keeps_none() -> None:
    sources = [source(0, "a"), source(1, "b")]
    products = Products(scene(sources, []).mixture, [one.audio for one in sources])
    estimate = heard(0, "a")
    first = joint_scores(scene(sources, [estimate]), products=products)
    deeper = [Reference(("c",), one.audio) for one in sources]
    estimate.audio.zero_()  # what is read again would score otherwise
    assert joint_scores(scene(sources, [estimate]), products=products) == first
    assert joint_scores(scene(deeper, [Found("c", estimate.audio)]), products=products)[CAPI].value == first[CAPI].value
    gone = weakref.ref(estimate.audio)
    del estimate
    gc.collect()
    assert gone() is None


# The formulas word by word, sample by sample, without any sharing


def plain_sdr(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    return float(sdr(estimate, reference))


def gain(estimate: torch.Tensor, reference: torch.Tensor, mixture: torch.Tensor) -> float:
    return plain_sdr(estimate, reference) - plain_sdr(mixture, reference)


def best_pairs(references: Sequence[torch.Tensor], estimates: Sequence[torch.Tensor]) -> tuple[tuple[int, int], ...]:
    k = min(len(references), len(estimates))
    possible = [
        tuple(zip(some, order, strict=True))
        for some in itertools.combinations(range(len(references)), k)
        for order in itertools.permutations(range(len(estimates)), k)
    ]
    return max(possible, key=lambda pairs: sum(plain_sdr(estimates[e], references[r]) for r, e in pairs))


def literal_capi(given: JointScene) -> float | None:
    gained, denominator = 0.0, 0
    for mid in given.classes:
        references = [one.audio for one in given.sources if mid in one.mids]
        estimates = [one.audio for one in given.found if one.mid == mid]
        denominator += max(len(references), len(estimates))
        for r, e in best_pairs(references, estimates):
            gained += gain(estimates[e], references[r], given.mixture)
    return gained / denominator if denominator else None


def literal_ca(given: JointScene) -> float | None:
    by_class = []
    for mid in given.classes:
        references = [one.audio for one in given.sources if mid in one.mids]
        estimates = [one for one in given.found if one.mid == mid]
        if references and estimates:
            first = max(estimates, key=lambda one: one.confidence)
            by_class.append(gain(first.audio, torch.stack(references).sum(0), given.mixture))
        elif references or estimates:
            by_class.append(0.0)
    return sum(by_class) / len(by_class) if by_class else None


def literal_casa(given: JointScene, *, union: bool) -> float | None:
    sources = [one for one in given.sources if given.classes & set(one.mids)]
    found = [one for one in given.found if one.mid in given.classes]
    pairs = best_pairs([one.audio for one in sources], [one.audio for one in found])
    right = [(r, e) for r, e in pairs if found[e].mid in sources[r].mids]
    repeats = 0
    for mid in given.classes:
        left = [e for e, one in enumerate(found) if one.mid == mid and e not in {e for _, e in pairs}]
        elsewhere = [r for r, e in right if mid in sources[r].mids and found[e].mid != mid]
        repeats += min(len(left), len(elsewhere))
    m = len(found) - repeats
    denominator = len(sources) + m - len(right) if union else max(len(sources), m)
    gained = sum(gain(found[e].audio, sources[r].audio, given.mixture) for r, e in right)
    return gained / denominator if denominator else None


@st.composite
def scenes(draw: st.DrawFn) -> JointScene:
    channels, samples, seed = draw(st.integers(1, 2)), draw(st.integers(5, 40)), draw(st.integers(0, 2**32 - 1))
    generator = torch.Generator().manual_seed(seed)

    def noise() -> torch.Tensor:
        return torch.randn(channels, samples, generator=generator, dtype=torch.float64)

    cut = st.sets(st.sampled_from("abcd"), min_size=1, max_size=2)
    sources = [Reference(tuple(sorted(draw(cut))), noise()) for _ in range(draw(st.integers(0, 4)))]
    mixture = noise() + sum((one.audio for one in sources), torch.zeros(channels, samples))
    found = []
    for place, mid in enumerate(draw(st.lists(st.sampled_from("abcdu"), max_size=5))):
        near = sources[draw(st.integers(0, len(sources) - 1))].audio if sources else mixture
        found.append(Found(mid, near + draw(st.floats(0.05, 2)) * noise(), draw(st.floats(0, 1)) + place * 1e-9))
    return JointScene(mixture, sources, found, frozenset("abcd"))


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        (CAPI, literal_capi),
        (CA, literal_ca),
        (CASA, lambda given: literal_casa(given, union=False)),
        (UNION, lambda given: literal_casa(given, union=True)),
    ],
)
def test_scores_equal_their_formulas(name: str, literal: Callable[[JointScene], float | None]) -> None:
    @settings(max_examples=40, deadline=None)
    @given(scenes())
    def check(given: JointScene) -> None:
        expected = literal(given)
        score = joint_scores(given)[name].value
        assert score == (None if expected is None else pytest.approx(expected, abs=1e-8))

    check()


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_counts_add_up_to_sources_and_estimates_of_each_class(given: JointScene) -> None:
    scores = {name: score.value for name, score in joint_scores(given).items()}
    hits, false_alarms, misses = counts(scores)
    assert hits is not None
    assert false_alarms is not None
    assert misses is not None
    assert hits + misses == sum(len(one.mids) for one in given.sources)
    assert hits + false_alarms == sum(one.mid != "u" for one in given.found)
    assert scores["unknown_predictions@1"] == sum(one.mid == "u" for one in given.found)


@settings(max_examples=20, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_no_score_depends_on_the_order_of_estimates(given: JointScene, random: object) -> None:
    shuffled = list(given.found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = joint_scores(JointScene(given.mixture, given.sources, shuffled, given.classes))
    for name, score in joint_scores(given).items():
        assert other[name].value == (None if score.value is None else pytest.approx(score.value, abs=1e-9))
