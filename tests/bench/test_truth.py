from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio import digest
from bench.scene import Scene, Signal, Source
from bench.truth import DEPTHS, Cut, annotation, reference, truth
from ontology import Ontology

ONTOLOGY = Ontology.audioset()
NAMES = [node.name for node in ONTOLOGY]
RATE, SAMPLES = 8, 16


@dataclass(frozen=True)
class Level(Signal):
    """A constant: what a sum is made of can be read off its value."""

    value: float

    sample_rate = RATE
    channels = 1
    samples = SAMPLES

    def read(self) -> torch.Tensor:
        return torch.full((1, SAMPLES), self.value)

    def fingerprint(self) -> str:
        return digest("level", self.value)


def source(*names: str, value: float = 1.0, **known: object) -> Source:
    mids = tuple(ONTOLOGY[name].mid for name in names)
    return Source("+".join(names) or "no class", mids, Level(value), f"recording {names}", **known)  # type: ignore[arg-type]


def scene(*sources: Source) -> Scene:
    return Scene("one", "hand", "test", Level(9.0), sources, (), ("one",))


def row(name: str) -> int:
    return ONTOLOGY[name].row


def present(cut: Cut) -> dict[str, tuple[int, ...]]:
    return {one.node.name: one.members for one in cut.classes if one.state == "present"}


def test_an_empty_scene_has_nothing_and_only_restricted_classes_are_unknown() -> None:
    found = truth(scene())
    assert "present" not in found.states
    assert [state == "unknown" for state in found.states] == [bool(node.restrictions) for node in ONTOLOGY]
    assert all(present(found.cut(depth)) == {} and found.cut(depth).sources == () for depth in DEPTHS)
    assert torch.equal(reference(found, ()), torch.zeros(1, SAMPLES))


def test_a_hiss_is_reached_from_its_four_parents_and_counts_once_in_each() -> None:
    found = truth(scene(source("Hiss", value=3.0)))
    for above in ("Cat", "Snake", "Steam", "Onomatopoeia", "Animal", "Source-ambiguous sounds"):
        assert found.members[row(above)] == (0,)
        assert torch.equal(reference(found, found.members[row(above)]), torch.full((1, SAMPLES), 3.0))
    parents_of_parents = ("Domestic animals, pets", "Wild animals", "Water", "Onomatopoeia")
    assert present(found.cut(2)) == dict.fromkeys(parents_of_parents, (0,))


def test_of_a_chain_within_one_depth_only_the_deepest_class_counts() -> None:
    found = truth(scene(source("Hiss")))
    assert present(found.cut(3)) == {"Hiss": (0,)}
    assert [node.name for node in found.cut(3).merged] == ["Cat", "Snake", "Steam"]


def test_classes_of_a_chain_with_different_members_both_count() -> None:
    found = truth(scene(source("Hiss"), source("Meow")))
    assert present(found.cut(3)) == {"Cat": (0, 1), "Hiss": (0,)}
    assert [node.name for node in found.cut(3).merged] == ["Snake", "Steam"]
    assert found.cut(3).sources == (0, 1)


def test_a_bicycle_bell_reached_at_three_depths_is_scored_at_its_least() -> None:
    found = truth(scene(source("Bicycle bell", value=2.0)))
    assert present(found.cut(1)) == {"Music": (0,), "Sounds of things": (0,)}
    assert present(found.cut(2)) == dict.fromkeys(("Vehicle", "Alarm", "Bell"), (0,))
    assert [node.name for node in found.cut(2).merged] == ["Musical instrument"]
    assert present(found.cut(3)) == {"Bicycle bell": (0,)}
    assert [node.name for node in found.cut(3).merged] == ["Non-motorized land vehicle"]
    assert present(found.cut(4)) == {"Bicycle bell": (0,)}
    assert [node.name for node in found.cut(4).merged] == ["Bicycle"]


def test_below_a_coarse_annotation_nobody_knows_and_it_is_carried_down() -> None:
    found = truth(scene(source("Music")))
    assert found.states[row("Music")] == "present"
    below = {node.row for node in ONTOLOGY.descendants("Music")}
    assert {found.states[place] for place in below} == {"unknown"}
    assert found.states[row("Dog")] == "absent"
    for depth in DEPTHS:
        assert present(found.cut(depth)) == {"Music": (0,)}


def test_a_finer_annotation_of_one_source_ends_what_the_coarse_one_leaves_open() -> None:
    found = truth(scene(source("Music", "Guitar")))
    assert found.states[row("Drum")] == "absent"
    assert found.states[row("Electric guitar")] == "unknown"
    assert present(found.cut(2)) == {"Musical instrument": (0,)}
    assert present(found.cut(5)) == {"Guitar": (0,)}


def test_a_coarse_source_beside_a_fine_one_stays_coarse() -> None:
    found = truth(scene(source("Music", value=1.0), source("Guitar", value=2.0)))
    assert found.states[row("Drum")] == "unknown"
    assert found.members[row("Guitar")] == (1,)
    assert present(found.cut(4)) == {"Music": (0, 1), "Guitar": (1,)}
    assert torch.equal(reference(found, found.members[row("Music")]), torch.full((1, SAMPLES), 3.0))


def test_two_sources_of_one_class_are_both_in_its_reference() -> None:
    found = truth(scene(source("Bark", value=1.0), source("Speech"), source("Bark", value=4.0)))
    assert found.members[row("Dog")] == (0, 2)
    assert torch.equal(reference(found, (0, 2, 2)), torch.full((1, SAMPLES), 5.0))


