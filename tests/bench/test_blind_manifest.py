from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.audio import Fitted
from bench.blind.activity import activity
from bench.blind.draw import draw
from bench.blind.manifest import Manifest, canonical, load, save, sha256
from bench.blind.scenes import BED, scenes_of
from bench.blind.signals import Part, PinkNoise, Placed
from bench.blind.singles import singles
from bench.data import OpenedDataset, open_datasets
from bench.datasets.base import DatasetError
from bench.scene import Scene, SceneError
from bench.truth import annotation, truth
from ontology import Ontology

RATE = 8_000
SECONDS = 3.0
NAMES = ("Bark", "Meow", "Siren", "Guitar", "Acoustic guitar", "Speech")
ONTOLOGY = Ontology.audioset()


def write(path: Path, audio: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE)


def burst(seed: int, *, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    """Noise with a quarter of silence on either side."""
    noise = np.random.default_rng(seed).normal(scale=level, size=round(seconds * RATE))
    quarter = len(noise) // 4
    noise[:quarter] = noise[-quarter:] = 0
    return noise.clip(-1, 1)


def write_songs(root: Path, *, songs: int = 3, names: tuple[str, ...] = (*NAMES, "other")) -> None:
    for song in range(songs):
        for place, name in enumerate(names):
            write(root / f"song{song}" / f"{name}.wav", burst(100 * song + place))


def opened_at(root: Path, name: str = "folder", **options: Any) -> OpenedDataset:
    opened, problems = open_datasets([name], folders={name: root}, options={name: options})
    assert not problems
    return opened[0]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> OpenedDataset:
    """Three songs of seven stems, which no test changes."""
    root = tmp_path_factory.mktemp("made") / "songs"
    write_songs(root)
    return opened_at(root)


@pytest.fixture(scope="module")
def five(songs: OpenedDataset) -> Manifest:
    return draw(songs, count=5, seconds=SECONDS)


def classes(scene: Scene) -> list[tuple[str, ...]]:
    return [source.mids for source in scene.sources if source.mids]


def kin(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    above = [{node.mid for mid in mids for node in ONTOLOGY.ancestors(mid, include_self=True)} for mids in (a, b)]
    return bool(above[0] & set(b) or above[1] & set(a))


def test_a_fifth_is_empty_a_fifth_has_two_of_one_class_and_the_rest_are_of_different_classes(
    songs: OpenedDataset,
) -> None:
    drawn = scenes_of(songs, count=50, seconds=SECONDS).scenes
    assert len({scene.id for scene in drawn}) == 50
    assert sum(not classes(scene) for scene in drawn) == 10
    doubled = [scene for scene in drawn if len(set(classes(scene))) < len(classes(scene))]
    assert len(doubled) == 10
    assert {len(classes(scene)) for scene in drawn} == {0, 1, 2, 3, 4, 5}
    for scene in drawn:
        assert scene.targets == ()
        alike = [(a, b) for a, b in combinations(scene.sources[:-1], 2) if a.mids == b.mids]
        assert len(alike) == (scene in doubled)
        assert all(a.recording != b.recording for a, b in alike)
        for a, b in combinations(set(classes(scene)), 2):
            assert not kin(a, b)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 15), st.integers(0, 1000))
def test_any_number_of_scenes_from_any_seed_keeps_the_rule(songs: OpenedDataset, count: int, seed: int) -> None:
    manifest = draw(songs, count=count, seed=seed, seconds=SECONDS)
    assert len(manifest.scenes) == count
    assert sum(not scene.sources for scene in manifest.scenes) == round(0.2 * count)
    for scene in manifest.scenes:
        assert list(scene.sources) == sorted(scene.sources, key=lambda one: one.onset)
        for a, b in combinations(scene.sources, 2):
            stems_of_one_song = a.scene == b.scene and a.mids != b.mids
            assert a.recording != b.recording or stems_of_one_song
        for one in scene.sources:
            assert one.onset + one.length <= manifest.samples
            assert one.label in NAMES


def test_a_scene_is_the_sum_of_its_sources_over_a_bed_of_pink_noise(songs: OpenedDataset) -> None:
    for scene in scenes_of(songs, count=10, seconds=SECONDS).scenes:
        bed = scene.sources[-1]
        assert (bed.label, bed.mids) == (BED, ())
        parts = [source.signal.read() for source in scene.sources]
        assert torch.allclose(scene.mixture.read(), torch.stack(parts).sum(dim=0), atol=1e-6)
        assert scene.mixture.samples == round(SECONDS * RATE) == parts[-1].shape[1]
        assert 20 * torch.log10(parts[-1].square().mean().sqrt()) == pytest.approx(-50, abs=0.01)


