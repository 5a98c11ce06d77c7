"""Recordings read stretch by stretch, and FLAC files written without clipping."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analysis_kit import noise
from bench.analysis.flac import FlacWriter
from bench.analysis.recording import open_recording
from bench.audio import BrokenFile
from bench.hashing import file_sha256

RATE = 8000


def written(path: Path, *pieces: torch.Tensor) -> FlacWriter:
    writer = FlacWriter(path, sample_rate=RATE, channels=pieces[0].shape[0])
    for piece in pieces:
        writer.write(piece)
    writer.close()
    return writer


def read(path: Path) -> torch.Tensor:
    audio, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(audio.T)


def test_any_stretch_of_a_recording_can_be_read_in_any_order(tmp_path: Path) -> None:
    audio = noise(2, 5000)
    soundfile.write(tmp_path / "a.wav", audio.T.numpy(), RATE, subtype="FLOAT")
    with open_recording(tmp_path / "a.wav") as recording:
        assert (recording.name, recording.sample_rate, recording.channels) == ("a.wav", RATE, 2)
        assert (recording.samples, recording.seconds) == (5000, 0.625)
        assert recording.sha256 == file_sha256(tmp_path / "a.wav")
        for start, stop in [(0, 100), (100, 200), (4000, 5000), (50, 51), (7, 7), (0, 5000)]:
            assert torch.equal(recording.read(start, stop), audio[:, start:stop])
        with pytest.raises(ValueError, match="5001"):
            recording.read(0, 5001)


def test_values_that_are_not_finite_are_refused_where_they_are_read(tmp_path: Path) -> None:
    audio = noise(1, 1000).numpy()
    audio[0, 700] = np.nan
    soundfile.write(tmp_path / "a.wav", audio.T, RATE, subtype="FLOAT")
    with open_recording(tmp_path / "a.wav") as recording:
        recording.read(0, 700)
        with pytest.raises(BrokenFile, match=r"a\.wav: NaN"):
            recording.read(600, 800)


def test_a_file_that_is_not_there_or_cut_short_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match=r"none\.wav: no such file"), open_recording(tmp_path / "none.wav"):
        pass
    soundfile.write(tmp_path / "a.wav", noise(1, 1000).T.numpy(), RATE)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:900])
    with pytest.raises(BrokenFile, match="truncated"), open_recording(tmp_path / "a.wav"):
        pass


def test_a_format_that_libsndfile_does_not_know_asks_for_ffmpeg_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokenFile, match="install FFmpeg") as caught, open_recording(tmp_path / "clip.m4a"):
        pass
    assert "\n" not in str(caught.value)


def fake_ffmpeg(folder: Path, body: str) -> None:
    script = folder / "ffmpeg"
    script.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_what_ffmpeg_decodes_is_read_under_the_name_of_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "clip.m4a"
    clip.write_bytes(b"no sound file at all")
    fake_ffmpeg(
        tmp_path,
        "import numpy, soundfile\n"
        f"assert 'file:{clip}' in sys.argv\n"
        "soundfile.write(sys.argv[-1], numpy.full((300, 2), 1.5, dtype='float32'), 16000, subtype='FLOAT')",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with open_recording(clip) as recording:
        assert (recording.name, recording.samples, recording.sample_rate) == ("clip.m4a", 300, 16_000)
        assert recording.sha256 == file_sha256(clip)
        assert recording.read(0, 300).unique().tolist() == [1.5]  # a lossy format may overshoot


def test_what_neither_can_decode_is_refused_with_ffmpeg_s_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.m4a").write_bytes(b"no sound file at all")
    fake_ffmpeg(tmp_path, "sys.stderr.write('first\\nmoov atom not found\\n')\nsys.exit(1)")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(BrokenFile, match="moov atom not found"), open_recording(tmp_path / "clip.m4a"):
        pass


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(whole=st.lists(st.integers(-(2**23), 2**23 - 1), min_size=1, max_size=50), cut=st.integers(0, 50))
def test_what_has_no_more_than_24_bits_comes_back_bit_for_bit(tmp_path: Path, whole: list[int], cut: int) -> None:
    audio = torch.tensor([whole], dtype=torch.float32) / 2**23
    writer = written(tmp_path / "a.flac", audio[:, :cut], audio[:, cut:])
    assert torch.equal(read(tmp_path / "a.flac"), audio)
    assert writer.gain == 1
    assert writer.highest == float(audio.max())
    assert writer.energy == pytest.approx(float(audio.double().square().sum()))


def test_a_peak_above_full_scale_scales_the_whole_file_by_a_power_of_two_and_clips_nothing(tmp_path: Path) -> None:
    quiet, loud, louder, after = noise(2, 3000), noise(2, 3000, level=0.5), noise(2, 3000, level=1.3), noise(2, 3000)
    writer = written(tmp_path / "a.flac", quiet, loud, louder, after)
    whole = torch.cat([quiet, loud, louder, after], dim=1)
    assert writer.gain == 2.0 ** -np.ceil(np.log2(float(whole.abs().max())))
    torch.testing.assert_close(read(tmp_path / "a.flac") / writer.gain, whole, atol=4 / 2**23 / writer.gain, rtol=0)
    assert writer.energy == pytest.approx(float(whole.double().square().sum()))
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_full_scale_itself_is_not_scaled_down_on_the_negative_side(tmp_path: Path) -> None:
    assert written(tmp_path / "a.flac", torch.tensor([[-1.0, 0.5]])).gain == 1
    assert written(tmp_path / "b.flac", torch.tensor([[1.0, 0.5]])).gain == 0.5


def test_parts_that_were_never_open_together_come_back_as_one_file_at_one_gain(tmp_path: Path) -> None:
    pieces = [noise(2, 700, seed=seed, level=level) for seed, level in enumerate((0.1, 0.1, 0.6, 0.1))]
    writer = FlacWriter(tmp_path / "a.flac", sample_rate=RATE, channels=2, stays_open=False)
    before = set(Path("/dev/fd").iterdir())
    for piece in pieces:
        writer.write(piece)
        assert set(Path("/dev/fd").iterdir()) == before
    writer.close()
    assert writer.gain < 1
    torch.testing.assert_close(
        read(tmp_path / "a.flac") / writer.gain, torch.cat(pieces, dim=1), atol=4 / 2**23 / writer.gain, rtol=0
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    writer = FlacWriter(tmp_path / "a.flac", sample_rate=RATE, channels=1)
    writer.write(noise(1, 500))
    writer.write(noise(1, 500, level=2.0))
    writer.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", [1, 9000, 60_000])
def test_a_disk_that_fills_up_is_named_even_where_the_last_bytes_alone_are_lost(tmp_path: Path, lacking: int) -> None:
    resource = pytest.importorskip("resource")
    whole = tmp_path / "whole.flac"
    written(whole, *(noise(1, 8000, seed=seed) for seed in range(3)))
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole.stat().st_size - lacking, before[1]))
    try:
        with pytest.raises(OSError, match="make room on the disk") as caught:
            written(tmp_path / "a.flac", *(noise(1, 8000, seed=seed) for seed in range(3)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(tmp_path / "a.flac")
    assert not (tmp_path / "a.flac").exists()
