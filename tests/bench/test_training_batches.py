"""Sampling, anchors, mixing, conditions and clips."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.base import DatasetError
from bench.training.anchors import EnergyAnchors, FramewiseAnchors, RandomAnchors, anchor
from bench.training.batches import Batches, Drawing
from bench.training.clips import one_label_per_class, open_data
from bench.training.conditions import HeardConditions, LabelConditions
from bench.training.errors import TrainError
from bench.training.heldout import hold_out
from bench.training.mixer import anything, mix, other_kin, partners
from bench.training.sampler import BalancedSampler
from bench.training.store import ClipStore
from ontology import Ontology, Target
from taggers.base import CLASSES, LABELLED, TagContext, Tagger, Tags
from taggers.mini.tagger import load_mini
from taggers.query_nets import QueryNet, class_mask
from training_kit import RATE, sound, write_clips, write_tagger

ONTOLOGY = Ontology.audioset()


def mid(name: str) -> str:
    return ONTOLOGY[name].mid


# Sampling


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), seed=st.integers(0, 2**31))
def test_every_class_comes_as_often_as_every_other_and_so_does_every_clip_of_a_class(
    sizes: list[int], seed: int
) -> None:
    first = np.cumsum([0, *sizes])
    members = [list(range(first[k], first[k] + n)) for k, n in enumerate(sizes)]
    sampler = BalancedSampler(members, seed=seed)
    passes = 2 * int(np.lcm.reduce(sizes))
    drawn = [(chosen, next(clips)) for chosen, clips in map(sampler.draw, range(passes * len(sizes)))]
    for start in range(0, len(drawn), len(sizes)):
        assert {chosen for chosen, _ in drawn[start : start + len(sizes)]} == set(range(len(sizes)))
    counts = Counter(clip for _, clip in drawn)
    for chosen, clips in enumerate(members):
        assert {counts[clip] for clip in clips} == {passes // len(clips)}
        order = [clip for label, clip in drawn if label == chosen]
        assert all(len(set(order[i : i + len(clips)])) == len(clips) for i in range(0, len(order), len(clips)))


def test_draws_hang_on_seed_and_number_alone_and_are_shuffled() -> None:
    members = [range(k * 10, k * 10 + 10) for k in range(8)]
    one, two, other = (BalancedSampler(members, seed=seed) for seed in (5, 5, 6))
    drawn = [(chosen, list(clips)) for chosen, clips in map(one.draw, range(80))]
    assert [(chosen, list(clips)) for chosen, clips in map(two.draw, reversed(range(80)))] == drawn[::-1]
    assert [chosen for chosen, _ in map(other.draw, range(80))] != [chosen for chosen, _ in drawn]
    assert [chosen for chosen, _ in drawn[:8]] != [chosen for chosen, _ in drawn[8:16]]


def test_a_class_without_clips_is_refused() -> None:
    for members in ([], [[1], []]):
        with pytest.raises(ValueError, match="at least one"):
            BalancedSampler(members, seed=0)


# Anchors


def burst(start: float, seconds: float, of: float) -> torch.Tensor:
    """Noise in silence."""
    audio = torch.zeros(round(of * RATE))
    place = slice(round(start * RATE), round((start + seconds) * RATE))
    audio[place] = 0.1 * torch.randn(audio[place].shape, generator=torch.Generator().manual_seed(0))
    return audio


def test_energy_anchors_lie_where_the_clip_sounds() -> None:
    anchors = EnergyAnchors(2 * RATE, RATE // 20, share=0.3)
    random = np.random.default_rng(0)
    starts = [anchors.start(0, burst(6, 1, of=10), Target("x"), random) / RATE for _ in range(200)]
    # At least 0.3 of the burst is in the segment, and all such segments come up.
    assert min(starts) == pytest.approx(4.3, abs=0.06)
    assert max(starts) == pytest.approx(6.7, abs=0.06)
    assert len(set(starts)) > 30
    assert anchors.start(0, burst(0, 1, of=1.5), Target("x"), random) == 0


def test_random_anchors_reach_the_whole_clip() -> None:
    anchors = RandomAnchors(2 * RATE)
    random = np.random.default_rng(0)
    starts = [anchors.start(0, torch.ones(10 * RATE), Target("x"), random) for _ in range(400)]
    assert min(starts) < 0.2 * RATE
    assert 7.8 * RATE < max(starts) <= 8 * RATE
    assert {anchors.start(0, torch.ones(2 * RATE), Target("x"), random) for _ in range(5)} == {0}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), frames=st.integers(201, 1000))
def test_the_anchor_is_that_of_the_published_recipe(seed: int, frames: int) -> None:
    heard = np.random.default_rng(seed).random(frames) ** 8
    smooth = np.convolve(np.pad(heard, 100, mode="edge"), np.ones(201) / 201, mode="valid")
    assert anchor(torch.tensor(heard), 2.0) == np.clip(np.argmax(smooth), 100, frames - 100) / 100


class Hears(Tagger):
    """Is sure of a dog from 7.0 to 7.4 s of ten, at 25 frames per second."""

    sample_rate = RATE

    def __init__(self, *, framewise: bool = True) -> None:
        self.framewise, self.calls = framewise, 0

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        self.calls += 1
        frames = torch.zeros(len(waveforms), 250, CLASSES)
        frames[:, 175:185, ONTOLOGY["Dog"].row] = 1
        frames[:, :, ONTOLOGY["Oboe"].row] = torch.nan
        known = torch.ones(CLASSES, dtype=torch.bool)
        return Tags(frames.amax(1), known, framewise=frames if self.framewise else None)


def test_framewise_anchors_lie_where_the_tagger_hears_the_class() -> None:
    tagger = Hears()
    anchors = FramewiseAnchors(tagger, 2 * RATE, RATE, torch.device("cpu"))
    clip, random = burst(0, 10, of=10), np.random.default_rng(0)
    dog = Target("Dog", (mid("Dog"),))
    start = anchors.start(0, clip, dog, random) / RATE
    # The box filter is a frame longer than a segment; the first place at which it holds all of the bark counts.
    assert start <= 7.0
    assert start + 2.015 >= 7.4
    assert anchors.start(0, clip, dog, random) / RATE == start
    assert tagger.calls == 1
    with pytest.raises(ValueError, match="cannot tell Oboe"):
        anchors.start(1, clip, Target("Oboe", (mid("Oboe"),)), random)
    with pytest.raises(ValueError, match="panns-sed"):
        FramewiseAnchors(Hears(framewise=False), 2 * RATE, RATE, torch.device("cpu")).start(0, clip, dog, random)


# Mixing


def test_two_sources_meet_at_0_db_and_gains_stay_within_their_bounds() -> None:
    random = torch.Generator().manual_seed(0)
    segments = torch.randn(4, 1000, generator=random) * torch.tensor([0.1, 0.7, 1e-7, 0.02])[:, None]
    mixtures = mix(segments, [(1,), (3,), (0,), (2,)])
    added = mixtures - segments
    ratio = 10 * torch.log10(segments.square().mean(1) / added.square().mean(1))
    assert ratio[:2] == pytest.approx([0, 0], abs=1e-3)
    torch.testing.assert_close(added[2], 0.02 * segments[0], atol=1e-8, rtol=1e-4)
    torch.testing.assert_close(added[3], 50 * segments[2], atol=1e-8, rtol=1e-4)
    three = mix(segments[:2].repeat(2, 1), [(1, 3), (0,), (1,), (0,)])
    torch.testing.assert_close(three[0], segments[0] + 2 * (mixtures[0] - segments[0]))


def test_nothing_of_the_targets_kin_interferes_unless_published_behaviour_is_asked_for() -> None:
    targets = [[mid("Bark")], [mid("Dog")], [mid("Rain")], [mid("Animal")]]
    contents = [[mid("Bark")], [mid("Dog")], [mid("Rain"), mid("Speech")], [mid("Animal")]]
    found = partners(targets, contents, count=1, admissible=other_kin(ONTOLOGY))
    assert found == [(2,), (2,), (3,), (2,)]
    assert partners(targets, contents, count=1, admissible=anything) == [(1,), (2,), (3,), (0,)]
    # A clip that is labelled with more than what it is drawn for interferes with none of it.
    contents[2] = [mid("Rain"), mid("Dog")]
    assert partners(targets, contents, count=1, admissible=other_kin(ONTOLOGY))[0] == ()


# Conditions


def test_label_conditions_mark_what_a_query_by_classes_leaves() -> None:
    targets = [Target("dog", (mid("Dog"),)), Target("a", (mid("Rain"), mid("Speech")))]
    conditions = LabelConditions().of(torch.zeros(2, 10), targets)
    assert conditions.shape == (2, LABELLED)
    for row, target in zip(conditions, targets, strict=True):
        assert torch.equal(row, class_mask(target.mids).float())
    with pytest.raises(ValueError, match="Oboe"):
        LabelConditions().of(torch.zeros(1, 10), [Target("Oboe", (mid("Oboe"),))])


def test_heard_conditions_come_from_the_clean_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loud(torch.nn.Module):
        def forward(self, waveforms: torch.Tensor) -> dict[str, torch.Tensor]:
            level = waveforms.square().mean(1, keepdim=True)
            return {"clipwise_output": level.expand(-1, LABELLED), "embedding": level.expand(-1, 2048)}

    class Base:
        module, sha256 = Loud(), "of the weights"

    monkeypatch.setattr("taggers.panns.load_cnn14", lambda checkpoint: Base())
    segments = torch.stack([torch.full((100,), 0.5), torch.full((100,), 0.1)])
    for bottleneck, size in (("at_soft", 527), ("embedding", 2048)):
        conditions = HeardConditions(bottleneck, checkpoint=None, device=torch.device("cpu"))
        heard = conditions.of(segments, [Target("x")] * 2)
        assert (conditions.size, conditions.sha256) == (size, "of the weights")
        torch.testing.assert_close(heard[:, 0], torch.tensor([0.25, 0.01]))
        assert not heard.is_inference()


def test_masked_and_scaled_conditions_are_those_that_a_query_by_classes_asks_with(tmp_path: Path) -> None:
    net = load_mini(write_tagger(tmp_path / "tagger.safetensors", "Rain", "Dog", "Bark"))
    segments = 0.1 * torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))
    targets = [Target(name, (mid(name),)) for name in ("Dog", "Water", "Cat")]
    how = {"tagger": "mini-tagger", "checkpoint": tmp_path / "tagger.safetensors", "device": torch.device("cpu")}
    masked = HeardConditions("at_soft", scaled=True, masked=True, **how)  # type: ignore[arg-type]
    heard = masked.of(segments, targets)
    asked = QueryNet(net, scaled=True)
    for row, target in enumerate(targets):
        want = asked.condition(asked.hear(segments[row : row + 1]), class_mask(target.mids))[0]
        torch.testing.assert_close(heard[row], want)
    assert heard.amax(1).tolist() == pytest.approx([1, 1, 0])
    assert [masked.asks(target) for target in targets] == [True, True, False]
    whole = HeardConditions("at_soft", **how)  # type: ignore[arg-type]
    torch.testing.assert_close(whole.of(segments, targets), net.module(segments)["clipwise_output"])
    assert all(map(whole.asks, targets))
    assert (masked.size, masked.sha256) == (527, net.sha256)


# Batches


def batches(root: Path, **changes: object) -> Batches:
    clips = open_data("clips", root, {}).clips
    how = {
        "batch": 6,
        "samples": 8000,
        "seed": 3,
        "level_db": (-20.0, -20.0),
        "snr_db": None,
        "interferers": 1,
    } | changes
    return Batches(
        clips,
        ClipStore(clips, sample_rate=RATE, memory_bytes=100_000),
        anchors=RandomAnchors(8000),
        admissible=other_kin(ONTOLOGY),
        drawing=Drawing(**how),  # type: ignore[arg-type]
    )


def test_a_batch_hangs_on_its_step_alone_and_is_balanced_levelled_and_mixed(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips")
    one, two = batches(root), batches(root)
    made = {step: one.at(step) for step in (0, 1, 2, 3)}
    for step in (2, 0):
        again = two.at(step)
        assert torch.equal(again.mixtures, made[step].mixtures)
        assert again.labels == made[step].labels
    assert not torch.equal(made[0].mixtures, made[1].mixtures)
    for batch in made.values():
        assert Counter(label.label for label in batch.labels) == {"Rain": 2, "Sine wave": 2, "Dog": 2}
        assert batch.targets.square().mean(1).sqrt().tolist() == pytest.approx([0.1] * 6, rel=1e-3)
        # What a target is called is what it sounds like: a tone peaks at 3 dB over its level, noise higher, clicks far.
        peaks = (batch.targets.abs().amax(1) / 0.1).tolist()
        bounds = {"Sine wave": (1.3, 1.5), "Rain": (2.5, 6), "Dog": (8, 100)}
        assert all(
            bounds[label.label][0] < peak < bounds[label.label][1]
            for label, peak in zip(batch.labels, peaks, strict=True)
        )
        added = batch.mixtures - batch.targets
        assert added.square().mean(1).sqrt().tolist() == pytest.approx([0.1] * 6, rel=1e-3)


def test_targets_lie_above_what_they_are_mixed_with_by_the_drawn_level(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips")
    made = batches(root, snr_db=(4.0, 10.0)).at(1)
    added = (made.mixtures - made.targets).square().mean(1).sqrt()
    above = (20 * torch.log10(made.targets.square().mean(1).sqrt() / added)).tolist()
    assert all(4 <= level <= 10 for level in above)
    assert max(above) - min(above) > 0.5
    assert torch.equal(made.targets, batches(root).at(1).targets)


def test_processes_share_out_the_draws_of_one(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips")
    whole = batches(root, batch=12).at(1).targets
    parts = [batches(root, rank=rank, world=2).at(1).targets for rank in (0, 1)]
    assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), whole)


def test_a_broken_or_silent_clip_is_passed_over_and_named_and_a_class_of_such_ends_it(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", per_kind=2)
    (root / "Dog" / "0.wav").write_bytes(b"RIFF")
    soundfile.write(root / "Rain" / "1.wav", np.zeros(1000), RATE)
    made = batches(root)
    for step in range(3):
        assert len(made.at(step).labels) == 6
    assert len(made.broken) == 2
    assert any("Dog/0.wav" in why for why in made.broken.values())
    assert "Rain/1.wav: is silent throughout" in made.broken.values()
    (root / "Dog" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(TrainError, match=r"no clip of Dog can be used.*\.wav"):
        batches(root).at(0)


# Clips


def test_a_folder_and_a_table_name_the_same_clips(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", per_kind=2)
    by_folder = open_data("clips", root, {})
    assert {(clip.name, clip.labels[0].label) for clip in by_folder.clips} == {
        (f"{kind}/{n}.wav", kind) for kind in ("Dog", "Rain", "Sine wave") for n in (0, 1)
    }
    table = root / "labels.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "labels", "recording", "licence"])
        writer.writerow(["Dog/0.wav", f"Dog;{mid('Rain')}", "r1", "CC0 by somebody"])
    for place in (root, table):
        (clip,) = open_data("clips", place, {}).clips
        assert clip.mids == (mid("Dog"), mid("Rain"))
        assert (clip.recording, clip.credit) == ("r1", "CC0 by somebody")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("path,labels\nDog/0.wav,Dgo\n", "labels.csv.*no class 'Dgo'.*Dog"),
        ("path,labels\nDog/0.wav,\n", "labels.csv.*has no label"),
        ("path,labels\n../0.wav,Dog\n", "is not a path inside"),
        ("path,tags\nDog/0.wav,Dog\n", "no column 'labels'"),
        ("path,labels\n", "no clip in it"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_one_line(rows: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises((TrainError, DatasetError), match=why) as caught:
        open_data("clips", tmp_path, {})
    assert "\n" not in str(caught.value)


def test_audioset_as_downloaded_gives_the_clips_that_are_there_with_all_their_classes(tmp_path: Path) -> None:
    ids = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")
    (tmp_path / "metadata").mkdir()
    lines = [f'{id}, 0.000, 10.000, "{mid("Dog")},{mid("Rain")}"' for id in ids]
    (tmp_path / "metadata" / "balanced_train_segments.csv").write_text("# a comment\n" + "\n".join(lines) + "\n")
    folder = tmp_path / "audios" / "balanced_train_segments"
    folder.mkdir(parents=True)
    for name in ("Yaaaaaaaaaaa.wav", "bbbbbbbbbbb_0.000_10.000.flac"):
        soundfile.write(folder / name, np.full(100, 0.1), RATE)
    found = open_data("audioset", tmp_path, {})
    assert [clip.name for clip in found.clips] == list(ids[:2])
    assert found.splits == ("balanced_train",)
    assert set(found.clips[0].mids) == {mid("Dog"), mid("Rain")}
    assert found.test == ()
    evaluated = tmp_path / "audios" / "eval_segments"
    evaluated.mkdir()
    listed = zip(("ddddddddddd", "eeeeeeeeeee"), ("Dog", "Rain"), strict=True)
    lines = []
    for id, name in listed:
        soundfile.write(evaluated / f"Y{id}.wav", np.full(100, 0.1), RATE)
        lines.append(f'{id}, 0.000, 10.000, "{mid(name)}"\n')
    (tmp_path / "eval_segments.csv").write_text("".join(lines))
    again = open_data("audioset", tmp_path, {})
    assert {scene.id for scene in again.test} == {"ddddddddddd+eeeeeeeeeee", "eeeeeeeeeee+ddddddddddd"}
    assert again.clips == found.clips
    shutil.rmtree(folder)
    with pytest.raises(TrainError, match="no clip of balanced_train is there"):
        open_data("audioset", tmp_path, {})
    with pytest.raises(TrainError, match="no unbalanced_train_segments"):
        open_data("audioset", tmp_path, {"train": "unbalanced_train"})


def test_held_out_recordings_are_not_trained_on(tmp_path: Path) -> None:
    clips = open_data("clips", write_clips(tmp_path / "clips", per_kind=10), {}).clips
    kept, scenes = hold_out(clips, share=0.4, sample_rate=RATE, samples=8000, dataset="clips")
    held = {recording for scene in scenes for recording in scene.recordings}
    assert len(kept) < len(clips)
    assert held
    assert not held & {clip.recording for clip in kept}
    scene = next(islice(scenes, 1))
    reference, mixture = scene.reference(scene.targets[0]), scene.mixture.read()
    assert (mixture - reference).square().mean() == pytest.approx(float(reference.square().mean()), rel=1e-3)


def test_stems_of_different_songs_are_told_apart_and_one_instrument_is_one_class(shared_data: Path) -> None:
    (found,) = one_label_per_class([open_data("slakh2100", shared_data / "slakh2100/fluidsynth_render", {})])
    assert len({clip.name for clip in found.clips}) == len(found.clips)
    labels = {label for clip in found.clips for label in clip.labels}
    assert len({label.mids for label in labels}) == len(labels) < len(found.clips)


def test_held_out_clips_of_one_file_name_are_all_validated_on(tmp_path: Path) -> None:
    for song in range(6):
        folder = tmp_path / "train" / f"song{song}"
        folder.mkdir(parents=True)
        for stem, kind in (("mixture", "Rain"), ("vocals", "Dog"), ("drums", "Rain"), ("bass", "Sine wave")):
            soundfile.write(folder / f"{stem}.wav", np.tile(sound(kind, song)[:, None], 2), RATE)
        soundfile.write(folder / "other.wav", np.zeros((19_200, 2)), RATE)
    clips = open_data("musdb18", tmp_path, {}).clips
    kept, scenes = hold_out(clips, share=0.9, sample_rate=RATE, samples=8000, dataset="musdb18")
    assert len(scenes) == len(clips) - len(kept) > 3


def test_no_class_is_held_out_altogether(tmp_path: Path) -> None:
    clips = open_data("clips", write_clips(tmp_path / "clips", per_kind=1), {}).clips
    kept, scenes = hold_out(clips, share=0.999, sample_rate=RATE, samples=8000, dataset="clips")
    assert (kept, scenes) == (clips, ())


def test_clips_that_are_listed_and_not_there_are_counted_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    write_clips(tmp_path, per_kind=1)
    table = tmp_path / "labels.csv"
    table.write_text("path,labels\nDog/0.wav,Dog\nDog/1.wav,Dog\n")
    found = open_data("clips", tmp_path, {})
    assert ([clip.name for clip in found.clips], found.absent) == (["Dog/0.wav"], 1)
    table.write_text("path,labels\nDog/1.wav,Dog\n")
    with pytest.raises(TrainError, match=r"not one of the 1 clips under .* is there"):
        open_data("clips", tmp_path, {})


def test_real_folds_are_kept_apart_and_every_clip_is_credited(shared_data: Path) -> None:
    root = shared_data / "esc10"
    found = open_data("esc50", root, {})
    assert len({label for clip in found.clips for label in clip.labels}) == 10
    assert {Path(clip.name).name[0] for clip in found.clips} == {"1", "2", "3"}
    assert found.test_split == "fold4"
    tested = {recording for scene in found.test for recording in scene.recordings}
    assert not tested & {clip.recording for clip in found.clips}
    assert all(clip.credit and "freesound.org" in clip.credit for clip in found.clips)
    with pytest.raises(TrainError, match="must differ"):
        open_data("esc50", root, {"train": ["fold4"]})
