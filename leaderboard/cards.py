"""What a page shows of a model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


class Weights(BaseModel):
    """One file of weights."""

    url: str
    sha256: str
    size: int
    licence: str


class Card(BaseModel):
    """A model card; fields that are not shown may be there too."""

    summary: str | None = None
    paper: str | None = None
    url: str | None = None
    licence: str | None = None
    parameters: int | None = None
    training_data: tuple[str, ...] = ()
    weights: tuple[Weights, ...] = ()
    notes: str | None = None


def read_card(described: Mapping[str, Any] | None) -> Card | None:
    """The card, or None where there is none or it is no card: its page says so, and the others live without it."""
    try:
        return None if described is None else Card.model_validate(described)
    except ValidationError:
        return None
