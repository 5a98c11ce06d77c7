"""Hashes of files, and when they are remembered."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bench import hashing
from bench.hashing import file_sha256
from taggers.cache import cache_folder

LONG_AGO = 1_000_000_000


def settled(path: Path, content: bytes, *, at: int = LONG_AGO) -> Path:
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def test_a_settled_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_SETTLED_NS", 0)
    path = settled(tmp_path / "a", b"one")
    assert file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr(hashing, "_sha256", lambda path: pytest.fail("read once more"))
    assert file_sha256(path) == hashlib.sha256(b"one").hexdigest()


def test_a_file_replaced_by_one_of_equal_size_and_time_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_SETTLED_NS", 0)
    path = settled(tmp_path / "a", b"one")
    file_sha256(path)
    settled(tmp_path / "b", b"two").replace(path)
    assert file_sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_changed_a_moment_ago_is_always_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        assert file_sha256(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("spoil", [Path.mkdir, lambda path: path.write_bytes(b"no database" * 100)])
def test_a_memory_that_cannot_be_used_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: object
) -> None:
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path / "cache"))
    cache_folder().mkdir()
    spoil(cache_folder() / "hashes.sqlite3")  # type: ignore[operator]
    path = settled(tmp_path / "a", b"one")
    assert file_sha256(path) == hashlib.sha256(b"one").hexdigest()


def test_a_cache_folder_below_a_file_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "a", b"one")
    monkeypatch.setenv("STEMTREE_CACHE", str(path / "cache"))
    assert file_sha256(path) == hashlib.sha256(b"one").hexdigest()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "gone")
