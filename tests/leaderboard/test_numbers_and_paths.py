from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard import numbers
from leaderboard.numbers import MINUS
from leaderboard.paths import slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.measure(-3.006, "dB"), f"{MINUS}3.01"),
        (numbers.measure(-0.0001, "dB"), "0.00"),
        (numbers.measure(2.5, "MOS"), "2.500"),
        (numbers.interval(-1, 0.5, "dB"), f"[{MINUS}1.00, 0.50]"),
        (numbers.percent(0.9999), "99\u00a0%"),
        (numbers.percent(0.29), "29\u00a0%"),
        (numbers.percent(1.0), "100\u00a0%"),
        (numbers.moment("2026-01-05T03:00:07.5+01:00"), "2026-01-05 02:00:07 UTC"),
        (numbers.moment("2026-01-05T02:00:07"), "2026-01-05T02:00:07"),
        (numbers.moment("yesterday"), "yesterday"),
        (numbers.significant(0.04817), "0.048"),
        (numbers.significant(12.3), "12"),
        (numbers.ratio(0.04817), "0.048"),
        (numbers.ratio(0.000047), "<0.001"),
        (numbers.ratio(0.0), "<0.001"),
        (numbers.megabytes(0.0), "<1\u00a0MB"),
        (numbers.megabytes(1.0), "1\u00a0MB"),
        (numbers.megabytes(1536), "1.5\u00a0GB"),
        (numbers.duration(59.96), "1\u00a0min\u00a00\u00a0s"),
        (numbers.duration(7.25), "7.2\u00a0s"),
        (numbers.count(1, "scene"), "1 scene"),
        (numbers.count(12_000, "scene"), "12,000 scenes"),
    ],
)
def test_numbers_as_text(text: str, expected: str) -> None:
    assert text == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_slugs_are_safe_and_settled(name: str) -> None:
    found = slug(name)
    assert re.fullmatch(r"[a-z0-9_-]{1,75}", found)
    assert slug(found) == found or found.split("-")[0] in ("con", "nul")


def test_slugs_of_names_that_differ_in_case_or_marks_differ() -> None:
    names = ["a b", "a-b", "A b", "a  b", "á b", "a/b", "../a b", "", " ", "con", "CON"]
    assert len({slug(name) for name in names}) == len(names)
    assert slug("gain-oracle") == "gain-oracle"
