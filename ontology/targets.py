"""What a separator is asked for: a label of the field, and the ontology classes it stands for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A label with the AudioSet classes it stands for.

    ``mids`` is empty for complement targets such as MUSDB18's "other" and "accompaniment": they are defined by
    what they leave out and are no class of the ontology.
    """

    label: str
    mids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.label:
            raise ValueError("a target needs a label")
        object.__setattr__(self, "mids", tuple(sorted(set(self.mids))))
