"""What the page of a scene carries inside itself: listening copies and pictures as data, within a budget."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from leaderboard.folder import SiteError

BUDGET: Final = 25_000_000
"""Bytes of data in a page: as much as still opens at once, and goes by mail."""
_MP3_RATES: Final = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_MP3_QUALITY: Final = 0.2
"""LAME's V2, about 190 kbit/s: rarely told from the original."""
_LEAST_RATE: Final = 4_000
"""Bytes per second under which such a copy of sound does not come: with it, what is too long is known beforehand."""
_FRAMES_AT_ONCE: Final = 1 << 18


@dataclass
class Media:
    """Where the page finds each file: a ``data:`` address, or its path beside the page."""

    audio: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    embedded: int = 0
    """Bytes of audio and pictures inside the page."""
    audio_inside: bool = True
    audio_bytes: int = 0
    """Bytes of the audio files beside the page."""
    codecs: tuple[str, ...] = ()


def gather(
    folder: Path,
    *,
    audio: Sequence[str],
    pictures: Sequence[str],
    budget: int = BUDGET,
    progress: Callable[[str], None] | None = None,
) -> Media:
    """Take pictures and audio into the page as far as ``budget`` goes: all of a kind or none of it.

    Audio is taken as MP3 where that is smaller than the FLAC: every browser plays it, and LAME's header keeps its
    length to the sample, so that all tracks stay together.

    Args:
        folder: where the files lie.
        audio: paths relative to it.
        pictures: paths relative to it.
        budget: most bytes of data, as they stand in the page.
        progress: told which file is at work.

    Raises:
        SiteError: a file is missing, or its path leads out of the folder.
    """
    tell = progress or (lambda _: None)
    media = Media()
    files = {relative: _inside(folder, relative) for relative in (*audio, *pictures)}
    media.audio_bytes = sum(files[relative].stat().st_size for relative in audio)

    drawn = {relative: _data("image/png", files[relative].read_bytes()) for relative in pictures}
    if _size(drawn) <= budget:
        media.pictures, media.embedded = drawn, _size(drawn)
    else:
        media.pictures = {relative: quote(relative) for relative in pictures}

    copies: dict[str, str] = {}
    codecs: set[str] = set()
    room = budget - media.embedded
    if sum(_seconds(files[relative]) for relative in audio) * _LEAST_RATE * 4 / 3 <= room:
        for relative in audio:
            tell(f"listening copy of {relative}")
            codec, copies[relative] = _copy(files[relative])
            codecs.add(codec)
            if _size(copies) > room:
                break
    media.audio_inside = len(copies) == len(set(audio)) and _size(copies) <= room
    if media.audio_inside:
        media.audio, media.codecs = copies, tuple(sorted(codecs))
        media.embedded += _size(copies)
    else:
        media.audio = {relative: quote(relative) for relative in audio}
    return media


def embedded_svg(folder: Path, relative: str) -> str:
    """A drawing of the folder as a ``data:`` address.

    Raises:
        SiteError: the file is missing, or its path leads out of the folder.
    """
    return _data("image/svg+xml", _inside(folder, relative).read_bytes())


def _inside(folder: Path, relative: str) -> Path:
    """The file, which must lie in the folder: a scene from elsewhere must not read this machine's files."""
    pure = PurePosixPath(relative)
    path = folder / pure
    if pure.is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise SiteError(f"{folder}: the path {relative!r} leads out of the folder; analyse the recording again")
    if not path.is_file():
        raise SiteError(f"{path}: no such file; analyse the recording again")
    return path


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(path).duration)


def _copy(path: Path) -> tuple[str, str]:
    """The codec, and the ``data:`` address, of a file's MP3, or of itself where that is smaller or there is no MP3."""
    original = path.read_bytes()
    smaller = _mp3(path)
    if smaller is not None and len(smaller) < len(original):
        return "MP3", _data("audio/mpeg", smaller)
    return "FLAC", _data("audio/flac", original)


def _mp3(path: Path) -> bytes | None:
    import soundfile

    with soundfile.SoundFile(path) as source:
        if source.samplerate not in _MP3_RATES or source.channels > 2 or source.frames == 0:
            return None
        copy = io.BytesIO()
        with soundfile.SoundFile(
            copy, "w", samplerate=source.samplerate, channels=source.channels, format="MP3",
            subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=_MP3_QUALITY,
        ) as target:  # fmt: skip
            for block in source.blocks(_FRAMES_AT_ONCE, dtype="float32", always_2d=True):
                target.write(block)
    return copy.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _size(addresses: dict[str, str]) -> int:
    return sum(map(len, addresses.values()))
