"""Model cards: what a separator or tagger is, who made it, and which weights it uses."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from ontology import Ontology


class Weights(BaseModel):
    """One file of weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    size: int = Field(gt=0, description="bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str


class ModelCard(BaseModel):
    """Facts about a model; unknown fields are refused, so that a typing error cannot hide one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    family: str
    summary: str = Field(description="one line that says what it is")
    paper: str | None = Field(default=None, description="citation, with its identifier")
    url: str | None = None
    licence: str
    parameters: int | None = Field(default=None, ge=0, description="learnable parameters; 0 for a method without any")
    training_data: tuple[str, ...] = Field(default=(), description="data sets it was trained on; flags contamination")
    weights: tuple[Weights, ...] = ()
    notes: str | None = None


def read_card(path: Path) -> ModelCard:
    """The card of weights that come with stemtree, from the YAML file beside them.

    Its section ``card`` has the fields of a :class:`ModelCard`; ``classes`` (mids) and ``limits`` (what the model
    cannot do, in words) are added to the notes, where a reader finds them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such card.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        card = ModelCard.model_validate(content["card"])
        classes = [Ontology.audioset()[mid].name for mid in content.get("classes", [])]
        limits = [str(limit).rstrip(".") for limit in content.get("limits", [])]
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: is no card of a model ({str(error).splitlines()[0]})") from error
    told = [card.notes and card.notes.rstrip("."), f"classes: {'; '.join(classes)}" if classes else None, *limits]
    return card.model_copy(update={"notes": ". ".join(filter(None, told)) or None})