def test_sources_have_the_level_and_the_spans_that_the_manifest_says(songs: OpenedDataset) -> None:
    manifest = draw(songs, count=20, seconds=SECONDS)
    for scene, blind in zip(scenes_of(songs, manifest=manifest).scenes, manifest.scenes, strict=True):
        for source, placed in zip(scene.sources, blind.sources, strict=False):
            audio = source.signal.read()[0]
            sounds = torch.zeros(len(audio), dtype=torch.bool)
            assert source.spans is not None
            for start, end in source.spans:
                sounds[round(start * RATE) : round(end * RATE)] = True
            level = 10 * torch.log10(audio[sounds].double().square().mean())
            assert float(level) == pytest.approx(placed.level_db, abs=0.01)
            assert -40 <= placed.level_db <= -20
            assert audio[~sounds].abs().max() == 0
            assert sounds.sum() == pytest.approx(RATE / 2, abs=0.05 * RATE)


def test_impulses_are_kept_from_clipping(tmp_path: Path) -> None:
    for song in range(2):
        click = np.full(RATE, 0.001)
        click[RATE // 2] = 1.0
        write(tmp_path / f"song{song}" / "Bark.wav", click)
    manifest = draw(opened_at(tmp_path), count=40, seconds=SECONDS)
    for scene in scenes_of(opened_at(tmp_path), manifest=manifest).scenes:
        for source in scene.sources[:-1]:
            assert source.signal.read().abs().max() <= 10 ** (-6 / 20) + 1e-3


def test_one_draw_is_like_another_wherever_the_data_lies(songs: OpenedDataset, tmp_path: Path) -> None:
    write_songs(tmp_path / "elsewhere" / "songs")
    elsewhere = opened_at(tmp_path / "elsewhere" / "songs")
    first = draw(songs, count=10, seconds=SECONDS)
    assert canonical(draw(elsewhere, count=10, seconds=SECONDS)) == canonical(first)
    assert draw(songs, count=10, seconds=SECONDS, seed=1).scenes != first.scenes
    assert str(tmp_path) not in canonical(first)
    hashes = [[s.content_hash() for s in scenes_of(one, manifest=first).scenes] for one in (songs, elsewhere)]
    assert hashes[0] == hashes[1]


def test_recordings_are_those_of_the_sources_and_an_empty_scene_is_its_own(songs: OpenedDataset) -> None:
    for scene in scenes_of(songs, count=20, seconds=SECONDS).scenes:
        behind = {source.recording for source in scene.sources if source.mids}
        assert set(scene.recordings) == (behind or {f"folder-scenes/{scene.id}"})


def test_the_scenes_are_a_data_set_of_their_own_name(songs: OpenedDataset) -> None:
    blind = scenes_of(songs, count=10, seconds=SECONDS)
    assert blind.name == "folder-scenes"
    assert {scene.dataset for scene in blind.scenes} == {"folder-scenes"}
    assert "2 of them empty and 2 with two sources of one class" in (blind.caveat or "")
    assert dict(blind.metrics) == {}


def test_the_bed_leaves_noise_unknown_and_nothing_else(songs: OpenedDataset) -> None:
    empty = next(scene for scene in scenes_of(songs, count=10, seconds=SECONDS).scenes if not classes(scene))
    noise = {node.name for node in ONTOLOGY.descendants("Noise", include_self=True)}
    assert {"Noise", "White noise", "Pink noise"} <= noise
    restricted = {node.name for node in ONTOLOGY if node.restrictions}
    found = truth(empty)
    unknown = {node.name for node in ONTOLOGY if found.states[node.row] == "unknown"}
    assert unknown - restricted == noise - restricted
    assert "present" not in found.states


def test_the_annotation_tells_each_source_where_it_sounds(songs: OpenedDataset) -> None:
    for scene in scenes_of(songs, count=10, seconds=SECONDS).scenes:
        events = annotation(scene).events
        assert {event.instance for event in events} == set(range(len(scene.sources) - 1))
        assert all(0 <= event.start < event.end <= SECONDS for event in events)


def test_of_a_longer_recording_a_part_that_sounds_is_taken(tmp_path: Path) -> None:
    for song in range(2):
        audio = np.zeros(40 * RATE)
        audio[30 * RATE :] = np.random.default_rng(song).normal(scale=0.1, size=10 * RATE).clip(-1, 1)
        write(tmp_path / f"song{song}" / "Speech.wav", audio)
    manifest = draw(opened_at(tmp_path), count=20, seconds=SECONDS)
    taken = [source for scene in manifest.scenes for source in scene.sources]
    assert len(taken) > 10
    for source in taken:
        assert source.start + source.length > 30 * RATE + source.length / 2 - RATE * 0.02
        assert SECONDS * RATE / 2 <= source.length <= SECONDS * RATE


def test_one_class_gives_scenes_of_at_most_two_sources(tmp_path: Path) -> None:
    write_songs(tmp_path, names=("Speech",))
    drawn = scenes_of(opened_at(tmp_path), count=20, seconds=SECONDS).scenes
    assert sorted({len(classes(scene)) for scene in drawn}) == [0, 1, 2]


def test_without_two_recordings_of_a_class_no_scene_has_two_of_it_and_the_data_set_says_so(tmp_path: Path) -> None:
    write_songs(tmp_path, songs=1)
    blind = scenes_of(opened_at(tmp_path), count=20, seconds=SECONDS)
    assert all(len(set(classes(scene))) == len(classes(scene)) for scene in blind.scenes)
    assert max(len(classes(scene)) for scene in blind.scenes) == 5
    assert "No two recordings of one class" in (blind.caveat or "")


def test_silent_and_broken_sources_are_passed_over_and_listed(tmp_path: Path) -> None:
    write_songs(tmp_path, names=("Bark", "Meow"))
    write(tmp_path / "song0" / "Bark.wav", np.zeros(RATE))
    (tmp_path / "song1" / "Meow.wav").write_bytes(b"RIFF")
    manifest = draw(opened_at(tmp_path), count=40, seconds=SECONDS)
    passed = {(one.scene, one.source): one.why for one in manifest.passed_over}
    assert passed == {("song0", 0): "silent", ("song1", 1): "unreadable"}
    used = {(one.scene, one.source) for scene in manifest.scenes for one in scene.sources}
    assert used == {(f"song{song}", place) for song in range(3) for place in range(2)} - passed.keys()


@pytest.mark.parametrize("options", [{"count": 0}, {"seconds": 0.0}, {"seconds": float("nan")}, {"seconds": 1e9}])
def test_scenes_that_cannot_be_are_refused(songs: OpenedDataset, options: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="ask for at least one"):
        draw(songs, **options)


def test_a_data_set_without_classes_is_refused(tmp_path: Path) -> None:
    write_songs(tmp_path, names=("one", "two"))
    with pytest.raises(DatasetError, match=r"labels\.csv"):
        scenes_of(opened_at(tmp_path))


def test_a_data_set_of_silence_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "song" / "Bark.wav", np.zeros(RATE))
    with pytest.raises(DatasetError, match="not one of its 1 single sources can be read and sounds"):
        scenes_of(opened_at(tmp_path))


