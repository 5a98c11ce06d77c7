"""The static site: a folder of results in, a folder of HTML out."""

from __future__ import annotations

from leaderboard.folder import SiteError
from leaderboard.site import build

__all__ = ["SiteError", "build"]
