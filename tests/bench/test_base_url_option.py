from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from bench.cli import main
from history_kit import Nights, System


def test_the_address_of_the_site_stands_in_its_feed(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "results", songs=3)
    for day in range(4):
        nights.write(day, {"a": System(5.0 - (day >= 2), variant=str(day >= 2))})
    given = ["leaderboard", "build", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "site")]
    done = CliRunner().invoke(main, [*given, "--base-url", "https://example.org/board"])
    assert done.exit_code == 0, done.output
    feed = (tmp_path / "site" / "history.atom").read_text(encoding="utf-8")
    assert 'href="https://example.org/board/history.html#event-' in feed


def test_an_address_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["leaderboard", "build", "--out", str(tmp_path), "--base-url", "example.org"])
    assert done.exit_code == 2
    assert "write the whole address, https://" in done.output
