"""What ``stemtree results`` makes of a results folder: tables for other programs, and two separators compared."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.user_input import RESULTS_OPTION, RUN_OPTION, UserError

if TYPE_CHECKING:
    from leaderboard.context import Column
    from reports.paired import Comparison


@click.command()
@click.argument("dataset")
@click.option(
    "--format",
    type=click.Choice(["markdown", "latex", "csv", "json", "parquet"]),
    default="markdown",
    show_default=True,
    help="What to write.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; stdout unless said.")
@RESULTS_OPTION
@RUN_OPTION
def export(dataset: str, format: str, out: Path | None, folder: Path, run_name: str | None) -> None:
    """Write a data set's table as its page on the leaderboard shows it.

    DATASET is a name; where it has several tables, 'NAME SPLIT PROTOCOL'. Markdown and LaTeX round as the page does;
    CSV, JSON and Parquet have full precision, with interval bounds and counts in columns of their own.
    """
    from leaderboard.downloads import table_bytes

    if out is None and format == "parquet":
        raise UserError("Parquet is no text: name a file with --out")
    content = table_bytes(folder, dataset, format=format, run=run_name)
    if out is None:
        click.echo(content.decode(), nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content)


@click.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--dataset", required=True, help="Name of the data set; where it has several tables, NAME SPLIT PROTOCOL."
)
@click.option("--metric", help="Metric or metric/aggregation, e.g. sdrg@1/median; that which ranks unless said.")
@RESULTS_OPTION
@RUN_OPTION
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def power(
    first: str, second: str, dataset: str, metric: str | None, folder: Path, run_name: str | None, as_json: bool
) -> None:
    """Say how many recordings would tell two separators apart, and how often FIRST is better than SECOND.

    On the pairs of scene and target that both have: the number of independent recordings at which the 95 % interval of
    the difference leaves out zero with a chance of 80 %, were the difference as it was found here. This is of the two
    alone: ranks, which hold for all separators at once, ask for more.
    """
    from leaderboard.context import read
    from leaderboard.downloads import find_board
    from reports.bootstrap import LEVEL
    from reports.paired import column_of, compare
    from reports.power import POWER
    from reports.results import Results

    site = read(Results(folder), run=run_name, title=dataset)
    board = find_board(site, dataset)
    column = site.column(column_of(board, metric))
    found = compare(board, first, second, column=column.id, better=site.metric(column.metric).better)
    if as_json:
        asked = {"dataset": board.dataset, "split": board.split, "protocol": board.protocol, "unit": column.unit}
        click.echo(json.dumps({**asked, "level": LEVEL, "power": POWER, **asdict(found)}, indent=1, ensure_ascii=False))
        return
    click.echo(f"{site.board_name(board)}, {column.title}, {column.words}")
    for line in _lines(found, column):
        click.echo(f"  {line}")


def _lines(found: Comparison, column: Column) -> list[str]:
    """A comparison in words."""
    from leaderboard import numbers
    from reports.ranks import margin_of

    sample = f"{numbers.count(found.recordings, 'recording')}, {numbers.count(found.pairs, 'pair')} of scene and target"
    asides = ((found.imputed, "imputed"), (found.unpaired, "of one alone left out"))
    told = [sample, *(f"{number:,} {what}" for number, what in asides if number)]
    lines = [f"on {', '.join(told)}"]
    if found.difference is not None:
        value = f"{numbers.measure(found.difference, column.unit)} {column.unit}".rstrip()
        ends = "" if found.low is None or found.high is None else numbers.interval(found.low, found.high, column.unit)
        margin = margin_of(column.unit)
        equal = margin and abs(found.difference) <= margin
        aside = f" (up to {margin} {column.unit} counts as none)" if equal else ""
        lines.append(f"{found.first} less {found.second}: {value} {ends}".rstrip() + aside)
    if found.deviation is not None:
        lines.append(_needed(found))
    if found.superiority is not None:
        share = numbers.measure(found.superiority.share, "")
        ends = numbers.interval(found.superiority.low, found.superiority.high, "")
        lines.append(f"{found.first} is better on a share of the recordings, ties half, of {share} {ends}")
    return [*lines, *([found.note] if found.note else [])]


def _needed(found: Comparison) -> str:
    from leaderboard import numbers

    if found.needed is None:
        return "no number of recordings tells them apart: the difference is zero"
    most = "any number" if found.needed_high is None else f"{found.needed_high:,}"
    return (
        f"{numbers.count(found.needed, 'recording')} would tell them apart (95 % interval without zero, power 80 %); "
        f"{found.needed_low:,} to {most} over the interval of the difference"
    )
