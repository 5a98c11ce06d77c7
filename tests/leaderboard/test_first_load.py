"""How much a reader of the overall page fetches at first."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from leaderboard.context import read
from leaderboard.page import Studio
from leaderboard.pages import overview
from reports.results import Results
from tests.perf.big_results import BigResults
from tests.perf.site import first_load


def test_the_overall_page_of_fifty_separators_takes_less_than_300_kb(tmp_path: Path) -> None:
    big = BigResults(tmp_path / "results", rows=12_000, count=50)
    assert big.write() > 10_000
    studio = Studio(read(Results(tmp_path / "results"), run=None, title="Site"), tmp_path / "site")
    (index,) = overview.pages(studio)
    content = index.content()
    assert isinstance(content, str)
    assert all(f">{name}</a>" in content for name in big.separators)
    with resources.as_file(resources.files("leaderboard") / "static" / "site") as static:
        shutil.copytree(static, tmp_path / "site" / "static")
    (tmp_path / "site" / index.path).write_text(content, encoding="utf-8")
    size = first_load(tmp_path / "site" / index.path)
    assert 10_000 < size < 300_000
