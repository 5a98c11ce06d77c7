"""Files as signals, and what is made of them."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio import BrokenFile, EnergyMatched, FileSignal, Fitted, Mono, Resampled, Sum, Unusable
from bench.scene import SceneError, Signal
from bench.stem_mp4 import StemSignal
from bench.stems import beside

RATE = 8000


def noise(samples: int = 4000, channels: int = 1, *, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


def write(path: Path, audio: np.ndarray, *, rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


class Held(Signal):
    """A signal in memory, (channels, samples)."""

    def __init__(self, audio: torch.Tensor, sample_rate: int = RATE) -> None:
        self.audio, self.rate = audio, sample_rate

    @property
    def sample_rate(self) -> int:
        return self.rate

    @property
    def channels(self) -> int:
        return self.audio.shape[0]

    @property
    def samples(self) -> int:
        return self.audio.shape[1]

    def read(self) -> torch.Tensor:
        return self.audio

    def fingerprint(self) -> str:
        return str(self.audio.tolist())


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return {suffix: write(folder / f"a.{suffix}", noise(3000, 2)).read_bytes() for suffix in ("wav", "flac", "ogg")}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_cut_at_any_byte_is_an_error_and_never_a_shorter_recording(
    whole_files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from(sorted(whole_files)))
    whole = whole_files[suffix]
    path = tmp_path_factory.mktemp("cut") / f"cut.{suffix}"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(BrokenFile) as caught:
        FileSignal(path).read()
    assert caught.value.path == path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_whole_file_is_read_in_full(whole_files: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole.{suffix}"
    path.write_bytes(whole_files[suffix])
    signal = FileSignal(path)
    assert (signal.channels, signal.samples, signal.sample_rate) == (2, 3000, RATE)
    assert signal.read().shape == (2, 3000)


def test_a_cut_wav_is_found_before_it_is_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BrokenFile, match="6000 of 8000 bytes"):
        FileSignal(path).fingerprint()


def test_a_cut_rf64_is_found_by_its_long_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), RATE, format="RF64")
    assert FileSignal(path).samples == 4000
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BrokenFile, match="truncated"):
        _ = FileSignal(path).samples


def test_a_wav_of_unstated_length_cannot_be_told_from_a_cut_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise())
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(BrokenFile, match="does not say how long"):
        _ = FileSignal(path).samples


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named_with_their_place(tmp_path: Path, value: float) -> None:
    audio = noise(channels=2)
    audio[800, 1] = audio[900, 0] = value
    path = write(tmp_path / "a.wav", audio, subtype="FLOAT")
    with pytest.raises(BrokenFile, match=r"a\.wav: NaN or infinite values: 2, the first at 0\.100 s \(sample 800\)"):
        FileSignal(path).read()


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"", "empty"), (b"plain text, no audio at all", "cannot be read as audio")],
)
def test_what_is_no_sound_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    for use in (FileSignal(path).read, FileSignal(path).fingerprint):
        with pytest.raises(BrokenFile, match=said) as caught:
            use()
        assert str(path) in str(caught.value)


def test_a_file_without_samples_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match="no samples"):
        FileSignal(write(tmp_path / "a.wav", noise(0))).read()


def test_a_part_is_cut_out_at_its_place_and_a_part_beyond_the_end_is_an_error(tmp_path: Path) -> None:
    audio = noise(1000)
    path = write(tmp_path / "a.wav", audio, subtype="FLOAT")
    part = FileSignal(path, start=600, length=300)
    assert part.samples == 300
    np.testing.assert_array_equal(part.read().numpy(), audio[600:900].T)
    assert FileSignal(path, start=600, length=900).samples == 400
    with pytest.raises(BrokenFile, match="beyond its end"):
        FileSignal(path, start=1000).read()


def test_an_mp3_without_a_stated_length_is_counted_by_decoding(shared_data: Path) -> None:
    path = shared_data / "stems" / "mdn_multitrack" / "bassguitar.mp3"
    signal = FileSignal(path)
    assert signal.samples != soundfile.info(path).frames  # what libsndfile guesses from the bit rate
    assert signal.read().shape == (2, signal.samples)


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    one, same = write(tmp_path / "a.wav", noise()), write(tmp_path / "b.wav", noise())
    other = write(tmp_path / "c.wav", noise(seed=1))
    assert FileSignal(one).fingerprint() == FileSignal(same).fingerprint()
    assert FileSignal(one).fingerprint() != FileSignal(other).fingerprint()
    assert FileSignal(one).fingerprint() != FileSignal(one, start=1).fingerprint()


def test_an_error_survives_the_way_back_from_a_worker_process() -> None:
    error = BrokenFile(Path("a.wav"), "is empty", "fetch it anew")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.path) == (str(error), error.path)


def test_a_signal_can_be_sent_to_a_worker_after_its_header_was_read(tmp_path: Path) -> None:
    signal = FileSignal(write(tmp_path / "a.wav", noise()))
    _ = signal.samples
    assert torch.equal(pickle.loads(pickle.dumps(signal)).read(), signal.read())


def test_whatever_is_asked_of_an_unusable_file_is_refused() -> None:
    signal = Unusable(Path("bass.wav"), "has 1 channel", "render it anew")
    asked = [lambda: signal.samples, lambda: signal.channels, lambda: signal.sample_rate, signal.read]
    for use in [*asked, signal.fingerprint, lambda: signal.seconds]:
        with pytest.raises(SceneError, match=r"bass\.wav: has 1 channel; render it anew"):
            use()


def test_fitting_pads_at_the_end_cuts_or_repeats() -> None:
    signal = Held(torch.arange(1.0, 4.0)[None])
    assert Fitted(signal, 5).read().tolist() == [[1, 2, 3, 0, 0]]
    assert Fitted(signal, 2).read().tolist() == [[1, 2]]
    assert Fitted(signal, 7, repeat=True).read().tolist() == [[1, 2, 3, 1, 2, 3, 1]]


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 500), rate=st.integers(4000, 48000))
def test_a_resampled_signal_has_the_length_it_declares(samples: int, rate: int) -> None:
    signal = Resampled(Held(torch.randn(2, samples)), rate)
    assert signal.read().shape == (2, signal.samples)


def test_resampling_is_what_librosa_does() -> None:
    audio = torch.from_numpy(noise(5000, 2).T.copy())
    expected = librosa.resample(audio.numpy(), orig_sr=RATE, target_sr=3000, scale=False)
    np.testing.assert_allclose(Resampled(Held(audio), 3000).read().numpy(), expected, atol=1e-6)


def test_mixing_down_takes_the_mean_of_the_channels() -> None:
    assert Mono(Held(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))).read().tolist() == [[2, 3]]


def test_a_sum_leaves_its_parts_alone() -> None:
    one, two = Held(torch.ones(1, 3)), Held(torch.full((1, 3), 2.0))
    assert Sum((one, two, two)).read().tolist() == [[5, 5, 5]]
    assert one.read().tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("other", [Held(torch.ones(2, 3)), Held(torch.ones(1, 4)), Held(torch.ones(1, 3), RATE // 2)])
def test_what_does_not_fit_together_is_not_summed(other: Held) -> None:
    with pytest.raises(SceneError, match="cannot be summed"):
        Sum((Held(torch.ones(1, 3)), other)).read()


def test_energy_is_matched_within_the_bounds() -> None:
    anchor = Held(torch.full((1, 100), 0.5))
    assert EnergyMatched(Held(torch.full((1, 100), 0.1)), anchor).read().max() == pytest.approx(0.5)
    assert EnergyMatched(Held(torch.full((1, 100), 1e-4)), anchor).read().max() == pytest.approx(50 * 1e-4)


def fitted(mixture: Signal, stem: Signal) -> tuple[Signal, tuple[str, ...]]:
    return beside(mixture, stem, mixture_path=Path("mixture.wav"), stem_path=Path("bass.wav"))


def test_a_short_stem_is_padded_and_a_long_one_cut_with_a_note() -> None:
    mixture = Held(torch.zeros(1, 5 * RATE))
    short, notes = fitted(mixture, Held(torch.ones(1, 2 * RATE)))
    assert notes == ("bass.wav: 3.00 s shorter than the mixture, padded",)
    assert short.read().sum() == 2 * RATE
    long, notes = fitted(mixture, Held(torch.ones(1, 5 * RATE + 7)))
    assert notes == ("bass.wav: 7 samples longer than the mixture, cut",)
    assert long.read().shape == (1, 5 * RATE)


def test_a_stem_that_fits_is_taken_as_it_is() -> None:
    stem = Held(torch.ones(1, 9))
    assert fitted(Held(torch.zeros(1, 9)), stem) == (stem, ())


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        (Held(torch.ones(2, 9)), "has 2 channels .*mixture.wav has 1 channel"),
        (Held(torch.ones(1, 9), 16000), "has 16000 Hz.*mixture.wav has 8000 Hz"),
    ],
)
def test_a_stem_of_another_kind_is_refused_only_when_used(stem: Held, said: str) -> None:
    signal, notes = fitted(Held(torch.zeros(1, 9)), stem)
    assert notes == ()
    for use in (signal.read, signal.fingerprint):
        with pytest.raises(BrokenFile, match=f"bass.wav: {said}"):
            use()


def test_a_broken_stem_keeps_its_own_reason(tmp_path: Path) -> None:
    signal, _ = fitted(Held(torch.zeros(1, 9)), FileSignal(tmp_path / "gone.wav"))
    with pytest.raises(BrokenFile, match=r"gone\.wav: no such file"):
        signal.read()


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def stem_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for a .stem.mp4, with stand-ins for ffmpeg and ffprobe that say it has two stereo streams."""
    raw = tmp_path / "raw"
    np.arange(20, dtype="<f4").tofile(raw)
    tools = tmp_path / "tools"
    tools.mkdir()
    one = '{"sample_rate": "44100", "channels": 2, "duration_ts": 10, "time_base": "1/44100"}'
    tool(tools, "ffprobe", f"echo '{{\"streams\": [{one}, {one}]}}'")
    tool(tools, "ffmpeg", f'cat "{raw}"')
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "song.stem.mp4"
    path.write_bytes(b"not looked at")
    return path


