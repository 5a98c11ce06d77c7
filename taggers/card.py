"""Model cards: what a separator or tagger is, who made it, and which weights it uses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
