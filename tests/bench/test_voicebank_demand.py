from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.datasets.base import DatasetError
from bench.datasets.voicebank_demand import VoicebankDemand
from bench.plugins import load
from bench.scene import SceneError
from ontology import Ontology
from reports.aggregate import parse_column


def write_pair(
    root: Path,
    utterance: str,
    *,
    rate: int = 16_000,
    subset: str = "testset",
    clean_samples: int = 8000,
    suffix: str = ".wav",
) -> tuple[np.ndarray, np.ndarray]:
    """Half a second of noise as "speech", and the same in more noise."""
    random = np.random.default_rng(len(utterance))
    noisy = random.normal(scale=0.1, size=8000)
    clean = np.resize(noisy, clean_samples) * 0.5
    for kind, audio in (("clean", clean), ("noisy", noisy)):
        folder = root / f"{kind}_{subset}_wav"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{utterance}{suffix}", audio, rate, subtype="PCM_24")
    return clean, noisy


def test_the_mixture_is_the_noisy_file_and_the_only_source_the_clean_one(tmp_path: Path) -> None:
    clean, noisy = write_pair(tmp_path, "p232_001")
    (scene,) = VoicebankDemand(tmp_path).scenes()
    torch.testing.assert_close(scene.mixture.read()[0].numpy(), noisy.astype("float32"), atol=1e-6, rtol=0)
    torch.testing.assert_close(scene.reference(scene.targets[0])[0].numpy(), clean.astype("float32"), atol=1e-6, rtol=0)
    assert scene.id == scene.recordings[0] == "p232_001"
    assert [source.label for source in scene.sources] == ["speech"]
    assert scene.targets[0].target.mids == (Ontology.audioset()["Speech"].mid,)


def test_files_at_48_khz_are_brought_to_16_khz_unless_left_as_they_are(tmp_path: Path) -> None:
    write_pair(tmp_path, "p232_001", rate=48_000)
    (scene,) = VoicebankDemand(tmp_path).scenes()
    assert scene.mixture.sample_rate == 16_000
    assert scene.mixture.read().shape == scene.reference(scene.targets[0]).shape == (1, 2667)
    (scene,) = VoicebankDemand(tmp_path, sample_rate=None).scenes()
    assert scene.mixture.sample_rate == 48_000
    assert scene.mixture.read().shape == (1, 8000)
    assert list(VoicebankDemand(tmp_path).verify())[:-1] == []


def test_a_part_of_the_utterances_is_noted_and_told_by_verify(tmp_path: Path) -> None:
    for utterance in ("p232_001", "p257_002"):
        write_pair(tmp_path, utterance)
    data = VoicebankDemand(tmp_path)
    assert [scene.notes for scene in data.scenes()] == [("2 of 824 test utterances",)] * 2
    assert [problem.what for problem in data.verify()] == ["2 of 824 test utterances are there"]


@pytest.mark.parametrize(("kept", "gone"), [("noisy", "clean"), ("clean", "noisy")])
def test_half_an_utterance_is_a_scene_that_names_the_other_half(tmp_path: Path, kept: str, gone: str) -> None:
    for utterance in ("p232_001", "p232_002"):
        write_pair(tmp_path, utterance)
    lost = tmp_path / f"{gone}_testset_wav" / "p232_002.wav"
    lost.unlink()
    data = VoicebankDemand(tmp_path)
    good, broken = data.scenes()
    good.content_hash()
    with pytest.raises(SceneError, match=rf"{gone}_testset_wav/p232_002\.wav: no such file"):
        broken.content_hash()
    assert [(problem.path, problem.what) for problem in data.verify()][:-1] == [(lost, "no such file")]


def test_a_clean_file_of_another_length_is_padded_and_noted_and_told_by_verify(tmp_path: Path) -> None:
    write_pair(tmp_path, "p232_001", clean_samples=4000)
    data = VoicebankDemand(tmp_path)
    (scene,) = data.scenes()
    assert scene.reference(scene.targets[0]).shape == scene.mixture.read().shape
    assert "shorter than the mixture" in scene.notes[-1]
    found = [problem.what for problem in data.verify()]
    assert found[0].startswith("has 4000 samples at 16000 Hz, channels: 1, but ")


