"""Whether a sound file is as long as its container says: a cut wav or ogg reads as a shorter one without complaint."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

_UNKNOWN: Final = 0xFFFFFFFF
_LARGEST_OGG_PAGE: Final = 65_307
_LAST_OGG_PAGE: Final = 0x04


def cut_short(path: Path) -> str | None:
    """What shows that the file is cut short, or None where nothing does.

    Knows wav (RIFF and RF64, by the length of the data chunk) and ogg (by the mark of the last page, RFC 3533).
    A FLAC file states its length and is found short when it is decoded; an mp3 file states none.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        if magic in (b"RIFF", b"RF64"):
            return _riff(file, size)
        if magic == b"OggS":
            return _ogg(file, size)
    return None


def _riff(file: BinaryIO, size: int) -> str | None:
    position, long_length = 12, None
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"ds64" and position + 24 <= size:
            long_length = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data":
            if length == _UNKNOWN:
                length = long_length
            if length is None:
                return "its header does not say how long it is, so that a cut file would pass for a whole one"
            there = size - position - 8
            return f"{there} of {length} bytes of audio are there" if there < length else None
        position += 8 + length + length % 2
    return "it ends before its audio begins"


def _ogg(file: BinaryIO, size: int) -> str | None:
    file.seek(max(size - _LARGEST_OGG_PAGE, 0))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :] if b"OggS" in tail else b""
    lacing = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 or len(lacing) < page[26] or len(page) < 27 + len(lacing) + sum(lacing):
        return "it ends in the middle of a page"
    return None if page[5] & _LAST_OGG_PAGE else "its last page is missing"
