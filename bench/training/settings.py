"""The settings of a training run: Hydra's override grammar over ``bench/conf/train.yaml``, checked field by field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.config import ConfigError
from taggers.query_nets import QueryTagger

_OPEN: Final = ("data", "options", "model", "augment")
"""Sections whose keys the presets need not list; Hydra would want a plus sign before them."""
_DEVICE: Final = re.compile(r"cpu|cuda(:\d+)?|mps")
_PATHS: Final = ("out", "query_checkpoint", "publish")
TAGGING: Final = ("augment", "calibrate", "calibration_share")
"""What only the training of a tagger is decided by."""
_FREE: Final = (
    "out", "resume", "until", "device", "memory_gb", "checkpoint_every", "keep", "log_every", "validate_every",
    "validation_limit", "test", "data", "options", "query_checkpoint",
    "publish", "overrides", *TAGGING,
)  # fmt: skip
"""What does not decide the weights, or is held against the clips or the query net themselves."""


class TrainConfig(BaseModel):
    """The settings of one run; see ``bench/conf/train.yaml`` for what each field means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: dict[str, Path]
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    out: Path
    resume: bool = False
    query: Literal["labels", "at_soft", "embedding"] = "labels"
    query_tagger: QueryTagger = "cnn14"
    query_checkpoint: Path | None = None
    query_scaled: bool = False
    query_masked: bool = False
    anchor: Literal["energy", "framewise", "random"] = "energy"
    energy_share: float = Field(default=0.3, ge=0, le=1)
    tagger: str = "panns-sed"
    segment_seconds: float = Field(default=2.0, ge=0.1)
    mix_num: int = Field(default=2, ge=2)
    interferers: Literal["other", "any"] = "other"
    level_db: tuple[float, float] | None = (-20.0, -20.0)
    snr_db: tuple[float, float] | None = None
    steps: int = Field(ge=1)
    batch: int = Field(ge=2)
    clip_gradient: float | None = Field(default=1.0, gt=0)
    until: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    device: str = "cpu"
    memory_gb: float = Field(default=4, ge=0)
    checkpoint_every: int = Field(default=1000, ge=1)
    keep: int | None = Field(default=3, ge=1)
    log_every: int = Field(default=10, ge=1)
    validate_every: int | None = Field(default=1000, ge=1)
    held_out: float = Field(default=0.1, ge=0, lt=1)
    validation_limit: int = Field(default=200, ge=1)
    test: bool = True
    model: dict[str, Any] = Field(default_factory=dict)
    augment: dict[str, Any] = Field(default_factory=dict)
    calibrate: int | str | None = None
    calibration_share: float = Field(default=0.15, gt=0, lt=1)
    publish: Path | None = None
    overrides: tuple[str, ...] = ()
    """What was said, in the words of the command line."""

    @model_validator(mode="after")
    def _fits_together(self) -> TrainConfig:
        if not self.data:
            raise ValueError("data: name what to train on, e.g. data.esc50=PATH or data.clips=PATH")
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"device={self.device}: say cpu, cuda, cuda:N or mps")
        if self.mix_num > self.batch:
            raise ValueError(f"mix_num={self.mix_num}: a batch of {self.batch} has no so many sources to mix")
        if self.query != "at_soft":
            for name in ("query_tagger", "query_scaled", "query_masked"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name}={getattr(self, name)}: asks of probabilities; say query=at_soft")
        if self.publish is not None and self.publish.suffix != ".safetensors":
            raise ValueError(f"publish={self.publish}: a file of weights ends on .safetensors")
        for name in ("level_db", "snr_db"):
            bounds = getattr(self, name)
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError(f"{name}: the lower bound comes first")
        known = {*self.data, self.tagger.rpartition(":")[2]}
        if unknown := sorted(self.options.keys() - known):
            raise ValueError(f"options.{unknown[0]}: neither a data set that is trained on nor the tagger")
        return self

    def said(self) -> list[str]:
        """Settings that are not at their defaults."""
        fields = type(self).model_fields.items()
        return [name for name, field in fields if getattr(self, name) != field.get_default(call_default_factory=True)]

    def deciding(self) -> dict[str, Any]:
        """What decides the weights, JSON-ready: a run is only resumed under the same."""
        return self.model_dump(mode="json", exclude=set(_FREE))


def compose(overrides: Sequence[str]) -> TrainConfig:
    """The settings that ``overrides`` make of the defaults and the preset they name.

    Raises:
        ConfigError: an override is not of Hydra's grammar, names an unknown field, or has an unfit value.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with hydra.initialize_config_module("bench.conf", version_base="1.3"):
            composed = hydra.compose("train", overrides=[_prepare(override) for override in overrides])
        plain = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, overrides)) from error
    assert isinstance(plain, dict)
    if plain["out"] is None:
        raise ConfigError("out: name the folder of the run, e.g. out=stemtree-out/uss")
    try:
        return TrainConfig.model_validate({**plain, "overrides": tuple(overrides)})
    except ValidationError as error:
        raise ConfigError(told(error)) from error


def told(error: ValidationError) -> str:
    """One line for the first thing that does not validate."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if not field:  # what the fields say together
        return first["msg"].removeprefix("Value error, ")
    return f"{field}: {first['msg']} (it is {first['input']!r})"


def _prepare(override: str) -> str:
    name, equals, value = override.partition("=")
    name = "train" if name == "preset" else name
    section, _, inner = name.partition(".")
    if (section == "data" or name in _PATHS) and value and value[0] not in "'\"" and value != "null":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        value = f"'{escaped}'"  # a path may hold spaces, brackets and commas
    if section in _OPEN and inner:
        name = f"++{name}"
    return f"{name}{equals}{value}"


def _explain(error: Exception, overrides: Sequence[str]) -> str:
    """One line for what Hydra could not do, with the nearest setting or preset."""
    settings = [*(name for name in TrainConfig.model_fields if name != "overrides"), "preset"]
    presets = sorted(path.stem for path in (Path(__file__).parents[1] / "conf" / "train").glob("*.yaml"))
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            return f"{override!r} is no override; say NAME=VALUE, e.g. preset=small"
        if name not in settings and name.partition(".")[0] not in _OPEN:
            near = difflib.get_close_matches(name, settings, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(settings)}"
            return f"no setting {name!r}; {hint}"
        if name == "preset" and value not in presets:
            return f"no preset named {value!r}; there are {', '.join(presets)}"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else str(error)