def test_a_complement_source_hides_every_class_it_is_not_known_to_lack() -> None:
    found = truth(scene(source("Singing"), source(value=7.0)))
    assert found.members[row("Singing")] == (0,)
    assert set(found.states) == {"present", "unknown"}
    assert found.cut(1).sources == (0,)


def test_noise_that_may_hold_babble_leaves_it_and_what_is_above_unknown() -> None:
    babble = ONTOLOGY["Hubbub, speech noise, speech babble"].mid
    found = truth(scene(source("Speech"), source(may_contain=(babble,))))
    assert found.states[row("Hubbub, speech noise, speech babble")] == "unknown"
    assert found.states[row("Noise")] == "unknown"
    assert found.states[row("Speech")] == "present"
    assert found.states[row("Pink noise")] == "absent"


def test_a_class_one_source_may_hold_is_present_where_another_is_it() -> None:
    noise = ONTOLOGY["Noise"].mid
    found = truth(scene(source("Pink noise"), source(may_contain=(noise,))))
    assert found.members[row("Noise")] == (0,)
    assert found.states[row("White noise")] == "unknown"


def test_restricted_classes_are_present_where_something_below_them_is() -> None:
    found = truth(scene(source("Bark")))
    assert "blacklist" in ONTOLOGY["Natural sounds"].restrictions
    assert found.states[row("Natural sounds")] == "unknown"
    assert found.states[row("Animal")] == "present"


def test_a_depth_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 6"):
        truth(scene()).cut(7)


def test_the_annotation_has_the_finest_classes_with_their_spans_and_places() -> None:
    spans = ((0.25, 0.5), (1.0, 1.5))
    told = annotation(scene(source("Music", "Guitar", spans=spans), source(may_contain=("/m/096m7z",)), source("Bark")))
    guitar, bark = ONTOLOGY["Guitar"].mid, ONTOLOGY["Bark"].mid
    events = [(event.mid, event.start, event.end, event.instance) for event in told.events]
    assert events == [(guitar, 0.25, 0.5, 0), (guitar, 1.0, 1.5, 0), (bark, 0.0, SAMPLES / RATE, 2)]
    assert told.may_contain == ("/m/096m7z",)


def test_the_annotation_of_a_complement_source_leaves_every_root_open() -> None:
    assert annotation(scene(source())).may_contain == tuple(node.mid for node in ONTOLOGY.at_depth(1))


annotations = st.lists(st.sampled_from(NAMES), max_size=3, unique=True)
sources = st.lists(st.tuples(annotations, st.lists(st.sampled_from(NAMES), max_size=2)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(sources)
def test_states_and_members_agree_with_their_definition(drawn: list[tuple[list[str], list[str]]]) -> None:
    found = truth(
        scene(*(source(*names, may_contain=tuple(ONTOLOGY[name].mid for name in held)) for names, held in drawn))
    )
    assert len(found.states) == len(found.members) == len(ONTOLOGY)
    for node in ONTOLOGY:
        family = {below.name for below in ONTOLOGY.descendants(node, include_self=True)}
        wanted = tuple(place for place, (names, _) in enumerate(drawn) if family & set(names))
        assert found.members[node.row] == wanted
        assert (found.states[node.row] == "present") == bool(wanted)
        if found.states[node.row] == "absent":  # nothing below it is present, and nothing says that it may sound
            assert all(found.states[row(below)] != "present" for below in family)
            assert not any(family & set(held) for _, held in drawn)
        if wanted:
            assert all(set(wanted) <= set(found.members[above.row]) for above in ONTOLOGY.ancestors(node))


@settings(max_examples=60, deadline=None)
@given(sources)
def test_the_union_over_any_depth_is_the_annotated_part_of_the_mixture(
    drawn: list[tuple[list[str], list[str]]],
) -> None:
    values = [2.0**place for place in range(len(drawn))]
    found = truth(scene(*(source(*names, value=value) for (names, _), value in zip(drawn, values, strict=True))))
    annotated = tuple(place for place, (names, _) in enumerate(drawn) if names)
    total = sum(values[place] for place in annotated)
    for depth in DEPTHS:
        cut = found.cut(depth)
        assert cut.sources == annotated
        assert torch.equal(reference(found, cut.sources), torch.full((1, SAMPLES), total))


@settings(max_examples=40, deadline=None)
@given(sources, st.sampled_from(DEPTHS))
def test_a_cut_holds_each_class_once_and_no_two_alike_on_one_chain(
    drawn: list[tuple[list[str], list[str]]], depth: int
) -> None:
    found = truth(scene(*(source(*names) for names, _ in drawn)))
    cut = found.cut(depth)
    rows = [one.node.row for one in cut.classes]
    assert rows == sorted(set(rows))
    at_depth = {node.row for node in ONTOLOGY.at_depth(depth)}
    assert at_depth <= {*rows, *(node.row for node in cut.merged)}
    for one in cut.classes:
        assert (one.state, one.members) == (found.states[one.node.row], found.members[one.node.row])
        if one.node.row not in at_depth:
            assert one.state == "present"
            assert one.node.depth < depth
    members = {one.node.row: one.members for one in cut.classes if one.members}
    for one in cut.classes:
        above = {node.row for node in ONTOLOGY.ancestors(one.node)}
        assert not any(members.get(other) == one.members for other in above if one.members)
    for node in cut.merged:
        below = {lower.row for lower in ONTOLOGY.descendants(node)}
        assert any(members.get(other) == found.members[node.row] for other in below)


def test_a_thousand_scenes_take_seconds_only() -> None:
    one = scene(source("Hiss"), source("Music"), source("Guitar"), source("Bark"), source())
    started = time.perf_counter()
    for _ in range(1000):
        found = truth(one)
        for depth in (1, 2, 3):
            found.cut(depth)
    assert time.perf_counter() - started < 10
