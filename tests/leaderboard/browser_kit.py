"""A small results folder with one of everything that a page of the site does something with."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from excerpt_kit import RATE, SECONDS, STEMS, write_excerpt
from reports.excerpts import Track, short_hash
from reports.results import Results

HOSTILE = '<script>alert(1)</script> & "quoted"'
SYSTEMS = {
    "mixture": ("baseline", 0.0),
    "irm": ("oracle", 13.9),
    "hpss": ("primitive", 3.1),
    "repet": ("primitive", 4.0),
    "crashing": ("my-family", 5.6),
    HOSTILE: ("my-family", 5.0),
}
HEARD = "Song 0"
"""The scene that can be listened to."""
HEARD_SYSTEMS = ("mixture", "irm", "hpss", "repet")


def write_results(make_writer: Callable[..., Any], folder: Path) -> Path:
    """Two data sets of six separators, one of a hostile name; two runs; one scene that can be listened to."""
    writer = make_writer(folder, separators=SYSTEMS)
    songs = {HEARD: (STEMS, ("r0",)), f"Song 1 {HOSTILE}": (STEMS, ("r1",))}
    songs |= {f"Song {number}": (STEMS, (f"r{number}",)) for number in (2, 3)}
    writer.dataset("songs", songs, title="Songs")
    writer.dataset("clips", {f"clip-{number}": (STEMS, (f"c{number}",)) for number in range(3)}, title="Clips")
    for run in ("night-0", "night-1"):
        writer.finish(run=run)
    results = Results(folder)
    results.write_card("hpss", {**results.cards()["hpss"], "licence": "Apache-2.0", "training_data": ["songs"]})
    write_excerpt(folder, "songs", HEARD, HEARD_SYSTEMS, _tone)
    return folder


def _tone(folder: Path, of: str, place: int) -> Track:
    hertz = {"mixture": 110.0, "reference": 220.0}.get(of) or 330.0 + 10 * HEARD_SYSTEMS.index(of)
    samples = 0.2 * np.sin(2 * np.pi * (hertz + place) * np.arange(int(SECONDS * RATE)) / RATE)
    name = short_hash(samples.tobytes())
    soundfile.write(folder / f"{name}.flac", samples, RATE)
    return Track(loudness=-17.0, peak=0.2, picture=_picture(folder), file=name, gain=1.0)


def _picture(folder: Path) -> str:
    """One grey dot as PNG (W3C, PNG specification, section 5)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    dot = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    data = b"\x89PNG\r\n\x1a\n" + dot + chunk(b"IEND", b"")
    name = short_hash(data)
    (folder / f"{name}.png").write_bytes(data)
    return name
