"""Annotations as people write them: a table with one event per line."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ontology import Ontology
from taggers.base import Annotation, Event

REQUIRED: Final = ("start", "end", "class")
OPTIONAL: Final = ("instance",)
LARGEST_INSTANCE: Final = 999_999


def read_annotation(path: Path | str) -> Annotation:
    """The events in a CSV or TSV file with the header ``start,end,class`` and, where it is of use, ``instance``.

    ``start`` and ``end`` are in seconds; ``class`` is a name or mid of the ontology (a name with a comma in quotes
    where commas separate); ``instance`` is a number that tells several sources of one class apart, 0 where it is left
    out. A header without events says that nothing sounds.

    Raises:
        ValueError: the file is none of this; the message names file, line and field, and the remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8: save it as CSV in UTF-8") from error
    lines = text.splitlines()
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    events = []
    try:
        _check_header(path, reader.fieldnames or ())
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: has not as many fields as the header; put a class with a comma in quotes")
            events.append(_event(where, row))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num + 1}: is no CSV ({error}); mend or remove it") from error
    return Annotation(tuple(events))


def _check_header(path: Path, names: Sequence[str]) -> None:
    wanted = f"the first line must be {','.join(REQUIRED)}, with {', '.join(OPTIONAL)} as a further column if need be"
    for name in REQUIRED:
        if name not in names:
            raise ValueError(f"{path}, line 1: has no column {name!r}; {wanted}")
    for name in names:
        if name not in (*REQUIRED, *OPTIONAL) or list(names).count(name) > 1:
            raise ValueError(f"{path}, line 1: unknown or repeated column {name!r}; {wanted}")


def _event(where: str, row: dict[str, str]) -> Event:
    try:
        mid = Ontology.audioset()[row["class"].strip()].mid
    except KeyError as error:
        raise ValueError(f"{where}, class: {error.args[0]}") from error
    start, end = (_seconds(where, name, row[name]) for name in ("start", "end"))
    if not start < end:
        raise ValueError(f"{where}, end: {row['end']} is not after start, {row['start']}")
    return Event(mid, start, end, instance=_instance(where, row.get("instance") or "0"))


def _seconds(where: str, name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{where}, {name}: {text!r} is no time in seconds from the beginning, such as 1.25")
    return seconds


def _instance(where: str, text: str) -> int:
    try:
        instance = int(text)
    except ValueError:
        instance = -1
    if not 0 <= instance <= LARGEST_INSTANCE:
        raise ValueError(f"{where}, instance: {text!r} is no whole number from 0 to {LARGEST_INSTANCE}")
    return instance
