"""Signals in .stem.mp4 files (Native Instruments' stems, as MUSDB18 has them), decoded by ffmpeg where installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.audio import BrokenFile, Header, check_finite, content_sha256, digest
from bench.scene import Signal

FFMPEG_REMEDY: Final = "install FFmpeg (apt-get install ffmpeg, brew install ffmpeg, or ffmpeg.org)"
_TOO_LONG_SECONDS: Final = 600
# An AAC decoder hands out whole frames of 1024 samples, and may hand out one more than the container counts.
_AAC_FRAME: Final = 1024


def missing_tool() -> str | None:
    """Which of ffmpeg and ffprobe is not on PATH, or None where both are."""
    return next((tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None), None)


@dataclass(frozen=True)
class StemSignal(Signal):
    """One audio stream of a .stem.mp4 file, counted from 0, at its own rate and channel layout.

    Its length is what the container states; a decoder's padding beyond it is cut. Everything raises
    :class:`bench.audio.BrokenFile` where ffmpeg is absent or the file cannot be decoded to its end.
    """

    path: Path
    stream: int

    @cached_property
    def _header(self) -> Header:
        if not self.path.is_file():
            raise BrokenFile(self.path, "no such file", "fetch it anew")
        stat = self.path.stat()
        headers = _probe(self.path, stat.st_size, stat.st_mtime_ns)
        if self.stream >= len(headers):
            what = f"has {len(headers)} audio streams, none with number {self.stream}"
            raise BrokenFile(self.path, what, "fetch it anew")
        header = headers[self.stream]
        if header.samples <= 0:
            raise BrokenFile(self.path, f"stream {self.stream} holds no samples", "fetch it anew")
        return header

    @property
    def sample_rate(self) -> int:
        return self._header.sample_rate

    @property
    def channels(self) -> int:
        return self._header.channels

    @property
    def samples(self) -> int:
        return self._header.samples

    def read(self) -> torch.Tensor:
        header = self._header
        options = ["-nostdin", "-xerror", "-i", f"file:{self.path}", "-map", f"0:a:{self.stream}"]
        raw = _run(["ffmpeg", "-v", "error", *options, "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"], self.path)
        audio = np.frombuffer(raw, dtype="<f4").reshape(-1, header.channels)
        if not header.samples <= len(audio) <= header.samples + _AAC_FRAME:
            what = f"stream {self.stream} decodes to {len(audio)} samples where {header.samples} are stated"
            raise BrokenFile(self.path, what, "fetch it anew")
        audio = audio[: header.samples]
        check_finite(self.path, audio, header.sample_rate)
        return torch.from_numpy(np.ascontiguousarray(audio.T, dtype=np.float32))

    def fingerprint(self) -> str:
        _ = self._header
        # The decoder's version stays out: AAC decoders agree but for rounding, and machines are to be compared.
        return digest("stem", content_sha256(self.path), self.stream)


@lru_cache(maxsize=1024)
def _probe(path: Path, size: int, mtime_ns: int) -> tuple[Header, ...]:
    """The audio streams of the file as it was at that size and time."""
    entries = "stream=sample_rate,channels,duration_ts,time_base"
    command = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", entries, "-of", "json"]
    streams = json.loads(_run([*command, f"file:{path}"], path)).get("streams", [])
    try:
        return tuple(_header(stream) for stream in streams)
    except (KeyError, ValueError) as error:
        raise BrokenFile(path, f"one of its streams does not state {error}", "fetch it anew") from error


def _header(stream: dict[str, str | int]) -> Header:
    rate = int(stream["sample_rate"])
    numerator, denominator = map(int, str(stream["time_base"]).split("/"))
    return Header(rate, int(stream["channels"]), round(int(stream["duration_ts"]) * numerator * rate / denominator))


def _run(command: list[str], path: Path) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TOO_LONG_SECONDS)
    except FileNotFoundError as error:
        raise BrokenFile(path, f"needs {command[0]}, which is not on PATH", FFMPEG_REMEDY) from error
    except subprocess.TimeoutExpired as error:
        what = f"{command[0]} did not finish in {_TOO_LONG_SECONDS} s"
        raise BrokenFile(path, what, "fetch the file anew") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        what = f"{command[0]} cannot decode it ({lines[-1] if lines else f'exit status {done.returncode}'})"
        raise BrokenFile(path, what, "fetch it anew")
    return done.stdout
