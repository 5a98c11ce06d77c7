"""Fixtures of the harness's tests."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from bench.datasets import mini as embedded
from bench.datasets.mini.extras import INSTALL, PACKAGES


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded data set, made once: in ``$STEMTREE_TEST_MINI`` where that is set, else among pytest's files."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: {INSTALL}")
    named = os.environ.get("STEMTREE_TEST_MINI")
    return embedded.make(Path(named) if named else tmp_path_factory.getbasetemp() / "mini")
