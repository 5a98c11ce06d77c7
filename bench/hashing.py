"""SHA-256 of files, remembered by path, size and time of change: a nightly run does not read everything twice."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

from taggers.cache import cache_folder

# A file changed this recently may change again within one tick of the file system's clock, at the same size.
_SETTLED_NS: Final = 2_000_000_000


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    A file counts as unchanged while its place on disk, its size, and its times of modification and of change stand.

    Raises:
        OSError: the file cannot be read.
    """
    path = path.resolve()
    stat = path.stat()
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < _SETTLED_NS:
        return _sha256(str(path))
    state = f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
    return _remembered(str(path), state)


@cache
def _remembered(path: str, state: str) -> str:
    try:
        with closing(_database()) as database:
            row = database.execute("SELECT sha256 FROM hashes WHERE path = ? AND state = ?", (path, state)).fetchone()
            if row:
                return str(row[0])
            digest = _sha256(path)
            database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (path, state, digest))
            database.commit()
            return digest
    except (sqlite3.Error, UnicodeError):  # a locked or unwritable memory costs time, never a result
        return _sha256(path)


def _database() -> sqlite3.Connection:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
    database = sqlite3.connect(folder / "hashes.sqlite3", timeout=5)
    database.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, state TEXT, sha256 TEXT)")
    return database


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
