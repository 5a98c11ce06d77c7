from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scene import Scene, Signal, Source
from bench.truth import annotation as annotation_of
from bench.truth import truth
from ontology import Ontology
from taggers.base import Annotation, Event, TagContext, Tags
from taggers.labels import Labels

ONTOLOGY = Ontology.audioset()
RATE = 1_000


def event(name: str, start: float, end: float, instance: int = 0) -> Event:
    return Event(ONTOLOGY[name].mid, start, end, instance=instance)


def tag(annotation: Annotation | None, *starts: float, seconds: float = 2.0, rate: int | None = RATE) -> Tags:
    context = TagContext(starts=starts, sample_rate=rate, annotation=annotation)
    return Labels().tag(torch.zeros(len(starts), round(seconds * RATE)), context=context)


def of(tags: Tags, name: str, segment: int = 0) -> float | None:
    """1, 0, or None where the class is unknown."""
    value = float(tags.probabilities[segment, ONTOLOGY[name].row])
    return None if np.isnan(value) else value


def count(tags: Tags, name: str, segment: int = 0) -> int:
    assert tags.counts is not None
    return int(tags.counts[segment, ONTOLOGY[name].row])


def test_a_class_sounds_with_all_above_it_and_hides_what_lies_below() -> None:
    tags = tag(Annotation((event("Dog", 0, 1),)), 0.0)
    assert [of(tags, name) for name in ("Dog", "Domestic animals, pets", "Animal")] == [1, 1, 1]
    assert [of(tags, name) for name in ("Bark", "Growling")] == [None, None]
    assert [of(tags, name) for name in ("Cat", "Music", "Human sounds")] == [0, 0, 0]
    assert tags.clipwise is None


def test_a_class_with_four_parents_reaches_all_of_them() -> None:
    tags = tag(Annotation((event("Hiss", 0, 1),)), 0.0)
    parents = ONTOLOGY["Hiss"].parents
    assert len(parents) == 4
    assert all(of(tags, parent.name) == 1 for parent in parents)
    assert all(count(tags, node.name) == 1 for node in ONTOLOGY.ancestors("Hiss", include_self=True))


def test_a_finer_annotation_of_the_same_source_leaves_nothing_unknown_below_the_coarser() -> None:
    both = Annotation((event("Dog", 0, 1), event("Bark", 0, 1)))
    assert (of(tag(both, 0.0), "Bark"), of(tag(both, 0.0), "Growling")) == (1, 0)
    assert (count(tag(both, 0.0), "Dog"), count(tag(both, 0.0), "Animal")) == (1, 1)
    two = Annotation((event("Dog", 0, 1, 0), event("Bark", 0, 1, 1)))
    assert (of(tag(two, 0.0), "Bark"), of(tag(two, 0.0), "Growling")) == (1, None)
    assert (count(tag(two, 0.0), "Dog"), count(tag(two, 0.0), "Bark")) == (2, 1)


def test_a_finer_annotation_counts_only_while_it_sounds() -> None:
    tags = tag(Annotation((event("Dog", 0, 6), event("Bark", 2, 4))), 0.0, 2.0, 4.0)
    assert [of(tags, "Growling", segment) for segment in range(3)] == [None, 0, None]
    assert [of(tags, "Bark", segment) for segment in range(3)] == [None, 1, None]


def test_each_source_counts_once_however_many_events_it_has() -> None:
    tags = tag(
        Annotation((event("Cat", 0, 0.5), event("Cat", 1, 1.5), event("Cat", 0.2, 1.2, 1), event("Dog", 1, 5))),
        0.0,
        3.0,
    )
    assert [count(tags, name) for name in ("Cat", "Dog", "Animal", "Music")] == [2, 1, 3, 0]
    assert [count(tags, name, 1) for name in ("Cat", "Dog", "Animal")] == [0, 1, 1]


def test_overlapping_events_of_one_source_sound_as_long_as_the_last() -> None:
    tags = tag(Annotation((event("Rain", 0, 9), event("Rain", 1, 2), event("Rain", 3, 4))), 2.0, 5.0, 9.0)
    assert [of(tags, "Rain", segment) for segment in range(3)] == [1, 1, 0]


def test_an_event_that_ends_where_a_segment_starts_does_not_sound_in_it() -> None:
    tags = tag(Annotation((event("Rain", 0.1, 0.3),)), 0.0, 0.3, seconds=0.3)
    assert [of(tags, "Rain", segment) for segment in range(2)] == [1, 0]


def test_what_may_be_contained_is_unknown_unless_it_sounds() -> None:
    tags = tag(Annotation((event("Speech", 0, 1),), (ONTOLOGY["Human sounds"].mid,)), 0.0, 2.0)
    assert (of(tags, "Speech"), of(tags, "Speech", 1)) == (1, None)
    assert (of(tags, "Cough"), of(tags, "Music")) == (None, 0)
    below = tag(Annotation((), (ONTOLOGY["Bark"].mid,)), 0.0)
    assert [of(below, name) for name in ("Bark", "Dog", "Animal", "Cat")] == [None, None, None, 0]


