"""Slakh2100: layouts, splits, targets, and tracks that are incomplete."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from bench.datasets.base import DatasetError
from bench.datasets.slakh2100 import Slakh2100
from bench.datasets.slakh_tables import load_submix, midi_group, split_of
from bench.scene import Scene, SceneError
from ontology.labelmaps import label_map

RATE = 16000
ALL_TRACKS = [f"Track{number:05d}" for number in range(1, 2101)]
STEMS = {"S00": ("Guitar", 30), "S01": ("Drums", 128), "S02": ("Guitar", 26), "S03": ("Organ", 17), "S04": ("Bass", 33)}


def entry(inst_class: str | None, program: int, **more: Any) -> dict[str, Any]:
    return {
        "audio_rendered": True,
        "inst_class": inst_class,
        "is_drum": program == 128,
        "midi_program_name": f"Program {program}",
        "plugin_name": "a.nkm",
        "program_num": program,
        **more,
    }


def track(folder: Path, *, suffix: str = "flac", extra: dict[str, Any] | None = None, samples: int = 160) -> Path:
    """A track whose mix is the sum of its stems; ``extra`` are stems that the metadata lists without sound files."""
    (folder / "stems").mkdir(parents=True)
    random = np.random.default_rng(0)
    total = np.zeros((samples, 1))
    for key in STEMS:
        audio = 0.1 * random.standard_normal((samples, 1))
        soundfile.write(folder / "stems" / f"{key}.{suffix}", audio, RATE)
        total += audio
    soundfile.write(folder / f"mix.{suffix}", total, RATE)
    stems = {key: entry(*values) for key, values in STEMS.items()} | (extra or {})
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"UUID": "x", "stems": stems}))
    return folder


def only(dataset: Slakh2100) -> Scene:
    (scene,) = dataset.scenes()
    return scene


def members(scene: Scene) -> dict[str, tuple[int, ...]]:
    return {target.target.label: target.members for target in scene.targets}


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_stems_of_one_instrument_class_make_up_one_target(tmp_path: Path, suffix: str) -> None:
    track(tmp_path / "Track00001", suffix=suffix)
    scene = only(Slakh2100(tmp_path))
    assert members(scene) == {"Guitar": (0, 2), "Drums": (1,), "Organ": (3,), "Bass": (4,)}
    assert all(target.target == label_map("slakh2100")[target.target.label] for target in scene.targets)
    total = sum(scene.reference(target) for target in scene.targets)
    np.testing.assert_allclose(total, scene.mixture.read(), atol=1e-3)


def test_sources_are_annotated_as_finely_as_their_program(tmp_path: Path) -> None:
    track(tmp_path / "Track00001")
    sources = {source.label: source.mids for source in only(Slakh2100(tmp_path)).sources}
    assert sources["S02 Program 26"] == ("/m/02sgy",)  # Electric guitar, below the class's Guitar


def test_each_stem_can_be_a_target_of_its_own(tmp_path: Path) -> None:
    track(tmp_path / "Track00001")
    scene = only(Slakh2100(tmp_path, targets="stem"))
    assert list(members(scene).items())[:2] == [("S00 Program 30", (0,)), ("S01 Program 128", (1,))]


def test_a_submix_sums_by_program_leaves_the_rest_to_residuals_and_is_silent_without_stems(tmp_path: Path) -> None:
    track(tmp_path / "Track00001")
    scene = only(Slakh2100(tmp_path, targets="submix:band"))
    assert members(scene) == {"Piano": (), "Guitar": (0, 2), "Bass": (4,), "Drums": (1,), "residuals": (3,)}
    assert scene.reference(scene.targets[0]).abs().max() == 0
    assert scene.targets[-1].target.mids == ()


def test_a_submix_file_of_the_user_is_read_in_the_format_of_slakh_utils(tmp_path: Path) -> None:
    track(tmp_path / "Track00001")
    definition = tmp_path / "mine.yaml"
    definition.write_text('Mixing key: "inst_class"\nRecipes:\n  Rhythm: [Drums, Bass]\n')
    scene = only(Slakh2100(tmp_path, targets=f"submix:{definition}"))
    assert members(scene) == {"Rhythm": (1, 4), "residuals": (0, 2, 3)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Recipes: {A: [1]}", '"Mixing key"'),
        ("Mixing key: program_num\nRecipes: {A: 1}", "list of values"),
        ("Mixing key: program_num\nRecipes: {A: [1], B: [1]}", "value 1 stands in two recipes"),
        ("Mixing key: program_num\nRecipes: {residuals: [1]}", "the name of the rest"),
    ],
)
def test_a_submix_file_that_slakh_utils_would_refuse_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError, match=rf"mine\.yaml: .*{said}"):
        load_submix(str(path))


def test_an_unknown_submix_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no sub-mix 'choir'; there are band, bass, drums, guitar, piano"):
        Slakh2100(tmp_path, targets="submix:choir")


def test_a_stem_that_was_not_rendered_is_noted_and_nothing_else(tmp_path: Path) -> None:
    track(tmp_path / "Track00001", extra={"S05": entry("Sound Effects", 103, audio_rendered=False)})
    scene = only(Slakh2100(tmp_path))
    assert scene.notes == ("S05 Program 103: not rendered, left out",)
    assert "Sound Effects" not in members(scene)


def test_a_target_that_lacks_a_rendered_stem_is_not_scored_against_a_wrong_reference(tmp_path: Path) -> None:
    track(tmp_path / "Track00001", extra={"S05": entry("Organ", 18)})
    dataset = Slakh2100(tmp_path)
    scene = only(dataset)
    assert set(members(scene)) == {"Guitar", "Drums", "Bass"}
    assert scene.notes == ("S05 Program 18: its file is missing, so 'Organ' is not scored",)
    (problem,) = dataset.verify()
    assert problem.path == tmp_path / "Track00001" / "stems" / "S05.flac"


def test_a_file_counts_even_where_the_metadata_says_it_was_not_rendered(tmp_path: Path) -> None:
    folder = track(tmp_path / "Track00001")
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    metadata["stems"]["S03"]["audio_rendered"] = False
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    scene = only(Slakh2100(tmp_path))
    assert "Organ" in members(scene)
    assert scene.notes == ()


def test_silent_stems_stay(tmp_path: Path) -> None:
    folder = track(tmp_path / "Track00001")
    soundfile.write(folder / "stems" / "S04.flac", np.zeros((160, 1)), RATE)
    scene = only(Slakh2100(tmp_path))
    bass = next(target for target in scene.targets if target.target.label == "Bass")
    assert scene.reference(bass).abs().max() == 0


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, "no such file"),
        ("{", "cannot be read as YAML"),
        ("stems: []", "field 'stems'"),
        ("stems: {S00: 3}", "stem 'S00' is not a mapping"),
        (yaml.safe_dump({"stems": {"S00": entry(None, 30)}}), "field 'inst_class' of stem 'S00'"),
        (yaml.safe_dump({"stems": {"S00": entry("Guitar", 300)}}), "'program_num' of stem 'S00' is 300"),
        (yaml.safe_dump({"stems": {"../../x": entry("Guitar", 30)}}), "'../../x' is not a path inside"),
    ],
)
def test_broken_metadata_costs_its_own_track_and_names_the_field(
    tmp_path: Path, metadata: str | None, said: str
) -> None:
    folder = track(tmp_path / "Track00001")
    track(tmp_path / "Track00002")
    (folder / "metadata.yaml").unlink()
    if metadata is not None:
        (folder / "metadata.yaml").write_text(metadata)
    dataset = Slakh2100(tmp_path)
    broken, whole = dataset.scenes()
    with pytest.raises(SceneError, match=rf"metadata\.yaml: .*{said}"):
        broken.content_hash()
    assert len(whole.content_hash()) == 64
    assert [problem.path for problem in dataset.verify()] == [folder / "metadata.yaml"]


def test_the_published_split_sizes(tmp_path: Path) -> None:
    def sizes(version: str) -> Counter[str | None]:
        return Counter(split_of(track, version) for track in ALL_TRACKS)

    whole = {"train": 1500, "validation": 375, "test": 225}
    assert sizes("original") == sizes("v2") == whole
    assert sizes("redux") == {"train": 1289, "validation": 270, "test": 151, None: 390}


@pytest.mark.parametrize(("version", "leaks"), [("original", True), ("v2", False), ("redux", False)])
def test_only_the_original_split_has_one_midi_file_in_two_splits(version: str, leaks: bool) -> None:
    placed = {(midi_group(track), split_of(track, version)) for track in ALL_TRACKS}
    groups = Counter(group for group, split in placed if split)
    assert (max(groups.values()) > 1) is leaks


def test_redux_keeps_each_midi_file_once() -> None:
    kept = [midi_group(track) for track in ALL_TRACKS if split_of(track, "redux")]
    assert len(kept) == len(set(kept)) == len({midi_group(track) for track in ALL_TRACKS}) == 1710


def test_the_tables_agree_with_the_published_files(shared_data: Path) -> None:
    meta = shared_data / "slakh2100" / "meta"
    moved, omitted, twins = (
        json.loads((meta / f"{name}.json").read_text()) for name in ("splits_v2", "redux", "duplicates")
    )
    for track in ALL_TRACKS:
        original = split_of(track, "original")
        assert moved[track].get("source_split", original) == original
        assert split_of(track, "v2") == moved[track].get("destination_split", original)
        assert (split_of(track, "redux") is None) == (omitted[track]["action"] == "omit")
        assert midi_group(track) == min([track, *twins[track]["midi_duplicates"]])


@pytest.mark.parametrize("name", ["band", "bass", "drums", "guitar", "piano"])
def test_the_submixes_agree_with_the_published_files(shared_data: Path, name: str) -> None:
    assert load_submix(name) == load_submix(str(shared_data / "slakh2100" / "meta" / "submixes" / f"{name}.yaml"))


def test_the_split_is_told_by_the_number_wherever_the_track_lies(tmp_path: Path) -> None:
    track(tmp_path / "train" / "Track00003")  # split 2 moves it to the test
    track(tmp_path / "test" / "Track01876")
    ids = {
        version: [scene.id for scene in Slakh2100(tmp_path, split_version=version).scenes()]  # type: ignore[arg-type]
        for version in ("redux", "v2", "original")
    }
    assert ids == {"redux": ["Track01876"], "v2": ["Track00003", "Track01876"], "original": ["Track01876"]}


@pytest.mark.parametrize(
    ("version", "dataset"), [("redux", "slakh2100-redux"), ("v2", "slakh2100-split2"), ("original", "slakh2100-orig")]
)
def test_scenes_carry_the_name_of_their_version(tmp_path: Path, version: Any, dataset: str) -> None:
    track(tmp_path / "test" / "Track01876")
    scene = only(Slakh2100(tmp_path, split_version=version))
    assert (scene.dataset, scene.split) == (dataset, "test")
    assert any("leaks" in note for note in scene.notes) is (version == "original")


def test_tracks_of_one_midi_file_are_one_recording(tmp_path: Path) -> None:
    track(tmp_path / "Track00004")
    track(tmp_path / "Track01939")
    first, second = Slakh2100(tmp_path).scenes()
    assert first.recordings == second.recordings == ("slakh2100/Track00004",)


def test_a_plain_folder_of_tracks_has_no_split_unless_one_is_asked_for(tmp_path: Path) -> None:
    track(tmp_path / "Track00001")
    scene = only(Slakh2100(tmp_path))
    assert (scene.dataset, scene.split) == ("slakh2100", "all")
    assert only(Slakh2100(tmp_path, split="train")).dataset == "slakh2100-redux"
    with pytest.raises(DatasetError, match=r"no track of split 'test' \(redux\) .*there are 1 of train"):
        list(Slakh2100(tmp_path, split="test").scenes())


def test_an_empty_folder_says_how_to_get_tracks(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no track of split 'all' .*www\.slakh\.com"):
        list(Slakh2100(tmp_path).scenes())
    assert [problem.path for problem in Slakh2100(tmp_path).verify()] == [tmp_path]


def test_the_layouts_are_found(tmp_path: Path) -> None:
    track(tmp_path / "slakh" / "redux" / "train" / "Track00001")
    track(tmp_path / "slakh" / "baby" / "Track00001")
    assert Slakh2100.find(tmp_path) == [tmp_path / "slakh" / "baby", tmp_path / "slakh" / "redux"]


def test_verify_names_the_tracks_that_are_missing(tmp_path: Path) -> None:
    track(tmp_path / "test" / "Track01877")
    (problem,) = Slakh2100(tmp_path, split_version="original").verify()
    assert problem.what == "224 of 225 tracks of 'test' are missing: Track01876, Track01878 to Track02100"


def test_everything_can_be_resampled(tmp_path: Path) -> None:
    track(tmp_path / "Track00001", samples=1601)
    scene = only(Slakh2100(tmp_path, sample_rate=8000))
    assert (scene.mixture.sample_rate, scene.mixture.read().shape) == (8000, (1, 801))
    assert {scene.reference(target).shape for target in scene.targets} == {(1, 801)}


@pytest.mark.parametrize(
    "options",
    [
        {"split": "dev"}, {"split_version": "v3"}, {"targets": "class"}, {"targets": "submix:"}, {"sample_rate": 0},
        {"split_version": "none", "split": "test"},
    ],
)  # fmt: skip
def test_an_unknown_option_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"slakh2100: (no s|no t|sample_rate|split_version)"):
        Slakh2100(tmp_path, **options)


def test_a_real_rendering_is_the_sum_of_its_stems_and_its_silent_ones_stay(shared_data: Path) -> None:
    scene = only(Slakh2100(shared_data / "slakh2100" / "fluidsynth_render"))
    stems = [source.signal.read() for source in scene.sources]
    np.testing.assert_allclose(sum(stems), scene.mixture.read(), atol=1e-5)
    assert [source.label[:3] for source, stem in zip(scene.sources, stems, strict=True) if not stem.any()] == [
        "S00", "S08", "S10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "split", "rate"), [("babyslakh_16k", None, 16000), ("slakh2100_flac_redux", "train", 44100)]
)
def test_real_excerpts_of_both_releases_are_read(shared_data: Path, name: str, split: str | None, rate: int) -> None:
    scene = next(Slakh2100(shared_data / "slakh2100" / name, split=split).scenes())
    assert scene.mixture.sample_rate == rate
    assert len(scene.sources) == 10
    assert any("S06" in note for note in scene.notes)
