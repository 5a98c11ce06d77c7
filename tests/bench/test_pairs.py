from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.base import DatasetError
from bench.datasets.pairs import Clip, Pair, faithful, list_hash, matched, no_kin, pair_scene, repaired
from bench.scene import Signal
from ontology import Ontology, Target

ONTOLOGY = Ontology.audioset()
KIN = no_kin(ONTOLOGY)
CLASSES = ("Dog", "Bark", "Speech", "Rain", "Bicycle bell", "Bell", "Sneeze", "Siren")


@dataclass(frozen=True)
class Samples(Signal):
    values: tuple[float, ...]
    sample_rate = 8000
    channels = 1

    @property
    def samples(self) -> int:
        return len(self.values)

    def read(self) -> torch.Tensor:
        return torch.tensor([self.values])

    def fingerprint(self) -> str:
        return repr(self.values)


def clip(name: str, label: str, recording: str | None = None) -> Clip:
    return Clip(name, label, (ONTOLOGY[label].mid,), recording or f"recording of {name}")


def table(labels: list[str]) -> list[Clip]:
    return [clip(f"{place:04d}.wav", label) for place, label in enumerate(labels)]


labels = st.lists(st.sampled_from(CLASSES), min_size=2, max_size=24)


def uss_draws(labels: list[str], per_class: int) -> list[tuple[int, int]]:
    """The published loop, on row numbers; only for tables on which it ends."""
    state, counts, drawn = np.random.RandomState(1234), Counter(), []
    while any(counts[label] < per_class for label in labels):
        for row in state.permutation(len(labels) - 1):
            following = (row + 1) % len(labels)
            if labels[row] != labels[following] and counts[labels[row]] < per_class:
                counts[labels[row]] += 1
                drawn.append((int(row), int(following)))
    return drawn


@given(labels=labels)
@settings(max_examples=40, deadline=None)
def test_faithful_draws_the_published_pairs_in_their_order(labels: list[str]) -> None:
    rows = table(labels)
    ends = {a for a, b in pairwise(labels) if a != b} == set(labels)
    if not ends:
        with pytest.raises(DatasetError, match="pairing=repaired"):
            faithful(rows, per_class=7)
        return
    expected = [(rows[a].name, rows[b].name) for a, b in uss_draws(labels, 7)]
    assert [(pair.target.name, pair.partner.name) for pair in faithful(rows, per_class=7)] == expected


def test_faithful_names_the_class_that_would_never_be_complete() -> None:
    with pytest.raises(DatasetError, match="Rain has none"):
        faithful(table(["Dog", "Speech", "Dog", "Rain", "Rain"]))


def test_faithful_refuses_an_empty_table() -> None:
    with pytest.raises(DatasetError, match="empty table"):
        faithful([])


def test_faithful_repeats_pairs_of_a_class_with_few_rows() -> None:
    pairs = faithful(table(["Dog", "Speech", "Rain", "Dog", "Rain", "Speech", "Dog"]))
    assert Counter(pair.target.label for pair in pairs) == {"Dog": 100, "Speech": 100, "Rain": 100}
    assert len(set(pairs)) == 6


@given(labels=labels, seed=st.integers())
@settings(max_examples=40, deadline=None)
def test_repaired_does_not_depend_on_the_order_of_rows(labels: list[str], seed: int) -> None:
    rows = table(labels)
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert repaired(shuffled, admissible=KIN, seed="s") == repaired(rows, admissible=KIN, seed="s")
    assert matched(shuffled, admissible=KIN, seed="s") == matched(rows, admissible=KIN, seed="s")


@given(labels=labels)
@settings(max_examples=40, deadline=None)
def test_repaired_takes_each_clip_with_a_partner_once_and_never_kin(labels: list[str]) -> None:
    rows = table(labels)
    pairs = repaired(rows, admissible=KIN, seed="s")
    able = [row.name for row in rows if any(KIN(row, other) for other in rows)]
    assert sorted(pair.target.name for pair in pairs) == able
    assert all(KIN(*pair.clips) for pair in pairs)


@given(labels=labels, gone=st.integers(min_value=0))
@settings(max_examples=40, deadline=None)
def test_a_clip_that_vanishes_changes_only_the_pairs_it_was_in(labels: list[str], gone: int) -> None:
    rows = table(labels)
    lost = rows[gone % len(rows)]
    before = repaired(rows, admissible=KIN, seed="s")
    after = repaired([row for row in rows if row != lost], admissible=KIN, seed="s")
    assert {pair for pair in before if lost not in pair.clips} <= set(after)


def test_the_first_pairs_of_a_list_show_several_classes() -> None:
    rows = [clip(f"{label}/{take}", label) for label in CLASSES for take in range(8)]
    for pairs in (repaired(rows, admissible=KIN, seed="s"), matched(rows, admissible=KIN, seed="s")):
        assert len({pair.target.label for pair in pairs[:8]}) >= 4