def test_a_clean_file_of_another_rate_is_not_scored(tmp_path: Path) -> None:
    write_pair(tmp_path, "p232_001")
    soundfile.write(tmp_path / "clean_testset_wav" / "p232_001.wav", np.zeros(24_000) + 0.1, 48_000)
    (scene,) = VoicebankDemand(tmp_path).scenes()
    with pytest.raises(SceneError, match=r"has 48000 Hz, but .*16000 Hz"):
        scene.reference(scene.targets[0])


def test_flac_files_and_the_training_folders_are_read(tmp_path: Path) -> None:
    write_pair(tmp_path, "p287_001", subset="trainset_28spk", suffix=".flac")
    (scene,) = VoicebankDemand(tmp_path, split="train_28spk").scenes()
    assert scene.mixture.read().shape == (1, 8000)
    assert scene.notes == ("1 of 11572 train_28spk utterances",)
    with pytest.raises(DatasetError, match="no wav or flac file in clean_testset_wav or noisy_testset_wav"):
        list(VoicebankDemand(tmp_path).scenes())
    (problem,) = VoicebankDemand(tmp_path).verify()
    assert "clean_testset_wav" in problem.what


def test_a_split_without_a_published_count_claims_none(tmp_path: Path) -> None:
    write_pair(tmp_path, "p226_001", subset="trainset_56spk")
    data = VoicebankDemand(tmp_path, split="train_56spk")
    assert [scene.notes for scene in data.scenes()] == [()]
    assert list(data.verify()) == []


def test_verify_names_a_file_of_a_rate_that_was_never_published(tmp_path: Path) -> None:
    write_pair(tmp_path, "p232_001", rate=22_050)
    found = [(problem.path.parent.name, problem.what) for problem in VoicebankDemand(tmp_path).verify()][:-1]
    said = "has 22050 Hz where the data set has 16000 or 48000"
    assert found == [("clean_testset_wav", said), ("noisy_testset_wav", said)]


def test_other_files_in_the_folders_are_no_utterances(tmp_path: Path) -> None:
    write_pair(tmp_path, "p232_001")
    (tmp_path / "noisy_testset_wav" / "._p232_001.wav").write_bytes(b"resource fork")
    (tmp_path / "noisy_testset_wav" / "log.txt").write_text("p232_009")
    assert [scene.id for scene in VoicebankDemand(tmp_path).scenes()] == ["p232_001"]


def test_the_figures_of_the_papers_and_of_uss_are_columns_and_no_gain_buys_a_rank() -> None:
    papers = ("pesq_wb@1", "csig@1", "cbak@1", "covl@1", "ssnr@1")
    for aggregation in ("mean", "class-median-mean"):
        assert {f"{metric}/{aggregation}" for metric in papers} <= set(VoicebankDemand.columns)
    assert "stoi@1/mean" in VoicebankDemand.columns
    assert VoicebankDemand.columns[0] == "si_sdri@1/mean"
    for column in VoicebankDemand.columns:
        metric, rule = parse_column(column)
        assert metric in VoicebankDemand.metrics
        assert rule.name in load("metrics", metric).aggregations


def test_a_rate_that_is_none_is_refused_when_it_is_no_rate(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="above 0"):
        VoicebankDemand(tmp_path, sample_rate=-1)


def test_the_real_utterances(shared_data: Path) -> None:
    (root,) = VoicebankDemand.find(shared_data / "voicebank_demand")
    data = VoicebankDemand(root)
    scenes = list(data.scenes())
    assert len(scenes) == 25
    assert scenes[0].notes == ("25 of 824 test utterances",)
    assert len(list(VoicebankDemand(root, split="train_28spk").scenes())) == 6
    assert [problem.what for problem in data.verify()] == ["25 of 824 test utterances are there"]
    noise = scenes[0].mixture.read() - scenes[0].reference(scenes[0].targets[0])
    clean = scenes[0].reference(scenes[0].targets[0])
    assert 10 * torch.log10(clean.square().sum() / noise.square().sum()) == pytest.approx(6.71, abs=0.02)