def test_in_scenes_of_weakly_labelled_clips_nothing_is_absent(tmp_path: Path) -> None:
    for index in (0, 74, 310):
        folder = tmp_path / "2s_segments_test" / f"class_id={index}"
        folder.mkdir(parents=True)
        for number in range(2):
            for kind in ("source", "mixture"):
                soundfile.write(folder / f"class_id={index},index={number:03d},{kind}.wav", burst(index), 32_000)
    drawn = scenes_of(opened_at(tmp_path, "audioset"), count=10, seconds=SECONDS).scenes
    assert max(len(classes(scene)) for scene in drawn) > 1
    for scene in drawn:
        assert ("absent" in truth(scene).states) == (not classes(scene))


def test_a_weakly_labelled_clip_of_two_classes_is_no_single_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_songs(tmp_path, names=("one", "two", "three"))
    (tmp_path / "labels.csv").write_text("stem,class\none,Bark;Siren\ntwo,Animal;Bark\nthree,Meow\n")
    opened = opened_at(tmp_path)
    assert {single.label for single in singles(opened)} == {"one", "two", "three"}
    monkeypatch.setattr(type(opened.dataset), "weakly_labelled", True)
    assert {single.label for single in singles(opened)} == {"two", "three"}


def test_a_name_that_is_not_text_can_be_drawn_and_found_again(tmp_path: Path) -> None:
    write_songs(tmp_path, songs=2, names=("Bark",))
    opened = opened_at(tmp_path)
    odd = [
        replace(scene, sources=tuple(replace(source, label="B\udce9") for source in scene.sources))
        for scene in opened.scenes
    ]
    opened = replace(opened, scenes=tuple(odd))
    for scene in scenes_of(opened, count=5, seconds=SECONDS).scenes:
        assert scene.mixture.read().isfinite().all()


