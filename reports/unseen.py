"""Texts of results as they may be shown: whoever sent them may have put anything in."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters other than tabs and the ends of lines, those that turn the direction of text, and halves of
letters. Letters that are joined or kept apart (U+200B to U+200D) stay as they are: words of some scripts need these
marks.
"""


def seen(text: str) -> str:
    """A text with U+FFFD for each character that cannot be seen, and might command a terminal or turn what follows."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
