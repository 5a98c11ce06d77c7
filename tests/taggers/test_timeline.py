from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Ontology
from taggers.base import Annotation, Event, TagContext, Tagger, Tags
from taggers.labels import Labels
from taggers.timeline import Timeline, tag_recording

RAIN = Ontology.audioset()["Rain"]


@dataclass
class Recording:
    """A recording in memory that remembers what was read of it."""

    audio: torch.Tensor
    reads: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, start: int, stop: int) -> torch.Tensor:
        assert 0 <= start < stop <= self.audio.shape[1]
        self.reads.append((start, stop))
        return self.audio[:, start:stop]


class Ear(Tagger):
    """Puts the loudest sample of each segment in the first column, and keeps what it was given."""

    def __init__(self, *, rate: int | None = None, least: float = 0.0) -> None:
        self.sample_rate, self.min_seconds = rate, least  # type: ignore[misc]
        self.heard: list[torch.Tensor] = []
        self.contexts: list[TagContext] = []

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        self.heard.append(waveforms)
        self.contexts.append(context)
        probabilities = torch.zeros(len(waveforms), 632)
        probabilities[:, 0] = waveforms.amax(dim=1)
        return Tags(
            probabilities=probabilities,
            known=torch.arange(632) == 0,
            clipwise=probabilities[:, :527] / 2,
            embedding=waveforms[:, :3],
            counts=torch.ones(len(waveforms), 632, dtype=torch.int64),
        )


def noise(samples: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(channels, samples, generator=torch.Generator().manual_seed(samples))


def segments(tagger: Ear) -> torch.Tensor:
    return torch.cat(tagger.heard)


def test_segments_follow_each_other_to_the_end_and_the_last_is_padded() -> None:
    audio, tagger = noise(450), Ear()
    timeline = tag_recording(tagger, Recording(audio), sample_rate=100, samples=450, batch=3)
    padded = torch.nn.functional.pad(audio[0], (0, 50))
    assert torch.equal(segments(tagger), padded.unfold(0, 200, 100))
    assert [len(batch) for batch in tagger.heard] == [3, 1]
    assert [context.starts for context in tagger.contexts] == [(0.0, 1.0, 2.0), (3.0,)]
    assert {context.sample_rate for context in tagger.contexts} == {100}
    assert (timeline.seconds, timeline.segment_seconds, timeline.hop_seconds) == (4.5, 2.0, 1.0)
    assert torch.equal(timeline.probabilities[:, 0], padded.unfold(0, 200, 100).amax(dim=1))
    assert timeline.clipwise is not None
    assert timeline.embedding is not None
    assert timeline.counts is not None
    assert (timeline.clipwise.shape, timeline.embedding.shape) == ((4, 527), (4, 3))
    assert (timeline.counts.shape, timeline.counts.dtype) == ((4, 632), torch.int64)
    assert torch.equal(timeline.known, torch.arange(632) == 0)
    assert timeline.frames is None
    assert timeline.frame_seconds is None


@pytest.mark.parametrize(("samples", "rows"), [(1, 1), (199, 1), (200, 1), (201, 2), (300, 2), (301, 3)])
def test_the_least_number_of_segments_covers_all(samples: int, rows: int) -> None:
    tagger = Ear()
    timeline = tag_recording(tagger, Recording(torch.ones(1, samples)), sample_rate=100, samples=samples)
    assert len(timeline.probabilities) == rows
    assert segments(tagger).shape == (rows, 200)
    assert segments(tagger)[0].sum() == min(samples, 200)
    assert segments(tagger)[-1].any()


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 400),
    rate=st.integers(1, 97),
    segment=st.floats(0.05, 3),
    share=st.floats(0.2, 1),
    batch=st.integers(1, 5),
)
def test_every_sample_is_heard_at_any_rate_and_hop(
    samples: int, rate: int, segment: float, share: float, batch: int
) -> None:
    recording = Recording(torch.arange(1.0, samples + 1)[None])
    tagger = Ear()
    hop = max(segment * share, samples / rate / 200)
    if hop > segment:
        return
    tag_recording(
        tagger, recording, sample_rate=rate, samples=samples, segment_seconds=segment, hop_seconds=hop, batch=batch
    )
    read = {place for start, stop in recording.reads for place in range(start, stop)}
    assert read == set(range(samples))
    assert max(stop - start for start, stop in recording.reads) <= math.ceil((segment + (batch - 1) * hop) * rate) + 2
    if round(segment * rate) == segment * rate and round(hop * rate) == hop * rate:
        assert set(segments(tagger).ravel().tolist()) - {0} == set(range(1, samples + 1))


def test_channels_are_averaged() -> None:
    audio, tagger = noise(300, channels=3), Ear()
    tag_recording(tagger, Recording(audio), sample_rate=100, samples=300)
    assert torch.equal(segments(tagger)[0], audio.mean(dim=0)[:200])


