"""The files of a results folder that somebody else sent: what may be there, how large, and what the texts say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from reports import json_files
from reports.excerpts import SCENE_FILE, CellExcerpt, SceneExcerpt
from reports.findings import Report
from reports.parts import first_line
from reports.results import file_name
from reports.schema import RUN_NAME, SCHEMA_VERSION, Manifest, MetricEntry

LARGEST_FILE: Final = 100 * 2**20
"""Bytes; a larger one GitHub refuses to take (docs.github.com, "About large files on GitHub")."""
LARGEST_TEXT: Final = 10 * 2**20
LARGEST_FOLDER: Final = 2**30
"""Bytes; a larger site GitHub Pages refuses to publish (docs.github.com, "GitHub Pages limits")."""
MOST_FILES: Final = 100_000
LONGEST_TEXT: Final = 20_000
"""Letters of a definition, a traceback or a note."""
LONGEST_NAME: Final = 500
AHEAD: Final = timedelta(days=1)
"""What a clock may be wrong by; a result dated later than that would stand above every later one."""

_PART: Final = r"[0-9a-f]{32}\.parquet"
_DESCRIBED: Final = r"[\w@-][\w.@-]{0,200}\.json"
_LABEL: Final = r"[A-Za-z0-9_-]{1,80}"
_HASH: Final = r"[0-9a-f]{16}"
_MAY_BE: Final = {
    "runs": rf"{RUN_NAME.pattern}\.(?:json|parquet)",
    "cells": _PART,
    "scores": _PART,
    "detections": _PART,
    "scenes": r"[0-9a-f]{64}\.parquet",
    "metrics": _DESCRIBED,
    "cards": _DESCRIBED,
    "audio": rf"excerpts/{_LABEL}/{_LABEL}/(?:(?:scene|{_HASH})\.json|{_HASH}\.(?:flac|png))",
}
_STARTS: Final = {".parquet": b"PAR1", ".flac": b"fLaC", ".png": b"\x89PNG\r\n\x1a\n"}
HIDING: Final = "\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff"
"""Marks that hide, join or reorder letters, for a class of characters in a regular expression."""
_UNSEEN: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{HIDING}]")
"""What no text may hold: these marks, and controls but for tabs and the ends of lines."""


@dataclass
class Texts:
    """What the JSON files of a folder say, of those that could be read, and which tables are sound enough to read."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    metrics: dict[str, MetricEntry] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def check_files(folder: Path, report: Report) -> Texts:
    """Look at names, kinds and sizes of all files, and read the texts."""
    texts = Texts()
    for path in _walk(folder, report):
        size = (folder / path).stat().st_size
        report.files += 1
        report.bytes += size
        suffix = Path(path).suffix
        if not _belongs(path):
            report.add(path, f"does not belong to a results folder{_hint(path)}; take it out")
        elif size > (LARGEST_TEXT if suffix == ".json" else LARGEST_FILE):
            report.add(path, f"too large: {size / 2**20:,.0f} MiB")
        elif (start := _STARTS.get(suffix)) and _first_bytes(folder / path, len(start)) != start:
            report.add(path, f"is no {suffix[1:].upper()} file")
        else:
            texts.paths.append(path)
            if suffix == ".parquet":
                texts.tables.append(path)
            elif suffix == ".json":
                _read_text(folder, path, texts, report)
    if report.bytes > LARGEST_FOLDER:
        report.add("", f"{report.bytes / 2**20:,.0f} MiB in all, more than {LARGEST_FOLDER / 2**20:,.0f}")
    if not any(path.startswith("runs/") and path.endswith(".json") for path in texts.paths):
        report.add("runs", "holds no run: nothing can be shown")
    return texts


