"""Folders that are made on this machine whole or not at all: beside their place, and renamed into it."""

from __future__ import annotations

import glob
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.datasets.base import DatasetError

_STALE_SECONDS: Final = 3600


def absolute(folder: Path) -> Path:
    """The folder's path from the root on, with the user's home filled in; a link stays a link."""
    return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100


def make_whole(
    folder: Path,
    fill: Callable[[Path], None],
    *,
    name: str,
    megabytes: int,
    earlier: Callable[[Path], bool],
    whole: Callable[[Path], bool],
) -> None:
    """Let ``fill`` make the contents of ``folder``, which appears under its name only when whole.

    It is made beside its place and renamed, so that a maker that is killed or runs at the same time as another leaves
    nothing half made; what makers that were killed left an hour ago is removed.

    Args:
        folder: from :func:`absolute`; new, empty, or an earlier one, which is replaced.
        fill: writes everything into the folder that it is given.
        name: of what is made, which messages begin with.
        megabytes: room that it takes, for the remedy of a disk that is full.
        earlier: whether a folder holds an earlier one, which may be removed. Nothing else ever is.
        whole: whether a folder holds what is to be made; where another maker was first, that one stays.

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
    """
    if os.path.lexists(folder) and not earlier(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{name}: {folder} holds something else; remove it, or name a new or an empty folder")
    scratch = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.partial")
    _sweep(folder)
    try:
        scratch.mkdir(parents=True)
        fill(scratch)
        _put_in_place(scratch, folder, whole)
    except OSError as error:
        remedy = f"name a folder on a disk that can be written and has {megabytes} MB free"
        raise DatasetError(f"{name}: {folder} cannot be made ({error}); {remedy}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read anew."""
    # Not bench.hashing: what is asked here is whether the bytes are still right, never what they once were.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(scratch: Path, folder: Path, whole: Callable[[Path], bool]) -> None:
    """Give ``scratch`` its name; where another maker was first, that one stays.

    Raises:
        OSError: neither came to be.
    """
    replaced = scratch.with_name(scratch.name + ".replaced")
    try:
        if folder.is_dir() and not whole(folder):
            folder.rename(replaced)
        scratch.rename(folder)
    except OSError:
        if not whole(folder):
            raise
    finally:
        shutil.rmtree(replaced, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what makers that were killed left beside ``folder``; one that is at work is never this old."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.partial*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