@pytest.mark.parametrize("rate", [44_100, 11_025, 16_001])
def test_each_segment_is_resampled_by_itself(rate: int) -> None:
    audio, tagger = noise(rate * 5 // 2, channels=2), Ear(rate=16_000)
    tag_recording(tagger, Recording(audio), sample_rate=rate, samples=audio.shape[1])
    heard = segments(tagger)
    assert heard.shape == (2, 32_000)
    for number in range(2):
        piece = np.zeros(2 * rate, np.float32)
        mono = audio.mean(dim=0).numpy()[number * rate : (number + 2) * rate]
        piece[: len(mono)] = mono
        expected = soxr.resample(piece, rate, 16_000, quality="HQ")
        np.testing.assert_allclose(heard[number].numpy(), expected[:32_000], atol=1e-6)


def test_batches_do_not_change_what_is_heard() -> None:
    one, many = Ear(rate=16_000), Ear(rate=16_000)
    audio = noise(44_100 * 4)
    for tagger, batch in ((one, 1), (many, 8)):
        tag_recording(tagger, Recording(audio), sample_rate=44_100, samples=audio.shape[1], batch=batch)
    torch.testing.assert_close(segments(one), segments(many), rtol=0, atol=1e-7)


def test_segments_shorter_than_the_tagger_can_hear_are_padded() -> None:
    tagger = Ear(least=0.5)
    tag_recording(
        tagger, Recording(torch.ones(1, 30)), sample_rate=100, samples=30, segment_seconds=0.2, hop_seconds=0.2
    )
    assert segments(tagger).shape == (2, 50)
    assert segments(tagger).sum(dim=1).tolist() == [20, 10]


def test_seed_device_and_annotation_are_passed_on() -> None:
    annotation = Annotation(())
    tagger = Ear()
    context = TagContext(seed=7, annotation=annotation)
    tag_recording(tagger, Recording(torch.ones(1, 9)), sample_rate=100, samples=9, context=context)
    assert (tagger.contexts[0].seed, tagger.contexts[0].annotation) == (7, annotation)


def test_progress_counts_segments() -> None:
    told: list[tuple[int, int]] = []
    tag_recording(
        Ear(), Recording(noise(550)), sample_rate=100, samples=550, batch=2,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(2, 5), (4, 5), (5, 5)]


class Scripted(Tagger):
    """Returns the framewise values that it was given for each segment, in the first column."""

    def __init__(self, *values: list[float]) -> None:
        self.values = torch.tensor(values)
        self.done = 0

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        rows = self.values[self.done : self.done + len(waveforms)]
        self.done += len(waveforms)
        framewise = torch.zeros(*rows.shape, 632)
        framewise[..., 0] = rows
        probabilities = framewise.amax(dim=1)
        return Tags(probabilities, known=torch.ones(632, dtype=torch.bool), framewise=framewise)


def framed(tagger: Tagger, samples: int, segment: float, hop: float, batch: int = 8) -> list[float | None]:
    timeline = tag_recording(
        tagger, Recording(torch.ones(1, samples)), sample_rate=100, samples=samples, segment_seconds=segment,
        hop_seconds=hop, batch=batch,
    )  # fmt: skip
    assert timeline.frames is not None
    assert timeline.frame_seconds == 0.1
    assert timeline.frames.shape[1] == 632
    return [None if math.isnan(value) else round(value, 5) for value in timeline.frames[:, 0].tolist()]


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_frames_of_overlapping_segments_are_averaged(batch: int) -> None:
    tagger = Scripted([0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8], [0.9, 1.0, 0.0, 0.0])
    assert framed(tagger, 75, 0.4, 0.2, batch) == [0.1, 0.2, 0.4, 0.5, 0.8, 0.9, 0.0, 0.0]


def test_within_a_frame_the_highest_counts() -> None:
    assert framed(Scripted([0.1, 0.9, 0.2, 0.3]), 20, 0.2, 0.2) == [0.9, 0.3]


def test_a_coarser_grid_is_repeated() -> None:
    assert framed(Scripted([0.2, 0.8]), 60, 0.6, 0.6) == [0.2, 0.2, 0.2, 0.8, 0.8, 0.8]
    assert framed(Scripted([0.2, 0.8]), 30, 0.3, 0.3) == [0.2, 0.8, 0.8]


def test_a_grid_that_does_not_fit_speaks_for_every_frame_it_meets() -> None:
    assert framed(Scripted([0.1, 0.2], [0.7, 0.5]), 30, 0.15, 0.15) == [0.2, 0.45, 0.7]


def test_unknown_frames_leave_the_word_to_those_who_know() -> None:
    nan = math.nan
    assert framed(Scripted([nan, 0.4, nan, nan]), 20, 0.2, 0.2) == [0.4, None]
    assert framed(Scripted([0.2, nan, nan, nan], [0.6, nan, 0.5, 0.5]), 60, 0.4, 0.2) == [
        0.2, None, 0.6, None, 0.5, 0.5,
    ]  # fmt: skip


def test_padding_that_the_tagger_asked_for_leaves_no_frames() -> None:
    class Long(Scripted):
        min_seconds = 0.4

    assert framed(Long([0.1, 0.2, 0.9, 0.9], [0.3, 0.4, 0.9, 0.9]), 40, 0.2, 0.2) == [0.1, 0.2, 0.3, 0.4]


def test_one_sample_has_one_frame() -> None:
    assert framed(Scripted([0.3] * 20), 1, 2.0, 1.0) == [0.3]


@settings(max_examples=15, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=5),
    tenths=st.integers(1, 70),
    hop=st.integers(1, 15),
    batch=st.integers(1, 4),
)
def test_the_frames_of_an_oracle_are_the_annotation_itself(
    spans: list[tuple[int, int]], tenths: int, hop: int, batch: int
) -> None:
    annotation = Annotation(tuple(Event(RAIN.mid, start / 10, (start + length) / 10) for start, length in spans))
    timeline: Timeline = tag_recording(
        Labels(), Recording(torch.zeros(1, tenths * 100)), sample_rate=1_000, samples=tenths * 100,
        segment_seconds=1.5, hop_seconds=hop / 10, batch=batch, context=TagContext(annotation=annotation),
    )  # fmt: skip
    assert timeline.frames is not None
    sounding = [any(start <= frame < start + length for start, length in spans) for frame in range(tenths)]
    assert (timeline.frames[:, RAIN.row] == 1).tolist() == sounding


