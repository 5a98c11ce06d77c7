"""A run's configuration: Hydra's override grammar over ``bench/conf``, checked field by field."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.analysis.settings import AnalysisSettings
from bench.limits import Limits
from reports.schema import RUN_NAME

OPEN_SECTIONS: Final = ("data", "options")
"""Sections whose keys are the user's own; Hydra would want a plus sign before them."""
_ALIASES: Final = {
    "separator": "separators",
    "tagger": "taggers",
    "parser": "parsers",
    "dataset": "datasets",
    "metric": "metrics",
    "workers": "executor.workers",
    "excerpts": "excerpts.of",
}


class ConfigError(ValueError):
    """An override cannot be understood; the message names it and the remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExecutorConfig(_Strict):
    """Which executor runs the cells."""

    kind: Literal["pool", "inline"] = "pool"
    workers: int | None = Field(default=None, ge=1)


class LimitsConfig(_Strict):
    """What one cell may use."""

    seconds: float = Field(default=600, gt=0)
    memory_gb: float = Field(default=8, gt=0)

    def limits(self) -> Limits:
        """The limits as executors take them."""
        return Limits(seconds=self.seconds, memory_gb=self.memory_gb)


class ScenesConfig(_Strict):
    """Which blind scenes are made of a data set."""

    count: int = Field(default=100, ge=1)
    seed: int = 0
    manifest: Path | None = None


class ExcerptsConfig(_Strict):
    """What is kept to be listened to."""

    of: Literal["own", "all", "none"] = "own"
    scenes: int = Field(default=2, ge=1)
    separators: tuple[str, ...] | None = None

    @field_validator("separators", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class RunConfig(_Strict):
    """The configuration of one run; see ``bench/conf/config.yaml`` for what each field means."""

    separators: tuple[str, ...] = ()
    taggers: tuple[str, ...] = ()
    parsers: tuple[str, ...] = ()
    datasets: tuple[str, ...]
    metrics: tuple[str, ...] | None = None
    protocol: Literal["query", "scene"] = "query"
    detect: AnalysisSettings = AnalysisSettings()
    scenes: ScenesConfig = ScenesConfig()
    data: dict[str, Path] = Field(default_factory=dict)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)
    seed: int = 0
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$")
    retry: tuple[Literal["error", "timeout", "oom", "skip", "nan"], ...] = ()
    estimates: Literal["keep", "drop"] = "drop"
    excerpts: ExcerptsConfig = ExcerptsConfig()
    limits: LimitsConfig = LimitsConfig()
    executor: ExecutorConfig = ExecutorConfig()
    run: str | None = None
    results: Path = Path("stemtree-out/results")
    dry_run: bool = False

    @field_validator("separators", "taggers", "parsers", "datasets", "metrics", "retry", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("separators", "taggers", "parsers", "datasets")
    @classmethod
    def _no_doubles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("run")
    @classmethod
    def _safe_as_a_file_name(cls, value: str | None) -> str | None:
        if value is not None and not RUN_NAME.fullmatch(value):
            raise ValueError("letters, digits, '.', '_' and '-' only, at most 100")
        return value

    def plugin_names(self) -> tuple[str, ...]:
        """Every plug-in that is named, those of data sets included."""
        separators = (name.strip() for entry in self.separators for name in entry.split(">"))
        return (*separators, *self.taggers, *self.parsers, *self.datasets)

    @model_validator(mode="after")
    def _names_what_to_run(self) -> RunConfig:
        if not self.datasets:
            raise ValueError("datasets: name at least one")
        if self.protocol == "query":
            if not self.separators:
                raise ValueError("separators: name at least one")
            if self.taggers or self.parsers:
                raise ValueError("taggers and parsers work on blind scenes: say protocol=scene")
        elif not self.parsers and not (self.taggers and self.separators):
            raise ValueError("protocol=scene: name taggers and separators, or parsers")
        elif self.metrics is not None:
            raise ValueError("metrics: protocol=scene scores its own; leave them out")
        return self


def compose(overrides: Sequence[str]) -> RunConfig:
    """The configuration that ``overrides`` make of the defaults.

    Raises:
        ConfigError: an override is not of Hydra's grammar, names an unknown field, or has an unfit value.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    prepared = [_prepare(override) for override in overrides]
    try:
        with hydra.initialize_config_module("bench.conf", version_base="1.3"):
            composed = hydra.compose("config", overrides=prepared)
        plain = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, overrides)) from error
    assert isinstance(plain, dict)
    try:
        return RunConfig.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if not field:  # what the fields say together
            raise ConfigError(first["msg"].removeprefix("Value error, ")) from error
        raise ConfigError(f"{field}: {first['msg']} (it is {first['input']!r})") from error


def _prepare(override: str) -> str:
    """Accept ``separator=x`` for ``separators=[x]``, and the user's own keys without a plus sign."""
    name, equals, value = override.partition("=")
    name = _ALIASES.get(name, name)
    if (name.startswith("data.") or name in ("results", "scenes.manifest")) and value and value[0] not in "'\"":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        value = f"'{escaped}'"  # a path may hold spaces, brackets and commas
    if name.partition(".")[0] in OPEN_SECTIONS and "." in name:
        name = f"++{name}"
    return f"{name}{equals}{value}"


def _explain(error: Exception, overrides: Sequence[str]) -> str:
    """One line for what Hydra could not do, with the nearest setting or choice."""
    sections: dict[str, type[BaseModel]] = {
        "limits": LimitsConfig,
        "scenes": ScenesConfig,
        "detect": AnalysisSettings,
        "excerpts": ExcerptsConfig,
    }
    inside = [f"{section}.{name}" for section, model in sections.items() for name in model.model_fields]
    settings = [*RunConfig.model_fields, *_ALIASES, "suite", *inside]
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            return f"{override!r} is no override; say NAME=VALUE, e.g. 'separators=[hpss,irm]'"
        if name not in settings and name.partition(".")[0] not in (*OPEN_SECTIONS, "executor"):
            return f"no setting {name!r}; {_nearest(name, settings)}"
        if name in ("suite", "executor") and value not in (choices := _choices(name)):
            return f"no {name} named {value!r}; {_nearest(value, choices)}"
    lines = [line for line in str(error).splitlines() if line.strip()]
    quoting = "a value with spaces or brackets needs quotes of its own: options.x.y='\"a b\"'"
    return f"{lines[0] if lines else error}; {quoting}"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"


def _choices(group: str) -> list[str]:
    return sorted(path.stem for path in (Path(__file__).parent / "conf" / group).glob("*.yaml"))
