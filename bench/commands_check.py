"""``stemtree check``: the conformance kit for one plug-in, as a table or as JSON."""

from __future__ import annotations

import difflib
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from bench.user_input import text_width

if TYPE_CHECKING:
    from taggers.conformance import Case, Result

_KINDS: Final = ("separators", "parsers", "taggers")


@click.command()
@click.argument("plugin", metavar="MODULE:OBJECT")
@click.option(
    "--option", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of its constructor; values are read as YAML."
)
@click.option("--device", default="cpu", show_default=True, help="Where it computes: cpu or cuda.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True,
    help="How long one check may take.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(plugin: str, pairs: tuple[str, ...], device: str, seconds: float, as_json: bool) -> None:
    """Check a separator, parser or tagger against what is relied on, and say what mends each failure.

    MODULE:OBJECT is a class, or the name of an installed plug-in. Exit status: 0 all passed (skips say why), 1 a check
    failed, 2 it cannot be loaded.
    """
    from bench.plugins import PluginError, option_name
    from bench.progress import track
    from taggers.conformance import passed
    from taggers.conformance.isolation import NotStartedError

    path, noun, cases = _cases(plugin, _options(pairs), device, seconds)
    try:
        cases[0].isolation.start()
    except NotStartedError as error:
        raise PluginError(" ".join(str(error).split())) from error
    results = [case.result() for case in track(cases, total=len(cases), label=f"check {option_name(plugin)}")]
    cases[0].isolation.close()
    if as_json:
        checks = [vars(result) for result in results]
        report = {"object": path, "kind": noun, "passed": passed(results), "checks": checks}
        click.echo(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        click.echo(_table(results))
        counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in ("pass", "fail", "skip")}
        click.echo(
            f"{plugin}, {noun}: {counts['pass']} checks passed, {counts['fail']} failed, {counts['skip']} skipped"
        )
    if not passed(results):
        raise click.exceptions.Exit(1)


def _cases(plugin: str, options: dict[str, Any], device: str, seconds: float) -> tuple[str, str, list[Case]]:
    """Path and kind of the plug-in, and its cases; loads its module to tell the kind.

    Raises:
        PluginError: there is no such plug-in, it is of no kind that is checked, or it does not take these options.
    """
    import torch

    from bench.describe import check_options
    from bench.plugins import PluginError, load, resolve
    from separators.base import Parser, Separator
    from separators.conformance import PARSER_CHECKS, SEPARATOR_CHECKS
    from separators.conformance.subject import ParserSubject, SeparatorSubject
    from taggers.base import Tagger
    from taggers.conformance import TAGGER_CHECKS
    from taggers.conformance.cases import cases_of
    from taggers.conformance.isolation import Recipe
    from taggers.conformance.tagging import TaggerSubject

    named = kind_of(plugin)
    path, found = resolve(named, plugin), load(named, plugin)
    for noun, base, subject, checks in (
        ("separator", Separator, SeparatorSubject, SEPARATOR_CHECKS),
        ("parser", Parser, ParserSubject, PARSER_CHECKS),
        ("tagger", Tagger, TaggerSubject, TAGGER_CHECKS),
    ):
        if isinstance(found, type) and issubclass(found, base):
            check_options(plugin, found, options)
            if device.partition(":")[0] == "cuda" and not torch.cuda.is_available():
                raise PluginError(f"--device {device}: torch finds no CUDA device here")
            file = getattr(sys.modules.get(found.__module__), "__file__", None)
            return path, noun, cases_of(checks, Recipe(subject, path, file, options, device), seconds=seconds)
    raise PluginError(f"{plugin}: {found!r} is not a class derived from Separator, Parser or Tagger")


def kind_of(plugin: str) -> Any:
    """The kind of an installed plug-in by its name; of module:object the class says it."""
    from bench.plugins import PluginError, names

    if ":" in plugin:
        return "separators"
    claims = [kind for kind in _KINDS if plugin in names(kind)]
    if len(claims) == 1:
        return claims[0]
    if claims:
        raise PluginError(f"{plugin!r} is a name among {' and '.join(claims)}: say which as module:object")
    known = sorted(set().union(*(names(kind) for kind in _KINDS)))
    near = difflib.get_close_matches(plugin, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise PluginError(f"no separator, parser or tagger named {plugin!r}; {hint} (or module:object)")


def _options(pairs: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    from bench.describe import OptionError

    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise OptionError(f"--option {pair!r}: say KEY=VALUE")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise OptionError(f"--option {pair!r}: {value!r} is no YAML value") from error
    return options


def _table(results: list[Result]) -> str:
    import io

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"pass": "green", "fail": "bold red", "skip": "yellow"}
    table = Table(box=None, show_edge=False)
    for title in ("check", "result", "what was seen"):
        table.add_column(title, no_wrap=title != "what was seen", overflow="fold")
    for result in results:
        seen = Text(result.seen)
        if result.remedy:
            seen.append(f"\n-> {result.remedy}", style="bold")
        table.add_row(result.check, Text(result.outcome, style=colours[result.outcome]), seen)
    stream = io.StringIO()
    console = Console(file=stream, width=text_width(), force_terminal=sys.stdout.isatty(), highlight=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
