"""Reading JSON of which every number can be shown again, by a page or in JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

_LONGEST: Final = 100
"""Letters of a name in the way to a value."""
_LARGEST_INTEGER: Final = 2**63 - 1


def parse(text: str) -> Any:
    """What a text says.

    Raises:
        ValueError: it is no JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object that a file holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no JSON object, or a number that none can hold; the message names the field.
    """
    described = parse(path.read_text(encoding="utf-8"))
    if not isinstance(described, dict):
        raise ValueError("is not a JSON object")
    for problem in odd_numbers(described):
        raise ValueError(problem)
    return described


def odd_numbers(described: Any) -> Iterator[str]:
    """Numbers that no float or 64-bit integer holds, such as 1e999, each named by the way to it."""
    for way, value in walk(described):
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{way}: the number is too large to be held"
        elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
            yield f"{way}: the number has {len(str(abs(value)))} digits, more than can be held"


def walk(described: Any) -> Iterator[tuple[str, Any]]:
    """Every value, objects and lists too, with the way to it, such as ``datasets.songs.url``."""
    waiting: list[tuple[str, Any]] = [("", described)]
    while waiting:
        way, value = waiting.pop()
        yield way, value
        if isinstance(value, dict):
            parts = [(name[:_LONGEST], inner) for name, inner in value.items()]
        elif isinstance(value, list):
            parts = [(str(place), inner) for place, inner in enumerate(value)]
        else:
            continue
        waiting += [(f"{way}.{name}" if way else name, inner) for name, inner in parts]


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