def test_where_everything_may_be_contained_all_but_what_sounds_is_unknown() -> None:
    tags = tag(Annotation((event("Speech", 0, 1),), tuple(node.mid for node in ONTOLOGY.at_depth(1))), 0.0)
    ancestors = {node.row for node in ONTOLOGY.ancestors("Speech", include_self=True)}
    assert set(torch.nonzero(~tags.probabilities[0].isnan()).ravel().tolist()) == ancestors
    assert set(torch.nonzero(tags.known).ravel().tolist()) == ancestors


def test_known_leaves_out_what_is_never_told() -> None:
    tags = tag(Annotation((event("Bark", 5, 6),), (ONTOLOGY["Dog"].mid,)), 0.0)
    assert bool(tags.known[ONTOLOGY["Bark"].row]), "it sounds later"
    assert not bool(tags.known[ONTOLOGY["Growling"].row])
    assert bool(tags.known[ONTOLOGY["Music"].row])


def test_frames_follow_the_events() -> None:
    tags = tag(Annotation((event("Rain", 0.3, 0.9), event("Rain", 2.25, 2.31))), 0.0, 1.0)
    assert tags.framewise is not None
    assert tags.framewise.shape == (2, 20, 632)
    rain = tags.framewise[..., ONTOLOGY["Rain"].row]
    assert torch.nonzero(rain[0]).ravel().tolist() == [3, 4, 5, 6, 7, 8]
    assert torch.nonzero(rain[1]).ravel().tolist() == [12, 13]
    assert tags.framewise[0, 3, ONTOLOGY["Raindrop"].row].isnan()
    assert tags.framewise[0, 2, ONTOLOGY["Raindrop"].row] == 0


def test_a_segment_shorter_than_a_frame_has_one() -> None:
    tags = tag(Annotation((event("Rain", 0, 1),)), 0.0, seconds=0.001)
    assert tags.framewise is not None
    assert tags.framewise[0, :, ONTOLOGY["Rain"].row].tolist() == [1]


def test_an_annotation_without_events_says_that_nothing_sounds() -> None:
    tags = tag(Annotation(()), 0.0, 1.0)
    assert tags.counts is not None
    assert not tags.probabilities.any()
    assert not tags.counts.any()
    assert bool(tags.known.all())


def test_what_is_missing_is_one_clear_line() -> None:
    rain = Annotation((event("Rain", 0, 1),))
    with pytest.raises(ValueError, match=r"this recording has none: give it one$"):
        tag(None, 0.0)
    with pytest.raises(ValueError, match="one start per segment: 0 for 1"):
        Labels().tag(torch.zeros(1, 9), context=TagContext(sample_rate=RATE, annotation=rain))
    with pytest.raises(ValueError, match="sample rate"):
        tag(rain, 0.0, rate=None)
    with pytest.raises(KeyError, match=r"'Dgo' in the ontology; the nearest are .*'Dog'"):
        tag(Annotation((Event("Dgo", 0, 1),)), 0.0)


def test_its_card_says_that_it_is_an_oracle() -> None:
    card = Labels.card()
    assert (Labels.needs_annotation, card.family, card.parameters) == (True, "oracle", 0)
    assert Labels().weights_sha256() is None


class Nothing(Signal):
    sample_rate = RATE  # type: ignore[assignment]
    channels = 1  # type: ignore[assignment]
    samples = RATE  # type: ignore[assignment]

    def read(self) -> torch.Tensor:
        return torch.zeros(1, RATE)

    def fingerprint(self) -> str:
        return "nothing"


MIDS = st.sampled_from([node.mid for node in ONTOLOGY])
SOURCES = st.builds(
    lambda mids, may: Source("source", tuple(mids), Nothing(), "recording", may_contain=may),
    st.lists(MIDS, max_size=3),
    st.none() | st.lists(MIDS, max_size=2).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(sources=st.lists(SOURCES, max_size=4))
def test_it_says_what_is_true_of_a_scene(sources: list[Source]) -> None:
    scene = Scene("scene", "made", "test", Nothing(), tuple(sources), (), ())
    tags = tag(annotation_of(scene), 0.0, seconds=1.0)
    known = truth(scene)
    for node in ONTOLOGY:
        if node.restrictions and known.states[node.row] == "unknown":
            continue  # never scored, whatever a tagger says
        expected = {"present": 1, "absent": 0, "unknown": None}[known.states[node.row]]
        assert of(tags, node.mid) == expected, node.name
        assert (count(tags, node.mid) > 0) == (expected == 1)
