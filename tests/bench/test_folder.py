"""Any folder of mixtures and stems, and how its layout and labels are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.datasets.base import DatasetError
from bench.datasets.folder import Folder
from bench.scene import SceneError

RATE = 8000


def sound(path: Path, *, samples: int = 800, channels: int = 1, value: float = 0.25, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((samples, channels), value), rate)
    return path


def test_each_folder_with_sound_is_a_scene_and_each_file_beside_the_mixture_a_source(tmp_path: Path) -> None:
    for path in ("one/mixture.wav", "one/bass.flac", "one/Speech.wav", "two/mixture.flac", "two/bass.ogg"):
        sound(tmp_path / path)
    (tmp_path / "one" / "notes.txt").write_text("not sound")
    one, two = Folder(tmp_path).scenes()
    assert (one.id, two.id) == ("one", "two")
    assert [target.target.label for target in one.targets] == ["Speech", "bass"]
    assert one.reference(one.targets[1]).shape == (1, 800)
    assert one.notes == two.notes == ()


def test_a_folder_may_itself_be_the_one_scene(tmp_path: Path) -> None:
    sound(tmp_path / "song" / "mixture.wav")
    sound(tmp_path / "song" / "bass.wav")
    (scene,) = Folder(tmp_path / "song").scenes()
    assert scene.id == "song"


def test_splits_are_folders_of_scenes(tmp_path: Path) -> None:
    for path in ("train/a", "test/a", "test/b"):
        sound(tmp_path / path / "mixture.wav")
        sound(tmp_path / path / "bass.wav")
    assert [(scene.split, scene.id) for scene in Folder(tmp_path, split="test").scenes()] == [
        ("test", "test/a"),
        ("test", "test/b"),
    ]
    assert len(list(Folder(tmp_path).scenes())) == 3
    with pytest.raises(DatasetError, match=r"no split 'dev'; it has all, test, train"):
        Folder(tmp_path, split="dev")


def test_without_a_mixture_file_the_mixture_is_the_sum_of_the_padded_stems_and_says_so(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", samples=400)
    sound(tmp_path / "b.wav", samples=800)
    (scene,) = Folder(tmp_path).scenes()
    assert scene.notes == (
        "there is no mixture file: the mixture is the sum of the stems",
        "a.wav: 0.05 s shorter than the mixture, padded",
    )
    assert scene.mixture.read()[0, [0, 399, 400, 799]].tolist() == [0.5, 0.5, 0.25, 0.25]
    assert scene.reference(scene.targets[0]).shape == (1, 800)


def test_stems_that_cannot_be_summed_cost_their_scene_and_no_other(tmp_path: Path) -> None:
    sound(tmp_path / "one" / "a.wav")
    sound(tmp_path / "one" / "b.wav", channels=2)
    sound(tmp_path / "two" / "a.wav")
    dataset = Folder(tmp_path)
    one, two = dataset.scenes()
    with pytest.raises(SceneError, match=r"b\.wav: has 2 channels \(stereo\), but .*a\.wav has 1 channel"):
        one.content_hash()
    assert two.mixture.read().shape == (1, 800)
    assert [problem.path.name for problem in dataset.verify()] == ["b.wav"]


def test_a_label_that_is_a_class_name_in_any_case_gets_its_mid(tmp_path: Path) -> None:
    for name in ("mixture", "speech", "my guitar"):
        sound(tmp_path / f"{name}.wav")
    (scene,) = Folder(tmp_path).scenes()
    assert {source.label: source.mids for source in scene.sources} == {"speech": ("/m/09x0r",), "my guitar": ()}


def test_labels_csv_names_classes_by_label_and_by_path(tmp_path: Path) -> None:
    for path in ("one/mixture.wav", "one/vox.wav", "two/mixture.wav", "two/vox.wav", "two/Speech.wav"):
        sound(tmp_path / path)
    lines = ["stem,class", "vox,singing", "two/vox.wav,/m/09x0r; Bass guitar", "Speech,"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    mids = {(scene.id, source.label): source.mids for scene in Folder(tmp_path).scenes() for source in scene.sources}
    assert mids == {
        ("one", "vox"): ("/m/015lz1",),
        ("two", "vox"): ("/m/09x0r", "/m/018vs"),
        ("two", "Speech"): (),
    }


def test_an_unknown_class_gets_the_nearest_names(tmp_path: Path) -> None:
    sound(tmp_path / "vox.wav")
    (tmp_path / "labels.csv").write_text("stem,class\nvox,Singin\n")
    with pytest.raises(DatasetError, match=r"labels\.csv: column 'class' of 'vox': .*Singin.*'Singing'"):
        list(Folder(tmp_path).scenes())


def test_a_line_for_a_stem_that_is_not_there_is_found_by_verify(tmp_path: Path) -> None:
    sound(tmp_path / "vox.wav")
    (tmp_path / "labels.csv").write_text("stem,class\nvox,Singing\nvoice,Singing\n")
    (problem,) = Folder(tmp_path).verify()
    assert "'voice'" in problem.what


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["mixture.wav"], "a mixture but no sources"),
        (["mixture.wav", "mixture.flac", "a.wav"], r"mixture\.wav: is a second mixture beside mixture\.flac"),
        (["mixture.wav", "a.wav", "a.flac"], r"a\.wav: has the label of a\.flac"),
    ],
)
def test_a_scene_that_is_ambiguous_or_has_nothing_to_score_is_refused_when_used(
    tmp_path: Path, files: list[str], said: str
) -> None:
    for file in files:
        sound(tmp_path / "scene" / file)
    (scene,) = Folder(tmp_path).scenes()
    with pytest.raises(SceneError, match=said):
        scene.content_hash()


def test_an_empty_folder_and_a_missing_one_say_how_to_lay_scenes_out(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no sound file .*ROOT/SCENE/mixture.wav"):
        list(Folder(tmp_path).scenes())
    assert [problem.path for problem in Folder(tmp_path).verify()] == [tmp_path]
    with pytest.raises(DatasetError, match=r"no folder .*gone"):
        Folder(tmp_path / "gone")


def test_scenes_are_found_where_their_mixtures_lie(tmp_path: Path) -> None:
    sound(tmp_path / "x" / "y" / "scenes" / "one" / "mixture.wav")
    assert Folder.find(tmp_path / "x" / "y" / "scenes") == [tmp_path / "x" / "y" / "scenes"]
    sound(tmp_path / "mine" / "a.wav")  # no mixture: only taken where it is pointed at
    assert Folder.find(tmp_path / "mine") == [tmp_path / "mine"]


def test_real_multitracks_without_a_mixture_are_read(shared_data: Path) -> None:
    scenes = {scene.id: scene for scene in Folder(shared_data / "stems").scenes()}
    scene = scenes["mdn_multitrack"]
    assert "bassguitar.mp3: 2.95 s shorter than the mixture, padded" in scene.notes
    total = sum(scene.reference(target) for target in scene.targets)
    np.testing.assert_allclose(total, scene.mixture.read(), atol=1e-5)
