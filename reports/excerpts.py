"""Listening excerpts in a results folder: where they lie, and what is said of them.

::

    audio/excerpts/DATASET/SCENE/scene.json   the stretch, the mixture and the references
    audio/excerpts/DATASET/SCENE/KEY.json     the estimates of one cell, by the first digits of its key's hash
    audio/excerpts/DATASET/SCENE/HASH.flac    sound, named after its samples: equal ones are one file
    audio/excerpts/DATASET/SCENE/HASH.png     its spectrogram, as of an estimate's residual

SCENE carries a hash of the scene's content, so that a scene that changed has another folder, and results of two
machines merge by copying files.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.results import ResultsError
from reports.schema import LARGEST

EXCERPTS: Final = Path("audio") / "excerpts"
SCENE_FILE: Final = "scene.json"
_LONGEST: Final = 40

Name = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="of a file, without extension")]
Level = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sound(_Strict):
    """How loud a signal is, and what it looks like."""

    loudness: Level | None = Field(description="integrated, in LUFS (ITU-R BS.1770); null: too soft to have one")
    peak: Level = Field(ge=0, description="greatest absolute sample; 1 is full scale")
    picture: Name = Field(description="its spectrogram, on one colour scale with all of the scene")


class Track(Sound):
    """A signal with its file."""

    file: Name
    gain: Level = Field(gt=0, description="the file's samples are the signal's times this, at most 1, not to clip")


class Reference(_Strict):
    """The true sound of a target."""

    index: int = Field(ge=0, description="place of the target in the scene's list")
    target: str
    track: Track


class SceneExcerpt(_Strict):
    """The stretch of a scene that can be listened to: the same for everything that is made of the scene."""

    version: Literal[1] = 1
    dataset: str
    split: str
    scene: str
    content: str = Field(description="hash of the scene's audio and annotation")
    licence: str = Field(description="of the data set")
    start: Level = Field(ge=0, description="seconds from the beginning of the scene")
    seconds: Level = Field(gt=0)
    sample_rate: int = Field(gt=0, description="in Hz")
    channels: int = Field(gt=0)
    mixture: Track
    references: tuple[Reference, ...]


class Estimate(_Strict):
    """What a separator made of a target in the stretch."""

    index: int = Field(ge=0, description="place of the target in the scene's list")
    track: Track
    residual: Sound = Field(description="of the mixture minus the estimate, which is no file: a player subtracts")
    frames: tuple[Level | Literal["exact"] | None, ...] = Field(
        description="SDR in dB of each whole second; null where the reference is silent"
    )


class CellExcerpt(_Strict):
    """The estimates of one cell."""

    version: Literal[1] = 1
    key: str
    separator: str
    estimates: tuple[Estimate, ...]


def excerpt_folder(results: Path, dataset: str, scene: str, content: str) -> Path:
    """Where the excerpts of a scene lie, whatever its names are made of."""
    whole = short_hash("\n".join((dataset, scene, content)))
    return results / EXCERPTS / _label(dataset) / f"{_label(scene)}-{whole}"


def cell_file(folder: Path, key: str) -> Path:
    """Where a folder of :func:`excerpt_folder` says what the estimates of a cell are."""
    return folder / f"{short_hash(key)}.json"


def short_hash(content: str | bytes) -> str:
    """Sixteen hexadecimal digits that stand for ``content``."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


_Described = TypeVar("_Described", SceneExcerpt, CellExcerpt)


def read_excerpt(path: Path, kind: type[_Described]) -> _Described | None:
    """What a file of an excerpt says, None where there is none.

    Raises:
        ResultsError: it is not what a run writes.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ResultsError(f"{path}: {field}: {first['msg']}; remove its folder and run again") from error


def _label(name: str) -> str:
    """A readable part of a folder's name: ASCII letters and digits alone."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_LONGEST].strip("-") or "_"