def test_segments_of_the_oracle_stay_unknown_where_the_annotation_is() -> None:
    annotation = Annotation((Event(RAIN.mid, 0, 1),))
    timeline = tag_recording(
        Labels(),
        Recording(torch.zeros(1, 300)),
        sample_rate=100,
        samples=300,
        context=TagContext(annotation=annotation),
    )
    drop = Ontology.audioset()["Raindrop"].row
    assert timeline.probabilities[:, drop].isnan().tolist() == [True, False]
    assert timeline.counts is not None
    assert timeline.counts[:, RAIN.row].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hop_seconds": 0.0}, "segments of 2.0 s every 0.0 s"),
        ({"hop_seconds": 2.5}, "segments of 2.0 s every 2.5 s"),
        ({"segment_seconds": math.nan}, "segments of nan s"),
        ({"samples": 0}, "0 samples at 100 Hz"),
        ({"sample_rate": 0}, "at 0 Hz"),
        ({"batch": 0}, "in batches of 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], told: str) -> None:
    given = {"sample_rate": 100, "samples": 500} | options
    with pytest.raises(ValueError) as caught:
        tag_recording(Ear(), Recording(noise(500)), **given)  # type: ignore[arg-type]
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_told_with_their_time(value: float) -> None:
    audio = noise(500, channels=2)
    audio[1, 321] = value
    with pytest.raises(ValueError, match=r"not finite 3\.210 s from its beginning"):
        tag_recording(Ear(), Recording(audio), sample_rate=100, samples=500)


@pytest.mark.parametrize("audio", [torch.zeros(500), torch.zeros(0, 500), torch.zeros(1, 400)])
def test_a_reader_that_gives_something_else_is_told_so(audio: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="of the recording came as"):
        tag_recording(Ear(), lambda start, stop: audio[..., start:stop], sample_rate=100, samples=500)


def test_tags_that_do_not_fit_are_laid_to_the_tagger() -> None:
    class Wrong(Tagger):
        def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
            return Tags(torch.zeros(len(waveforms), 527), known=torch.ones(632, dtype=torch.bool))

    with pytest.raises(ValueError, match=r"Wrong returned probabilities \(4, 527\), not \(4, 632\)"):
        tag_recording(Wrong(), Recording(noise(500)), sample_rate=100, samples=500)


def test_framewise_tags_without_a_frame_are_laid_to_the_tagger() -> None:
    class Frameless(Ear):
        def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
            return replace(super().tag(waveforms, context=context), framewise=torch.zeros(len(waveforms), 0, 632))

    with pytest.raises(ValueError, match=r"Frameless returned framewise \(4, 0, 632\)"):
        tag_recording(Frameless(), Recording(noise(500)), sample_rate=100, samples=500)


def test_no_more_than_a_batch_of_an_hour_is_read_at_once() -> None:
    recording = Recording(torch.zeros(1, 1))
    longest = 0

    def read(start: int, stop: int) -> torch.Tensor:
        nonlocal longest
        longest = max(longest, stop - start)
        return recording.audio.expand(2, stop - start)

    class Deaf(Tagger):
        def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
            return Tags(torch.zeros(len(waveforms), 632), known=torch.ones(632, dtype=torch.bool))

    timeline = tag_recording(Deaf(), read, sample_rate=1_000, samples=3_600_000)
    assert len(timeline.probabilities) == 3_599
    assert longest == 9_000
