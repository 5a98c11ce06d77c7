"""Figures and ranks of boards, kept beside the site for the next build: a file that may be deleted at any time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from leaderboard.context import Site
from leaderboard.fingerprints import Fingerprints, digest

FILE: Final = ".stemtree-figures.json"


def recall(site: Site, folder: Path, fingerprints: Fingerprints) -> None:
    """Give each board what the last build worked out from the very same rows; a damaged file tells nothing."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
        boards: dict[str, dict[str, Any]] = described["boards"]
        whole = described["digest"] == digest(_json(boards))
    except (OSError, ValueError, KeyError, TypeError):
        return
    if whole:
        for board in site.boards:
            board.kept.update(boards.get(fingerprints.board(board), {}))


def content(site: Site, fingerprints: Fingerprints) -> str:
    """The file for the next build."""
    boards = {fingerprints.board(board): board.kept for board in site.boards}
    return json.dumps({"digest": digest(_json(boards)), "boards": boards}, sort_keys=True) + "\n"


def _json(boards: dict[str, dict[str, Any]]) -> str:
    return json.dumps(boards, sort_keys=True)
