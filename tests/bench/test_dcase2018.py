from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.datasets.base import DatasetError
from bench.datasets.dcase2018 import Dcase2018
from bench.scene import SceneError

LABELS = ("Cello", "Bark", "Oboe", "Cello", "Tearing", "Oboe", "Bark", "Tearing")
TABLES = {"train": "train_post_competition.csv", "test": "test_post_competition_scoring_clips.csv"}


def write_fsdkaggle(
    root: Path, *, split: str = "test", labels: tuple[str, ...] = LABELS, seconds: float = 3.0, suffix: str = ".wav"
) -> list[str]:
    names = [f"{place:08x}.wav" for place in range(len(labels))]
    (root / "FSDKaggle2018.meta").mkdir(parents=True, exist_ok=True)
    with (root / "FSDKaggle2018.meta" / TABLES[split]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fname", "label", "usage", "freesound_id", "license"])
        writer.writerows([names[i], label, "Public", 500 + i, "CC0"] for i, label in enumerate(labels))
    folder = root / f"FSDKaggle2018.audio_{split}"
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        noise = np.random.default_rng(place).normal(scale=0.1, size=int(seconds * 44_100))
        soundfile.write(folder / Path(name).with_suffix(suffix), noise, 44_100)
    return names


def test_each_clip_is_the_target_of_one_repaired_pair(tmp_path: Path) -> None:
    names = write_fsdkaggle(tmp_path)
    scenes = list(Dcase2018(tmp_path).scenes())
    assert sorted(scene.id.split("+")[0] for scene in scenes) == [Path(name).stem for name in names]
    for scene in scenes:
        target, interferer = scene.sources
        assert target.label != interferer.label
        assert len(scene.targets) == 1
        assert scene.targets[0].target.label == target.label
        assert scene.recordings == (target.recording, interferer.recording)
        assert all(recording.startswith("freesound:") for recording in scene.recordings)


def test_a_scene_is_the_first_two_seconds_at_32_khz_and_equal_energy(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    scene = next(iter(Dcase2018(tmp_path).scenes()))
    target, interferer = (source.signal.read() for source in scene.sources)
    assert scene.mixture.sample_rate == 32_000
    assert target.shape == (1, 64_000)
    torch.testing.assert_close(scene.mixture.read(), target + interferer)
    torch.testing.assert_close(target.square().mean(), interferer.square().mean())


def test_another_rate_can_be_asked_for(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    scene = next(iter(Dcase2018(tmp_path, sample_rate=16_000).scenes()))
    assert scene.mixture.read().shape == (1, 32_000)


def test_a_short_clip_is_repeated_to_fill_two_seconds(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, seconds=0.75)
    signal = next(iter(Dcase2018(tmp_path).scenes())).sources[0].signal.read()
    torch.testing.assert_close(signal[:, 24_000:48_000], signal[:, :24_000])
    torch.testing.assert_close(signal[:, 48_000:], signal[:, :16_000])


def test_a_flac_twin_stands_in_for_a_wav_name(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, suffix=".flac")
    data = Dcase2018(tmp_path)
    assert next(iter(data.scenes())).mixture.read().any()
    assert list(data.verify()) == []


def test_faithful_scenes_are_numbered_within_their_class_and_name_their_repeats(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    scenes = {scene.id: scene for scene in Dcase2018(tmp_path, pairing="faithful").scenes()}
    assert Counter(id.rpartition("-")[0] for id in scenes) == dict.fromkeys(("Cello", "Bark", "Oboe", "Tearing"), 100)
    assert scenes["Cello-000"].notes == ()
    noted = scenes["Cello-099"].notes[0]
    assert noted.startswith("the same pair as Cello-00")
    assert scenes[noted.split()[-1]].content_hash() == scenes["Cello-099"].content_hash()


def test_an_absent_clip_leaves_the_list_as_it_is_and_is_named_when_read(tmp_path: Path) -> None:
    names = write_fsdkaggle(tmp_path)
    before = [scene.id for scene in Dcase2018(tmp_path).scenes()]
    (tmp_path / "FSDKaggle2018.audio_test" / names[2]).unlink()
    scenes = list(Dcase2018(tmp_path).scenes())
    assert [scene.id for scene in scenes] == before
    broken = next(scene for scene in scenes if scene.id.startswith(Path(names[2]).stem))
    with pytest.raises(SceneError, match=rf"FSDKaggle2018\.audio_test/{names[2]}: no such file"):
        broken.mixture.read()
    with pytest.raises(SceneError, match="no such file"):
        broken.content_hash()
    (problem,) = Dcase2018(tmp_path).verify()
    assert (problem.path.name, problem.what) == (names[2], "no such file")


def test_verify_names_cut_and_resampled_files(tmp_path: Path) -> None:
    names = write_fsdkaggle(tmp_path)
    folder = tmp_path / "FSDKaggle2018.audio_test"
    (folder / names[0]).write_bytes((folder / names[0]).read_bytes()[:9_000])
    soundfile.write(folder / names[1], np.full(100, 0.1), 48_000)
    found = {problem.path.name: problem.what for problem in Dcase2018(tmp_path).verify()}
    assert set(found) == set(names[:2])
    assert "truncated" in found[names[0]]
    assert found[names[1]] == "has 48000 Hz where the data set has 44100"


def test_not_one_clip_is_an_error_that_says_how_to_get_them(tmp_path: Path) -> None:
    for name in write_fsdkaggle(tmp_path):
        (tmp_path / "FSDKaggle2018.audio_test" / name).unlink()
    with pytest.raises(DatasetError, match=r"not one of the 8 clips is there.*2552860"):
        list(Dcase2018(tmp_path).scenes())


def test_a_split_without_its_table_is_an_error_and_a_problem(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, split="train")
    with pytest.raises(DatasetError, match=r"test_post_competition_scoring_clips\.csv: no such file"):
        list(Dcase2018(tmp_path).scenes())
    (problem,) = Dcase2018(tmp_path).verify()
    assert problem.path.name == TABLES["test"]


def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, labels=(*LABELS, "Unicorn"))
    with pytest.raises(DatasetError, match="unknown label Unicorn"):
        list(Dcase2018(tmp_path).scenes())


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path)
    table = tmp_path / "FSDKaggle2018.meta" / TABLES["test"]
    table.write_text(table.read_text() + "../secret.wav,Oboe,Public,1,CC0\n")
    with pytest.raises(DatasetError, match="not a path inside"):
        list(Dcase2018(tmp_path).scenes())
    assert len(list(Dcase2018(tmp_path).verify())) == 1


@pytest.mark.parametrize(("options", "said"), [({"pairing": "random"}, "no pairing"), ({"sample_rate": 0}, "above 0")])
def test_a_wrong_option_is_an_error(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        Dcase2018(tmp_path, **options)


def test_examples_come_from_the_training_clips_only(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, split="test")
    write_fsdkaggle(tmp_path, split="train", labels=("Cello", "Bark", "Cello"))
    cello = next(scene for scene in Dcase2018(tmp_path).scenes() if scene.sources[0].label == "Cello").targets[0].target
    assert len(list(Dcase2018(tmp_path).examples(cello))) == 2
    assert list(Dcase2018(tmp_path, split="train").examples(cello)) == []


def test_absent_training_clips_are_no_examples(tmp_path: Path) -> None:
    write_fsdkaggle(tmp_path, split="test")
    gone = write_fsdkaggle(tmp_path, split="train", labels=("Cello", "Bark", "Cello"))[0]
    (tmp_path / "FSDKaggle2018.audio_train" / gone).unlink()
    cello = next(scene for scene in Dcase2018(tmp_path).scenes() if scene.sources[0].label == "Cello").targets[0].target
    (example,) = Dcase2018(tmp_path).examples(cello)
    assert example.read().shape == (1, 64_000)


def test_the_published_test_table_gives_1600_repaired_and_4100_faithful_pairs(
    shared_data: Path, tmp_path: Path
) -> None:
    published = shared_data / "fsdkaggle2018" / "FSDKaggle2018.meta" / TABLES["test"]
    (tmp_path / "FSDKaggle2018.meta").mkdir()
    (tmp_path / "FSDKaggle2018.meta" / TABLES["test"]).write_bytes(published.read_bytes())
    (tmp_path / "FSDKaggle2018.audio_test").mkdir()
    soundfile.write(tmp_path / "FSDKaggle2018.audio_test" / "00326aa9.wav", np.zeros(10), 44_100)
    repaired = list(Dcase2018(tmp_path).scenes())
    faithful = list(Dcase2018(tmp_path, pairing="faithful").scenes())
    assert len(repaired) == len({scene.id for scene in repaired}) == 1600
    assert len({scene.sources[0].label for scene in repaired}) == 41
    assert Counter(scene.sources[0].label for scene in faithful) == dict.fromkeys(
        {scene.sources[0].label for scene in repaired}, 100
    )
    assert sum(not scene.notes for scene in faithful) < 1600


def test_the_real_training_table_and_its_one_clip(shared_data: Path) -> None:
    (root,) = Dcase2018.find(shared_data / "fsdkaggle2018")
    data = Dcase2018(root, split="train")
    scenes = list(data.scenes())
    assert len(scenes) == 9473
    cello = next(scene for scene in scenes if scene.id.startswith("a439d172+"))
    assert cello.sources[0].signal.read().shape == (1, 64_000)
    assert cello.sources[0].recording == "freesound:195152"
    with pytest.raises(SceneError, match="no such file"):
        cello.mixture.read()
