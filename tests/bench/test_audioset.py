from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.audio import FileSignal
from bench.datasets.audioset import AudioSet, Loudest
from bench.datasets.base import DatasetError
from bench.scene import SceneError
from ontology import Ontology

ONTOLOGY = Ontology.audioset()
SPEECH, DOG, BARK, RAIN, SIREN = (ONTOLOGY[name].mid for name in ("Speech", "Dog", "Bark", "Rain", "Siren"))


def name(letter: str) -> str:
    return letter * 11


def write_list(root: Path, rows: dict[str, list[str]], split: str = "eval") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    table = root / f"{split}_segments.csv"
    lines = ["# Segments csv", "# YTID, start_seconds, end_seconds, positive_labels"]
    lines += [f'{clip}, 30.000, 40.000, "{",".join(mids)}"' for clip, mids in rows.items()]
    table.write_text("\n".join(lines) + "\n")
    return table


def write_clip(path: Path, *, seconds: float = 3.0, rate: int = 16_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(path.name)).normal(scale=0.1, size=int(seconds * rate)), rate)


ROWS = {name("a"): [SPEECH, DOG], name("b"): [RAIN], name("c"): [SPEECH], name("d"): [SIREN], name("e"): [BARK]}


def write_raw(root: Path) -> None:
    write_list(root, ROWS)
    for clip in ROWS:
        write_clip(root / "audios" / "eval_segments" / f"Y{clip}.wav")


