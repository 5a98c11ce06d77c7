"""Names of pages: safe on every file system, and the same whatever else is in the results."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

_LONGEST: Final = 60
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)


def slug(name: str) -> str:
    """A file name without extension for ``name``: lower-case ASCII letters, digits, ``-`` and ``_``.

    A name that is not already of this form, or is reserved on Windows, carries eight digits of its hash: two names
    never share a page, and no page's address depends on another name.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:_LONGEST].strip("-")
    if plain and plain == name and plain not in _RESERVED:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest
