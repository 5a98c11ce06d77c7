"""``stemtree results figures``: the figures of a data set as files for a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bench.user_input import RESULTS_OPTION, RUN_OPTION, UserError

if TYPE_CHECKING:
    from leaderboard.figures import View
    from reports.figures import Sheet

_KINDS: Final = ("intervals", "box", "classes", "heat", "depths", "input", "pareto", "thresholds")
"""Those of leaderboard.figures, named here so that help need not load it."""
_UNITS: Final = {"mm": 25.4, "cm": 2.54, "in": 1.0}
"""How many make an inch."""
_NARROWEST, _WIDEST = 1.5, 20.0
"""Inches."""


@click.command()
@click.argument("dataset")
@RESULTS_OPTION
@RUN_OPTION
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the files.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Which, repeatable; all unless said.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["svg", "pdf"]),
    default=("pdf",),
    show_default=True,
    help="What to write, repeatable.",
)
@click.option("--width", help="Such as 84mm, 17.4cm or 3.3in, with type of 8 pt; as on the page unless said.")
@click.option("--metric", help="Metric or metric/aggregation, e.g. sdrg@1/median; that which ranks unless said.")
@click.option("--separator", "separators", multiple=True, help="Draw these alone, repeatable.")
def figures(
    dataset: str,
    folder: Path,
    run_name: str | None,
    out: Path,
    kinds: tuple[str, ...],
    formats: tuple[str, ...],
    width: str | None,
    metric: str | None,
    separators: tuple[str, ...],
) -> None:
    """Draw a data set's figures as its page on the leaderboard shows them, as files for a paper.

    DATASET is a name; where it has several tables, 'NAME SPLIT PROTOCOL'. A line per file says what a caption must. The
    same results give the same bytes: there is no clock in them. PDF files embed their fonts.
    """
    from leaderboard.figures import plates_of
    from leaderboard.paths import slug
    from reports.results import file_name

    sheet = _sheet(width)
    view = _view(dataset, folder, run_name, metric, separators)
    stem, ending = slug(view.site.board_name(view.board)), f"-{file_name(metric)}" if metric else ""
    written, lacking = 0, []
    for kind in dict.fromkeys(kinds or _KINDS):
        plates = plates_of(view, kind)
        if isinstance(plates, str):
            lacking.append(f"{kind}: not drawn: {plates}")
            continue
        for plate in plates:
            drawn = plate.drawing.on(sheet)
            for suffix in dict.fromkeys(formats):
                path = out / f"{stem}-{plate.name}{ending}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(drawn.svg if suffix == "svg" else drawn.pdf)
                click.echo(f"{path}: {' '.join((plate.caption, *plate.notes))}")
                written += 1
    if not written:
        raise UserError("; ".join(lacking))
    for line in lacking:
        click.echo(line, err=True)


def _view(dataset: str, folder: Path, run: str | None, metric: str | None, separators: tuple[str, ...]) -> View:
    """The board as its figures see it; in another column, that is the one that ranks."""
    from dataclasses import replace

    from leaderboard.context import read
    from leaderboard.downloads import find_board
    from leaderboard.figures import View
    from reports.aggregate import parse_column
    from reports.paired import column_of
    from reports.results import Results

    site = read(Results(folder), run=run, title=dataset)
    board = find_board(site, dataset)
    unknown = [name for name in separators if name not in board.covered]
    if unknown:
        known = ", ".join(board.covered)
        raise UserError(f"--separator {unknown[0]!r}: there is none on {dataset}; there are {known}")
    if metric is not None:
        column = column_of(board, metric)
        there = board.outcomes["metric"].unique().sort().to_list()
        if parse_column(column)[0] not in there:
            raise UserError(f"--metric {metric!r}: nobody has scored it on {dataset}; there are {', '.join(there)}")
        board = replace(board, entry=board.entry.model_copy(update={"columns": (column,)}))
    return View(site, board, tuple(dict.fromkeys(separators)))


def _sheet(width: str | None) -> Sheet:
    from reports.figures import PAGE, PAPER_SIZE, Sheet

    if width is None:
        return PAGE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(mm|cm|in)", width.strip())
    inches = float(found[1]) / _UNITS[found[2]] if found else 0.0
    if not _NARROWEST <= inches <= _WIDEST:
        raise UserError(f"--width {width!r}: say a length from {_NARROWEST:g} to {_WIDEST:g} in, such as 84mm or 3.3in")
    return Sheet(inches, PAPER_SIZE)
