"""Classes as a forest: who stands under whom, and how often."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Ontology
from ontology.forest import Place, forest

ONTO = Ontology.audioset()
MIDS = [node.mid for node in ONTO]


def mids(*names: str) -> list[str]:
    return [ONTO[name].mid for name in names]


def lines(roots: tuple[Place, ...]) -> list[tuple[int, str, bool]]:
    return [(place.level, ONTO[place.mid].name, place.first) for root in roots for place in root.walk()]


def test_a_class_with_two_parents_stands_under_both_and_its_children_once() -> None:
    assert lines(forest(mids("Musical instrument", "Vehicle", "Bell", "Bicycle", "Bicycle bell", "Church bell"))) == [
        (0, "Musical instrument", True),
        (1, "Bell", True),
        (2, "Bicycle bell", True),
        (2, "Church bell", True),
        (0, "Vehicle", True),
        (1, "Bicycle", True),
        (2, "Bicycle bell", False),
    ]


def test_a_class_without_its_parent_hangs_from_the_nearest_ancestor_there_is() -> None:
    assert lines(forest(mids("Music", "Guitar"))) == [(0, "Music", True), (1, "Guitar", True)]


def test_a_mid_of_another_ontology_stands_alone() -> None:
    assert [place.mid for place in forest(["/m/none", ONTO["Music"].mid])] == ["/m/none", ONTO["Music"].mid]


def test_all_classes_stand_once_under_each_parent() -> None:
    places = [place for root in forest(MIDS) for place in root.walk()]
    assert sorted(place.mid for place in places if place.first) == sorted(MIDS)
    assert len(places) == sum(max(1, len(node.parents)) for node in ONTO)


@given(st.lists(st.sampled_from(MIDS), unique=True, max_size=40))
@settings(max_examples=25, deadline=None)
def test_every_choice_is_shown_in_full_with_each_class_below_its_ancestors_only(chosen: list[str]) -> None:
    roots = forest(chosen)
    assert {place.mid for root in roots for place in root.walk() if place.first} == set(chosen)
    for root in roots:
        for place in root.walk():
            for child in place.below:
                assert ONTO[place.mid] in ONTO.ancestors(child.mid)
