"""The commands that compute a row again: what a run's manifest says, as a command line that makes the same of it.

A run is a configuration (``bench/conf``), told on the command line in Hydra's override grammar
(https://hydra.cc/docs/advanced/override_grammar/basic/). Only what decides the figures is told: the name of the run,
the folder of its results, and how many workers share it are the reader's own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from leaderboard.context import Site
from reports.schema import DatasetEntry, Manifest, SeparatorEntry

_LISTS: Final = ("separators", "taggers", "parsers", "datasets")
_SCENE_SECTIONS: Final = ("detect", "scenes")
"""Settings that only blind scenes have."""
_BARE: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_@./:+-]*")
"""Text that Hydra's grammar takes without quotes, but for the words that it reads as values."""
_WORDS: Final = frozenset({"true", "false", "null", "nan", "inf"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""A name that may stand before the equals sign, between dots."""
_BACKSLASHES: Final = re.compile(r"(\\+)(?='|$)")
_RECORDED: Final = (("stemtree", "score"), ("stemtree", "results", "import"))
"""Commands whose manifest holds no configuration to run again; what was typed stands in the provenance."""


class UnsayableError(ValueError):
    """A configuration that no command line can tell; the message names the setting."""


@dataclass(frozen=True)
class Rerun:
    """How to compute a row, or the whole of a run, again."""

    manifest: Manifest
    command: str | None
    """One line for a POSIX shell; None where there is none to give."""
    reason: str | None
    """Why there is none."""
    recorded: bool
    """Whether it is what was typed then, with the paths of that machine, rather than made from the configuration."""
    datasets: tuple[tuple[str, DatasetEntry], ...]
    """Name and entry of the data sets that it is shown for."""
    separators: tuple[tuple[str, SeparatorEntry], ...]

    @property
    def paths(self) -> bool:
        """Whether the command holds paths of the machine of the run."""
        return self.recorded or bool(self.manifest.configuration.get("data"))

    @property
    def packages(self) -> list[str]:
        """What was installed, as ``name==version``, stemtree apart."""
        found = self.manifest.provenance.get("packages")
        versions = found if isinstance(found, Mapping) else {}
        return [f"{name}=={version}" for name, version in versions.items() if version and name != "stemtree"]

    @property
    def software(self) -> str:
        """Version, commit and Python of the run, in words."""
        return software(self.manifest)


def software(manifest: Manifest) -> str:
    """Version and commit of stemtree, and the Python, that a run was made with, in words."""
    known = manifest.provenance
    packages = known.get("packages")
    version = packages.get("stemtree") if isinstance(packages, Mapping) else None
    words = [f"stemtree {version}" if version else "stemtree of a version that was not recorded"]
    if known.get("commit"):
        words.append(f"commit {known['commit']}{' with local changes' if known.get('dirty') else ''}")
    if known.get("python"):
        words.append(f"Python {known['python']}")
    return ", ".join(words)


def of_run(manifest: Manifest) -> Rerun:
    """The whole of a run again."""
    return _rerun(manifest, manifest.configuration, tuple(manifest.datasets), tuple(manifest.separators))


def of_separator(site: Site, separator: str) -> list[Rerun]:
    """Each run behind the figures of a separator, cut down to this separator, the newest first."""
    boards: dict[str, dict[str, None]] = {}
    for board in site.boards:
        for run in board.cells.filter(pl.col("separator") == separator)["run"].unique():
            boards.setdefault(run, {})[board.dataset] = None
    return [
        _rerun(manifest, cut_down(manifest.configuration, separator), tuple(boards[manifest.run]), (separator,))
        for manifest in reversed(site.manifests)
        if manifest.run in boards
    ]


def _rerun(
    manifest: Manifest, configuration: Mapping[str, Any], datasets: Sequence[str], separators: Sequence[str]
) -> Rerun:
    typed = _typed(manifest)
    command: str | None = None
    reason: str | None = None
    if typed is not None:
        command = shlex.join(typed)
    else:
        try:
            command = shlex.join(["stemtree", "run", *overrides(configuration)])
        except UnsayableError as error:
            reason = str(error)
    return Rerun(
        manifest=manifest,
        command=command,
        reason=reason,
        recorded=typed is not None,
        datasets=tuple((name, manifest.datasets[name]) for name in datasets if name in manifest.datasets),
        separators=tuple((name, manifest.separators[name]) for name in separators if name in manifest.separators),
    )


def _typed(manifest: Manifest) -> list[str] | None:
    """The command as it was typed, of runs that have no configuration."""
    typed = manifest.provenance.get("command")
    if "separators" in manifest.configuration or not isinstance(typed, list) or not _is_texts(typed):
        return None
    return typed if any(tuple(typed[: len(start)]) == start for start in _RECORDED) else None


def cut_down(configuration: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """A run's configuration with one separator or blind system alone; as it is, where that is none of its own."""
    lists = {name: configuration.get(name) or [] for name in _LISTS}
    if not all(_is_texts(names) for names in lists.values()):
        return dict(configuration)
    parts = _parts(separator, configuration.get("protocol"), lists)
    if parts is None:
        return dict(configuration)
    named = {_option_name(name) for names in parts.values() for entry in names for name in entry.split(">")}
    systems = {_option_name(name) for key in _LISTS[:-1] for entry in lists[key] for name in entry.split(">")}
    options = configuration.get("options")
    if isinstance(options, Mapping):
        # Of a data set's options nothing is known but that they are no separator's.
        options = {name: value for name, value in options.items() if name in named or name not in systems}
    return {**configuration, **parts, "options": options}


def _parts(separator: str, protocol: object, lists: Mapping[str, list[str]]) -> dict[str, list[str]] | None:
    """The lists of a configuration that make the one separator or blind system, or None where they do not."""
    if protocol != "scene":
        return {"separators": [separator]} if separator in lists["separators"] else None
    if separator in lists["parsers"]:
        return {"taggers": [], "separators": [], "parsers": [separator]}
    for tagger in lists["taggers"]:
        entry = separator.removeprefix(f"{tagger}+")
        if entry != separator and entry in lists["separators"]:
            return {"taggers": [tagger], "separators": [entry], "parsers": []}
    return None


def _option_name(plugin: str) -> str:
    """What stands after ``options.``: a plug-in's name, or the object's own of ``module:object``."""
    return plugin.strip().rpartition(":")[2]


def overrides(configuration: Mapping[str, Any]) -> list[str]:
    """The overrides that make a run's configuration of the defaults, before any quoting for a shell.

    Raises:
        UnsayableError: a setting is missing, or is none that an override can tell.
    """
    for name in ("separators", "datasets"):
        if not _is_texts(configuration.get(name)):
            raise UnsayableError(f"the manifest does not say which {name} ran")
    return list(_overrides(configuration))


def _overrides(configuration: Mapping[str, Any]) -> Iterator[str]:
    blind = configuration.get("protocol") == "scene"
    if blind:
        yield "protocol=scene"
    for name in _LISTS if blind else ("separators", "datasets"):
        yield f"{name}={_value(name, list(configuration.get(name) or []))}"
    for section in ("data", "options"):
        yield from _nested(section, _section(configuration, section))
    for name in ("metrics", "limit"):
        if configuration.get(name) is not None:
            yield f"{name}={_value(name, configuration[name])}"
    for section in _SCENE_SECTIONS if blind else ():
        for name, value in _section(configuration, section).items():
            # Some settings of detection have no line among the defaults: two plus signs add what is not there.
            if value is not None:
                yield from _nested(f"{'++' if section == 'detect' else ''}{section}.{_known(name)}", value)
    for name in ("seed", "device"):
        if configuration.get(name) is not None:
            yield f"{name}={_value(name, configuration[name])}"
    yield from _nested("limits", _section(configuration, "limits"))


def _section(configuration: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = configuration.get(name) or {}
    if not isinstance(found, Mapping):
        raise UnsayableError(f"{name}: no override can tell {found!r}")
    return found


def _nested(name: str, value: Any) -> Iterator[str]:
    """A setting; of a nested one, each leaf by its dotted name."""
    if isinstance(value, Mapping) and (value or "." in name):
        if not value:
            yield f"{name}={{}}"
        for key, inner in value.items():
            yield from _nested(f"{name}.{_known(key)}", inner)
    elif not isinstance(value, Mapping):
        yield f"{name}={_value(name, value)}"


def _known(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UnsayableError(f"no override can tell a setting named {name!r}")
    return name


def _value(name: str, value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, list | tuple):
        return f"[{','.join(_value(name, one) for one in value)}]"
    raise UnsayableError(f"{name}: no override can tell {value!r}")


def _text(name: str, text: str) -> str:
    """Text, in single quotes where it needs any: a quote is escaped, and backslashes before one are doubled."""
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if "${" in text or not text.isprintable():
        raise UnsayableError(f"{name}: no override can tell {text!r}")
    escaped = _BACKSLASHES.sub(r"\1\1", text).replace("'", "\\'")
    return f"'{escaped}'"


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
