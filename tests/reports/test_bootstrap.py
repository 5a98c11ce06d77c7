from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports import bootstrap
from reports.aggregate import AGGREGATIONS
from reports.bootstrap import DRAWS, FEW, Resampler
from reports.ranks import AllPairs

MEAN = AGGREGATIONS["mean"]
MANY = 1_000_000
"""Recordings at which Student's t is the normal distribution."""


def counts_of(songs: int, draws: int, names: tuple[str, ...]) -> np.ndarray:
    """The counts of each recording, seen through scenes of one recording each."""
    return Resampler.of([(f"{n:02d}",) for n in range(songs)], names=names, draws=draws).weights


def test_a_pair_weighs_the_product_of_its_clips_and_a_song_its_count() -> None:
    # Recordings sort as 00, 01, 02: the same names give the same counts as for three songs.
    counts = counts_of(3, 50, ("x",))
    scenes = [("00", "01"), ("01", "02"), ("02",), ("00", "00")]
    weights = Resampler.of(scenes, names=("x",), draws=50).weights
    assert (counts.sum(axis=1) == 3).all()
    by_hand = np.stack([counts[:, 0] * counts[:, 1], counts[:, 1] * counts[:, 2], counts[:, 2], counts[:, 0]], axis=1)
    assert (weights == by_hand).all()


def test_scenes_of_one_recording_move_together() -> None:
    weights = Resampler.of([("a",), ("b",), ("a",)], names=("x",)).weights
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] != weights[:, 1]).any()


def test_seeded_from_names_alone() -> None:
    scenes = [(str(n),) for n in range(8)]
    same, other = (Resampler.of(scenes, names=("set", name)).weights for name in ("a", "b"))
    assert (Resampler.of(scenes, names=("set", "a")).weights == same).all()
    assert (same != other).any()


def interval_of(
    recordings: list[tuple[str, ...]], values: list[float]
) -> tuple[float | None, float | None, str | None]:
    rows = np.arange(len(values))
    found = Resampler.of(recordings, names=("t",)).interval(np.array(values), np.zeros(len(values), int), rows, MEAN)
    return found.low, found.high, found.note


def test_one_recording_gives_no_interval_and_says_so() -> None:
    assert interval_of([("a",), ("a",)], [1.0, 2.0]) == (None, None, "one recording: no interval")


def test_few_recordings_are_marked_and_enough_are_not() -> None:
    low, high, note = interval_of([(str(n),) for n in range(5)], [1.0, 2, 3, 4, 5])
    assert low is not None
    assert high is not None
    assert 1 <= low < 3 < high <= 5
    assert note == "5 recordings: too few to lean on the interval"
    assert interval_of([(str(n),) for n in range(6)], [1.0, 2, 3, 4, 5, 6])[2] is None


def test_pairs_whose_draws_are_mostly_empty_get_no_interval() -> None:
    # One pair of two clips: a draw that repeats either clip leaves the pair without weight.
    low, high, note = interval_of([("a", "b")], [1.0])
    assert (low, high) == (None, None)
    assert note == "2 recordings: too few for an interval that means much"


def test_recordings_count_only_where_there_are_values() -> None:
    resampler = Resampler.of([("a",), ("b",)], names=("t",))
    found = resampler.interval(np.array([1.0]), np.array([0]), np.array([1]), MEAN)
    assert found.note == "one recording: no interval"


FIGURES = st.lists(st.floats(-100, 100), min_size=20, max_size=60).map(np.array)


@given(figures=FIGURES, recordings=st.integers(2, 400))
@settings(max_examples=40, deadline=None)
def test_an_interval_ends_where_t_says_that_a_normal_figure_would(figures: np.ndarray, recordings: int) -> None:
    t = stats.t.ppf(0.975, recordings - 1) * np.sqrt(recordings / (recordings - 1))
    found = bootstrap.interval_of(figures, recordings)
    assert (found.low, found.high) == pytest.approx(np.quantile(figures, [stats.norm.sf(t), stats.norm.cdf(t)]))


@given(figures=FIGURES)
@settings(max_examples=20, deadline=None)
def test_of_the_same_draws_fewer_recordings_make_a_longer_interval(figures: np.ndarray) -> None:
    found = [bootstrap.interval_of(figures, recordings) for recordings in (2, 3, 5, 6, 10, 20, 50, 1_000, MANY)]
    for fewer, more in pairwise(found):
        assert fewer.low <= more.low <= more.high <= fewer.high  # type: ignore[operator]
    assert found[0].low == pytest.approx(figures.min())
    assert (found[-1].low, found[-1].high) == pytest.approx(np.quantile(figures, [0.025, 0.975]), abs=1e-3)


