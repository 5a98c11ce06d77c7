"""The published scores of SiSEC 2016, against figures worked out by hand: plain NumPy, straight from the table."""

from __future__ import annotations

import csv
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.imports import import_results
from bench.reported import Reading
from reports.pairs import Pairs, all_pairs
from reports.results import Results
from reports.tables import Board, boards

SISEC = Reading(
    constants={"dataset": "sisec2016", "unit": "dB", "better": "higher"},
    columns={"separator": "system", "split": "subset", "scene": "track", "value": "median"},
    metrics={"SDR": "sdr_sisec2016@1"},
)
MARGIN = 0.1
TARGETS = ("accompaniment", "bass", "drums", "other", "vocals")


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "sisec2016" / "sisec2016_track_medians.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["subset"] == "test" and row["metric"] == "SDR"]


def board_of(lines: list[dict[str, str]], folder: Path) -> Board:
    table = folder / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    import_results(table, format="csv", results=folder / "r", reading=SISEC, oracles=["IBM"], run="sisec")
    (board,) = boards(Results(folder / "r"))
    return board


@pytest.fixture(scope="module")
def board(lines: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Board:
    return board_of(lines, tmp_path_factory.mktemp("sisec"))


@pytest.fixture(scope="module")
def pairs(board: Board) -> Pairs:
    assert board.columns == ("sdr_sisec2016@1/class-median-mean",)
    return all_pairs(board, column=board.columns[0], better="higher", unit="dB")


@cache
def drawn_tracks(draws: int) -> np.ndarray:
    return np.random.default_rng(2016).integers(0, 50, (draws, 50))


class ByHand:
    """Median over tracks and mean over targets; tracks are drawn with replacement, the same ones for all systems."""

    def __init__(self, lines: list[dict[str, str]], targets: tuple[str, ...] = TARGETS) -> None:
        found: dict[str, np.ndarray] = {}
        for row in lines:
            if row["target"] in targets:
                scores = found.setdefault(row["system"], np.full((50, len(targets)), np.nan))
                scores[int(row["track"]), targets.index(row["target"])] = float(row["median"])
        self.figures = {name: np.median(scores, axis=0).mean() for name, scores in found.items()}
        tracks = drawn_tracks(4_000)
        self.draws = {name: np.median(scores[tracks], axis=1).mean(axis=1) for name, scores in found.items()}
        off = np.array([
            np.abs(drawn - difference) / drawn.std()
            for difference, drawn in (self.difference(*pair) for pair in combinations(found, 2))
        ])  # fmt: skip
        quantile = np.quantile(off.max(axis=0), 0.95)
        one_of_all = (off[:, off.max(axis=0) >= quantile] >= quantile).mean()
        tail = 0.025 * one_of_all
        self.critical = quantile * (stats.t.isf(tail, 49) * np.sqrt(50 / 49)) / stats.norm.isf(tail)

    def difference(self, first: str, second: str) -> tuple[float, np.ndarray]:
        return self.figures[first] - self.figures[second], self.draws[first] - self.draws[second]

    def at_once(self, first: str, second: str) -> tuple[float, float]:
        difference, drawn = self.difference(first, second)
        reach = self.critical * drawn.std()
        return difference - reach, difference + reach

    def alone(self, first: str, second: str) -> tuple[float, float]:
        tail = stats.norm.sf(stats.t.isf(0.025, 49) * np.sqrt(50 / 49))
        low, high = np.quantile(self.difference(first, second)[1], [tail, 1 - tail])
        return low, high


@pytest.fixture(scope="module")
def by_hand(lines: list[dict[str, str]]) -> ByHand:
    return ByHand(lines)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        pytest.param("UHL3", "STO1", "better", id="clearly apart"),
        pytest.param("NUG2", "UHL1", "tied", id="clearly tied"),
        pytest.param("UHL3", "UHL1", "better", id="near the border"),
        pytest.param("UHL3", "UHL2", "tied", id="apart but for the other pairs"),
    ],
)
def test_pairs_agree_with_a_hand_check(pairs: Pairs, by_hand: ByHand, first: str, second: str, verdict: str) -> None:
    pair = pairs.of(first, second)
    assert pair.own.difference == pytest.approx(by_hand.difference(first, second)[0], abs=1e-9)
    assert (pair.own.low, pair.own.high) == pytest.approx(by_hand.alone(first, second), abs=0.06)
    low, high = by_hand.at_once(first, second)
    assert (pair.low, pair.high) == pytest.approx((low, high), abs=0.08)
    assert (low > 0 and pair.own.difference > MARGIN) == (verdict == "better")  # type: ignore[operator]
    assert pair.verdict == verdict
    alone, _ = by_hand.alone(first, second)
    assert (alone > 0) == (verdict == "better" or (first, second) == ("UHL3", "UHL2"))


def test_the_critical_value_agrees_with_a_hand_check(board: Board, by_hand: ByHand) -> None:
    """Without Student's t it would be 8 % less."""
    critical = board.ranking.pairs.critical
    assert critical[~np.isnan(critical)] == pytest.approx(by_hand.critical, rel=0.03)


def test_ranks_agree_with_a_hand_count(board: Board, by_hand: ByHand) -> None:
    found = board.ranks("higher", "dB")
    systems = [name for name in by_hand.figures if name != "IBM"]
    for name in ("UHL3", "UHL1", "STO1"):
        others = [
            (by_hand.at_once(name, other), by_hand.difference(name, other)[0]) for other in systems if other != name
        ]
        behind = sum(high < 0 and difference < -MARGIN for (_, high), difference in others)
        ahead = sum(low > 0 and difference > MARGIN for (low, _), difference in others)
        assert found[name] == (1 + behind, len(systems) - ahead)


def test_the_ideal_binary_mask_stands_above_all(board: Board, pairs: Pairs) -> None:
    assert pairs.whole[0] == "IBM"
    assert {pairs.of("IBM", other).verdict for other in pairs.whole[1:]} == {"better"}
    assert "oracle" in str(board.ranks("higher", "dB")["IBM"])


def test_ties_that_are_not_transitive_are_there_and_named(pairs: Pairs) -> None:
    triples = pairs.intransitive()
    assert ("UHL3", "UHL2", "UHL1") in triples
    for first, middle, last in triples:
        assert pairs.of(first, middle).verdict == pairs.of(middle, last).verdict == "tied"
        assert pairs.of(first, last).verdict == "better"


def test_on_vocals_15_of_23_neighbours_tie_alone_and_21_when_all_pairs_are_looked_at(
    lines: list[dict[str, str]], tmp_path: Path
) -> None:
    vocals = [row for row in lines if row["target"] == "vocals"]
    board, by_hand = board_of(vocals, tmp_path), ByHand(vocals, ("vocals",))
    found = all_pairs(board, column=board.columns[0], better="higher", unit="dB")
    neighbours = list(pairwise(found.whole))
    assert list(found.whole) == sorted(by_hand.figures, key=lambda name: -by_hand.figures[name])
    alone = [found.of(*pair).own.low <= 0 for pair in neighbours]  # type: ignore[operator]
    at_once = [found.of(*pair).verdict == "tied" for pair in neighbours]
    assert (len(neighbours), sum(alone), sum(at_once)) == (23, 15, 21)
    assert alone == [by_hand.alone(*pair)[0] <= 0 for pair in neighbours]