def write_cut(root: Path, pairs: list[tuple[int, int]], *, table: bool = True) -> Path:
    folder = root / "2s_segments_test"
    lines = ["audio_name,source1_name,source1_class_id,source1_onset,source2_name,source2_class_id,source2_onset"]
    for class_id, index in pairs:
        stem = f"class_id={class_id},index={index:03d}"
        for kind, partner in (("mixture", "Y_bbbbbbb-bb.wav,496,2.56"), ("source", ",,")):
            write_clip(folder / f"class_id={class_id}" / f"{stem},{kind}.wav", seconds=2, rate=32_000)
            lines.append(f"{stem},{kind}.wav,Yaaaaaaaaaaa.wav,0,4.39,{partner}")
    if table:
        (root / "2s_segments_test.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_each_raw_clip_is_target_once_and_never_beside_kin(tmp_path: Path) -> None:
    write_raw(tmp_path)
    scenes = {scene.id.split("+")[0]: scene for scene in AudioSet(tmp_path).scenes()}
    assert sorted(scenes) == sorted(ROWS)
    assert scenes[name("a")].targets[0].target.label == "Dog"  # rarer here than Speech
    for scene in scenes.values():
        above = {node.mid for mid in scene.sources[0].mids for node in ONTOLOGY.ancestors(mid, include_self=True)}
        assert above.isdisjoint(scene.sources[1].mids)
        assert len(scene.targets) == 1
    assert scenes[name("a")].sources[0].mids == tuple(sorted([SPEECH, DOG]))


def test_targets_are_shared_out_among_the_classes_of_the_clips(tmp_path: Path) -> None:
    rows = {name(letter): [SPEECH, DOG] for letter in "abcd"} | {name("z"): [RAIN]}
    write_list(tmp_path, rows)
    for clip in rows:
        write_clip(tmp_path / "eval_segments" / f"{clip}.wav")
    found = [scene.targets[0].target.label for scene in AudioSet(tmp_path).scenes()]
    assert sorted(found) == ["Dog", "Dog", "Rain", "Speech", "Speech"]


def test_a_raw_scene_is_two_seconds_at_32_khz_and_equal_energy(tmp_path: Path) -> None:
    write_raw(tmp_path)
    scene = next(iter(AudioSet(tmp_path).scenes()))
    target, interferer = (source.signal.read() for source in scene.sources)
    assert scene.mixture.sample_rate == 32_000
    assert target.shape == (1, 64_000)
    torch.testing.assert_close(scene.mixture.read(), target + interferer)
    torch.testing.assert_close(target.square().mean(), interferer.square().mean())


def test_clips_that_vanished_leave_the_list_and_its_hash_as_they_are(tmp_path: Path) -> None:
    write_raw(tmp_path)
    before = {scene.id: scene for scene in AudioSet(tmp_path).scenes()}
    (tmp_path / "audios" / "eval_segments" / f"Y{name('b')}.wav").unlink()
    after = list(AudioSet(tmp_path).scenes())
    assert {scene.id for scene in after} == {id for id in before if name("b") not in id}
    old, new = next(iter(before.values())).notes[0], after[0].notes[0]
    assert old.split(":")[0] == new.split(":")[0]
    assert "5 of 5 pairs can be read" in old
    assert f"{len(after)} of 5 pairs can be read; compare systems on the pairs they share" in new


@pytest.mark.parametrize(
    "file",
    ["{}.wav", "Y{}.flac", "{}_30_40.wav", "{}_30.000_40.000.wav", "{}_30000_40000.ogg", "Y{}_30.000_40.000.wav"],
)
@pytest.mark.parametrize("folder", ["audios/eval_segments", "eval_segments", "."])
def test_clips_are_found_under_the_names_that_downloaders_give(tmp_path: Path, file: str, folder: str) -> None:
    clips = ["Y-_aaaaaaaa", "Ybbbbbbbbbb"]
    write_list(tmp_path, dict(zip(clips, ([DOG], [RAIN]), strict=True)))
    for clip in clips:
        write_clip(tmp_path / folder / file.format(clip))
    found = sorted(scene.id for scene in AudioSet(tmp_path).scenes())
    assert found == ["Y-_aaaaaaaa+Ybbbbbbbbbb", "Ybbbbbbbbbb+Y-_aaaaaaaa"]


def test_the_loudest_part_of_a_clip_is_taken(tmp_path: Path) -> None:
    audio = np.full(1000, 0.1)
    audio[600:700] = 0.5
    soundfile.write(tmp_path / "a.wav", audio, 8000, subtype="FLOAT")
    loudest = Loudest(FileSignal(tmp_path / "a.wav"), length=100, hop=10)
    assert loudest.samples == 100
    torch.testing.assert_close(loudest.read(), torch.full((1, 100), 0.5))
    whole = Loudest(FileSignal(tmp_path / "a.wav"), length=2000, hop=10)
    assert whole.read().shape == (1, whole.samples) == (1, 1000)
    assert len({loudest.fingerprint(), whole.fingerprint()}) == 2


def test_the_list_without_a_clip_or_without_a_pair_is_an_error(tmp_path: Path) -> None:
    write_list(tmp_path, ROWS)
    with pytest.raises(DatasetError, match=r"eval_segments\.csv is there, but no clip of it"):
        list(AudioSet(tmp_path).scenes())
    write_clip(tmp_path / "audios" / "eval_segments" / f"Y{name('a')}.wav")
    with pytest.raises(DatasetError, match="both clips of none of the 5 pairs"):
        list(AudioSet(tmp_path).scenes())


def test_verify_of_raw_clips_names_those_that_are_absent_or_broken(tmp_path: Path) -> None:
    write_raw(tmp_path)
    folder = tmp_path / "audios" / "eval_segments"
    (folder / f"Y{name('b')}.wav").unlink()
    (folder / f"Y{name('c')}.wav").write_bytes(b"")
    found = {problem.path.stem: problem.what for problem in AudioSet(tmp_path).verify()}
    absent = "no file of this clip of eval_segments.csv"
    assert found == {f"Y{name('b')}": absent, f"Y{name('c')}": "is empty (0 bytes)"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("aaaaaaaaaaa, 0, 10", "is not ID, start, end"),
        ('zzzzzzzzzzz, 0, 10, "/m/nope"', "no class /m/nope"),
        ('aaaaaaaaaaa, 0, 10, "/m/09x0r"', "clip aaaaaaaaaaa stands in it twice"),
    ],
)
def test_a_line_that_is_no_segment_is_shown(tmp_path: Path, line: str, said: str) -> None:
    write_raw(tmp_path)
    table = tmp_path / "eval_segments.csv"
    table.write_text(table.read_text() + line + "\n")
    with pytest.raises(DatasetError, match=said):
        list(AudioSet(tmp_path).scenes())
    (problem,) = AudioSet(tmp_path).verify()
    assert problem.path == table