@pytest.mark.parametrize(
    ("recordings", "least", "most"),
    [
        pytest.param(FEW - 1, 0.885, 0.96, id="too few to lean on"),
        pytest.param(FEW, 0.9, 0.97, id="just enough"),
        pytest.param(10, 0.925, 0.975, id="few"),
        pytest.param(30, 0.925, 0.97, id="many"),
    ],
)  # plain percentile intervals hold in 84, 85, 90 and 93 %
def test_intervals_hold_the_truth_about_as_often_as_they_say(recordings: int, least: float, most: float) -> None:
    random, hits, trials = np.random.default_rng(7), 0, 1_500
    for _ in range(trials):
        drawn = random.integers(0, recordings, (DRAWS // 4, recordings))
        found = bootstrap.interval_of(random.normal(3.0, 1.0, recordings)[drawn].mean(axis=1), recordings)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 3.0 <= found.high
    assert least <= hits / trials <= most


def test_multiway_intervals_are_wider_than_pretending_that_pairs_are_independent() -> None:
    random = np.random.default_rng(3)
    effect = {clip: random.normal(0, 2) for clip in range(12)}
    pairs = [(a, b) for a in range(12) for b in range(a + 1, 12)]
    values = [effect[a] + effect[b] for a, b in pairs]
    low, high, _ = interval_of([(str(a), str(b)) for a, b in pairs], values)
    low_alone, high_alone, _ = interval_of([(f"{a}+{b}",) for a, b in pairs], values)
    assert None not in (low, high, low_alone, high_alone)
    assert high - low > 2 * (high_alone - low_alone)  # type: ignore[operator]


def test_forty_scenes_and_twelve_separators_take_well_under_a_second_each() -> None:
    resampler = Resampler.of([(str(n),) for n in range(40)], names=("speed",))
    values = np.random.default_rng(0).normal(size=160)
    scenes, classes = np.repeat(np.arange(40), 4), np.tile(np.arange(4), 40)
    started = time.perf_counter()
    for _ in range(12):
        resampler.interval(values, classes, scenes, AGGREGATIONS["class-median-mean"])
    assert time.perf_counter() - started < 6


def rank_intervals(values: np.ndarray, draws: np.ndarray, *, higher_is_better: bool) -> list[tuple[int, int]]:
    places = range(len(values))
    drawn = [(i, j, MANY, values[i] - values[j], draws[i] - draws[j]) for i in places for j in places if i < j]
    pairs = AllPairs.of(len(values), lambda: drawn)
    return pairs.rank_intervals(places, higher_is_better=higher_is_better, margin=0.1)


def test_ranks_are_intervals_and_ties_need_not_be_transitive() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (4, 4000))
    values = np.array([0.0, 3.0, 6.0, 20.0])
    found = rank_intervals(values, values[:, None] + noise, higher_is_better=True)
    # 20 stands alone; 6 beats 0 but ties with 3, which ties with 0.
    assert found == [(3, 4), (2, 4), (2, 3), (1, 1)]
    turned = rank_intervals(values, values[:, None] + noise, higher_is_better=False)
    assert turned == [(1, 2), (1, 3), (2, 3), (4, 4)]


@pytest.mark.parametrize(("gap", "expected"), [(0.09, [(1, 2), (1, 2)]), (0.2, [(2, 2), (1, 1)])])
def test_certain_differences_within_a_tenth_of_a_decibel_are_ties(gap: float, expected: list[tuple[int, int]]) -> None:
    shared = np.random.default_rng(2).normal(0, 1, 500)
    values = np.array([1.0, 1.0 + gap])
    assert rank_intervals(values, values[:, None] + shared, higher_is_better=True) == expected


def test_scenes_without_recordings_weigh_the_same_in_every_draw() -> None:
    assert (Resampler.of([(), ()], names=("t",), draws=5).weights == 1).all()
    assert Resampler.of([], names=("t",), draws=5).weights.shape == (5, 0)
    assert (Resampler.of([(), ("a",), ("b",)], names=("t",)).weights[:, 0] == 1).all()
