"""What may be set about an analysis, and the preset that follows the public USS code."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ontology import Ontology

USS_WRITE_ABOVE: Final = 1e-6
"""Under the rules of the public USS code an estimate whose highest sample is no higher is not written at all."""


class AnalysisSettings(BaseModel):
    """Settings of an analysis; unknown fields are refused, so that a typing error cannot hide one.

    Raises:
        ValueError: a value is out of range or contradicts another; the message names the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    depths: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1, description="depths whose classes are extracted")
    classes: tuple[str, ...] = Field(
        default=(), description="names or mids; where given, these classes alone are extracted, at whatever depth"
    )
    threshold: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="a class is on from this score; where it was not set and the tagger has a calibrated one, that",
    )
    off_threshold: float | None = Field(
        default=None, ge=0, description="once on, it stays on until its score falls below this; none: half of threshold"
    )
    min_seconds: float = Field(default=0.25, ge=0, description="shorter activity is dropped, after gaps are closed")
    close_gap_seconds: float = Field(default=0.5, ge=0, description="gaps up to this long within a class are closed")
    segment_seconds: float = Field(default=2.0, gt=0, description="length of the segments that the tagger hears")
    hop_seconds: float = Field(default=1.0, gt=0, description="between the starts of two such segments")
    step_seconds: float = Field(default=0.1, gt=0, description="finer frames of a tagger are averaged to about this")
    batch: int = Field(default=8, ge=1, description="segments that the tagger hears at once")
    block_seconds: float = Field(default=30.0, gt=0, description="the recording is separated in blocks of this length")
    block_fade_seconds: float = Field(default=1.0, ge=0, description="by which blocks overlap and are cross-faded")
    queries_at_once: int = Field(
        default=32, ge=1, description="most classes asked of a separator in one call; fewer where blocks are very large"
    )
    edge_seconds: float = Field(default=0.02, ge=0, description="raised-cosine fade on either side of a span")
    consistent: Literal["none", "partition"] = Field(
        default="none",
        description="partition: estimates of a disjoint set of classes are made to add up to the mixture",
    )
    partition_depth: int | None = Field(
        default=None, description="depth of the cut that the residual is taken against; none: the deepest of depths"
    )
    rules: Literal["stemtree", "uss"] = Field(
        default="stemtree", description="uss: as the public USS code decides; see AnalysisSettings.uss"
    )
    seed: int = 0

    @classmethod
    def uss(cls, **changed: Any) -> AnalysisSettings:
        """The preset that reproduces how the public USS code analyses a recording; ``changed`` overrides fields.

        Source: ``bytedance/uss`` at c19e2c5. Segments of 2 s without overlap, the last one padded with zeros; a class
        is active in a segment where the highest clipwise probability among the labelled classes at or below it is at
        least 0.2, whatever thresholds the tagger has; below means in the tree that keeps of each class's parents the
        one found first, depth first (7, 42, 286, 229, 63 and 5 classes at its levels, which ``depths`` then means).
        Each active segment is separated by itself, inactive ones are zeros, and nothing is faded. An estimate is
        written only if its highest sample exceeds 1e-6.
        """
        preset: dict[str, Any] = {
            "rules": "uss", "threshold": 0.2, "off_threshold": 0.2, "min_seconds": 0.0, "close_gap_seconds": 0.0,
            "segment_seconds": 2.0, "hop_seconds": 2.0, "block_seconds": 2.0, "block_fade_seconds": 0.0,
            "edge_seconds": 0.0,
        }  # fmt: skip
        return cls(**preset | changed)

    @property
    def off(self) -> float:
        """The score below which a class that is on goes off."""
        return self.threshold / 2 if self.off_threshold is None else self.off_threshold

    def off_below(self, on: float) -> float:
        """The off threshold of a class that goes on at ``on``: as far below it, in proportion, as of these two."""
        return on * self.off / self.threshold

    @model_validator(mode="after")
    def _agree(self) -> AnalysisSettings:
        if not set(self.depths) <= set(range(1, 7)):
            raise ValueError(f"depths lie between 1 and 6, not {', '.join(map(str, self.depths))}")
        for name in self.classes:
            try:
                Ontology.audioset()[name]
            except KeyError as error:
                raise ValueError(f"classes: {error.args[0]}") from None
        if self.off > self.threshold:
            raise ValueError(f"off_threshold ({self.off}) lies above threshold ({self.threshold})")
        if self.hop_seconds > self.segment_seconds:
            raise ValueError(
                f"hop_seconds ({self.hop_seconds}) above segment_seconds ({self.segment_seconds}) leaves gaps unheard"
            )
        if self.block_fade_seconds > self.block_seconds:
            raise ValueError(
                f"block_fade_seconds ({self.block_fade_seconds}) is longer than block_seconds ({self.block_seconds})"
            )
        if self.partition_depth is not None and not self.classes and self.partition_depth not in self.depths:
            raise ValueError(f"partition_depth ({self.partition_depth}) is not among depths ({self.depths})")
        if self.rules == "uss":
            self._agree_with_uss()
        return self

    def _agree_with_uss(self) -> None:
        fixed = {
            "hop_seconds": self.segment_seconds, "block_seconds": self.segment_seconds, "block_fade_seconds": 0.0,
            "edge_seconds": 0.0, "min_seconds": 0.0, "close_gap_seconds": 0.0, "off_threshold": self.threshold,
            "consistent": "none",
        }  # fmt: skip
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise ValueError(f"under the rules of uss {name} is {value}, not {getattr(self, name)}")
