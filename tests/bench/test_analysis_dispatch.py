"""Who extracts a class: declared coverage, in order of preference."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_kit import ONTO, echo, separator
from bench.analysis.dispatch import Named, dispatch, prepare, target_of
from bench.plugins import PluginError
from separators.base import ANY, Unavailable
from separators.baselines import Mixture

SPANS = frozenset({"spans"})
POOL = [
    separator(echo, name="speech", classes=("Speech",)),
    separator(echo, name="music", classes=("Music",)),
    separator(echo, name="guitars", classes=("Guitar", "Drum")),
    separator(echo, name="anything", classes=ANY),
    separator(echo, name="oracle", classes=ANY, needs=frozenset({"reference"})),
]


class Absent(Mixture):
    def __init__(self) -> None:
        raise Unavailable("pip install something")


class Broken(Mixture):
    def __init__(self, *, strength: int = 1) -> None:
        if strength > 3:
            raise ValueError("strength must be 3 or less")


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(POOL), kept=st.integers(0, 5), name=st.sampled_from(["Speech", "Guitar", "Bark", "Music"]))
def test_the_first_that_covers_a_class_gets_it(order: list[Named], kept: int, name: str) -> None:
    preference = order[:kept]
    (choice,) = dispatch([target_of(ONTO[name])], preference, given=SPANS)
    covers = {
        "Speech": {"speech", "anything"},
        "Guitar": {"music", "guitars", "anything"},
        "Bark": {"anything"},
        "Music": {"music", "anything"},
    }[name]
    expected = next((named.name for named in preference if named.name in covers), None)
    assert (choice.chosen.name if choice.chosen else None) == expected
    assert (choice.reason is None) == (expected is not None)


def test_where_nobody_takes_a_class_each_one_s_reason_is_given() -> None:
    (choice,) = dispatch([target_of(ONTO["Bark"])], [POOL[0], POOL[4]], given=SPANS)
    assert choice.chosen is None
    assert choice.reason is not None
    assert "speech: 'Bark' stands for Bark, outside what it extracts: Speech" in choice.reason
    assert "oracle: needs reference" in choice.reason


def test_an_oracle_is_taken_where_references_can_be_given() -> None:
    (choice,) = dispatch([target_of(ONTO["Bark"])], [POOL[4]], given=frozenset({"reference"}))
    assert choice.chosen is POOL[4]


def test_without_any_separator_the_reason_says_so() -> None:
    (choice,) = dispatch([target_of(ONTO["Bark"])], [], given=SPANS)
    assert choice.reason == "no separator is there to extract it"


def test_one_that_is_unavailable_is_passed_over_with_its_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kit_dispatch", sys.modules[__name__])
    ready, notes = prepare(["kit_dispatch:Absent", "hpss", "mixture"], options={"hpss": {"kernel": 17}})
    assert [named.name for named in ready] == ["hpss", "mixture"]
    assert notes == ("separator kit_dispatch:Absent was passed over: pip install something",)


def test_an_unknown_separator_or_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError, match="hpss"):
        prepare(["hps"])
    with pytest.raises(PluginError, match="kernel"):
        prepare(["hpss"], options={"hpss": {"kernal": 17}})
    monkeypatch.setitem(sys.modules, "kit_dispatch", sys.modules[__name__])
    with pytest.raises(PluginError, match="3 or less"):
        prepare(["kit_dispatch:Broken"], options={"Broken": {"strength": 9}})
