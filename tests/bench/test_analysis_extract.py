"""Extraction block by block: gates, cross-fades, failures, and what a separator is handed."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analysis_kit import ask, echo, extract_all, noise, separator
from bench.analysis.blocks import Blocks, Joiner, even_blocks, gate
from bench.analysis.dispatch import prepare
from bench.analysis.extract import Extraction
from bench.analysis.settings import AnalysisSettings
from separators.base import Context, Query

RATE = 1000
CONTEXT = Context(seed=5)
ALWAYS = ((0.0, 1e6),)


def config(**given: object) -> AnalysisSettings:
    return AnalysisSettings(**given)  # type: ignore[arg-type]


@hypothesis_settings(max_examples=40, deadline=None)
@given(total=st.integers(1, 3000), length=st.integers(1, 700), fade=st.integers(0, 300))
def test_blocks_cover_the_recording_and_their_cross_fades_add_up_to_one(total: int, length: int, fade: int) -> None:
    blocks = even_blocks(total, length=max(length, fade, total // 12 + 1), fade=fade)
    # The gains themselves, from blocks that are each 1 alone: their joined sum is 1 everywhere.
    joined = torch.zeros(1, total, dtype=torch.float64)
    for lit in range(len(blocks)):
        joiner = Joiner(blocks)
        pieces = []
        for index in range(len(blocks)):
            start, stop = blocks.bounds(index)
            assert 0 <= start < stop <= total
            pieces.append(joiner.add(index, torch.full((1, stop - start), float(index == lit), dtype=torch.float64)))
        joined += torch.cat(pieces, dim=1)
    torch.testing.assert_close(joined, torch.ones_like(joined))


@pytest.mark.parametrize("total", [29_000, 30_000, 30_999, 31_001, 61_500, 100_003])
def test_no_block_is_a_scrap_left_at_the_end(total: int) -> None:
    blocks = even_blocks(total, length=30_000, fade=1000)
    lengths = [stop - start for start, stop in map(blocks.bounds, range(len(blocks)))]
    assert max(lengths) <= 31_000
    assert max(lengths) - min(lengths) <= len(blocks)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 4000),
    block=st.floats(0.3, 5),
    fade=st.floats(0, 0.3),
    cuts=st.lists(st.integers(0, 4000), min_size=2, max_size=8, unique=True),
    edge=st.sampled_from([0.0, 0.02]),
)
def test_a_memoryless_separator_gives_the_same_whatever_the_blocks(
    samples: int, block: float, fade: float, cuts: list[int], edge: float
) -> None:
    mixture = noise(2, samples)
    times = sorted(cuts)[: len(cuts) // 2 * 2]
    spans = tuple((a / RATE, b / RATE) for a, b in zip(times[::2], times[1::2], strict=True))
    squared = separator(lambda mixture, queries: torch.stack([mixture * mixture.abs()] * len(queries)))
    asks = [ask("Speech", spans, squared), ask("Music", ALWAYS, squared)]
    whole = extract_all(mixture, RATE, asks, settings=config(edge_seconds=edge), context=CONTEXT)
    cut = config(edge_seconds=edge, block_seconds=block, block_fade_seconds=fade)
    parts = extract_all(mixture, RATE, asks, settings=cut, context=CONTEXT)
    assert parts.failures == whole.failures == {}
    for one, other in zip(whole.audio, parts.audio, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_a_separator_that_returns_the_mixture_gives_it_back_exactly_where_active_and_zeros_elsewhere() -> None:
    mixture = noise(2, 5000)
    settings = config(block_seconds=0.7, block_fade_seconds=0.2, edge_seconds=0.02)
    (audio,) = extract_all(
        mixture, RATE, [ask("Speech", ((1.0, 2.5), (4.0, 5.0)), separator(echo))], settings=settings, context=CONTEXT
    ).audio
    assert audio is not None
    for first, last in [(1000, 2500), (4000, 5000)]:
        assert torch.equal(audio[:, first:last], mixture[:, first:last])
    for first, last in [(0, 980), (2520, 3980)]:
        assert not audio[:, first:last].any()
    faded = audio[:, 2500:2520] / mixture[:, 2500:2520]
    assert (faded.diff() < 0).all()
    assert 0 < float(faded.min()) < 0.02
    assert 0.98 < float(faded.max()) < 1


def test_a_steady_tone_has_no_clicks_where_blocks_meet() -> None:
    rate, seconds = 44_100, 9
    time = torch.arange(rate * seconds, dtype=torch.float64) / rate
    tone = 0.3 * torch.sin(2 * math.pi * 440 * time).float()[None]
    (hpss,), _ = prepare(["hpss"])
    left = {}
    for block in (3.0, 100.0):
        percussive = [ask("Clapping", ALWAYS, hpss)]
        settings = config(block_seconds=block, block_fade_seconds=0.5)
        (audio,) = extract_all(tone, rate, percussive, settings=settings, context=CONTEXT).audio
        assert audio is not None
        left[block] = float(audio[:, rate:-rate].abs().max())
    assert left[3.0] < 2 * left[100.0] < 2e-4


def test_gates_of_close_spans_never_add_up_beyond_one() -> None:
    gains = gate([(0.1, 0.2), (0.21, 0.3)], start=0, stop=400, sample_rate=RATE, edge_seconds=0.02)
    assert gains is not None
    assert gains.max() == 1
    assert gains[205] == pytest.approx(0.5 + 0.5 * math.cos(math.pi * 5 / 21), abs=1e-6)  # the nearer span's fade
    assert gate([(0.1, 0.2)], start=220, stop=400, sample_rate=RATE, edge_seconds=0.02) is None
    assert gate([(0.1, 0.2)], start=219, stop=400, sample_rate=RATE, edge_seconds=0.02) is not None


def test_each_separator_is_called_once_per_block_with_the_classes_active_there() -> None:
    calls: list[list[str]] = []

    def listen(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        calls.append([query.target.label for query in queries])
        return echo(mixture, queries)

    probe, other = separator(listen), separator(echo)
    asks = [
        ask("Speech", ((0.0, 1.5),), probe),
        ask("Bark", ((0.0, 9.0),), other),
        ask("Music", ((1.2, 1.9), (7.0, 8.0)), probe),
    ]
    settings = config(block_seconds=3.0, block_fade_seconds=0.0)
    extract_all(noise(1, 9000), RATE, asks, settings=settings, context=CONTEXT)
    assert calls == [["Speech", "Music"], ["Music"]]


def test_more_classes_than_go_at_once_are_asked_in_several_calls() -> None:
    sizes: list[int] = []

    def listen(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        sizes.append(len(queries))
        return echo(mixture, queries)

    probe = separator(listen)
    asks = [ask(name, ALWAYS, probe) for name in ("Speech", "Music", "Bark", "Meow", "Hiss")]
    extract_all(noise(1, 100), RATE, asks, settings=config(queries_at_once=2), context=CONTEXT)
    assert sizes == [2, 2, 1]


def test_large_blocks_are_asked_about_fewer_classes_at_once_so_that_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def listen(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        sizes.append(len(queries))
        return echo(mixture, queries)

    monkeypatch.setattr("bench.analysis.extract._MOST_SAMPLES", 700)
    probe = separator(listen)
    asks = [ask(name, ALWAYS, probe) for name in ("Speech", "Music", "Bark", "Meow", "Hiss")]
    for length, channels in [(100, 2), (300, 1), (800, 1)]:
        extract_all(noise(channels, length), RATE, asks, settings=config(), context=CONTEXT)
    assert sizes == [3, 2, 2, 2, 1, 1, 1, 1, 1, 1]


def test_a_separator_whose_estimates_share_the_mixture_is_asked_for_all_in_one_call() -> None:
    sharing = separator(lambda mixture, queries: echo(mixture, queries) / len(queries), joint=True)
    mixture = noise(1, 100)
    asks = [ask(name, ALWAYS, sharing) for name in ("Speech", "Music", "Bark", "Meow")]
    found = extract_all(mixture, RATE, asks, settings=config(queries_at_once=3), context=CONTEXT)
    assert all(torch.equal(audio, mixture / 4) for audio in found.audio if audio is not None)
    assert not found.failures


def test_spans_of_a_query_are_told_in_seconds_of_the_block() -> None:
    seen: list[tuple[tuple[float, float], ...]] = []

    def listen(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        seen.extend(query.spans for query in queries)
        return echo(mixture, queries)

    spans = ((1.5, 2.5), (3.0, 3.25))
    asks = [ask("Speech", spans, separator(listen))]
    settings = config(block_seconds=2.0, block_fade_seconds=0.0, edge_seconds=0.0)
    extract_all(noise(1, 4000), RATE, asks, settings=settings, context=CONTEXT)
    assert seen == [((1.5, 2.0),), ((0.0, 0.5), (1.0, 1.25))]


def test_one_that_raises_fails_with_its_reason_and_the_others_go_on() -> None:
    def late(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        if mixture[0, 0] > 5:
            raise RuntimeError("no more memory")
        return echo(mixture, queries)

    mixture = noise(1, 6000)
    mixture[0, 2000] = 9.0
    calls: list[int] = []

    def counted(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        calls.append(len(queries))
        return late(mixture, queries)

    asks = [ask("Speech", ALWAYS, separator(counted)), ask("Music", ALWAYS, separator(echo))]
    settings = config(block_seconds=2.0, block_fade_seconds=0.0)
    found = extract_all(mixture, RATE, asks, settings=settings, context=CONTEXT)
    assert found.audio[0] is None
    assert found.failures == {0: "probe failed in the block from 2.0 s: RuntimeError: no more memory"}
    assert len(calls) == 2  # not asked again in the third block
    assert found.audio[1] is not None
    assert torch.equal(found.audio[1], mixture)


def test_values_that_are_not_finite_fail_their_own_class_alone() -> None:
    def half_broken(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        out = echo(mixture, queries).clone()
        out[0, 0, 3] = float("nan")
        return out

    probe = separator(half_broken)
    asks = [ask("Speech", ALWAYS, probe), ask("Music", ALWAYS, probe)]
    found = extract_all(noise(1, 100), RATE, asks, settings=config(), context=CONTEXT)
    assert found.audio[0] is None
    assert "NaN" in found.failures[0]
    assert found.audio[1] is not None


def test_a_mono_estimate_stands_for_each_channel_and_any_other_number_fails() -> None:
    mixture = noise(2, 100)
    mono = separator(lambda mixture, queries: mixture.mean(dim=0, keepdim=True).expand(len(queries), 1, -1))
    three = separator(lambda mixture, queries: mixture[:1].expand(len(queries), 3, -1))
    asks = [ask("Speech", ALWAYS, mono), ask("Music", ALWAYS, three)]
    found = extract_all(mixture, RATE, asks, settings=config(), context=CONTEXT)
    assert found.audio[0] is not None
    assert torch.equal(found.audio[0], mixture.mean(dim=0, keepdim=True).expand(2, -1))
    assert "3 channels, the mixture 2" in found.failures[1]


def test_a_class_that_is_nowhere_active_is_silence_of_full_length_and_asks_nobody() -> None:
    def never(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        raise AssertionError

    found = extract_all(noise(1, 900), RATE, [ask("Speech", (), separator(never))], settings=config(), context=CONTEXT)
    assert found.audio[0] is not None
    assert found.audio[0].shape == (1, 900)
    assert not found.audio[0].any()


def test_under_the_uss_rules_each_segment_is_separated_by_itself_whole_and_nothing_is_faded() -> None:
    lengths: list[int] = []

    def index_of_call(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        lengths.append(mixture.shape[1])
        return torch.full((len(queries), *mixture.shape), float(len(lengths)))

    asks = [ask("Speech", ((0.0, 4.0), (8.0, 9.0)), separator(index_of_call))]
    found = extract_all(noise(1, 9000), RATE, asks, settings=AnalysisSettings.uss(), context=CONTEXT)
    assert lengths == [2000, 2000, 2000]  # the last segment is padded to its full length
    assert found.audio[0] is not None
    expected = torch.tensor([1.0] * 2000 + [2.0] * 2000 + [0.0] * 4000 + [3.0] * 1000)
    assert torch.equal(found.audio[0][0], expected)


def test_every_call_draws_from_the_same_seed_so_that_two_analyses_agree() -> None:
    drawn = separator(lambda mixture, queries: torch.rand(len(queries), *mixture.shape))
    asks = [ask("Speech", ALWAYS, drawn)]
    one = extract_all(noise(1, 300), RATE, asks, settings=config(), context=CONTEXT)
    two = extract_all(noise(1, 300), RATE, asks, settings=config(), context=CONTEXT)
    assert one.audio[0] is not None
    assert two.audio[0] is not None
    assert torch.equal(one.audio[0], two.audio[0])


def test_blocks_are_read_one_at_a_time() -> None:
    longest = 0

    def read(start: int, stop: int) -> torch.Tensor:
        nonlocal longest
        longest = max(longest, stop - start)
        return torch.zeros(1, stop - start)

    settings = config(block_seconds=3.0, block_fade_seconds=0.5)
    work = Extraction(read, 100_000, RATE, [ask("Speech", ALWAYS, separator(echo))], settings, CONTEXT)
    lengths = [audio.shape[1] for index in range(len(work.blocks)) for _, audio in work.run(index)]
    assert sum(lengths) == 100_000
    assert longest <= 3500


def test_bounds_of_hard_segments_end_with_the_recording() -> None:
    blocks = Blocks(total=5000, hop=2000, fade=0)
    assert [blocks.bounds(index) for index in range(len(blocks))] == [(0, 2000), (2000, 4000), (4000, 5000)]
