"""What a page shows of a model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

UNDECLARED: Final = "not declared"
_LONGEST_LICENCE: Final = 30
"""Letters; a longer clause is a remark on a licence, and no name of one."""


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


def licences(card: Card | None) -> tuple[str, ...]:
    """Licences of code and weights by their names alone, for filters; :data:`UNDECLARED` where no card names any.

    >>> licences(Card(licence="CC BY 4.0; credits stand in a file of their own, one by one"))
    ('CC BY 4.0',)
    """
    told = [] if card is None else [card.licence or "", *(weights.licence for weights in card.weights)]
    clauses = [clause.strip() for text in told for clause in text.split(";") if clause.strip()]
    short = [clause for clause in clauses if len(clause) <= _LONGEST_LICENCE]
    return tuple(dict.fromkeys(short or clauses)) or (UNDECLARED,)


def training_data(card: Card | None) -> tuple[str, ...]:
    """Data sets that a card says it was trained on, for filters: ``none``, or :data:`UNDECLARED` without a card."""
    return (UNDECLARED,) if card is None else tuple(dict.fromkeys(card.training_data)) or ("none",)
