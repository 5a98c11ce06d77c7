"""Finding data on disk: folders of a known layout, paths named in metadata, tables of metadata."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

import yaml

from bench.datasets.base import DatasetError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
_LEVELS: Final = 4
"""Of folders that are looked into: the root, and three below it."""


def find_layouts(root: Path, holds: Callable[[Path], bool]) -> list[Path]:
    """Folders at or at most three levels under ``root`` for which ``holds`` is true, in a fixed order.

    A folder that holds the layout is not searched further. Links are followed, but each real folder is visited
    once, so that a link to a parent ends the search there. Folders that cannot be listed are passed over.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    level = [Path(root)]
    for _ in range(_LEVELS):
        below: list[Path] = []
        for folder in level:
            real = folder.resolve()
            if real in seen or not folder.is_dir():
                continue
            seen.add(real)
            if holds(folder):
                found.append(folder)
            else:
                below += subfolders(folder)
        level = below
    return found


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in ``folder``, sorted by name, hidden ones left out; none where it cannot be listed."""
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith(".") and child.is_dir())
    except OSError:
        return []


def audio_file(folder: Path, stem: str, *, suffixes: Collection[str] = AUDIO_SUFFIXES) -> Path | None:
    """The first of ``stem.wav``, ``stem.flac``, ... that lies in ``folder``, or None."""
    paths = (folder / f"{stem}{suffix}" for suffix in suffixes)
    return next((path for path in paths if path.is_file()), None)


def inside(root: Path, relative: str, *, source: Path) -> Path:
    """The path that the metadata file ``source`` names, kept inside ``root``.

    Judged by its words alone: links that the user laid inside the root are the user's own affair.

    Raises:
        DatasetError: the path is empty, absolute, or climbs out with "..".
    """
    windows = PureWindowsPath(relative)
    parts = PurePosixPath(relative).parts
    leaves = relative.startswith(("/", "\\")) or windows.drive or ".." in parts or ".." in windows.parts
    if not parts or leaves or "\0" in relative:
        raise DatasetError(f"{source}: {relative!r} is not a path inside {root}; mend or remove that entry")
    return root.joinpath(*parts)


def read_csv(path: Path, *, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a table with a header line (UTF-8, with or without a byte order mark).

    Raises:
        DatasetError: the file is missing, is not UTF-8 text, lacks one of ``columns``, or has a row that is too short.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval=None)
            header = reader.fieldnames or []
            lacking = [column for column in columns if column not in header]
            if lacking:
                has = ", ".join(header) or "nothing"
                raise DatasetError(f"{path}: no column {', '.join(map(repr, lacking))}; its header line has {has}")
            rows = []
            for row in reader:
                empty = [column for column in columns if row[column] is None]
                if empty:
                    where = f"line {reader.line_num} ends before column {empty[0]!r}"
                    raise DatasetError(f"{path}: {where}; complete that line")
                rows.append({column: value for column, value in row.items() if isinstance(value, str)})
            return rows
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; fetch the data set's metadata anew") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as a table ({error}); fetch it anew") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, loaded safely.

    Raises:
        DatasetError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; fetch it anew") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: cannot be read as YAML ({reason}); fetch it anew") from error
    if not isinstance(loaded, dict):
        raise DatasetError(f"{path}: holds {type(loaded).__name__}, not a mapping; fetch it anew")
    return loaded
