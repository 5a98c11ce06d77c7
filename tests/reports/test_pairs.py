"""All pairs of a board: what is compared, on which rows, and what holds for all pairs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports import ranks
from reports.bootstrap import FEW
from reports.outcomes import OUTCOMES
from reports.paired import Better, compare
from reports.pairs import Pairs, all_pairs
from reports.ranks import AllPairs
from reports.schema import DatasetEntry
from reports.tables import Board

COLUMN = "sdri@1/class-median-mean"
MEAN = "sdri@1/mean"
Scores = Mapping[str, np.ndarray]
"""By separator (scenes, targets); NaN where it skipped."""


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "DRAWS", 1_000)


def board_of(
    scores: Scores,
    *,
    column: str = COLUMN,
    failed: Sequence[tuple[str, int, int]] = (),
    oracles: Sequence[str] = (),
    missing: str = "skipped",
) -> Board:
    """Each scene is a recording. ``failed`` rows count as imputed; what is NaN is ``missing``."""
    (scenes, targets), rows = next(iter(scores.values())).shape, []
    for name, values in scores.items():
        for scene, target in np.ndindex(scenes, targets):
            value = None if np.isnan(values[scene, target]) else float(values[scene, target])
            state = "failed" if (name, scene, target) in failed else missing if value is None else "measured"
            rows.append({
                "separator": name, "scene": f"{scene:03d}", "index": target, "target": f"t{target}", "metric": "sdri@1",
                "state": state, "status": state, "value": value, "used": value, "reason": "because",
            })  # fmt: skip
    outcomes = pl.DataFrame(rows, schema=OUTCOMES).sort("separator", "scene", "index")
    entry = DatasetEntry(
        title="Set", split="test", licence="MIT", citation="c", url="u", columns=(column,), metrics=("sdri@1",),
        scenes=scenes, version="v",
    )  # fmt: skip
    known = pl.DataFrame({"scene": [f"{scene:03d}" for scene in range(scenes)]})
    known = known.with_columns(recordings=pl.concat_list("scene"))
    cells = pl.DataFrame(
        [{"separator": name, "family": "oracle" if name in oracles else "f", "oracle": None} for name in scores],
        schema={"separator": pl.String(), "family": pl.String(), "oracle": pl.Boolean()},
    )
    return Board("set", "test", "query", entry, cells, known, outcomes, pl.DataFrame())


def pairs_of(board: Board, better: Better = "higher", unit: str = "dB") -> Pairs:
    return all_pairs(board, column=board.columns[0], better=better, unit=unit)


def songs(levels: Mapping[str, float], *, scenes: int = 30, seed: int = 0, noise: float = 1.0) -> dict[str, np.ndarray]:
    """What all separators share of a scene leaves their differences."""
    random = np.random.default_rng(seed)
    shared = random.normal(5, 3, (scenes, 2))
    return {name: shared + random.normal(level, noise, (scenes, 2)) for name, level in levels.items()}


LEVELS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.floats(-3, 3), min_size=2, max_size=5
)  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(levels=LEVELS, seed=st.integers(0, 99))
def test_from_the_other_side_every_number_turns_its_sign(levels: dict[str, float], seed: int) -> None:
    pairs = pairs_of(board_of(songs(levels, scenes=12, seed=seed)))
    negated = pairs_of(board_of({name: -values for name, values in songs(levels, scenes=12, seed=seed).items()}))
    for first, second in permutations(levels, 2):
        there, back, mirrored = pairs.of(first, second), pairs.of(second, first), negated.of(second, first)
        assert {there.verdict, back.verdict} in ({"better", "worse"}, {"tied"})
        assert mirrored.verdict == there.verdict
        for one, other in [
            (there.own.difference, back.own.difference),
            (there.low, back.high),
            (there.own.low, back.own.high),
            (there.standardised, back.standardised),
        ]:
            assert one == pytest.approx(-other)  # type: ignore[operator]
        assert there.low == pytest.approx(mirrored.low)
        assert there.own.superiority is not None
        assert back.own.superiority is not None
        assert there.own.superiority.share == pytest.approx(1 - back.own.superiority.share)


@settings(max_examples=8, deadline=None)
@given(levels=LEVELS, seed=st.integers(0, 99), data=st.data())
def test_names_do_not_matter(levels: dict[str, float], seed: int, data: st.DataObject) -> None:
    scores = songs(levels, scenes=12, seed=seed)
    renamed = dict(zip(levels, data.draw(st.permutations(list(levels))), strict=True))
    plain, other = pairs_of(board_of(scores)), pairs_of(board_of({renamed[name]: scores[name] for name in scores}))
    assert [renamed[name] for name in plain.whole] == list(other.whole)
    for first, second in combinations(levels, 2):
        one, two = plain.of(first, second), other.of(renamed[first], renamed[second])
        assert (one.low, one.high) == pytest.approx((two.low, two.high))
        assert (one.own.low, one.own.high) == pytest.approx((two.own.low, two.own.high))
        assert (one.verdict, one.scenes and one.scenes[0].scene) == (two.verdict, two.scenes and two.scenes[0].scene)


@settings(max_examples=8, deadline=None)
@given(levels=LEVELS, seed=st.integers(0, 99), lower=st.booleans())
def test_ranks_count_the_verdicts_against_those_who_have_a_rank(
    levels: dict[str, float], seed: int, lower: bool
) -> None:
    levels = levels | {"told": 4.0}
    board, better = board_of(songs(levels, scenes=12, seed=seed), oracles=["told"]), "lower" if lower else "higher"
    pairs, found = pairs_of(board, better), board.ranks(better, "dB")  # type: ignore[arg-type]
    ranked = [name for name in levels if not isinstance(found[name], str)]
    assert set(ranked) == set(levels) - {"told"}
    assert set(pairs.whole) == set(levels)
    for name in ranked:
        verdicts = [pairs.of(name, other).verdict for other in ranked if other != name]
        assert found[name] == (1 + verdicts.count("worse"), len(ranked) - verdicts.count("better"))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999))
def test_an_interval_for_all_pairs_is_wider_than_that_of_the_pair_alone(seed: int) -> None:
    board = board_of(songs(dict.fromkeys("abcdef", 0.0), seed=seed), column=MEAN)
    pairs = pairs_of(board)
    assert np.nanmin(board.ranking.pairs.critical) > 2.3  # 1.96 for one pair
    for pair in pairs.pairs.values():
        assert None not in (pair.low, pair.high, pair.own.low, pair.own.high)
        assert pair.high - pair.low > 1.1 * (pair.own.high - pair.own.low)  # type: ignore[operator]
        assert pair.low < pair.own.low < pair.own.high < pair.high  # type: ignore[operator]


def at_once(separators: int, *drawn: tuple[int, int, int, float, np.ndarray]) -> AllPairs:
    return AllPairs.of(separators, lambda: drawn)


def five_apart(values: np.ndarray, random: np.random.Generator) -> AllPairs:
    """Means of five separators (5, recordings) against each other."""
    recordings, figures = values.shape[1], values.mean(axis=1)
    counts = random.multinomial(recordings, np.full(recordings, 1 / recordings), size=400)
    draws = values @ counts.T / recordings
    pairs = combinations(range(5), 2)
    return at_once(5, *((i, j, recordings, figures[i] - figures[j], draws[i] - draws[j]) for i, j in pairs))


@pytest.mark.parametrize(
    ("recordings", "least"), [(5, 0.85), (6, 0.86), (10, 0.88), (20, 0.91), (50, 0.925)]
)  # without Student's t they hold in 51, 64, 78, 88 and 92 %
def test_all_intervals_together_hold_the_truth_about_as_often_as_they_say(recordings: int, least: float) -> None:
    random, truth, held = np.random.default_rng(5), np.array([0.0, 0.3, 0.3, 2.0, 1.0]), 0
    for _ in range(500):
        shared, own = random.normal(0, 2, recordings), random.normal(0, [[1], [1], [2], [1], [1]], (5, recordings))
        pairs = five_apart(truth[:, None] + shared + own, random)
        off = np.abs(pairs.differences - (truth[:, None] - truth[None, :]))
        held += bool((off <= pairs.reach)[np.triu_indices(5, 1)].all())
    assert least <= held / 500 <= 0.985


def test_the_critical_value_of_two_alone_is_that_of_t() -> None:
    """Of draws that are normal about the difference, 1.96 deviations are the 95 % quantile."""
    draws = NormalDist(0.5, 2).inv_cdf
    normal = np.array([draws((place + 0.5) / 20_000) for place in range(20_000)])
    for recordings in (3, 6, 20, 1_000_000):
        wanted = stats.t.ppf(0.975, recordings - 1) * np.sqrt(recordings / (recordings - 1))
        assert at_once(2, (0, 1, recordings, 0.5, normal)).critical[0, 1] == pytest.approx(wanted, rel=2e-3)


def test_unrelated_pairs_share_the_level_and_equal_ones_have_it_whole() -> None:
    random = np.random.default_rng(3)
    one, other = random.normal(0, 1, (2, 200_000))
    apart = at_once(4, (0, 1, 6, 0.0, one), (2, 3, 6, 0.0, other))
    alike = at_once(4, (0, 1, 6, 0.0, one), (2, 3, 6, 0.0, one))
    both = (1 - 0.95**0.5) / 2  # beyond which either of two lies in 5 % of draws
    assert apart.critical[0, 1] == pytest.approx(stats.t.isf(both, 5) * np.sqrt(6 / 5), rel=0.02)
    assert alike.critical[0, 1] == pytest.approx(stats.t.isf(0.025, 5) * np.sqrt(6 / 5), rel=0.02)


def test_pairs_that_share_fewer_recordings_reach_further_and_leave_the_others_as_they_are() -> None:
    random = np.random.default_rng(4)
    one, other = random.normal(0, 1, (2, 5_000))
    whole = at_once(4, (0, 1, 50, 0.0, one), (2, 3, 50, 0.0, other))
    found = [at_once(4, (0, 1, 50, 0.0, one), (2, 3, n, 0.0, other)) for n in (2, 5, 10, 40, 50)]
    assert {pairs.critical[1, 0] for pairs in found} == {whole.critical[0, 1]}
    reaches = [float(pairs.reach[2, 3]) for pairs in found]
    assert reaches == sorted(reaches, reverse=True)
    assert len(set(reaches)) == len(found)
    assert reaches[-1] == whole.reach[3, 2]
    assert np.isnan(whole.reach[0, 2])


def test_figures_that_never_differ_are_surely_equal() -> None:
    pairs = at_once(2, (0, 1, 5, 0.0, np.zeros(100)))
    assert (pairs.reach[0, 1], pairs.apart(0.0)[0, 1]) == (0, False)


def test_the_pair_alone_is_what_the_comparison_of_two_says() -> None:
    board = board_of(songs({"a": 0.0, "b": 0.4, "c": 2.0}))
    for (first, second), pair in pairs_of(board).pairs.items():
        assert pair.own == compare(board, first, second, column=COLUMN, better="higher")


def test_ties_are_not_transitive_and_each_triple_is_named() -> None:
    scores = songs({"low": 0.0, "high": 0.9}, scenes=60, noise=0.5)
    random = np.random.default_rng(8)
    scores["between"] = (scores["low"] + scores["high"]) / 2 + random.normal(0, 3, (60, 2))
    pairs = pairs_of(board_of(scores, column=MEAN))
    assert pairs.of("high", "low").verdict == "better"
    assert pairs.of("between", "low").verdict == pairs.of("high", "between").verdict == "tied"
    assert pairs.intransitive() == [("high", "between", "low")]
    assert pairs_of(board_of(songs({"a": 0, "b": 5, "c": 9}))).intransitive() == []


def test_what_one_skipped_counts_for_neither_and_is_counted() -> None:
    scores = songs({"a": 0.0, "b": 0.0})
    easy = np.zeros((30, 2))
    easy[:6] = 30  # scenes in which everyone is far better
    scores = {name: values + easy for name, values in scores.items()}
    scores["b"][:6] = np.nan
    pair = pairs_of(board_of(scores)).of("a", "b")
    medians = [np.median(scores[name][6:], axis=0).mean() for name in "ab"]
    assert pair.own.difference == pytest.approx(medians[0] - medians[1])
    assert (pair.own.pairs, pair.own.unpaired, pair.own.recordings, pair.own.imputed) == (48, 12, 24, 0)
    assert pair.verdict == "tied"
    assert board_of(scores).ranks("higher", "dB") == {"a": (1, 2), "b": (1, 2)}


def test_a_blind_scene_without_a_score_by_its_own_rules_is_done() -> None:
    scores = songs({"quiet": 0.0, "loud": 0.0})
    scores["quiet"][:5] = np.nan  # nothing sounds, and it found nothing
    scores["loud"][:5] = -20  # it found what is not there
    board = board_of(scores, column=MEAN, missing="empty")
    pair = pairs_of(board).of("quiet", "loud")
    assert pair.own.difference == pytest.approx(scores["quiet"][5:].mean() - scores["loud"].mean())
    assert (pair.own.pairs, pair.own.unpaired, pair.own.recordings) == (60, 0, 30)


def test_failures_count_with_the_score_of_the_mixture_and_are_counted() -> None:
    scores = songs({"a": 2.0, "b": 0.0})
    scores["a"][4, 1] = 0.0
    pair = pairs_of(board_of(scores, failed=[("a", 4, 1)])).of("a", "b")
    assert (pair.own.imputed, pair.own.pairs, pair.own.unpaired) == (1, 60, 0)


def test_who_did_a_part_is_compared_on_it_and_leaves_the_others_as_they_are() -> None:
    scores = songs({"a": 0.0, "b": 1.0, "c": 3.0, "some": 2.0, "hasty": 9.0})
    scores["some"][10:] = np.nan
    scores["hasty"][FEW - 1 :] = np.nan
    pairs = pairs_of(board_of(scores, missing="not run"))
    without = pairs_of(board_of({name: scores[name] for name in "abc"}))
    assert (pairs.whole, pairs.part) == (("c", "b", "a"), ("hasty", "some"))
    for pair in combinations("abc", 2):
        assert (pairs.of(*pair).low, pairs.of(*pair).verdict) == (without.of(*pair).low, without.of(*pair).verdict)
    on_part = pairs.of("some", "a")
    assert (on_part.own.recordings, on_part.own.unpaired, on_part.verdict) == (10, 40, "better")
    medians = [np.median(scores[name][:10], axis=0).mean() for name in ("some", "a")]
    assert on_part.own.difference == pytest.approx(medians[0] - medians[1])
    thin = pairs.of("hasty", "a")
    assert (thin.own.recordings, thin.verdict, thin.low) == (FEW - 1, None, None)
    assert thin.note == f"{FEW - 1} recordings: too few to lean on the interval"
    assert all("hasty" not in triple for triple in pairs.intransitive())


def test_two_who_share_nothing_say_so() -> None:
    scores = songs({"a": 0.0, "b": 1.0})
    scores["a"][:15], scores["b"][15:] = np.nan, np.nan
    pair = pairs_of(board_of(scores, missing="not run")).of("a", "b")
    assert (pair.own.difference, pair.verdict, pair.scenes) == (None, None, None)
    assert pair.note == "they have no pair of scene and target in common"


@pytest.mark.parametrize(
    ("shift", "spread", "verdict", "equal"),
    [(0.05, 0.001, "tied", True), (0.05, 2.0, "tied", False), (0.2, 0.001, "better", False)],
)
def test_practically_equal_is_what_is_surely_within_a_tenth_of_a_decibel(
    shift: float, spread: float, verdict: str, equal: bool
) -> None:
    scores = songs({"a": 0.0})
    scores["b"] = scores["a"] + shift + np.random.default_rng(1).normal(0, spread, (30, 2))
    pair = pairs_of(board_of(scores, column=MEAN)).of("b", "a")
    assert (pair.verdict, pair.equal) == (verdict, equal)


def test_a_column_without_better_and_worse_differs_only() -> None:
    pairs = pairs_of(board_of(songs({"a": 0.0, "b": 5.0, "c": 5.1})), "neither")
    assert pairs.of("a", "b").verdict == pairs.of("b", "a").verdict == "differs"
    assert pairs.of("c", "b").verdict == "tied"
    assert pairs.of("a", "b").own.superiority is None


def test_where_less_is_better_the_lesser_stands_first_and_leads() -> None:
    scores = songs({"a": 0.0, "b": 5.0})
    pairs = pairs_of(board_of(scores), "lower")
    assert pairs.whole == ("a", "b")
    pair = pairs.of("a", "b")
    assert pair.verdict == "better"
    assert pair.own.difference is not None
    assert pair.own.difference < 0
    assert pair.scenes is not None
    leads = (scores["a"] - scores["b"]).mean(axis=1)
    assert [extreme.scene for extreme in pair.scenes] == [f"{leads.argmin():03d}", f"{leads.argmax():03d}"]
    assert pair.scenes[0].difference == pytest.approx(leads.min())
