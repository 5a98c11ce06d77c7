"""The frozen list of blind scenes: which source sounds where and how loud, as canonical JSON.

A manifest names sources by what the data set itself says of them (scene, and place in it), never by a path, so that it
is the same on every machine. Its hash is part of the content of every scene made from it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.datasets.base import DatasetError
from ontology import Ontology

RULE: Final = "stemtree-scenes-1"
"""Names how scenes are drawn; another rule gets another name."""

_REMEDY: Final = "draw it anew with `stemtree data scenes`"


def _known(mid: str) -> str:
    try:
        known = Ontology.audioset()[mid].mid == mid
    except KeyError:
        known = False
    if not known:
        raise ValueError(f"{mid!r} is no mid of AudioSet")
    return mid


Mid = Annotated[str, AfterValidator(_known)]
Span = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)]]
Decibels = Annotated[float, Field(ge=-200, le=200, allow_inf_nan=False)]
Words = Annotated[str, Field(min_length=1, max_length=1000)]


Why = Literal["silent", "unreadable"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlacedSource(_Frozen):
    """One source of a blind scene."""

    scene: Words
    """The scene of the data set that it is taken from."""
    source: int = Field(ge=0)
    """Its place among that scene's sources."""
    recording: Words
    label: Words
    mids: tuple[Mid, ...] = Field(min_length=1)
    may_contain: tuple[Mid, ...] = ()
    start: int = Field(ge=0)
    """First sample that is taken, at the source's own rate."""
    length: int = Field(gt=0)
    """Samples that are taken, at the source's own rate."""
    onset: int = Field(ge=0)
    """Sample of the blind scene at which it is put."""
    gain_db: Decibels
    level_db: Decibels
    """RMS in dBFS over its spans, after the gain."""
    spans: tuple[Span, ...] = Field(min_length=1)
    """Samples of the blind scene (start, end) between which it sounds."""


class BlindScene(_Frozen):
    """One blind scene; without sources, nothing but the bed."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")
    sources: tuple[PlacedSource, ...]


class PassedOver(_Frozen):
    """A source that could not be used when the scenes were drawn."""

    scene: Words
    source: int = Field(ge=0)
    why: Why


class Manifest(_Frozen):
    """The blind scenes of one split of a data set."""

    version: Literal[1] = 1
    rule: Literal["stemtree-scenes-1"] = RULE
    dataset: Words
    split: Words
    seed: int
    seconds: float = Field(gt=0, le=3600)
    sample_rate: int = Field(ge=1, le=1_000_000)
    bed_dbfs: Decibels
    """RMS of the pink noise that lies under every scene."""
    scenes: tuple[BlindScene, ...] = Field(min_length=1)
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def samples(self) -> int:
        """Length of each scene in samples."""
        return round(self.seconds * self.sample_rate)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.samples < 1:
            raise ValueError(f"scenes of {self.seconds} s at {self.sample_rate} Hz have no sample")
        ids = [scene.id for scene in self.scenes]
        twice = [id for id, times in Counter(ids).items() if times > 1]
        if twice:
            raise ValueError(f"two scenes have the id {twice[0]!r}")
        for scene in self.scenes:
            for source in scene.sources:
                edges = [edge for span in source.spans for edge in span]
                if edges != sorted(set(edges)) or edges[0] < source.onset or edges[-1] > self.samples:
                    raise ValueError(
                        f"scene {scene.id!r}: the spans of {source.label!r} are not one after the other, from its "
                        f"onset at {source.onset} on and within the scene's {self.samples} samples"
                    )
        return self


def canonical(manifest: Manifest) -> str:
    """The manifest as text: equal manifests give equal text."""
    return json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def sha256(manifest: Manifest) -> str:
    """SHA-256 of :func:`canonical`, in hexadecimal; how a file is spaced or ordered does not count."""
    return hashlib.sha256(canonical(manifest).encode()).hexdigest()


def save(manifest: Manifest, path: Path) -> None:
    """Write the canonical text to ``path``.

    Raises:
        DatasetError: it cannot be written there.
    """
    try:
        path.write_text(canonical(manifest), encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def load(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        DatasetError: it cannot be read, or a field is missing, unknown or out of range; names the file and the field.
    """
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise DatasetError(f"{path}: {f'field {field}: ' if field else ''}{said}; {_REMEDY}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text; {_REMEDY}") from error
