"""Fixtures of the harness's tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import codehash
from bench.datasets import mini as embedded
from bench.datasets.mini.extras import INSTALL, PACKAGES
from bench.execute import load_metric


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded data set, made once: in ``$STEMTREE_TEST_MINI`` where that is set, else among pytest's files."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: {INSTALL}")
    named = os.environ.get("STEMTREE_TEST_MINI")
    return embedded.make(Path(named) if named else tmp_path_factory.getbasetemp() / "mini")


@pytest.fixture(scope="session")
def perf_modules() -> Callable[..., SimpleNamespace]:
    """Gives modules of ``tests.perf`` by name, imported from the root as ``python -m`` does."""

    def modules(*names: str) -> SimpleNamespace:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(Path(__file__).parents[2]))
            return SimpleNamespace(**{name: importlib.import_module(f"tests.perf.{name}") for name in names})

    return modules


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug-ins are found in the working directory: what one test's folder added must not serve the next test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.startswith("kit_")]:
        monkeypatch.delitem(sys.modules, name)
    load_metric.cache_clear()
    monkeypatch.setattr(codehash, "_FIRST_SEEN", {})
