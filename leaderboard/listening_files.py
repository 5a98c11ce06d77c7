"""The sounds of the listening tests, as files that any player plays and as scripts that a page can read.

A page opened from a disk may not read files: browsers refuse ``fetch`` there, and give a page's audio graph nothing but
silence from an ``<audio>`` element. A classic script is loaded all the same, so each sound is also one that hands its
bytes to the page, in base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from leaderboard.context import Site
from leaderboard.listening import heard
from leaderboard.page import Page
from reports.excerpts import Track
from reports.tables import Board


def listening_files(site: Site, board: Board) -> Iterator[Page]:
    """Of every scene of a board with an excerpt: each sound as FLAC and as script, and each picture."""
    for scene, content in board.scenes.select("scene", "content").iter_rows():
        found = heard(site, board, scene, content)
        if found is None:
            continue
        names = {(sound.picture, "png") for sound in found.sounds()}
        names |= {(sound.file, "flac") for sound in found.sounds() if isinstance(sound, Track)}
        for name, suffix in sorted(names):
            if file := found.file(name, suffix):
                yield Page(f"{found.address}/{name}.{suffix}", file.read_bytes, (board,))
                if suffix == "flac":
                    yield Page(f"{found.address}/{name}.js", partial(_script, name, file), (board,))


def _script(name: str, file: Path) -> str:
    return f'stemtreeAudio("{name}","{base64.b64encode(file.read_bytes()).decode()}");\n'