def test_clips_of_pairs_are_taken_once_and_at_their_own_level(tmp_path: Path) -> None:
    rows = ["filename,fold,target,category,src_file"]
    for place, category in enumerate(("dog", "rain", "sneezing", "helicopter")):
        for take in range(2):
            name = f"4-{place}{take}-A-{place}.wav"
            rows.append(f"{name},4,{place},{category},{place}{take}")
            (tmp_path / "audio").mkdir(exist_ok=True)
            soundfile.write(tmp_path / "audio" / name, burst(place, level=0.02 * (take + 1)), 44_100)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    opened = opened_at(tmp_path, "esc50")
    manifest = draw(opened, count=40, seconds=6.0)
    used = {(one.scene, one.source): one.recording for scene in manifest.scenes for one in scene.sources}
    assert len(used) == len(set(used.values())) == 8
    alone = next(iter(tmp_path.glob("audio/*")))
    alone.unlink()  # a partner's level does not hang on the clip it was mixed with
    again = scenes_of(opened_at(tmp_path, "esc50"), manifest=manifest)
    unread = {source.recording for scene in again.scenes for source in scene.sources if not reads(source.signal.read)}
    assert unread == {f"freesound:{alone.name[2:4]}"}


def reads(read: Callable[[], torch.Tensor]) -> bool:
    try:
        read()
    except SceneError:
        return False
    return True


def test_a_source_that_is_gone_stops_its_scenes_only_and_is_named(tmp_path: Path) -> None:
    write_songs(tmp_path)
    manifest = draw(opened_at(tmp_path), count=20, seconds=SECONDS)
    (tmp_path / "song1" / "Bark.wav").unlink()
    place = sorted((*NAMES, "other")).index("Bark")  # the sources after it have moved up
    stopped = 0
    for scene, blind in zip(scenes_of(opened_at(tmp_path), manifest=manifest).scenes, manifest.scenes, strict=True):
        if not any(one.scene == "song1" and one.source >= place for one in blind.sources):
            assert scene.mixture.read().isfinite().all()
            continue
        stopped += 1
        with pytest.raises(SceneError, match=r"the manifest takes '.*' from scene 'song1'.*drawn from"):
            scene.mixture.read()
        with pytest.raises(SceneError):
            scene.content_hash()
    assert 0 < stopped < 20


def test_a_recording_that_was_made_shorter_is_refused(tmp_path: Path) -> None:
    write_songs(tmp_path)
    manifest = draw(opened_at(tmp_path), count=5, seconds=SECONDS)
    for path in tmp_path.rglob("*.wav"):
        write(path, burst(0, seconds=0.5))
    scene = next(scene for scene in scenes_of(opened_at(tmp_path), manifest=manifest).scenes if classes(scene))
    with pytest.raises(SceneError, match="has 4000 samples where the manifest takes 8000"):
        scene.mixture.read()


def test_a_manifest_of_another_data_set_is_refused(songs: OpenedDataset, five: Manifest) -> None:
    with pytest.raises(DatasetError, match=r"the manifest is of folder .*the data set is other"):
        scenes_of(replace(songs, name="other"), manifest=five)


def test_the_manifest_is_part_of_what_a_scene_is(songs: OpenedDataset, five: Manifest) -> None:
    fewer = five.model_copy(update={"scenes": five.scenes[:3]})
    first, second = (scenes_of(songs, manifest=one).scenes[0].content_hash() for one in (five, fewer))
    assert first != second


def test_a_manifest_comes_back_from_its_file_with_its_hash(five: Manifest, tmp_path: Path) -> None:
    save(five, tmp_path / "kept.json")
    assert load(tmp_path / "kept.json") == five
    spaced = json.dumps(dict(reversed(json.loads(canonical(five)).items())), indent=8)
    (tmp_path / "spaced.json").write_text(spaced)
    assert sha256(load(tmp_path / "spaced.json")) == sha256(five)