def _walk(folder: Path, report: Report) -> Iterator[str]:
    """Paths of the plain files, sorted; links are never followed."""
    count, waiting = 0, [""]
    while waiting:
        parent = waiting.pop()
        with os.scandir(folder / parent) as entries:
            found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        for entry in reversed(found):
            path = f"{parent}/{entry.name}" if parent else entry.name
            count += 1
            if count > MOST_FILES:
                report.add("", f"more than {MOST_FILES:,} files; merge the parts with `stemtree results compact`")
                return
            if entry.is_symlink():
                report.add(path, "is a link; put the file itself, or take it out")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                report.add(path, "is neither a file nor a folder; take it out")


def _belongs(path: str) -> bool:
    kind, _, rest = path.partition("/")
    return kind in _MAY_BE and re.fullmatch(_MAY_BE[kind], rest) is not None


def _hint(path: str) -> str:
    if path.startswith("audio/estimates/"):
        return " that is sent (cached estimates)"
    if path.rpartition("/")[2].startswith("."):
        return " (hidden, or left by a run that was killed)"
    return ""


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _read_text(folder: Path, path: str, texts: Texts, report: Report) -> None:
    """Read a JSON file, and take from it what other checks need."""
    try:
        described = json_files.parse((folder / path).read_text(encoding="utf-8"))
    except ValueError as error:
        report.add(path, f"cannot be read as JSON: {first_line(error)}")
        return
    if not isinstance(described, dict):
        report.add(path, "is not a JSON object")
        return
    report.extend((path, None, problem) for problem in (*_odd_texts(described), *json_files.odd_numbers(described)))
    kind, _, name = path.partition("/")
    stem = name.removesuffix(".json")
    if kind == "runs":
        _take_manifest(path, stem, described, texts, report)
    elif kind == "metrics":
        said = described.pop("id", None)
        entry = _model(MetricEntry, path, described, report)
        if not isinstance(said, str) or file_name(said) != stem:
            report.add(path, f"id {said!r} is not the name of the file")
        elif entry is not None:
            texts.metrics[said] = entry
    elif kind == "audio":
        _model(SceneExcerpt if path.endswith(f"/{SCENE_FILE}") else CellExcerpt, path, described, report)
    elif kind == "cards":
        said = described.get("name")
        if not isinstance(said, str) or file_name(said) != stem:
            report.add(path, f"name {said!r} is not the name of the file")


def _take_manifest(path: str, stem: str, described: dict[str, Any], texts: Texts, report: Report) -> None:
    version = described.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        report.add(path, f"schema_version {version} is newer than this stemtree reads ({SCHEMA_VERSION}); update it")
        return
    manifest = _model(Manifest, path, described, report)
    if manifest is None:
        return
    if manifest.run != stem:
        report.add(path, f"run {manifest.run!r} is not the name of the file")
        return
    texts.manifests[stem] = manifest
    if manifest.state == "running":
        report.add(path, "state running: the run has not ended")
    for name in ("started", "finished"):
        said = getattr(manifest, name)
        if said is not None and (problem := _odd_time(said)):
            report.add(path, f"{name}: {problem}")


def _odd_time(said: str) -> str | None:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return f"{said!r} is no time of ISO 8601"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{said} lies in the future" if moment > datetime.now(UTC) + AHEAD else None


def _model(model: type[BaseModel], path: str, described: Mapping[str, Any], report: Report) -> Any:
    """The described one, or None; each field that is not as it must be is a finding."""
    try:
        return model.model_validate(described)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            report.add(path, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
        return None


def _odd_texts(described: Any) -> Iterator[str]:
    """Texts that are too long or hold what cannot be seen; each is named by the way to it."""
    for way, value in json_files.walk(described):
        if isinstance(value, dict):
            for name in value:
                yield from _odd_text(way or "a name", name, LONGEST_NAME)
        elif isinstance(value, str):
            yield from _odd_text(way, value, LONGEST_TEXT)


def _odd_text(way: str, text: str, longest: int) -> Iterator[str]:
    if len(text) > longest:
        yield f"{way}: {len(text):,} letters, more than {longest:,}"
    elif found := _UNSEEN.search(text):
        yield f"{way}: holds the character U+{ord(found[0]):04X}, which cannot be seen"
