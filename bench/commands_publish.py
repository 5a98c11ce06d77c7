"""What publishes a leaderboard: the files of a repository that does, and a look at results that somebody else sent."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from bench.commands_compare import TOLERANCE
from bench.user_input import SHOWN

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--out", type=_FOLDER, required=True, help="Root of the repository.")
def files(out: Path) -> None:
    """Write what a repository on GitHub needs to publish a leaderboard and to take results by pull request.

    A workflow builds the site from the folder results and deploys it to GitHub Pages, another one looks at pull
    requests; with them a guide for those who submit. Nothing that is there is overwritten.
    """
    from leaderboard.publishing import write_repository_files

    written = write_repository_files(out)
    for path in written:
        click.echo(str(path))
    if not written:
        click.echo(f"{out}: all files are there already")


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--against", type=_FOLDER, help="Results folder that FOLDER shall be part of; nothing in it may change.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def validate(folder: Path, against: Path | None, as_json: bool) -> None:
    """Look at every file and row of a results folder that somebody else sent, and name what is wrong.

    Nothing in it is executed. Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage.
    """
    from bench.progress import spinner
    from reports.validation import validate as validate_folder

    with spinner("validating"):
        report = validate_folder(folder, against=against, tolerance=TOLERANCE)
    if as_json:
        click.echo(json.dumps({"valid": not report.findings, **asdict(report)}, indent=1, ensure_ascii=False))
    else:
        for finding in report.findings[:SHOWN]:
            click.echo(str(finding))
        if len(report.findings) > SHOWN:
            click.echo(f"and {len(report.findings) - SHOWN:,} more (--json has all)")
        looked_at = f"{report.files:,} files, {report.cells:,} cells, {report.scores:,} scores"
        click.echo(f"{len(report.findings):,} problems in {looked_at}" if report.findings else f"{looked_at}: all well")
    if report.findings:
        raise click.exceptions.Exit(1)
