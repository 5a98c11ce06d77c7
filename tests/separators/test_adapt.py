"""The adapter: what a separator gets to see, what comes back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology.targets import Target
from separators.adapt import extract
from separators.base import Context, Estimates, Query, Separator
from separators.baselines import Mixture

CONTEXT = Context(seed=3)


def query(label: str = "x", **given: object) -> Query:
    return Query(Target(label), **given)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def separator(
    answer: Callable[[torch.Tensor, tuple[Query, ...], Context], object], name: str = "Probe", **declared: object
) -> Separator:
    """A separator that answers with a function, with the class attributes given."""

    def separate(self, mixture, queries, *, context):  # type: ignore[no-untyped-def]
        return answer(mixture, queries, context)

    return type(name, (Separator,), {"family": "probe", "separate": separate, **declared})()


def echo(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
    return mixture.expand(len(queries), *mixture.shape)


@settings(max_examples=25, deadline=None)
@given(
    samples=st.one_of(st.integers(1, 40), st.integers(41, 9000)),
    channels=st.sampled_from([1, 2]),
    asked=st.integers(0, 3),
    wants=st.sampled_from([None, 1, 2]),
    rate=st.sampled_from([None, 16_000, 44_100, 48_000]),
    segment=st.sampled_from([(None, 0.0), (0.05, 0.0), (0.05, 0.02), (0.03, 0.015)]),
)
def test_every_length_layout_rate_and_segmentation_gives_the_mixtures_length_and_channels(
    samples: int, channels: int, asked: int, wants: int | None, rate: int | None, segment: tuple[float | None, float]
) -> None:
    mixture = noise(channels, samples)
    probe = separator(echo, sample_rate=rate, channels=wants, segment_seconds=segment[0], context_seconds=segment[1])
    estimates = extract(probe, mixture, 44_100, tuple(query(str(i)) for i in range(asked)), context=CONTEXT)
    assert estimates.audio.shape == (asked, channels, samples)
    assert estimates.audio.dtype == torch.float32
    if rate in (None, 44_100):
        assert torch.allclose(estimates.audio, mixture.expand(asked, -1, -1), atol=1e-6)


def test_a_separator_at_the_recordings_rate_gives_back_its_bits() -> None:
    mixture = noise(2, 12_345)
    for probe in (Mixture(), separator(echo, sample_rate=44_100), separator(echo, channels=1)):
        audio = extract(probe, mixture, 44_100, (query(), query()), context=CONTEXT).audio
        assert torch.equal(audio, mixture.expand(2, -1, -1))


def test_resampling_there_and_back_keeps_what_lies_under_the_lower_band() -> None:
    time = torch.arange(44_100) / 44_100
    mixture = torch.sin(2 * np.pi * 440 * time)[None]
    probe = separator(echo, sample_rate=16_000)
    audio = extract(probe, mixture, 44_100, (query(),), context=CONTEXT).audio[0]
    inside = slice(2000, -2000)
    error = (audio - mixture)[:, inside].square().mean() / mixture[:, inside].square().mean()
    assert 10 * torch.log10(error) < -80


def test_the_separator_sees_its_own_rate_seed_and_device() -> None:
    seen: list[tuple[int, int | None, int]] = []

    def look(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        seen.append((mixture.shape[1], context.sample_rate, context.seed))
        return echo(mixture, queries, context)

    extract(separator(look, sample_rate=16_000), noise(1, 44_100), 44_100, (query(),), context=CONTEXT)
    extract(separator(look), noise(1, 44_100), 44_100, (query(),), context=CONTEXT)
    assert seen == [(16_000, 16_000, 3), (44_100, 44_100, 3)]


def test_a_mono_separator_runs_on_each_channel_with_its_own_reference() -> None:
    def reference(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        assert mixture.shape[0] == 1
        return torch.stack([q.reference for q in queries if q.reference is not None])

    truth = noise(2, 500)
    probe = separator(reference, channels=1)
    audio = extract(probe, noise(2, 500, seed=1), 8000, (query(reference=truth),), context=CONTEXT).audio
    assert torch.equal(audio[0], truth)


def test_a_stereo_separator_gets_mono_twice_and_its_channels_are_averaged() -> None:
    def tilt(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        assert torch.equal(mixture[0], mixture[1])
        return (mixture * torch.tensor([[1.0], [0.0]]))[None]

    mixture = noise(1, 500)
    audio = extract(separator(tilt, channels=2), mixture, 8000, (query(),), context=CONTEXT).audio
    assert torch.allclose(audio[0], mixture / 2)


def test_more_channels_than_a_stereo_separator_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="Probe takes 2 channels, the recording has 3"):
        extract(separator(echo, channels=2), noise(3, 100), 8000, (query(),), context=CONTEXT)


def test_examples_come_at_the_separators_rate_and_layout_and_keep_their_own_length() -> None:
    seen: list[tuple[int, ...]] = []

    def look(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        seen.extend(tuple(example.shape) for example in queries[0].examples)
        return echo(mixture, queries, context)

    examples = (noise(1, 8000), noise(2, 4000))
    extract(separator(look, channels=1, sample_rate=16_000), noise(1, 800), 8000, (query(examples=examples),),
            context=CONTEXT)  # fmt: skip
    assert seen == [(1, 16_000), (1, 8000)]


def test_segments_have_their_full_length_and_carry_what_runs_along() -> None:
    seen: list[tuple[int, torch.Tensor, tuple[tuple[float, float], ...], int]] = []

    def look(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        q = queries[0]
        assert q.reference is not None
        assert q.f0 is not None
        seen.append((mixture.shape[1], q.reference - mixture, q.spans, len(q.f0)))
        return echo(mixture, queries, context)

    mixture = noise(1, 2500)
    asked = query(reference=mixture.clone(), spans=((0.5, 1.5),), f0=torch.arange(25.0))
    probe = separator(look, segment_seconds=1.0, context_seconds=0.0)
    extract(probe, mixture, 1000, (asked,), context=CONTEXT)
    assert [each[0] for each in seen] == [1000, 1000, 1000]
    assert all(each[1].abs().max() == 0 for each in seen)
    assert [each[2] for each in seen] == [((0.5, 1.0),), ((0.0, 0.5),), ()]
    assert [each[3] for each in seen] == [10, 10, 5]


def test_neighbouring_segments_are_cross_faded_linearly() -> None:
    calls = iter(range(10))

    def count(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        return torch.full((1, *mixture.shape), float(next(calls)))

    probe = separator(count, segment_seconds=1.0, context_seconds=0.4)
    audio = extract(probe, noise(1, 16), 10, (query(),), context=CONTEXT).audio[0, 0]
    expected = [0.0] * 6 + [0.125, 0.375, 0.625, 0.875] + [1.0] * 6
    assert torch.allclose(audio, torch.tensor(expected))


@pytest.mark.parametrize(("segment", "overlap"), [(1.0, 0.6), (1.0, -0.1), (0.0, 0.0)])
def test_segments_that_cannot_be_cut_are_refused_by_name(segment: float, overlap: float) -> None:
    probe = separator(echo, segment_seconds=segment, context_seconds=overlap)
    with pytest.raises(ValueError, match="Probe declares segments of"):
        extract(probe, noise(1, 100), 10, (query(),), context=CONTEXT)


def test_residual_and_scores_come_through_resampling_channels_and_segments() -> None:
    def whole(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> Estimates:
        loud = float(mixture.abs().max() > 0.5)
        return Estimates(audio=echo(mixture, queries, context), residual=mixture, scores=(loud,) * len(queries))

    mixture = torch.zeros(2, 3000)
    mixture[:, 2500] = 1.0
    for declared in ({}, {"channels": 1}, {"segment_seconds": 0.1}, {"segment_seconds": 0.1, "channels": 1}):
        found = extract(separator(whole, **declared), mixture, 8000, (query(),), context=CONTEXT)
        assert found.scores == (1.0,)
        assert found.residual is not None
        assert torch.equal(found.residual, mixture)


def test_activity_of_the_channels_is_averaged() -> None:
    def loud(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> Estimates:
        return Estimates(audio=mixture[None], activity=mixture.abs().amax(dim=1, keepdim=True).expand(1, 7))

    mixture = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    found = extract(separator(loud, channels=1), mixture, 8000, (query(),), context=CONTEXT)
    assert found.activity is not None
    assert torch.equal(found.activity, torch.full((1, 7), 0.5))


WRONG: list[tuple[Callable[..., object], type[Exception], str]] = [
    (
        lambda x, q, c: x.numpy(),
        TypeError,
        r"Probe returned audio as ndarray; expected a float32 tensor \(1, any, 100\)",
    ),
    (lambda x, q, c: None, TypeError, "Probe returned audio as NoneType"),
    (lambda x, q, c: x[None].double(), TypeError, "Probe returned audio as torch.float64; expected float32"),
    (lambda x, q, c: x, ValueError, r"Probe returned audio of shape \(2, 100\); expected \(1, any, 100\)"),
    (lambda x, q, c: x[None, :, :-1], ValueError, r"shape \(1, 2, 99\); expected \(1, any, 100\)"),
    (lambda x, q, c: x.expand(2, -1, -1), ValueError, r"shape \(2, 2, 100\); expected \(1, any, 100\)"),
    (lambda x, q, c: x[None, :0], ValueError, r"shape \(1, 0, 100\)"),
    (lambda x, q, c: x[None].to("meta"), ValueError, "Probe returned audio on meta; expected cpu"),
    (lambda x, q, c: Estimates(x[None], residual=x[:1]), ValueError, r"returned a residual of shape \(1, 100\)"),
    (lambda x, q, c: Estimates(x[None], activity=x[0]), ValueError, r"returned activity of shape \(100,\)"),
    (lambda x, q, c: Estimates(x[None], scores=(0.1, 0.2)), ValueError, "Probe returned 2 scores for 1 queries"),
    (lambda x, q, c: Estimates(x[None], targets=(Target("y"),)), ValueError, "only a parser names what it found"),
]


@pytest.mark.parametrize(("answer", "error", "message"), WRONG)
def test_a_wrong_answer_is_refused_with_the_separators_name_and_what_was_expected(
    answer: Callable[..., object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        extract(separator(answer), noise(2, 100), 8000, (query(),), context=CONTEXT)


def test_a_mono_separator_that_returns_two_channels_is_refused() -> None:
    probe = separator(lambda x, q, c: x.expand(2, -1)[None], channels=1)
    with pytest.raises(ValueError, match="declares 1 channel and returned 2"):
        extract(probe, noise(1, 100), 8000, (query(),), context=CONTEXT)


def test_activity_per_segment_is_refused() -> None:
    probe = separator(lambda x, q, c: Estimates(x[None], activity=x[:1]), segment_seconds=0.01)
    with pytest.raises(ValueError, match="activity per segment"):
        extract(probe, noise(1, 300), 8000, (query(),), context=CONTEXT)


@pytest.mark.parametrize(
    ("mixture", "error"),
    [
        (np.zeros((1, 9), dtype=np.float32), TypeError),
        (torch.zeros(1, 9, dtype=torch.float64), TypeError),
        (torch.zeros(9), ValueError),
        (torch.zeros(1, 0), ValueError),
    ],
)
def test_a_mixture_that_is_no_signal_is_refused(mixture: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Mixture: the mixture must be"):
        extract(Mixture(), mixture, 8000, (query(),), context=CONTEXT)  # type: ignore[arg-type]


@pytest.mark.parametrize("need", ["reference", "examples", "condition"])
def test_a_query_without_what_the_separator_needs_is_refused(need: str) -> None:
    probe = separator(echo, needs=frozenset({need}))
    with pytest.raises(ValueError, match=f"Probe needs '{need}' to find 'dog'"):
        extract(probe, noise(1, 100), 8000, (query("dog"),), context=CONTEXT)


def test_a_reference_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the reference of 'dog' is \(1, 99\)"):
        extract(Mixture(), noise(1, 100), 8000, (query("dog", reference=noise(1, 99)),), context=CONTEXT)


def test_values_that_are_not_finite_are_passed_on() -> None:
    probe = separator(lambda x, q, c: (x * torch.nan)[None])
    assert extract(probe, noise(1, 100), 8000, (query(),), context=CONTEXT).audio.isnan().all()


def test_a_separator_that_works_in_place_leaves_the_recording_alone() -> None:
    mixture = noise(2, 100)
    before = mixture.clone()
    extract(separator(lambda x, q, c: x.mul_(0)[None]), mixture, 8000, (query(),), context=CONTEXT)
    assert torch.equal(mixture, before)


def test_no_gradient_is_recorded_and_the_result_can_be_worked_on_in_place() -> None:
    weight = torch.ones(1, requires_grad=True)
    audio = extract(
        separator(lambda x, q, c: (x * weight)[None]), noise(1, 100), 8000, (query(),), context=CONTEXT
    ).audio
    assert not audio.requires_grad
    audio += 1


def test_segments_are_never_longer_than_asked_however_long_the_recording() -> None:
    longest = 0

    def look(mixture: torch.Tensor, queries: tuple[Query, ...], context: Context) -> torch.Tensor:
        nonlocal longest
        longest = max(longest, mixture.shape[1])
        return echo(mixture, queries, context)

    extract(separator(look, segment_seconds=2.0, context_seconds=0.5), noise(1, 400_000), 8000, (query(),),
            context=CONTEXT)  # fmt: skip
    assert longest == 16_000
