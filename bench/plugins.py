"""Find plug-ins by name and load them. Names come from package metadata; listing them imports nothing.

Built-in and outside plug-ins use the same entry point groups (``stemtree.separators`` and so on); where nothing is
installed, ``module:object`` names one directly.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["separators", "parsers", "taggers", "datasets", "metrics"]
KINDS: Final[tuple[Kind, ...]] = ("separators", "parsers", "taggers", "datasets", "metrics")


class PluginError(ValueError):
    """A plug-in is unknown, claimed twice, or cannot be loaded; the message says which and what to do."""


@dataclass(frozen=True)
class Plugin:
    """A plug-in as package metadata describes it."""

    name: str
    kind: Kind
    value: str
    distribution: str
    version: str


def plugins(kind: Kind) -> list[Plugin]:
    """All installed plug-ins of a kind by name, in alphabetical order; loads none of them.

    Two packages may claim one name: both are listed, and neither can be had by that name.
    """
    found = {_describe(point, kind) for point in entry_points(group=f"stemtree.{kind}")}
    return sorted(found, key=lambda plugin: (plugin.name, plugin.distribution, plugin.value))


def names(kind: Kind) -> set[str]:
    """Names of all installed plug-ins of a kind."""
    return {plugin.name for plugin in plugins(kind)}


def resolve(kind: Kind, name: str) -> str:
    """The ``module:object`` path of a plug-in, given by name or already as a path; loads nothing.

    Raises:
        PluginError: no plug-in has that name, with the nearest names; two have it; or the path is not of that form.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        if module.endswith(".py") or "/" in module:
            stem = module.replace("/", ".").removesuffix(".py").strip(".")
            raise PluginError(f"{name!r}: name the module, not its file: {stem}:{attribute}")
        return name
    known = plugins(kind)
    claims = [plugin for plugin in known if plugin.name == name]
    if len(claims) == 1:
        return claims[0].value
    if claims:
        rivals = " and ".join(f"{plugin.distribution} ({plugin.value})" for plugin in claims)
        raise PluginError(
            f"{kind[:-1]} {name!r} is claimed by {rivals}; uninstall one, or name the one you mean as module:object"
        )
    there = sorted(names(kind))
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(there)}"
    raise PluginError(f"no {kind[:-1]} named {name!r}; {hint} (or module:object)")


def option_name(name: str) -> str:
    """What stands after ``options.`` and ``data.``: a plug-in's name, or the object's own of ``module:object``."""
    return name.rpartition(":")[2]


def load(kind: Kind, name: str) -> Any:
    """Import a plug-in and return its object.

    Modules of the working directory are found too, after everything installed: a folder there never shadows a package.

    Raises:
        PluginError: the module or the object cannot be loaded.
    """
    path = resolve(kind, name)
    module_name, _, attribute = path.partition(":")
    _add_working_directory()
    try:
        loaded: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            loaded = getattr(loaded, part)
    except Exception as error:
        raise PluginError(f"{kind[:-1]} {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return loaded


def _describe(point: EntryPoint, kind: Kind) -> Plugin:
    distribution = point.dist
    return Plugin(
        name=point.name,
        kind=kind,
        value=point.value,
        distribution=distribution.name if distribution else "unknown",
        version=distribution.version if distribution else "unknown",
    )


def _add_working_directory() -> None:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
