from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard import build
from leaderboard.order import in_order, with_neighbours


def test_numbers_in_names_count_by_size() -> None:
    names = ["10", "2", "1", "0", "track 2b", "track 10a", "track 2a", "a", "1.10", "1.9"]
    assert in_order(names) == ["0", "1", "1.9", "1.10", "2", "10", "a", "track 2a", "track 2b", "track 10a"]
    assert in_order(["9" * 5000, "1" + "0" * 5000, "007", "7", "\N{SUPERSCRIPT TWO}"])[:2] == ["007", "7"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="01a \N{ARABIC-INDIC DIGIT FOUR}9", max_size=6), unique=True), st.randoms())
def test_any_names_have_one_order(names: list[str], random: Any) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)
    assert in_order(shuffled) == in_order(names)
    assert sorted(in_order(names)) == sorted(names)


def test_neighbours_are_those_of_the_order() -> None:
    assert list(with_neighbours(["10", "9", "1"])) == [(None, "1", "9"), ("1", "9", "10"), ("9", "10", None)]
    assert list(with_neighbours([])) == []


@pytest.fixture(scope="module")
def site(make_writer: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbered")
    writer = make_writer(folder / "results", separators={"mixture": ("baseline", 0.0), "a": ("f", 2.0)})
    writer.dataset("set", {str(place): (("x", "y"), (f"r{place}",)) for place in range(12)}, title="Set")
    return build(writer.finish(), folder / "site").parent


def test_scenes_named_by_number_stand_and_follow_each_other_by_size(site: Path) -> None:
    listed = (site / "datasets/set.html").read_text(encoding="utf-8")
    places = [listed.index(f'href="../scenes/set/{place}.html"') for place in range(12)]
    assert places == sorted(places)
    page = (site / "scenes/set/2.html").read_text(encoding="utf-8")
    turn = page[page.index('<nav class="turn"') :]
    assert turn.index("1.html") < turn.index("3.html")
    assert "10.html" not in turn[: turn.index("</nav>")]
