"""What was worked out, kept beside the site for the next build: files that may be deleted at any time.

There are two of them: figures and ranks of the boards, and what the history tells of their former states.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from leaderboard.context import Site
from leaderboard.fingerprints import Fingerprints, code, digest
from reports.once import Once

FILE: Final = ".stemtree-figures.json"
HISTORY: Final = ".stemtree-history.json"


def recall(site: Site, folder: Path, fingerprints: Fingerprints) -> None:
    """Give each board what the last build worked out from the very same rows; a damaged file tells nothing."""
    boards = _unsealed(folder / FILE).get("boards", {})
    for board in site.boards:
        board.kept.update(boards.get(fingerprints.board(board), {}))


def content(site: Site, fingerprints: Fingerprints) -> str:
    """The file for the next build."""
    return _sealed({"boards": {fingerprints.board(board): board.kept for board in site.boards}})


def recall_history(folder: Path) -> Once:
    """What the last build worked out of states of boards, if this very code did; a damaged file tells nothing."""
    described = _unsealed(folder / HISTORY)
    return Once(described["values"] if described.get("code") == code() else None)


def history(once: Once) -> str:
    """The file of the history for the next build."""
    return _sealed({"code": code(), "values": once.values})


def _sealed(described: dict[str, Any]) -> str:
    return json.dumps({"digest": digest(_json(described)), **described}, sort_keys=True) + "\n"


def _unsealed(path: Path) -> dict[str, Any]:
    """What a build wrote; nothing where it is not as the build wrote it."""
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        told = described.pop("digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return described if told == digest(_json(described)) else {}


def _json(described: dict[str, Any]) -> str:
    return json.dumps(described, sort_keys=True)
