"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings for development: ``$STEMTREE_TEST_DATA``, else ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("STEMTREE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; set STEMTREE_TEST_DATA to a folder that has them")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what tests remember (file hashes, made data) out of the user's cache."""
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
