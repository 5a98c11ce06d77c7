"""Two separators held against each other: recordings are what counts, and only what both have enters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from reports.bootstrap import FEW
from reports.outcomes import OUTCOMES
from reports.paired import Comparison, column_of, compare
from reports.power import recordings_needed
from reports.results import ResultsError
from reports.schema import DatasetEntry
from reports.tables import Board

COLUMN = "sdri@1/mean"
Row = tuple[str, str, str, float | None, str]
"""Separator, scene, target, value used, state."""


def board_of(rows: Sequence[Row], recordings: dict[str, Sequence[str]] | None = None) -> Board:
    scenes = list(dict.fromkeys(row[1] for row in rows))
    outcomes = pl.DataFrame(
        [
            {"separator": name, "scene": scene, "index": 0, "target": target, "metric": "sdri@1", "state": state,
             "status": "ok", "value": used, "used": used, "reason": None}
            for name, scene, target, used, state in rows
        ],
        schema=OUTCOMES,
    )  # fmt: skip
    entry = DatasetEntry(
        title="Set", split="test", licence="MIT", citation="c", url="u", columns=(COLUMN, "sdrg@1/median"),
        metrics=("sdri@1",), scenes=len(scenes), version="v",
    )  # fmt: skip
    cells = outcomes.select("separator", "scene").unique()
    known = pl.DataFrame({"scene": scenes, "recordings": [list((recordings or {}).get(s, [s])) for s in scenes]})
    return Board("set", "test", "query", entry, cells, known, outcomes, pl.DataFrame())


def plain(first: Sequence[float], second: Sequence[float], repeats: int = 1) -> Board:
    """One recording each, heard in ``repeats`` scenes."""
    rows: list[Row] = []
    recordings = {}
    for place, values in enumerate(zip(first, second, strict=True)):
        for again in range(repeats):
            scene = f"{place:03d}-{again}"
            recordings[scene] = [f"song {place}"]
            rows += [(name, scene, "x", value, "measured") for name, value in zip("ab", values, strict=True)]
    return board_of(rows, recordings)


def judged(board: Board, **more: str) -> Comparison:
    return compare(board, "a", "b", **{"column": COLUMN, "better": "higher"} | more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def draws() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    song = random.normal(5, 4, 40)  # what both share leaves the difference
    return song + random.normal(0.8, 1, 40), song + random.normal(0, 1, 40)


def test_of_a_mean_the_deviation_is_that_of_the_paired_differences(draws: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = draws
    found = judged(plain(list(first), list(second)))
    deviation = float(np.std(first - second, ddof=1))
    assert found.difference == pytest.approx(float(np.mean(first - second)))
    assert found.deviation == pytest.approx(deviation, rel=0.03)
    reach = 1.96 * deviation / math.sqrt(40)
    assert found.low == pytest.approx(found.difference - reach, abs=0.1)
    assert found.high == pytest.approx(found.difference + reach, abs=0.1)
    wanted = recordings_needed(float(np.mean(first - second)), deviation)
    assert found.needed == pytest.approx(wanted, rel=0.08)
    assert found.needed_low is not None
    assert found.needed_high is not None
    assert found.needed_low < found.needed < found.needed_high  # type: ignore[operator]


def test_scenes_of_one_recording_are_no_new_recordings(draws: tuple[np.ndarray, np.ndarray]) -> None:
    once, often = (judged(plain(*map(list, draws), repeats=times)) for times in (1, 4))
    assert (often.recordings, often.scenes, often.pairs) == (40, 160, 160)
    assert often.needed == once.needed
    assert often.superiority == once.superiority


def test_the_answer_is_the_same_from_both_sides(draws: tuple[np.ndarray, np.ndarray]) -> None:
    board = plain(*map(list, draws))
    there, back = judged(board), compare(board, "b", "a", column=COLUMN, better="higher")
    assert (back.difference, back.needed) == (pytest.approx(-there.difference), there.needed)  # type: ignore[operator]
    assert there.superiority is not None
    assert back.superiority is not None
    assert back.superiority.share == pytest.approx(1 - there.superiority.share)


def test_no_number_tells_equals_apart() -> None:
    found = judged(plain([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    assert (found.difference, found.deviation) == (0.0, pytest.approx(0.0))
    assert (found.needed, found.needed_low, found.needed_high) == (None, None, None)
    assert found.superiority is not None
    assert found.superiority.share == 0.5


def test_an_interval_around_zero_has_no_greatest_number() -> None:
    found = judged(plain([1.0, -1.0, 2.0, -2.0, 0.5, 0.4, -0.2], [0.0] * 7))
    assert found.needed is not None
    assert found.needed_high is None


def test_only_what_both_have_enters_and_failures_are_counted() -> None:
    rows: list[Row] = []
    for place in range(8):
        rows += [("a", f"{place}", "x", 3.0 + place % 3, "measured"), ("b", f"{place}", "x", 1.0, "measured")]
    rows[1] = ("b", "0", "x", 0.5, "failed")  # counted with the score of the mixture
    rows[3] = ("b", "1", "x", None, "skipped")
    rows[4] = ("a", "2", "x", None, "not run")
    found = judged(board_of(rows))
    assert (found.pairs, found.imputed, found.unpaired, found.recordings) == (6, 1, 2, 6)
    assert found.difference == pytest.approx(np.mean([3 - 0.5, 3 - 1, 4 - 1, 5 - 1, 3 - 1, 4 - 1]))


def test_where_less_is_better_the_lesser_is_superior() -> None:
    board = plain([1.0] * 5 + [3.0], [2.0] * 6)
    shares = [judged(board, better=better).superiority for better in ("higher", "lower")]
    assert [found and found.share for found in shares] == [pytest.approx(1 / 6), pytest.approx(5 / 6)]
    assert judged(board, better="neither").superiority is None


def test_clips_that_are_heard_in_pairs_count_as_half_as_many() -> None:
    rows: list[Row] = []
    for pair in range(20):
        rows += [("a", f"{pair}", "x", float(pair % 4), "measured"), ("b", f"{pair}", "x", 0.5, "measured")]
    found = judged(board_of(rows, {f"{pair}": (f"l{pair}", f"r{pair}") for pair in range(20)}))
    alone = judged(board_of(rows))
    assert (found.recordings, alone.recordings) == (40, 20)
    assert found.superiority is not None
    assert alone.superiority is not None
    assert (found.superiority.low, found.superiority.high) == (alone.superiority.low, alone.superiority.high)


def test_one_recording_and_none_say_so() -> None:
    found = judged(plain([1.0], [2.0], repeats=3))
    assert (found.difference, found.needed) == (-1.0, None)
    assert "one recording" in str(found.note)
    rows: list[Row] = [("a", "1", "x", 1.0, "measured"), ("b", "2", "x", 1.0, "measured")]
    apart = judged(board_of(rows))
    assert (apart.pairs, apart.unpaired, apart.difference) == (0, 2, None)
    assert "in common" in str(apart.note)


def test_few_recordings_carry_the_warning_of_their_interval() -> None:
    found = judged(plain([5.0, 6.0, 7.0], [1.0, 1.5, 1.2]))
    assert found.needed == FEW
    assert "too few" in str(found.note)


def test_names_and_columns_that_are_not_there_are_said() -> None:
    board = plain([1.0, 2.0], [2.0, 1.0])
    with pytest.raises(ResultsError, match="no separator 'c' on set; there are a, b"):
        compare(board, "a", "c", column=COLUMN, better="higher")
    with pytest.raises(ResultsError, match="two separators"):
        compare(board, "a", "a", column=COLUMN, better="higher")
    with pytest.raises(ResultsError, match="has no results on set; there are metrics sdri@1"):
        compare(board, "a", "b", column="pesq@1/mean", better="higher")


def test_a_metric_names_its_column() -> None:
    board = plain([1.0, 2.0], [2.0, 1.0])
    assert column_of(board, None) == COLUMN
    assert column_of(board, "sdrg@1") == "sdrg@1/median"
    assert column_of(board, "sdri@1/median") == "sdri@1/median"
    with pytest.raises(ResultsError, match="in no column of set: sdri@1/mean, sdrg@1/median"):
        column_of(board, "pesq@1")
    with pytest.raises(ResultsError, match="write metric@version/aggregation"):
        column_of(board, "sdri@1/best")