def test_a_stream_is_decoded_to_the_length_that_the_container_states(stem_file: Path) -> None:
    signal = StemSignal(stem_file, 1)
    assert (signal.sample_rate, signal.channels, signal.samples) == (44100, 2, 10)
    assert signal.read()[1, :3].tolist() == [1, 3, 5]


def test_a_stream_that_decodes_short_is_an_error(stem_file: Path) -> None:
    np.arange(18, dtype="<f4").tofile(stem_file.parent / "raw")
    with pytest.raises(BrokenFile, match="decodes to 9 samples where 10 are stated"):
        StemSignal(stem_file, 0).read()


def test_a_missing_stream_is_an_error(stem_file: Path) -> None:
    with pytest.raises(BrokenFile, match="2 audio streams, none with number 4"):
        StemSignal(stem_file, 4).fingerprint()


def test_what_ffmpeg_complains_of_is_passed_on(stem_file: Path) -> None:
    tool(stem_file.parent / "tools", "ffmpeg", "echo 'moov atom not found' >&2; exit 1")
    with pytest.raises(BrokenFile, match=r"ffmpeg cannot decode it \(moov atom not found\)"):
        StemSignal(stem_file, 0).read()


def test_without_ffmpeg_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "song.stem.mp4"
    path.write_bytes(b"not looked at")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokenFile, match="needs ffprobe, which is not on PATH; install FFmpeg"):
        StemSignal(path, 0).read()