def first_source(manifest: dict[str, Any]) -> dict[str, Any]:
    return next(scene["sources"][0] for scene in manifest["scenes"] if scene["sources"])


def changed(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: first_source(manifest).update({key: value})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown field": (lambda manifest: manifest.update(path="/etc/passwd"), "field path"),
    "field of a source": (changed("file", "../x.wav"), r"field scenes\.\d\.sources\.0\.file"),
    "scene id with a path": (lambda manifest: manifest["scenes"][0].update(id="../x"), r"field scenes\.0\.id"),
    "unknown class": (changed("mids", ["/m/nothing"]), r"'/m/nothing' is no mid"),
    "name for a mid": (changed("mids", ["Bark"]), "'Bark' is no mid"),
    "no class": (changed("mids", []), r"field scenes\.\d\.sources\.0\.mids"),
    "negative place": (changed("source", -1), r"sources\.0\.source"),
    "gain that is no number": (changed("gain_db", float("nan")), r"sources\.0\.gain_db"),
    "text for a number": (changed("onset", "0"), r"sources\.0\.onset"),
    "span past the end": (changed("spans", [[0, 10**9]]), "spans of"),
    "spans out of order": (changed("spans", [[10_000, 12_000], [9_000, 9_500]]), "spans of"),
    "no scenes": (lambda manifest: manifest.update(scenes=[]), "field scenes"),
    "twice": (lambda manifest: manifest["scenes"].append(manifest["scenes"][0]), "two scenes have the id"),
    "no sample": (
        lambda manifest: manifest.update(seconds=1e-9, scenes=[{"id": "a", "sources": []}]),
        "have no sample",
    ),
    "another version": (lambda manifest: manifest.update(version=2), "field version"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_manifest_is_refused_with_its_file_and_field(five: Manifest, tmp_path: Path, case: str) -> None:
    damage, said = BROKEN[case]
    manifest = json.loads(canonical(five))
    damage(manifest)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=rf"(?s)broken\.json.*{said}.*draw it anew") as error:
        load(path)
    assert "\n" not in str(error.value)
    assert "Value error" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff\xfe", b"[" * 100_000, b"[]", b"null"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.json.*draw it anew"):
        load(path)


def test_a_manifest_that_is_not_there_or_cannot_be_written_is_named(five: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"kept\.json: cannot be written"):
        save(five, tmp_path / "no" / "kept.json")
    with pytest.raises(DatasetError, match=r"none\.json: cannot be read"):
        load(tmp_path / "none.json")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(0, 300), st.integers(1, 300), st.floats(-20, 20))
def test_a_placed_signal_is_its_audio_at_its_place(length: int, onset: int, samples: int, gain: float) -> None:
    onset = min(onset, length)
    inner = PinkNoise("any", RATE, samples, -20.0)
    placed = Placed(inner, onset, length, gain).read()
    kept = min(samples, length - onset)
    assert placed.shape == (1, length)
    assert torch.allclose(placed[:, onset : onset + kept], inner.read()[:, :kept] * 10 ** (gain / 20))
    assert placed[:, :onset].abs().sum() == placed[:, onset + kept :].abs().sum() == 0


def test_a_part_of_a_file_is_that_part_of_the_whole(tmp_path: Path) -> None:
    write(tmp_path / "Bark.wav", burst(1))
    whole = opened_at(tmp_path).scenes[0].sources[0].signal
    part = Part(whole, 2000, 4000).read()
    assert torch.equal(part[:, 100:-100], whole.read()[:, 2100:5900])
    assert torch.equal(part, Part(Fitted(whole, RATE), 2000, 4000).read())


def test_a_part_is_faded_only_where_it_is_cut(tmp_path: Path) -> None:
    write(tmp_path / "Bark.wav", np.full(RATE, 0.5))
    whole = opened_at(tmp_path).scenes[0].sources[0].signal
    assert Part(whole, 0, RATE).read().min() == pytest.approx(0.5, abs=1e-4)
    first, last = Part(whole, 0, 4000).read()[0], Part(whole, 4000, 4000).read()[0]
    assert (first[0], first[-1]) == (pytest.approx(0.5, abs=1e-4), 0)
    assert (last[0], last[-1]) == (0, pytest.approx(0.5, abs=1e-4))
    assert first[200] == last[200] == pytest.approx(0.5, abs=1e-4)


