"""Something that happened with a run, and what else is known to have changed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from reports.archive import Place
from reports.schema import Manifest

EventKind = Literal[
    "regression", "improvement", "change", "new best", "level with the best", "slower", "faster", "failing",
    "scores changed", "new data", "new separator", "gone",
]  # fmt: skip
KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
_MACHINE: Final = ("python", "system", "cpu", "cores", "gpu")
_SHOWN: Final = 8
"""Letters of a hash."""


@dataclass(frozen=True)
class Event:
    """Something that happened with a run. What does not apply is None."""

    kind: EventKind
    place: Place
    run: str
    """The first run that shows it."""
    former: str | None
    """The run before, which does not."""
    separator: str | None = None
    column: str | None = None
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    """After less before; of speed, the ratio of times less 1."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval of the difference."""
    status: str | None = None
    """That of the cells that began to fail; ``note`` is the reason."""
    note: str | None = None
    scenes: tuple[str, ...] = ()
    """Scenes of the cells that it is about."""
    count: int = 0
    """Scores or cells that it is about."""
    compared: tuple[str, str] | None = None
    """The runs whose figures are held against each other, the older first."""
    rival: str | None = None
    """The separator whose figure is the former best."""
    runs: tuple[int, int] | None = None
    """In how many runs the levels before and after stood."""
    causes: tuple[str, ...] = ()
    """What else changed from the run before."""


def causes(former: Manifest, manifest: Manifest, separator: str) -> tuple[str, ...]:
    """What two runs say of a separator and of themselves, where they differ: in words, before and after."""
    found = []
    before, after = former.separators.get(separator), manifest.separators.get(separator)
    if before is not None and after is not None:
        for name, old, new in (("code", before.code, after.code), ("weights", before.weights, after.weights)):
            if old != new:
                found.append(f"{name} {_short(old)} to {_short(new)}")
        found += [f"option {said}" for said in _differences(before.options, after.options)]
    past, present = former.provenance, manifest.provenance
    if past.get("commit") != present.get("commit"):
        found.append(f"commit {_commit(past)} to {_commit(present)}")
    for name in ("packages", "hardware"):
        found += _differences(past.get(name) or {}, present.get(name) or {})
    found += _differences(*({name: said.get(name) for name in _MACHINE} for said in (past, present)))
    return tuple(found)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name, 'none')} to {after.get(name, 'none')}"


def _short(value: str | None) -> str:
    return "none" if value is None else value[:_SHOWN]


def _commit(provenance: Mapping[str, Any]) -> str:
    return _short(provenance.get("commit")) + (" with changes" if provenance.get("dirty") else "")
