"""Options of ``stemtree results import``, and what they say about a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from bench.reported import Reading, SourceError

_Command = TypeVar("_Command", bound=Callable[..., Any])

IMPORT_HELP: Final = """Add figures that were computed elsewhere, as separators of the family "imported".

SOURCE is museval's folder of SPLIT/TRACK.json files, or one of them, or a CSV table with one figure per line in the
columns separator, dataset, split, scene, target, metric, value and, for metrics not known here, unit and better.

\b
stemtree results import museval_out --format museval --name open-unmix
stemtree results import scores.csv --format csv --dataset sisec2016 \\
  --map separator=system --map split=subset --map scene=track --map value=median \\
  --metric SDR=sdr_sisec2016@1 --unit dB --better higher --oracle IBM
"""

_OPTIONS: Final = (
    click.option("--format", type=click.Choice(["museval", "csv"]), required=True, help="What SOURCE is."),
    click.option("--name", help="Separator of all figures; museval: the folder's name unless said."),
    click.option("--dataset", help="Data set of all figures; museval: musdb18 unless said."),
    click.option("--split", help="Split of all figures; museval: the name of each file's folder unless said."),
    click.option("--unit", help="CSV: unit of all figures, for metrics not known here."),
    click.option("--better", type=click.Choice(["higher", "lower", "neither"]), help="CSV: their direction."),
    click.option("--map", "columns", multiple=True, metavar="FIELD=COLUMN", help="CSV: column of a field."),
    click.option("--metric", "metrics", multiple=True, metavar="NAME=ID", help="CSV: id of a metric."),
    click.option("--oracle", "oracles", multiple=True, metavar="NAME", help="Separator given the references."),
    click.option("--run", help="Name of the run; the time unless said."),
)


def import_options(command: _Command) -> _Command:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def reading_of(
    *,
    name: str | None,
    dataset: str | None,
    split: str | None,
    unit: str | None,
    better: str | None,
    columns: tuple[str, ...],
    metrics: tuple[str, ...],
) -> Reading:
    """What the options say about the source.

    Raises:
        SourceError: a pair is not NAME=VALUE, or a field is unknown or given twice.
    """
    constants = {"separator": name, "dataset": dataset, "split": split, "unit": unit, "better": better}
    given = {field: value for field, value in constants.items() if value is not None}
    return Reading(given, _pairs("--map", columns), _pairs("--metric", metrics))


def _pairs(option: str, pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise SourceError(f"{option} {pair!r}: say NAME=VALUE")
        found[name] = value
    return found
