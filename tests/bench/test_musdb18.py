"""MUSDB18: layouts, variants, splits, errata, and what happens to broken tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.datasets.base import DatasetError
from bench.datasets.musdb18 import Musdb18
from bench.scene import Scene, SceneError
from bench.stem_mp4 import missing_tool

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


def track(folder: Path, *, suffix: str = "wav", samples: int = 2000, channels: int = 2) -> Path:
    """A track whose mixture is not the sum of its stems."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(folder.name))
    for name in ("mixture", *STEMS):
        audio = 0.1 * random.standard_normal((samples, channels))
        soundfile.write(folder / f"{name}.{suffix}", audio, RATE, subtype="PCM_16")
    return folder


def only(dataset: Musdb18) -> Scene:
    (scene,) = dataset.scenes()
    return scene


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_the_hq_layout_is_read_with_the_targets_in_their_usual_order(tmp_path: Path, suffix: str) -> None:
    track(tmp_path / "test" / "A - B", suffix=suffix)
    scene = only(Musdb18(tmp_path))
    assert (scene.id, scene.dataset, scene.split, scene.recordings) == ("A - B", "musdb18-hq", "test", ("A - B",))
    assert [target.target.label for target in scene.targets] == list(STEMS)
    assert scene.mixture.read().shape == (2, 2000)
    for target in scene.targets:
        expected, _ = soundfile.read(tmp_path / "test" / "A - B" / f"{target.target.label}.{suffix}", dtype="float32")
        np.testing.assert_array_equal(scene.reference(target).numpy(), expected.T)


def test_other_and_accompaniment_are_no_classes(tmp_path: Path) -> None:
    track(tmp_path / "test" / "A - B")
    scene = only(Musdb18(tmp_path, targets=("vocals", "other", "accompaniment")))
    assert [bool(target.target.mids) for target in scene.targets] == [True, False, False]


def test_accompaniment_is_drums_bass_and_other_and_not_the_mixture_less_the_vocals(tmp_path: Path) -> None:
    track(tmp_path / "test" / "A - B")
    scene = only(Musdb18(tmp_path, targets=("accompaniment", "vocals")))
    accompaniment, vocals = (scene.reference(target) for target in scene.targets)
    parts = {source.label: source.signal.read() for source in scene.sources}
    np.testing.assert_allclose(accompaniment, parts["drums"] + parts["bass"] + parts["other"], atol=1e-6)
    assert (scene.mixture.read() - vocals - accompaniment).abs().max() > 0.01


def test_the_fourteen_validation_tracks_are_set_aside_from_training(tmp_path: Path) -> None:
    for name in ("ANiMAL - Rockshow", "Meaxic - Take A Step", "Somebody - Else"):
        track(tmp_path / "train" / name, samples=10)
    names = {split: [scene.id for scene in Musdb18(tmp_path, split=split).scenes()] for split in ("train", "valid")}
    assert names == {"train": ["Somebody - Else"], "valid": ["ANiMAL - Rockshow", "Meaxic - Take A Step"]}


def test_a_published_erratum_is_noted_on_its_track_alone(tmp_path: Path) -> None:
    for name in ("PR - Oh No", "A - B"):
        track(tmp_path / "test" / name, samples=10)
    notes = {scene.id: scene.notes for scene in Musdb18(tmp_path).scenes()}
    assert notes["A - B"] == ()
    (note,) = notes["PR - Oh No"]
    assert note.startswith("erratum of 2025-03-31")
    assert "left channel" in note


def test_hq_is_preferred_where_both_lie_in_one_folder_unless_aac_is_asked_for(tmp_path: Path) -> None:
    track(tmp_path / "test" / "A - B", samples=10)
    (tmp_path / "test" / "C - D.stem.mp4").write_bytes(b"")
    assert [scene.id for scene in Musdb18(tmp_path).scenes()] == ["A - B"]
    assert Musdb18(tmp_path, variant="aac").variant == "aac"


def test_the_layout_is_found_down_to_three_levels_and_past_a_link_to_itself(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "musdb18hq"
    track(root / "train" / "A - B", samples=10)
    track(tmp_path / "a" / "b" / "c" / "deep" / "test" / "A - B", samples=10)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert Musdb18.find(tmp_path) == [root]


def test_stem_files_without_ffmpeg_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "A - B.stem.mp4").write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetError, match=r"ffmpeg is not on PATH; install FFmpeg .* or use MUSDB18-HQ"):
        list(Musdb18(tmp_path).scenes())


def test_a_folder_without_tracks_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no track of 'test' under .*zenodo"):
        list(Musdb18(tmp_path).scenes())


@pytest.mark.parametrize("options", [{"split": "dev"}, {"variant": "mp3"}, {"targets": ("guitar",)}, {"targets": ()}])
def test_an_unknown_option_names_what_there_is(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match=r"test|hq|vocals"):
        Musdb18(tmp_path, **options)  # type: ignore[arg-type]


