"""Make a plug-in from its spec, and say what a plan needs to know of a separator or system before any audio is read."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench import plugins
from bench.cells import SeparatorSpec, SystemSpec
from bench.codehash import code_hash
from ontology.targets import Target
from separators.base import NEEDS, Parser, Separator, Unavailable
from taggers.base import Tagger

ADAPTER: Final = ("separators.adapt",)
"""What stands around every separator, and belongs to its code."""


@dataclass(frozen=True)
class Description:
    """The declarations of a separator or a system.

    ``unavailable`` is the remedy where something it cannot do without is absent; ``failure`` the one-line message,
    and ``trace`` the traceback, where it cannot be made at all.
    """

    spec: SeparatorSpec | SystemSpec
    family: str = "unknown"
    oracle: bool = False
    """Whether it is told any part of the answer: references, or the classes that sound."""
    needs: frozenset[str] = frozenset()
    max_examples: int | None = 8
    refusals: Mapping[Target, str] = field(default_factory=dict)
    code: str = ""
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """As the constructor gets them, defaults included; what JSON cannot hold stands as text."""
    card: Mapping[str, Any] | None = None
    unavailable: str | None = None
    failure: str | None = None
    trace: str | None = None
    misused: bool = False
    """Whether it failed for options that it does not take."""

    @property
    def variant(self) -> str:
        """Hash of all that makes this separator what it is: results of one name are of one kind where it is equal."""
        made_of = [self.spec.path, self.options or self.spec.options, self.code, self.weights]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def make_separator(spec: SeparatorSpec) -> Separator:
    """Construct the separator of a spec.

    Raises:
        PluginError: it cannot be loaded, is no :class:`Separator`, or has no such option.
        Unavailable: something it cannot do without is absent.
    """
    made = make_plugin(spec)
    assert isinstance(made, Separator)
    return made


def make_plugin(spec: SeparatorSpec) -> Separator | Tagger | Parser:
    """Construct the separator, tagger or parser of a spec; errors as for :func:`make_separator`."""
    base = _BASES[spec.kind]
    one = spec.kind.removesuffix("s")
    kind = plugins.load(spec.kind, spec.path)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise plugins.PluginError(
            f"{one} {spec.name!r}: {spec.path} is {kind!r}, not a class derived from {base.__module__}.{base.__name__}"
        )
    if base is not Tagger and not isinstance(getattr(kind, "family", None), str):
        raise plugins.PluginError(f"{one} {spec.name!r}: {spec.path} does not declare its family")
    unknown_needs = set(getattr(kind, "needs", ())) - NEEDS
    if unknown_needs:
        raise plugins.PluginError(
            f"{one} {spec.name!r}: unknown needs {sorted(unknown_needs)}; it may name {', '.join(sorted(NEEDS))}"
        )
    check_options(spec.name, kind, spec.options)
    try:
        made: Separator | Tagger | Parser = kind(**spec.options)
    except (TypeError, ValueError) as error:
        if not spec.options:
            raise
        said = ", ".join(f"{name}={value!r}" for name, value in spec.options.items())
        raise OptionError(f"{spec.name}: {say(error)} (with {said})") from error
    return made


_BASES: Final[Mapping[str, type[Any]]] = {"separators": Separator, "taggers": Tagger, "parsers": Parser}


class OptionError(plugins.PluginError):
    """A plug-in does not take an option that it was given."""


def check_options(name: str, kind: type, options: Mapping[str, Any]) -> None:
    """Refuse options that the constructor of ``kind`` does not take.

    Raises:
        OptionError: naming the option and the nearest ones there are.
    """
    parameters = {name: one for name, one in inspect.signature(kind).parameters.items() if name != "root"}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for option in options:
        if option not in parameters:
            near = difflib.get_close_matches(option, parameters, n=3, cutoff=0.4) or list(parameters)
            has = f"did you mean {', '.join(near)}?" if near else "it takes none"
            raise OptionError(f"{name}: no option {option!r}; {has}")


def describe(spec: SeparatorSpec | SystemSpec, targets: Sequence[Target]) -> Description:
    """Load and construct the separator or system, and ask it what it declares.

    Never raises: a failure is part of the answer.
    """
    try:
        if isinstance(spec, SystemSpec):
            from bench.blind.system import describe_system  # lazy: it draws on this module

            return describe_system(spec)
        return _describe_separator(spec, targets)
    except Unavailable as error:
        return Description(spec=spec, family=_family(spec), unavailable=str(error))
    except OptionError as error:
        return Description(spec=spec, failure=str(error), trace=traceback.format_exc(), misused=True)
    except plugins.PluginError as error:
        return Description(spec=spec, failure=str(error), trace=traceback.format_exc())
    except (Exception, SystemExit) as error:
        return Description(spec=spec, failure=f"{spec.name}: {say(error)}", trace=traceback.format_exc())


def _describe_separator(spec: SeparatorSpec, targets: Sequence[Target]) -> Description:
    separator = make_separator(spec)
    kind = type(separator)
    refusals = {target: reason for target in targets if (reason := separator.refuses(target)) is not None}
    card = kind.card()
    return Description(
        spec=spec,
        family=kind.family,
        oracle="reference" in kind.needs or kind.family == "oracle",
        needs=frozenset(kind.needs),
        max_examples=kind.max_examples,
        refusals=refusals,
        code=code_hash(kind, *ADAPTER),
        weights=separator.weights_sha256(),
        options=resolved_options(kind, spec.options),
        card=card.model_dump(mode="json") if card else None,
    )


def say(error: BaseException) -> str:
    """An exception's name and text; some cannot even be turned into text."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _family(spec: SeparatorSpec | SystemSpec) -> str:
    part = spec.parts[-1] if isinstance(spec, SystemSpec) else spec
    return str(getattr(plugins.load(part.kind, part.path), "family", "unknown"))


def resolved_options(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options given, with the constructor's defaults for the rest: a changed default is another configuration."""
    resolved: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            resolved[name] = parameter.default
    return dict(json.loads(json.dumps({**resolved, **options}, default=repr)))
