"""Where stemtree keeps on this machine what it can fetch or make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder: ``$STEMTREE_CACHE``, else ``stemtree`` in the user's cache folder (``$XDG_CACHE_HOME``)."""
    named = os.environ.get("STEMTREE_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "stemtree"
