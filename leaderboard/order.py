"""The order in which names are shown: numbers in them by size, so that scene 2 comes before scene 10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any


def in_order(names: Iterable[str]) -> list[str]:
    """Names as a reader looks for them. Statistics keep their own order, in which the draws are made."""
    return sorted(names, key=_natural)


def with_neighbours(names: Iterable[str]) -> Iterator[tuple[str | None, str, str | None]]:
    """Each name in order, with the one before it and the one after it; None at the ends."""
    ordered = in_order(names)
    return zip([None, *ordered], ordered, [*ordered[1:], None], strict=False)


def _natural(name: str) -> tuple[list[Any], str]:
    """Text and digits in turn. Digits are never made a number, of which Python reads some thousand digits alone."""
    turns: list[Any] = re.split("([0-9]+)", name)
    turns[1::2] = [(len(digits), digits) for digits in (part.lstrip("0") for part in turns[1::2])]
    return turns, name
