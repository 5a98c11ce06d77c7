"""``stemtree compare``: what changed between two runs, as text or JSON, with an exit status for a nightly job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bench.user_input import DEFAULT_RESULTS, UserError, text_width

if TYPE_CHECKING:
    from reports.compare import State
    from reports.results import Results

TOLERANCE: Final = 1e-3
"""What other libraries and threads may change of a score in dB by rounding."""
COMPARE_HELP: Final = """Say what is worse in HEAD than in BASE. Each is a run's name, or the path of a results folder.

\b
  stemtree compare monday tuesday
  stemtree compare main/results branch/results --json

A run stands as it left its folder, a folder as its newest results. In this order:

\b
  scores    under an unchanged key must not change: each that did is named
  statuses  of cells: ok to error, timeout, oom, nan or skip, and back; new; gone; pending (planned, not run);
            unscored (ok, but for a metric that could not be computed)
  figures   of the leaderboard, over what both sides have: HEAD - BASE with its paired 95 % bootstrap interval over
            recordings; better or worse where it excludes 0. Where no key changed there is nothing to tell apart.

Exit status: 0 nothing worse, 1 a score that changed under its key, a worse status or a worse figure, 2 wrong input. New
and gone cells are named, and are no regression.
"""


@click.command(help=COMPARE_HELP)
@click.argument("base")
@click.argument("head")
@click.option(
    "--results", "folder", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_RESULTS,
    show_default=True, help="Results folder of the runs.",
)  # fmt: skip
@click.option(
    "--metric", "metrics", multiple=True, metavar="ID", help="Only this metric, e.g. sdri@1; may be repeated."
)
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=TOLERANCE, show_default=True,
    help="Greatest difference of a score or figure that counts as none, in its unit.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
def compare(base: str, head: str, folder: Path, metrics: tuple[str, ...], tolerance: float, as_json: bool) -> None:
    """Say what is worse in HEAD than in BASE."""
    from bench.progress import spinner
    from reports.compare import compare as compare_states
    from reports.compare_text import comparison_text

    with spinner("comparing"):
        found = compare_states(_state(base, folder), _state(head, folder), metrics=metrics, tolerance=tolerance)
    if as_json:
        click.echo(json.dumps(found.described(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(comparison_text(found, width=text_width()))
    if found.regressed:
        raise click.exceptions.Exit(1)


def _state(given: str, folder: Path) -> State:
    """The run of that name in ``folder``, or else the results folder at that path."""
    from reports.compare import State
    from reports.results import Results

    if Results(folder).run(given) is not None:
        return State(Results(folder, left_by=given), given)
    if Path(given).is_dir() and Results(Path(given)).exists():
        return State(Results(Path(given)))
    raise UserError(
        f"{given!r} is neither a run in {folder} ({_runs(Results(folder))}) nor the path of a results folder"
    )


def _runs(results: Results) -> str:
    names = [manifest.run for manifest in results.runs()]
    return f"there are {', '.join(names)}" if names else "it has none"
