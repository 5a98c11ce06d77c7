from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.datasets import mini as embedded
from bench.datasets.base import Dataset, DatasetError
from bench.datasets.dcase2018 import Dcase2018
from bench.datasets.mini import pcm, soundfont
from bench.datasets.mini.compose import Note
from bench.datasets.mini.extras import RenderingError
from bench.datasets.mini.speech import Utterance, speak
from bench.datasets.musdb18 import Musdb18
from bench.datasets.slakh2100 import Slakh2100
from bench.datasets.voicebank_demand import VoicebankDemand

CHEAP = ("slakh2100",)
READERS: dict[str, type[Dataset]] = {
    "musdb18": Musdb18,
    "slakh2100": Slakh2100,
    "dcase2018": Dcase2018,
    "voicebank_demand": VoicebankDemand,
}


def fresh_process(folder: Path, **environment: str) -> None:
    code = "import sys; from pathlib import Path; from bench.datasets import mini; mini.make(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=os.environ | environment, timeout=300)


def manifest(folder: Path) -> dict[str, dict[str, dict[str, str | int]]]:
    return json.loads((folder / "mini.json").read_text(encoding="utf-8"))


def reader(mini: Path, name: str, **options: str) -> Dataset:
    return READERS[name](embedded.parts(mini)[name], **options)


def stems_of(song: Path) -> dict[str, np.ndarray]:
    return {path.stem: soundfile.read(path, dtype="int16")[0].astype(int) for path in song.glob("*.wav")}


