"""Partitions that count nothing twice, and estimates that add up to the mixture."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from analysis_kit import ONTO, ask, echo, extract_all, noise, separator, timeline
from bench.analysis.consistency import divide, partition_of, project
from bench.analysis.extract import Partition
from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import detect, force
from ontology import Node
from separators.base import Context, Query

RATE = 8000
CONTEXT = Context()
EXACT = {"atol": 1e-6, "rtol": 0.0}


def active(*names: str) -> tuple[Node, ...]:
    mids = {node.mid for name in names for node in ONTO.ancestors(name, include_self=True)}
    return tuple(node for node in ONTO if node.mid in mids)


def divided(names: Sequence[str], cut: Sequence[str]) -> list[str]:
    return [node.name for node in divide(active(*names), [ONTO[name] for name in cut])]


def test_a_class_below_several_of_the_cut_goes_to_the_first_and_what_is_left_with_nothing_is_out() -> None:
    # Hiss lies below Cat, Snake and Steam; Rattle below Snake alone.
    assert divided(["Hiss"], ["Snake", "Steam", "Cat"]) == ["Cat"]
    assert divided(["Hiss", "Rattle"], ["Cat", "Snake", "Steam"]) == ["Cat", "Snake"]


def test_a_class_of_the_cut_below_another_is_out_unless_it_holds_something_of_its_own() -> None:
    assert ONTO["Bell"].depth == ONTO["Musical instrument"].depth == 2
    assert divided(["Church bell", "Guitar"], ["Musical instrument", "Bell"]) == ["Musical instrument"]
    assert divided(["Church bell"], ["Bell"]) == ["Bell"]


def test_a_class_that_nobody_of_the_cut_holds_leaves_the_others_as_they_are() -> None:
    assert divided(["Bark", "Speech"], ["Speech"]) == ["Speech"]


def test_the_cut_has_the_classes_at_its_depth_and_those_that_end_above_it() -> None:
    tags = timeline({"Bark": [0.9], "Music": [0.9]})
    settings = AnalysisSettings(depths=(1, 2, 3), min_seconds=0)
    assert [node.name for node in partition_of(detect(tags, settings), settings)] == ["Dog", "Music"]
    shallow = settings.model_copy(update={"partition_depth": 1})
    assert [node.name for node in partition_of(detect(tags, shallow), shallow)] == ["Animal", "Music"]


def test_classes_asked_for_by_name_are_divided_at_whatever_depth_they_are() -> None:
    settings = AnalysisSettings(classes=("Guitar", "Music", "Bark"))
    assert [node.name for node in partition_of(force(1.0, settings), settings)] == ["Bark", "Music"]


def test_the_partition_of_everything_counts_no_lowest_class_twice() -> None:
    settings = AnalysisSettings(depths=(1, 2, 3, 4, 5, 6), partition_depth=3)
    parts = partition_of(force(1.0, settings), settings)
    # By hand, from the rule: walk the lowest classes, each to its first ancestor at depth 3 or as it ends above.
    owners = set()
    for node in ONTO:
        if not node.children:
            line = ONTO.ancestors(node, include_self=True)
            owners.add(next(one.mid for one in line if one.depth == 3 or (one.depth < 3 and not one.children)))
    assert {node.mid for node in parts} == owners


def test_estimates_add_up_exactly_where_all_are_active() -> None:
    mixture = noise(2, 6000)
    estimates = {0: 0.7 * mixture + noise(2, 6000, seed=1, level=0.02), 3: noise(2, 6000, seed=2)}
    ones = {place: torch.ones(6000) for place in estimates}
    adjusted = dict(project(mixture, estimates, ones, RATE))
    torch.testing.assert_close(adjusted[0] + adjusted[3], mixture, **EXACT)


def test_the_louder_estimate_takes_the_larger_share_of_what_is_left() -> None:
    mixture = noise(1, 8000)
    estimates = {0: 0.6 * mixture, 1: 0.2 * mixture}
    adjusted = dict(project(mixture, estimates, {0: torch.ones(8000), 1: torch.ones(8000)}, RATE))
    torch.testing.assert_close(adjusted[0], (0.6 + 0.2 * 0.9) * mixture, atol=1e-6, rtol=0)  # 0.36 / (0.36 + 0.04)
    torch.testing.assert_close(adjusted[1], (0.2 + 0.2 * 0.1) * mixture, atol=1e-6, rtol=0)


def test_a_share_goes_where_the_estimate_has_its_energy_in_frequency() -> None:
    time = torch.arange(RATE * 2) / RATE
    low, high = torch.sin(2 * torch.pi * 200 * time)[None], torch.sin(2 * torch.pi * 3000 * time)[None]
    adjusted = dict(
        project(low + high, {0: 0.5 * low, 1: 0.5 * high}, {0: torch.ones(16_000), 1: torch.ones(16_000)}, RATE)
    )
    middle = slice(4000, 12_000)
    assert float((adjusted[0] - low)[:, middle].abs().max()) < 1e-2
    assert float((adjusted[1] - high)[:, middle].abs().max()) < 1e-2


def test_silent_estimates_are_given_nothing() -> None:
    adjusted = dict(project(noise(1, 3000), {0: torch.zeros(1, 3000)}, {0: torch.ones(3000)}, RATE))
    assert not adjusted[0].any()


def half(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
    return 0.5 * echo(mixture, queries)


def test_in_blocks_too_members_add_up_where_active_and_others_are_left_alone() -> None:
    mixture = noise(1, 40_000)
    settings = AnalysisSettings(block_seconds=1.5, block_fade_seconds=0.25)
    probe = separator(half)
    asks = [
        ask("Speech", ((0.0, 3.0),), probe),
        ask("Music", ((0.0, 5.0),), probe),
        ask("Guitar", ((0.0, 5.0),), probe),
    ]
    partition = Partition(frozenset({0, 1}))
    speech, music, guitar = extract_all(
        mixture, RATE, asks, settings=settings, context=CONTEXT, consistent=partition
    ).audio
    assert speech is not None
    assert music is not None
    assert guitar is not None
    assert torch.equal(guitar, 0.5 * mixture)
    assert not speech[:, 24_400:].any()
    torch.testing.assert_close((speech + music)[:, :24_000], mixture[:, :24_000], **EXACT)
    # Speech ends at 3 s; a little later Music alone holds all there is.
    torch.testing.assert_close(music[:, 26_000:], mixture[:, 26_000:], **EXACT)


def test_nothing_is_shared_out_while_a_class_of_the_partition_sounds_that_nobody_extracts() -> None:
    mixture = noise(1, 40_000)
    partition = Partition(frozenset({0}), unheld=((2.0, 4.0),))
    (audio,) = extract_all(
        mixture, RATE, [ask("Speech", ((0.0, 5.0),), separator(half))],
        settings=AnalysisSettings(), context=CONTEXT, consistent=partition,
    ).audio  # fmt: skip
    assert audio is not None
    torch.testing.assert_close(audio[:, 16_000:32_000], 0.5 * mixture[:, 16_000:32_000], **EXACT)
    torch.testing.assert_close(audio[:, :15_800], mixture[:, :15_800], **EXACT)


def test_a_member_that_fails_leaves_its_share_over() -> None:
    def fails(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        raise RuntimeError("no")

    mixture = noise(1, 8000)
    asks = [ask("Speech", ((0.0, 1.0),), separator(fails)), ask("Music", ((0.0, 1.0),), separator(half))]
    found = extract_all(
        mixture, RATE, asks, settings=AnalysisSettings(), context=CONTEXT, consistent=Partition(frozenset({0, 1}))
    )
    assert set(found.failures) == {0}
    assert found.audio[1] is not None
    assert torch.equal(found.audio[1], 0.5 * mixture)