def test_pink_noise_falls_three_decibels_an_octave_and_hangs_on_its_name() -> None:
    noise = PinkNoise("a", 44_100, 441_000, -50.0).read()
    power = torch.fft.rfft(noise.double()).abs().square()[0]  # bins of 0.1 Hz
    octaves = torch.stack([power[lowest : 2 * lowest].mean() for lowest in (1_000, 10_000, 100_000)]).log10() * 10
    assert torch.allclose(octaves.diff(), torch.full((2,), -10.0, dtype=torch.float64), atol=0.5)
    assert power[:199].sum() < 1e-6 * power.sum()
    assert torch.equal(noise, PinkNoise("a", 44_100, 441_000, -50.0).read())
    assert not torch.equal(noise, PinkNoise("b", 44_100, 441_000, -50.0).read())


def test_activity_bridges_short_gaps_and_parts_long_ones() -> None:
    audio = torch.zeros(1, 4 * RATE)
    for start in (0.5, 1.0, 3.0):
        audio[:, round(start * RATE) : round((start + 0.2) * RATE)] = 0.1
    found = activity(audio, RATE)
    assert found is not None
    assert found.spans == ((4000, 9600), (24_000, 25_600))
    assert found.level_db == pytest.approx(-20 + 10 * np.log10(3 * 0.2 / 0.9), abs=1e-3)
    assert found.peak_db == pytest.approx(-20, abs=1e-3)
    assert activity(audio * 1e-3, RATE) is None
    assert activity(torch.zeros(1, 0), RATE) is None


def test_each_embedded_data_set_gives_scenes_that_can_be_read(mini: Path) -> None:
    opened, problems = open_datasets(["mini"], folders={"mini": mini}, options={})
    assert not problems
    for one in opened:
        blind = scenes_of(one, count=10, seconds=4.0)
        assert blind.name == f"{one.name}-scenes"
        assert len(blind.scenes) == 10
        assert sum(not classes(scene) for scene in blind.scenes) == 2
        for scene in blind.scenes:
            assert scene.mixture.read().isfinite().all()
            assert truth(scene).cut(1).sources == tuple(range(len(scene.sources) - 1))


@pytest.mark.parametrize(
    ("name", "folder", "most"),
    [
        ("esc50", "esc10", 5),
        ("musdb18", "musdb18/hq_layout_flac", 3),
        ("slakh2100", "slakh2100/fluidsynth_render", 5),
        ("voicebank_demand", "voicebank_demand", 2),
    ],
)
def test_real_recordings_give_scenes(shared_data: Path, name: str, folder: str, most: int) -> None:
    if not (shared_data / folder).is_dir():
        pytest.skip(f"no {folder} among the real recordings")
    opened = opened_at(shared_data / folder, name)
    manifest: Manifest = draw(opened, count=10)
    for scene, blind in zip(scenes_of(opened, manifest=manifest).scenes, manifest.scenes, strict=True):
        mixture = scene.mixture.read()
        assert mixture.shape == (1, manifest.samples)
        assert 0 < mixture.abs().max() < 1
        assert len(blind.sources) <= most
    assert max(len(scene.sources) for scene in manifest.scenes) == most


def test_real_singers_give_scenes(shared_data: Path, tmp_path: Path) -> None:
    choir = shared_data / "stems" / "choral_nino_dios"
    if not choir.is_dir():
        pytest.skip("no choir among the real recordings")
    lines = ["stem,class"]
    for number, path in enumerate(sorted(choir.glob("*.flac"))):
        voice = "Female singing" if "Soprano" in path.name or "ContraAlt" in path.name else "Male singing"
        lines.append(f"{path.stem},{voice}")
        # One singer a folder: they were recorded alone, so that two tenors may meet.
        (tmp_path / f"singer{number}").mkdir()
        (tmp_path / f"singer{number}" / path.name).symlink_to(path)
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    manifest = draw(opened_at(tmp_path), count=10)
    assert max(len(scene.sources) for scene in manifest.scenes) == 3
    for scene in scenes_of(opened_at(tmp_path), manifest=manifest).scenes:
        assert 0 < scene.mixture.read().abs().max() < 1
        assert len(annotation(scene).events) >= len(scene.sources) - 1