def quiet(audio: np.ndarray) -> np.ndarray:
    """Whether each tenth of a second is digital silence."""
    blocks = audio[: len(audio) // 4410 * 4410].reshape(-1, 4410, *audio.shape[1:])
    return np.abs(blocks).reshape(len(blocks), -1).max(axis=1) == 0


# What it is


def test_a_fresh_process_with_other_hashing_and_threads_makes_the_same_bytes(mini: Path, tmp_path: Path) -> None:
    fresh_process(tmp_path / "again", PYTHONHASHSEED="7", OMP_NUM_THREADS="2", LC_ALL="C", TZ="Asia/Tokyo")
    assert manifest(tmp_path / "again")["files"] == manifest(mini)["files"]


def test_it_is_under_40_megabytes_and_every_file_is_listed(mini: Path) -> None:
    files = {path.relative_to(mini).as_posix(): path for path in mini.rglob("*") if path.is_file()}
    assert set(files) - {"mini.json"} == set(manifest(mini)["files"])
    assert sum(path.stat().st_size for path in files.values()) < 40e6


def test_every_sound_file_is_16_bit_and_below_full_scale(mini: Path) -> None:
    sounds = [path for path in mini.rglob("*") if path.suffix in (".wav", ".flac")]
    assert len(sounds) > 150
    for path in sounds:
        audio, _ = soundfile.read(path, dtype="int16")
        assert soundfile.info(path).subtype == "PCM_16"
        assert np.abs(audio.astype(int)).max() < 32767, path


@pytest.mark.parametrize("name", READERS)
def test_the_reader_of_the_data_set_finds_and_reads_every_scene(mini: Path, name: str) -> None:
    assert READERS[name].find(mini) == [embedded.parts(mini)[name]]
    scenes = list(reader(mini, name).scenes())
    assert len(scenes) >= 3
    assert len({scene.content_hash() for scene in scenes}) == len(scenes)
    for scene in scenes:
        mixture = scene.mixture.read()
        assert mixture.abs().max() > 0.1
        for target in scene.targets:
            assert scene.reference(target).shape == mixture.shape


@pytest.mark.parametrize("name", READERS)
def test_every_sounding_target_has_examples_in_the_training_part(mini: Path, name: str) -> None:
    dataset = reader(mini, name)
    targets = {wanted.target for scene in dataset.scenes() for wanted in scene.targets}
    assert [target.label for target in targets if next(dataset.examples(target), None) is None] == []


@pytest.mark.parametrize("name", READERS)
def test_verify_finds_nothing_broken_only_that_the_rest_is_absent(mini: Path, name: str) -> None:
    found = list(reader(mini, name).verify())
    assert [problem for problem in found if problem.path.is_file()] == []
    assert len(found) <= 1


def test_only_the_limited_song_is_not_the_sum_of_its_stems(mini: Path) -> None:
    apart = {}
    for song in (mini / "musdb18" / "test").iterdir():
        stems = stems_of(song)
        mixture = stems.pop("mixture")
        apart[song.name] = np.abs(mixture - sum(stems.values())).max()
    assert len(apart) == 4
    assert [name for name, distance in apart.items() if distance > 0] == ["Copper Hill - Full Volume"]


def test_one_song_has_silent_vocals_and_one_has_stems_that_enter_and_leave(mini: Path) -> None:
    songs = {song.name: stems_of(song) for song in (mini / "musdb18" / "test").iterdir()}
    silent = [name for name, stems in songs.items() if not stems["vocals"].any()]
    assert silent == ["Paper Lanterns - Low Tide (Instrumental)"]
    partial = songs["Night Bus - Count the Streetlights"]
    for stem in ("vocals", "drums", "bass"):
        assert 0.1 < quiet(partial[stem]).mean() < 0.6
    both = ~quiet(partial["vocals"]) & ~quiet(partial["drums"])
    assert 0.2 < both.mean() < 0.9


def test_slakh_has_a_silent_stem_with_notes_and_a_stem_that_was_never_rendered(mini: Path) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    scenes = {scene.id: scene for scene in reader(mini, "slakh2100").scenes()}
    silent = [
        (scene.id, target.target.label)
        for scene in scenes.values()
        for target in scene.targets
        if not scene.reference(target).any()
    ]
    assert silent == [("Track01876", "Organ")]
    midi = pretty_midi.PrettyMIDI(str(mini / "slakh2100_flac_redux/test/Track01876/MIDI/S05.mid"))
    assert midi.instruments[0].notes[0].start >= scenes["Track01876"].mixture.seconds - 0.02
    assert any("not rendered" in note for note in scenes["Track01881"].notes)
    assert not (mini / "slakh2100_flac_redux/test/Track01881/stems/S04.flac").exists()


def test_slakh_mixes_are_the_sums_of_their_stems_and_midi_matches_the_audio(mini: Path) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    for scene in reader(mini, "slakh2100").scenes():
        total = torch.stack([source.signal.read() for source in scene.sources]).sum(0)
        assert torch.equal(total, scene.mixture.read())
    track = mini / "slakh2100_flac_redux/test/Track01881"
    late = pretty_midi.PrettyMIDI(str(track / "MIDI/S05.mid")).instruments[0].notes[0].start
    audio, rate = soundfile.read(track / "stems/S05.flac")
    assert late > 2
    assert np.flatnonzero(np.abs(audio) > 1e-3)[0] / rate == pytest.approx(late, abs=0.05)


def test_events_have_many_classes_with_clips_shorter_than_a_segment(mini: Path) -> None:
    scenes = list(reader(mini, "dcase2018").scenes())
    assert len(scenes) >= 24
    assert len({scene.targets[0].target.label for scene in scenes}) >= 8
    lengths = [soundfile.info(path).duration for path in (mini / "fsdkaggle2018/FSDKaggle2018.audio_test").iterdir()]
    assert min(lengths) < 0.5
    assert sum(length < 1 for length in lengths) >= 8
    assert len({recording for scene in scenes for recording in scene.recordings}) == len(lengths)


@pytest.mark.parametrize("subset", ["testset", "trainset_28spk"])
def test_the_logged_level_of_the_noise_is_the_level_in_the_files(mini: Path, subset: str) -> None:
    root = mini / "voicebank_demand"
    lines = [line.split() for line in (root / f"log_{subset}.txt").read_text().splitlines()]
    assert {kind for _, kind, _ in lines} == {"babble", "pink", "hum", "knocks"}
    for utterance, _, level in lines:
        clean, _ = soundfile.read(root / f"clean_{subset}_wav" / f"{utterance}.wav")
        noisy, _ = soundfile.read(root / f"noisy_{subset}_wav" / f"{utterance}.wav")
        measured = 10 * np.log10((clean**2).sum() / ((noisy - clean) ** 2).sum())
        assert measured == pytest.approx(float(level), abs=0.02)


def test_each_test_speaker_has_every_noise_and_every_level(mini: Path) -> None:
    lines = [line.split() for line in (mini / "voicebank_demand/log_testset.txt").read_text().splitlines()]
    for speaker in ("p232", "p257"):
        own = [(kind, level) for utterance, kind, level in lines if utterance.startswith(speaker)]
        assert len({kind for kind, _ in own}) == len({level for _, level in own}) == 4


# What it is made with


def test_the_clock_does_not_change_a_voice_with_noise_in_it() -> None:
    pytest.importorskip("espeakng_loader")
    said = Utterance("Hold on tight!", "en-us+f3", 170, 60)
    first = speak([said], 22_050)[0]
    time.sleep(1.1)  # espeak-ng seeds itself from the time in seconds
    assert np.array_equal(first, speak([said], 22_050)[0])


def test_an_unknown_voice_is_one_line_with_the_reason() -> None:
    pytest.importorskip("espeakng_loader")
    with pytest.raises(RenderingError, match="no voice xx-nowhere") as raised:
        speak([Utterance("Hello.", "xx-nowhere")], 16_000)
    assert "\n" not in str(raised.value)


def test_a_note_starts_when_it_is_due_and_the_length_is_exact() -> None:
    pytest.importorskip("tinysoundfont")
    audio = soundfont.render([Note(0.5, 0.8, 60, 100)], 0, 1.25)
    assert audio.shape == (55_125, 2)
    assert not audio[:22_050].any()
    assert np.abs(audio[22_050:22_950]).max() > 1e-3


def test_a_repeated_pitch_sounds_anew_where_the_first_note_ends() -> None:
    pytest.importorskip("tinysoundfont")
    audio = soundfont.render([Note(0.0, 0.5, 48, 100), Note(0.5, 1.0, 48, 100)], 19, 1.0)
    assert np.abs(audio[int(0.8 * 44_100) : int(0.9 * 44_100)]).max() > 1e-2


@pytest.mark.parametrize("sample", [1.0, -1.0, np.nan, np.inf])
def test_samples_that_do_not_fit_are_refused_not_clipped(sample: float) -> None:
    with pytest.raises(ValueError, match="16 bit"):
        pcm.to_pcm(np.array([0.0, sample]))


# How it is made


@pytest.fixture
def made(mini: Path, tmp_path: Path) -> Path:
    return embedded.make(tmp_path / "made", parts=CHEAP)


def test_a_whole_one_is_returned_at_once(made: Path) -> None:
    said: list[str] = []
    assert embedded.make(made, parts=CHEAP, progress=said.append) == made
    assert said == []


def test_a_cut_file_is_made_again(made: Path) -> None:
    broken = made / "slakh2100_flac_redux/test/Track01876/mix.flac"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-100])
    embedded.make(made, parts=CHEAP)
    assert broken.read_bytes() == whole


