"""What a checkpoint of our own says of the network in it, so that nobody need be told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from separators.uss.model import CHANNELS, ResUNet30
from separators.uss.spectra import HOP, WINDOW
from taggers.query_nets import QueryTagger

LABELS: Final = "labels"
"""Name of the conditions that need no query net: see :mod:`separators.uss.label_query`."""

QueryName = Literal["labels", "at_soft", "embedding"]


class Description(BaseModel):
    """Sizes of a network, what its conditions are, and what it was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["stemtree-uss@1"] = "stemtree-uss@1"
    condition_size: int = Field(ge=1)
    channels: tuple[Annotated[int, Field(ge=1)], ...] = CHANNELS
    window: int = WINDOW
    hop: int = HOP
    level: float | None = None
    query: QueryName
    """Where a condition comes from: a query net's bottleneck, or the labels themselves."""
    query_sha256: str | None = None
    """Of the query net's weights; None for labels."""
    query_net: QueryTagger = "cnn14"
    """The tagger that the query net listens with."""
    query_scaled: bool = False
    """Whether conditions are divided by their highest value."""
    classes: tuple[str, ...]
    """Mids of the classes that it was trained to extract, in walking order."""
    step: int = Field(ge=0)
    """Steps it was trained for."""
    segment_seconds: float = Field(default=2.0, gt=0)
    """Length of the segments it was trained on."""

    def build(self) -> ResUNet30:
        """The network with these sizes, its weights fresh.

        Raises:
            ValueError: a size is out of range.
        """
        return ResUNet30(
            self.condition_size, channels=self.channels, window=self.window, hop=self.hop, level=self.level
        )

    @classmethod
    def parse(cls, text: str, *, origin: object) -> Description:
        """Read what :meth:`model_dump_json` wrote.

        Raises:
            ValueError: it is no description; the message names ``origin`` and the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "all of it"
            raise ValueError(f"{origin}: its description cannot be read ({field}: {first['msg']})") from error
