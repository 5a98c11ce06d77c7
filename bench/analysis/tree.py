"""The scene tree: what was heard in one recording, as it stands in ``scene.json``. Version 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCENE_VERSION: Final = 1
SCENE_FILE: Final = "scene.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordingEntry(_Strict):
    """The recording that was analysed."""

    name: str = Field(description="file name, without its folder")
    sha256: str
    sample_rate: int = Field(gt=0, description="Hz")
    channels: int = Field(gt=0)
    samples: int = Field(gt=0)
    seconds: float
    audio: str = Field(description="path of a FLAC of it, relative to scene.json")
    gain: float = Field(default=1.0, gt=0, description="the FLAC is the true signal times this: 1 unless it would clip")
    spectrogram: str | None = Field(default=None, description="path of its picture, relative to scene.json")


class Span(_Strict):
    """A stretch of time in seconds from the beginning of the recording."""

    start: float = Field(ge=0)
    end: float


class ClassEntry(_Strict):
    """One class that was asked for or detected. A class reached by several paths stands here once."""

    mid: str
    name: str
    depth: int = Field(ge=1, description="least depth; a root is at 1")
    parents: tuple[str, ...] = Field(description="mids of all its parents in the ontology, listed here or not")
    status: Literal["extracted", "detected", "failed"] = Field(
        description="extracted: has audio; detected: active, but not extracted; failed: see reason"
    )
    reason: str | None = Field(default=None, description="why there is no audio")
    confidence: float | None = Field(description="highest probability over time; null where no tagger was asked")
    spans: tuple[Span, ...] = Field(description="when it is active")
    activity: tuple[float | None, ...] = Field(description="probability per step of activity_seconds; null: unknown")
    separator: str | None = None
    audio: str | None = Field(default=None, description="path of its FLAC, relative to scene.json")
    gain: float = Field(default=1.0, gt=0, description="the FLAC is the true signal times this: 1 unless it would clip")
    spectrogram: str | None = Field(default=None, description="path of its picture, relative to scene.json")
    level_db: float | None = Field(default=None, description="energy of its audio relative to the mixture's, in dB")
    in_partition: bool = Field(default=False, description="whether its audio is part of what adds up to the mixture")


class SceneTree(_Strict):
    """``scene.json``."""

    version: int = SCENE_VERSION
    recording: RecordingEntry
    tagger: str
    separators: tuple[str, ...] = Field(description="in order of preference")
    settings: dict[str, Any] = Field(description="as set; threshold is a text where the tagger has calibrated ones")
    ontology: str = Field(description="version hash of the ontology")
    activity_seconds: float = Field(gt=0, description="step of each class's activity")
    classes: tuple[ClassEntry, ...] = Field(description="in walking order: a class after all of its parents")
    residual: str | None = Field(default=None, description="path of what no extracted class of the partition holds")
    residual_gain: float = Field(default=1.0, gt=0, description="as the gain of a class")
    residual_spectrogram: str | None = Field(default=None, description="path of the residual's picture")
    chart: str | None = Field(default=None, description="path of the picture of activity over time")
    notes: tuple[str, ...] = Field(default=(), description="what a reader must know")


def read_scene(folder: Path) -> SceneTree:
    """The scene tree in ``folder``.

    Raises:
        ValueError: there is none, or it is not of this version; the message names the file.
    """
    path = Path(folder) / SCENE_FILE
    try:
        return SceneTree.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); make it with `stemtree analyze`") from error
    except ValueError as error:
        raise ValueError(f"{path}: is no scene of version {SCENE_VERSION}: {error}") from error