def test_a_changed_byte_is_found_only_where_hashes_are_asked_for(made: Path) -> None:
    broken = made / "slakh2100_flac_redux/test/Track01876/mix.flac"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    embedded.make(made, parts=CHEAP)
    assert broken.read_bytes() != whole
    embedded.make(made, parts=CHEAP, verify=True)
    assert broken.read_bytes() == whole


def test_another_version_is_made_again(made: Path) -> None:
    told = manifest(made) | {"version": "0"}
    (made / "mini.json").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match="not a whole mini"):
        embedded.parts(made)
    embedded.make(made, parts=CHEAP)
    assert list(embedded.parts(made)) == ["slakh2100"]


def test_a_part_asked_for_later_joins_the_earlier_one(made: Path) -> None:
    embedded.make(made, parts=("voicebank_demand",))
    assert list(embedded.parts(made)) == ["slakh2100", "voicebank_demand"]


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "mini.json").write_text('{"version": "1"}')
    with pytest.raises(DatasetError, match="holds something else"):
        embedded.make(tmp_path, parts=CHEAP)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_maker_leaves_nothing_behind(mini: Path, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if "track 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded.make(tmp_path / "made", parts=CHEAP, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_maker_left_is_removed_but_not_what_another_is_making(mini: Path, tmp_path: Path) -> None:
    killed, working = tmp_path / ".made.000000000000.partial", tmp_path / ".made.111111111111.partial"
    for folder in (killed, working):
        folder.mkdir()
    os.utime(killed, (time.time() - 7200,) * 2)
    embedded.make(tmp_path / "made", parts=CHEAP)
    assert set(tmp_path.iterdir()) == {tmp_path / "made", working}


def test_makers_at_the_same_time_end_with_one_whole_folder(mini: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: embedded.make(tmp_path / "made", parts=CHEAP), range(3)))
    assert set(folders) == {tmp_path / "made"} == set(tmp_path.iterdir())
    assert embedded.make(tmp_path / "made", parts=CHEAP, verify=True, progress=pytest.fail) == tmp_path / "made"


def test_a_folder_that_cannot_be_written_is_one_line(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be made") as raised:
        embedded.make(tmp_path / "file" / "made", parts=CHEAP)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("package", ["pretty_midi", "tinysoundfont", "espeakng_loader"])
def test_an_absent_package_is_one_line_with_the_command(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DatasetError) as raised:
        embedded.make(tmp_path / "made")
    assert str(raised.value) == (
        f"mini: not installed: {package}; pip install 'stemtree[synth]' && pip install --no-deps tinysoundfont"
    )


def test_an_unknown_part_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no part dcase; it has musdb18, slakh2100, dcase2018, voicebank_demand"):
        embedded.make(tmp_path / "made", parts=("dcase",))


def test_it_is_kept_in_the_cache_by_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path))
    assert embedded.default_folder() == tmp_path / "mini" / embedded.VERSION
