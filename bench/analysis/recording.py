"""A recording that is read stretch by stretch, whatever soundfile or ffmpeg can decode."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import torch

from bench.audio import BrokenFile, FileSignal, check_finite, content_sha256
from bench.stem_mp4 import FFMPEG_REMEDY


class Recording:
    """A recording that lies open on disk; never held in memory as a whole.

    ``name`` and ``sha256`` are those of the file that was named, which need not be the one read: what libsndfile does
    not know is decoded first.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile, *, name: str, sha256: str, samples: int) -> None:
        self._path, self._file = path, file
        self.name, self.sha256, self.samples = name, sha256, samples
        self.sample_rate = int(file.samplerate)
        self.channels = int(file.channels)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Samples ``start`` to ``stop``, float32 ``(channels, stop - start)``.

        Raises:
            ValueError: they do not lie within the recording.
            BrokenFile: they cannot be decoded, or hold values that are not finite.
        """
        if not 0 <= start <= stop <= self.samples:
            raise ValueError(f"samples {start} to {stop} of a recording of {self.samples}")
        try:
            if self._file.tell() != start:
                self._file.seek(start)
            audio = self._file.read(stop - start, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise BrokenFile(self._path, f"cannot be decoded at sample {start} ({error})", "fetch it anew") from error
        if len(audio) != stop - start:
            what = f"truncated: no samples from {start + len(audio)} on, of {self.samples}"
            raise BrokenFile(self._path, what, "fetch it anew")
        check_finite(self._path, audio, self.sample_rate)
        return torch.from_numpy(np.ascontiguousarray(audio.T))


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open the recording at ``path``: whatever soundfile reads, else what ffmpeg decodes, where it is on PATH.

    What ffmpeg decodes stands in a temporary file until the recording is closed. Of a file with several audio streams
    the first is taken.

    Raises:
        BrokenFile: there is no such file, or nothing here can decode it; the message has the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise BrokenFile(path, "no such file", "check its path")
    with tempfile.TemporaryDirectory(prefix="stemtree-") as scratch:
        readable = path if _libsndfile_reads(path) else _decoded(path, Path(scratch) / "decoded.wav")
        samples = FileSignal(readable).samples
        with soundfile.SoundFile(readable) as file:
            yield Recording(readable, file, name=path.name, sha256=content_sha256(path), samples=samples)


def _libsndfile_reads(path: Path) -> bool:
    try:
        soundfile.info(path)
    except soundfile.LibsndfileError:
        return False
    return True


def _decoded(path: Path, to: Path) -> Path:
    """``path`` as decoded by ffmpeg: a wav of float32, as lossy formats overshoot full scale; RF64 beyond 4 GiB."""
    if shutil.which("ffmpeg") is None:
        what = "is empty (0 bytes)" if path.stat().st_size == 0 else "is no format that libsndfile reads"
        raise BrokenFile(path, what, f"for other formats {FFMPEG_REMEDY}")
    options = ["-nostdin", "-v", "error", "-i", f"file:{path}", "-map", "0:a:0", "-c:a", "pcm_f32le", "-rf64", "auto"]
    done = subprocess.run(["ffmpeg", *options, str(to)], capture_output=True, check=False)
    if done.returncode != 0 or not to.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit status {done.returncode}"
        raise BrokenFile(path, f"neither libsndfile nor ffmpeg can decode it ({said})", "check that it is a recording")
    return to
