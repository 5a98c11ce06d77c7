"""Values that are worked out once, each under a name made of all that it hangs on: another build may take them over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any


class Once:
    """Takes values over from ``former`` and works out the others; ``values`` are those that were asked for."""

    def __init__(self, former: Mapping[str, Any] | None = None) -> None:
        self._former = former or {}
        self.values: dict[str, Any] = {}

    def value(self, name: str, make: Callable[[], Any]) -> Any:
        """The value of a name (:func:`named`); ``make`` works it out, ready for JSON."""
        if name not in self.values:
            self.values[name] = self._former[name] if name in self._former else make()
        return self.values[name]


def named(hangs_on: Any) -> str:
    """A name that changes when anything in ``hangs_on`` does, which is ready for JSON."""
    return hashlib.sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()