def spoil_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def spoil_by_nan(path: Path) -> None:
    audio = np.zeros((2000, 2), dtype=np.float32)
    audio[7] = np.nan
    soundfile.write(path, audio, RATE, subtype="FLOAT")


def spoil_by_mono(path: Path) -> None:
    soundfile.write(path, np.zeros((2000, 1)), RATE)


def spoil_by_rate(path: Path) -> None:
    soundfile.write(path, np.zeros((2000, 2)), 48000)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "no such file"),
        (spoil_by_cutting, "truncated"),
        (spoil_by_nan, "NaN"),
        (spoil_by_mono, "has 1 channel .*mixture.wav has 2 channels"),
        (spoil_by_rate, "has 48000 Hz, but .*mixture.wav has 44100 Hz"),
    ],
)
def test_one_broken_stem_costs_its_own_track_and_no_other(tmp_path: Path, spoil: object, said: str) -> None:
    broken = track(tmp_path / "test" / "A - Broken")
    track(tmp_path / "test" / "B - Whole")
    spoil(broken / "bass.wav")  # type: ignore[operator]
    dataset = Musdb18(tmp_path)
    first, second = dataset.scenes()
    with pytest.raises(SceneError, match=f"bass.wav: .*{said}"):
        first.reference(first.targets[2])
    assert second.reference(second.targets[2]).shape == (2, 2000)
    found = [problem for problem in dataset.verify() if problem.path.name == "bass.wav"]
    assert [problem.path.parent.name for problem in found] == ["A - Broken"]


def test_a_broken_mixture_is_raised_on_use_and_not_while_listing(tmp_path: Path) -> None:
    broken = track(tmp_path / "test" / "A - Broken")
    spoil_by_cutting(broken / "mixture.wav")
    scene = only(Musdb18(tmp_path))
    with pytest.raises(SceneError, match=r"mixture\.wav: truncated"):
        scene.content_hash()


def test_a_stereo_stem_beside_a_mono_mixture_names_both(tmp_path: Path) -> None:
    folder = track(tmp_path / "test" / "A - B", channels=1)
    soundfile.write(folder / "drums.wav", np.zeros((2000, 2)), RATE)
    scene = only(Musdb18(tmp_path))
    with pytest.raises(SceneError, match=r"drums\.wav: has 2 channels \(stereo\), but .*mixture\.wav has 1 channel"):
        scene.content_hash()


def test_a_short_stem_is_padded_and_noted(tmp_path: Path) -> None:
    folder = track(tmp_path / "test" / "A - B", samples=RATE)
    soundfile.write(folder / "drums.wav", np.full((RATE // 2, 2), 0.5), RATE)
    scene = only(Musdb18(tmp_path))
    assert scene.notes == ("drums.wav: 0.50 s shorter than the mixture, padded",)
    drums = scene.reference(scene.targets[1])
    assert drums.shape == (2, RATE)
    assert drums[:, RATE // 2 :].abs().max() == 0


def test_verify_counts_the_tracks_that_are_missing(tmp_path: Path) -> None:
    track(tmp_path / "test" / "A - B", samples=10)
    (problem,) = Musdb18(tmp_path).verify()
    assert problem.what == "49 of the 50 tracks of 'test' are missing"


def test_the_real_excerpt_is_read_and_its_mixture_is_not_the_sum_of_its_stems(shared_data: Path) -> None:
    scene = only(Musdb18(shared_data / "musdb18" / "hq_layout_flac"))
    mixture = scene.mixture.read()
    rest = mixture - sum(source.signal.read() for source in scene.sources)
    level = 10 * np.log10(float(rest.square().mean() / mixture.square().mean()))
    assert level == pytest.approx(-15, abs=1)


@pytest.mark.skipif(missing_tool() is not None, reason="needs ffmpeg and ffprobe on PATH")
def test_the_streams_of_a_real_stem_file_are_those_of_its_decoded_copy(shared_data: Path) -> None:
    stems = only(Musdb18(shared_data / "musdb18", variant="aac"))
    decoded = only(Musdb18(shared_data / "musdb18" / "hq_layout_flac"))
    assert (stems.dataset, decoded.dataset) == ("musdb18", "musdb18-hq")
    assert stems.content_hash() != decoded.content_hash()
    pairs = [(stems.mixture, decoded.mixture)]
    pairs += [(one.signal, two.signal) for one, two in zip(stems.sources, decoded.sources, strict=True)]
    for stream, copy in pairs:  # the copy has 16 bits, and clips what AAC leaves above full scale
        assert (stream.read().clamp(-1, 1) - copy.read()).abs().max() <= 2 / 32768