def test_cut_pairs_are_scored_as_stored_and_know_the_clips_behind_them(tmp_path: Path) -> None:
    folder = write_cut(tmp_path, [(0, 0), (0, 1), (288, 0)])
    scenes = list(AudioSet(tmp_path).scenes())
    assert [scene.id for scene in scenes] == ["000-000", "000-001", "288-000"]
    assert scenes[0].recordings == ("aaaaaaaaaaa", "_bbbbbbb-bb")
    assert [scene.targets[0].target.label for scene in scenes] == ["Speech", "Speech", ONTOLOGY[288].name]
    stored = FileSignal(folder / "class_id=0" / "class_id=0,index=000,mixture.wav").read()
    torch.testing.assert_close(scenes[0].mixture.read(), stored)
    assert scenes[0].reference(scenes[0].targets[0]).shape == (1, 64_000)
    assert list(AudioSet(tmp_path).verify()) == []


def test_cut_pairs_without_their_table_count_as_one_recording_each(tmp_path: Path) -> None:
    write_cut(tmp_path, [(0, 0), (7, 3)], table=False)
    scenes = list(AudioSet(tmp_path).scenes())
    assert [scene.recordings for scene in scenes] == [("000-000",), ("007-003",)]
    assert all("no table names the clips" in scene.notes[0] for scene in scenes)


def test_half_a_cut_pair_is_a_scene_that_names_the_other_half(tmp_path: Path) -> None:
    folder = write_cut(tmp_path, [(0, 0), (0, 1)])
    lost = folder / "class_id=0" / "class_id=0,index=001,source.wav"
    lost.unlink()
    _, broken = AudioSet(tmp_path).scenes()
    with pytest.raises(SceneError, match=r"index=001,source\.wav: no such file"):
        broken.content_hash()
    assert [(problem.path, problem.what) for problem in AudioSet(tmp_path).verify()] == [(lost, "no such file")]


def test_a_class_index_that_audioset_lacks_is_refused(tmp_path: Path) -> None:
    write_cut(tmp_path, [(527, 0)])
    with pytest.raises(DatasetError, match="class indices end at 526"):
        list(AudioSet(tmp_path).scenes())
    assert len(list(AudioSet(tmp_path).verify())) == 1


def test_two_materials_in_one_folder_have_to_be_told_apart(tmp_path: Path) -> None:
    write_raw(tmp_path)
    write_cut(tmp_path, [(0, 0)])
    with pytest.raises(DatasetError, match="material=pairs or material=clips"):
        AudioSet(tmp_path)
    assert len(list(AudioSet(tmp_path, material="pairs").scenes())) == 1
    assert len(list(AudioSet(tmp_path, material="clips").scenes())) == 5


def test_a_split_or_material_that_is_absent_is_an_error(tmp_path: Path) -> None:
    write_raw(tmp_path)
    with pytest.raises(DatasetError, match="no AudioSet balanced_train is there"):
        AudioSet(tmp_path, split="balanced_train")
    with pytest.raises(DatasetError, match="no pairs of AudioSet eval is there"):
        AudioSet(tmp_path, material="pairs")
    with pytest.raises(DatasetError, match="no material 'h5'"):
        AudioSet(tmp_path, material="h5")


def test_examples_come_from_the_balanced_training_clips(tmp_path: Path) -> None:
    write_raw(tmp_path)
    dog = next(s for s in AudioSet(tmp_path).scenes() if s.sources[0].label == "Dog").targets[0].target
    assert list(AudioSet(tmp_path).examples(dog)) == []
    write_list(tmp_path, {name("p"): [DOG], name("q"): [RAIN]}, split="balanced_train")
    for clip in (name("p"), name("q")):
        write_clip(tmp_path / "audios" / "balanced_train_segments" / f"Y{clip}.wav")
    assert len(list(AudioSet(tmp_path).examples(dog))) == 1


def test_the_published_list_pairs_every_evaluation_clip(shared_data: Path, tmp_path: Path) -> None:
    (root,) = AudioSet.find(shared_data / "audioset")
    with pytest.raises(DatasetError, match="no clip of it"):
        list(AudioSet(root).scenes())
    (tmp_path / "eval_segments.csv").write_bytes((root / "eval_segments.csv").read_bytes())
    clips = ["--4gqARaEJE", "--BfvyPmVMo"]
    for clip in clips:
        write_clip(tmp_path / "eval_segments" / f"{clip}.wav")
    with pytest.raises(DatasetError, match="of none of the 20371 pairs"):
        list(AudioSet(tmp_path).scenes())
