from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.datasets.base import DatasetError
from bench.datasets.esc50 import Esc50
from bench.scene import SceneError
from ontology import Ontology

CATEGORIES = ("dog", "rain", "sneezing", "helicopter")


def write_esc50(root: Path, *, fold: int = 4, per_class: int = 2) -> list[str]:
    """A small ESC-50: ``per_class`` clips of 1 s in each of four categories."""
    rows = []
    for place, category in enumerate(CATEGORIES):
        for take in range(per_class):
            source = 1000 * (place + 1) + take
            rows.append(
                {
                    "filename": f"{fold}-{source}-A-{place}.wav",
                    "fold": fold,
                    "target": place,
                    "category": category,
                    "src_file": source,
                }
            )
    (root / "audio").mkdir(parents=True)
    for row in rows:
        noise = np.random.default_rng(int(row["src_file"])).normal(scale=0.1, size=44_100)
        soundfile.write(root / "audio" / str(row["filename"]), noise, 44_100)
    write_table(root, rows)
    return [str(row["filename"]) for row in rows]


def write_table(root: Path, rows: list[dict], name: str = "esc50.csv") -> None:
    (root / "meta").mkdir(parents=True, exist_ok=True)
    with (root / "meta" / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def read_table(root: Path) -> list[dict]:
    with (root / "meta" / "esc50.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_clip_sounds_in_one_scene_with_another_kind_and_recording(tmp_path: Path) -> None:
    names = write_esc50(tmp_path)
    scenes = list(Esc50(tmp_path).scenes())
    used = [part for scene in scenes for part in scene.id.split("+")]
    assert sorted(used) == sorted(Path(name).stem for name in names)
    for scene in scenes:
        assert len({source.label for source in scene.sources}) == 2
        assert len(set(scene.recordings)) == 2


def test_both_clips_are_targets_at_equal_energy_and_five_seconds(tmp_path: Path) -> None:
    write_esc50(tmp_path)
    scene = next(iter(Esc50(tmp_path).scenes()))
    first, second = (scene.reference(target) for target in scene.targets)
    assert first.shape == second.shape == scene.mixture.read().shape == (1, 220_500)
    torch.testing.assert_close(scene.mixture.read(), first + second)
    torch.testing.assert_close(first.square().mean(), second.square().mean())
    assert [target.target.label for target in scene.targets] == [source.label for source in scene.sources]
    assert not first[:, 44_100:].any()  # padded, not repeated


def test_the_order_of_the_table_changes_nothing(tmp_path: Path) -> None:
    write_esc50(tmp_path)
    before = [(scene.id, scene.content_hash()) for scene in Esc50(tmp_path).scenes()]
    write_table(tmp_path, read_table(tmp_path)[::-1])
    assert [(scene.id, scene.content_hash()) for scene in Esc50(tmp_path).scenes()] == before


def test_an_absent_clip_is_named_when_its_scene_is_read_and_by_verify(tmp_path: Path) -> None:
    gone = write_esc50(tmp_path)[0]
    (tmp_path / "audio" / gone).unlink()
    data = Esc50(tmp_path)
    scenes = list(data.scenes())
    assert len(scenes) == 4
    broken = next(scene for scene in scenes if Path(gone).stem in scene.id)
    with pytest.raises(SceneError, match=f"{gone}: no such file"):
        broken.mixture.read()
    assert [(problem.path.name, problem.what) for problem in data.verify()] == [(gone, "no such file")]


def test_verify_says_what_is_broken_in_each_file(tmp_path: Path) -> None:
    names = write_esc50(tmp_path)
    soundfile.write(tmp_path / "audio" / names[0], np.zeros(100), 22_050)
    (tmp_path / "audio" / names[1]).write_bytes(b"RIFF")
    cut = tmp_path / "audio" / names[2]
    cut.write_bytes(cut.read_bytes()[:20_000])
    found = {problem.path.name: problem.what for problem in Esc50(tmp_path).verify()}
    assert set(found) == set(names[:3])
    assert found[names[0]] == "has 22050 Hz where the data set has 44100"
    assert "cannot be read as audio" in found[names[1]]
    assert "truncated" in found[names[2]]


def test_a_clip_without_partner_is_left_out_and_noted(tmp_path: Path) -> None:
    write_esc50(tmp_path)
    rows = read_table(tmp_path)
    write_table(tmp_path, [row for row in rows if row["category"] in ("dog", "rain")][:3])
    (scene,) = Esc50(tmp_path).scenes()
    assert scene.notes == ("1 of 3 clips find no partner of another kind and are left out",)


@pytest.mark.parametrize("name", ["../../secret.wav", "/etc/secret.wav"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path, name: str) -> None:
    write_esc50(tmp_path)
    rows = read_table(tmp_path)
    rows[-1]["filename"] = name
    write_table(tmp_path, rows)
    with pytest.raises(DatasetError, match="not a path inside"):
        list(Esc50(tmp_path).scenes())
    (problem,) = Esc50(tmp_path).verify()
    assert problem.path.name == "esc50.csv"


def test_an_unknown_category_is_named(tmp_path: Path) -> None:
    write_esc50(tmp_path)
    rows = read_table(tmp_path)
    rows[3]["category"] = "unicorn"
    write_table(tmp_path, rows)
    with pytest.raises(DatasetError, match="unknown category unicorn"):
        list(Esc50(tmp_path).scenes())


def test_a_fold_without_clips_or_without_files_is_an_error(tmp_path: Path) -> None:
    names = write_esc50(tmp_path)
    with pytest.raises(DatasetError, match="no clip of fold2"):
        list(Esc50(tmp_path, split="fold2").scenes())
    for name in names:
        (tmp_path / "audio" / name).unlink()
    with pytest.raises(DatasetError, match="not one of the 8 clips of fold4 is there"):
        list(Esc50(tmp_path).scenes())


def test_a_folder_without_a_table_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no meta/esc50\.csv"):
        Esc50(tmp_path)


def test_examples_never_come_from_a_scored_fold(tmp_path: Path) -> None:
    write_esc50(tmp_path, fold=2)
    target = next(iter(Esc50(tmp_path, split="fold2").scenes())).targets[0].target
    assert len(list(Esc50(tmp_path).examples(target))) == 2
    assert list(Esc50(tmp_path, split="fold2").examples(target)) == []
    assert list(Esc50(tmp_path, split="all").examples(target)) == []


def test_the_esc10_layout_of_ogg_files_gives_forty_scenes_a_fold(shared_data: Path) -> None:
    (root,) = Esc50.find(shared_data / "esc10")
    scenes = list(Esc50(root).scenes())
    assert len(scenes) == 40
    assert len({source.recording for scene in scenes for source in scene.sources}) > 40
    assert len({part for scene in scenes for part in scene.id.split("+")}) == 80
    assert all(scene.mixture.samples == 220_500 for scene in scenes)
    ontology = Ontology.audioset()
    for scene in scenes:
        first, second = ({n.mid for m in s.mids for n in ontology.ancestors(m)} for s in scene.sources)
        assert not first & set(scene.sources[1].mids)
        assert not second & set(scene.sources[0].mids)
    mixture = scenes[0].mixture.read()
    torch.testing.assert_close(mixture, sum(scenes[0].reference(target) for target in scenes[0].targets))