def test_repaired_changes_with_its_seed() -> None:
    rows = table(list(CLASSES) * 3)
    assert repaired(rows, admissible=KIN, seed="a") != repaired(rows, admissible=KIN, seed="b")


def test_a_row_that_stands_twice_counts_once() -> None:
    rows = table(["Dog", "Speech", "Rain"])
    assert repaired(rows + rows[:1], admissible=KIN, seed="s") == repaired(rows, admissible=KIN, seed="s")


def test_one_clip_with_two_labels_is_refused_by_name() -> None:
    rows = [clip("a.wav", "Dog"), clip("b.wav", "Rain"), clip("a.wav", "Speech")]
    with pytest.raises(DatasetError, match=r"a\.wav has two rows that differ"):
        repaired(rows, admissible=KIN, seed="s")


@given(labels=labels)
@settings(max_examples=60, deadline=None)
def test_matched_pairs_are_disjoint_and_leave_nobody_who_has_half_the_others_to_choose_from(labels: list[str]) -> None:
    rows = table(labels)
    pairs = matched(rows, admissible=KIN, seed="s")
    used = [one.name for pair in pairs for one in pair.clips]
    assert len(used) == len(set(used))
    assert all(KIN(*pair.clips) for pair in pairs)
    choices = [sum(KIN(row, other) for other in rows) for row in rows]
    if len(rows) % 2 == 0 and all(count * 2 >= len(rows) for count in choices):
        assert len(used) == len(rows)


def test_matched_breaks_a_pair_for_two_that_are_left_over() -> None:
    # Half the clips are dogs: a first come, first served order alone leaves dogs over for some seeds.
    rows = table(["Dog"] * 6 + ["Rain", "Rain", "Speech", "Speech", "Siren", "Sneeze"])
    for seed in map(str, range(20)):
        assert len(matched(rows, admissible=KIN, seed=seed)) == 6


@pytest.mark.parametrize(
    ("a", "b", "fits"),
    [
        ("Dog", "Bark", False),  # parent and child
        ("Bark", "Animal", False),  # grandparent
        ("Bicycle bell", "Bell", False),  # over a second parent
        ("Bicycle bell", "Bicycle", False),  # over the other one
        ("Dog", "Cat", True),  # siblings
        ("Dog", "Speech", True),
        ("Dog", "Dog", False),
    ],
)
def test_kin_are_classes_of_which_one_lies_above_the_other(a: str, b: str, fits: bool) -> None:
    assert KIN(clip("a", a), clip("b", b)) is fits
    assert KIN(clip("b", b), clip("a", a)) is fits


def test_one_class_of_several_is_enough_to_be_kin() -> None:
    walk = Clip("walk", "Dog", (ONTOLOGY["Dog"].mid, ONTOLOGY["Rain"].mid), "walk")
    assert not KIN(walk, clip("shower", "Rain"))
    assert not KIN(walk, clip("forest", "Raindrop"))  # Raindrop lies under Rain


def test_clips_of_one_recording_are_never_mixed() -> None:
    assert not KIN(clip("a", "Dog", "same"), clip("b", "Rain", "same"))


def test_a_label_without_a_class_is_kin_to_no_other() -> None:
    assert KIN(Clip("a", "other", (), "1"), clip("b", "Rain"))


def test_the_hash_of_a_list_hangs_on_its_pairs_and_their_order() -> None:
    pairs = repaired(table(["Dog", "Speech", "Rain"]), admissible=KIN, seed="s")
    turned = [Pair(pair.partner, pair.target) for pair in pairs]
    assert len({list_hash(pairs), list_hash(pairs[::-1]), list_hash(turned), list_hash(pairs[:-1])}) == 4
    assert list_hash(pairs) == list_hash(list(pairs))


def test_a_pair_scene_mixes_both_clips_at_equal_energy_and_scores_those_asked_for() -> None:
    pair = Pair(clip("a", "Dog", "one"), clip("b", "Rain", "two"))
    signals = Samples((0.1, -0.3, 0.2, 0.0)), Samples((0.5, 0.5, -0.5, 0.5))
    scene = pair_scene(
        pair, signals, id="a+b", dataset="d", split="s", targets=[Target("Dog", pair.target.mids)], notes=("n",)
    )
    first, second = (source.signal.read() for source in scene.sources)
    torch.testing.assert_close(scene.mixture.read(), first + second)
    torch.testing.assert_close(first.square().mean(), second.square().mean())
    torch.testing.assert_close(scene.reference(scene.targets[0]), signals[0].read())
    assert [target.target.label for target in scene.targets] == ["Dog"]
    assert scene.recordings == ("one", "two")
    assert [source.recording for source in scene.sources] == ["one", "two"]
