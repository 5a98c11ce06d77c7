"""The command ``stemtree``. Heavy imports wait until a subcommand needs them.

Exit status: 0 done (failed cells are rows, and counted on the last line), 1 a regression or a failed check, 2 wrong
usage or input, with one clear line. Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bench.commands_analyze import analyze
from bench.commands_card import card
from bench.commands_check import check
from bench.commands_compare import compare
from bench.commands_data import data
from bench.commands_figures import figures
from bench.commands_publish import files, validate
from bench.commands_query import query
from bench.commands_results import export, power
from bench.commands_train import train
from bench.import_options import IMPORT_HELP, import_options, reading_of
from bench.run_help import RUN_HELP
from bench.user_input import (
    DATASET_OPTION,
    DEFAULT_RESULTS,
    INTERRUPTED,
    RESULTS_OPTION,
    RUN_OPTION,
    SHOWN,
    TERMINATED,
    UserError,
    dataset_options,
    text_width,
)

if TYPE_CHECKING:
    from bench.config import RunConfig
    from bench.run import RunReport

DEFAULT_SITE: Final = Path("stemtree-out/site")
DEMO_SONG: Final = "Night Bus - Count the Streetlights"
DEMO_EXCERPTS: Final = ("excerpts.scenes=1", "excerpts.separators=[irm,hpss,repet,repet-sim,ft2d,nmf,mini-uss]")
"""What is worth hearing: the site stays small."""

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


class _Terminated(KeyboardInterrupt):
    """The process was asked to end, as by a time limit of cron or CI: it ends like an interrupt."""


class _Group(click.Group):
    """Turns the errors that name what is wrong into one line; anything else is a defect and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        def terminate(*_: object) -> None:
            raise _Terminated

        signal.signal(signal.SIGTERM, terminate)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends without a word where whoever read the output has had enough
        except KeyboardInterrupt as error:
            goes_on = "; what is done is kept, and the same command goes on from there"
            resumable = ctx.invoked_subcommand in ("demo", "run", "score")
            click.echo(f"stemtree: interrupted{goes_on if resumable else ''}", err=True)
            ctx.exit(TERMINATED if isinstance(error, _Terminated) else INTERRUPTED)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise UserError(f"{where}{error.strerror or error}") from error
        except Exception as error:
            if type(error).__name__ in _USER_ERRORS:
                raise UserError(str(error)) from error
            raise


_USER_ERRORS: Final = (
    "AnalysisError", "ConfigError", "DatasetError", "EstimatesError", "OptionError", "PluginError", "PoolError",
    "QueryError", "ResultsError", "RunError", "SceneError", "SiteError", "SourceError", "TrainError", "Unavailable",
)  # fmt: skip
"""Errors raised for users, by name: importing their modules to compare types would load torch for ``--help``."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("stemtree"), prog_name="stemtree")
def main() -> None:
    """Hierarchical sound-scene analysis and source-separation benchmark."""


main.add_command(analyze)
main.add_command(card)
main.add_command(check)
main.add_command(compare)
main.add_command(data)
main.add_command(query)
main.add_command(train)


@main.command()
@click.option("--out", type=_FOLDER, default=Path("stemtree-out"), show_default=True, help="Folder for all output.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; one per core unless said.")
def demo(out: Path, workers: int | None) -> None:
    """Run embedded data with the classes given, then blind scenes of it; take a song apart; build the leaderboard."""
    from bench.config import compose

    problems = 0
    for suite in ("demo", "scenes", "listening"):
        overrides = [f"suite={suite}", f"results={out / 'results'}", *DEMO_EXCERPTS]
        if workers:
            overrides.append(f"executor.workers={workers}")
        report = _run(compose(overrides))
        _say_summary(out / "results", report.run)
        _say_report(report, out / "results")
        problems += len(report.problems)
    try:
        _take_apart(out / "site")
    except Exception as error:  # what was measured is shown, whatever becomes of the song
        click.echo(f"stemtree: {DEMO_SONG} was not taken apart: {type(error).__name__}: {error}", err=True)
        problems += 1
    click.echo(str(_build(out / "results", out / "site").resolve()))
    if problems:
        raise click.exceptions.Exit(2)


@main.command(context_settings={"ignore_unknown_options": True}, help=RUN_HELP)
@click.argument("overrides", nargs=-1)
def run(overrides: tuple[str, ...]) -> None:
    """Run separators on data sets."""
    from bench.config import compose

    config = compose(overrides)
    report = _run(config)
    if not report.dry:
        _say_summary(config.results, report.run)
    _say_report(report, config.results)
    if report.problems:
        raise click.exceptions.Exit(2)


@main.command()
@click.argument("dataset")
@click.option("--root", type=_FOLDER, required=True, help="Folder of the data set.")
@click.option(
    "--estimates",
    type=_FOLDER,
    required=True,
    help="Folder of SCENE/TARGET.wav or .flac, or of SCENE.wav where there is one target.",
)
@click.option("--name", required=True, help="Name of the system in the table.")
@click.option("--results", type=_FOLDER, default=DEFAULT_RESULTS, show_default=True, help="Results folder.")
@click.option("--map", "table", type=_FILE, help="CSV with the columns scene, target, path.")
@DATASET_OPTION
@click.option("--run", "run_name", help="Name of the run; the time it starts unless said.")
@click.option("--json", "as_json", is_flag=True, help="Rows as JSON.")
def score(
    dataset: str,
    root: Path,
    estimates: Path,
    name: str,
    results: Path,
    table: Path | None,
    options: tuple[str, ...],
    run_name: str | None,
    as_json: bool,
) -> None:
    """Score estimates that were made elsewhere."""
    from bench.score import score_files

    report, matched = score_files(
        dataset,
        root=root,
        estimates=estimates,
        name=name,
        results=results,
        table=table,
        options=dataset_options(options),
        run_name=run_name,
    )
    for label, items in (("no estimate", matched.unmatched), ("no such scene or target", matched.extra)):
        for item in items[:SHOWN]:
            click.echo(f"{label}: {item}", err=True)
        if len(items) > SHOWN:
            click.echo(f"{label}: {len(items) - SHOWN} more", err=True)
    if as_json:
        _say_json(results, report.run)
    else:
        _say_summary(results, report.run)
        _say_report(report, results)


@main.command(name="list")
@click.argument("kind", type=click.Choice(["separators", "parsers", "taggers", "datasets", "metrics"]))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_plugins(kind: str, as_json: bool) -> None:
    """List what is installed, from package metadata; loads none of it."""
    from bench.plugins import plugins

    found = plugins(kind)  # type: ignore[arg-type]
    if as_json:
        rows = [
            {"name": plugin.name, "object": plugin.value, "package": plugin.distribution, "version": plugin.version}
            for plugin in found
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    wide = max((len(plugin.name) for plugin in found), default=0)
    for plugin in found:
        click.echo(f"{plugin.name:<{wide}}  {plugin.value}  ({plugin.distribution} {plugin.version})")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(as_json: bool) -> None:
    """Say what is installed, what is missing, and the line that mends it."""
    from bench.doctor import examine

    findings = list(examine())
    if as_json:
        rows = [{"name": item.name, "state": item.state, "remedy": item.remedy} for item in findings]
        click.echo(json.dumps(rows, indent=1))
        return
    wide = max(len(item.name) for item in findings)
    for item in findings:
        click.echo(f"{item.name:<{wide}}  {item.state}")
        if item.remedy:
            click.echo(f"{'':<{wide}}  -> {item.remedy}")


@main.group()
def results() -> None:
    """Show, compare, export and tidy a results folder."""


results.add_command(export)
results.add_command(figures)
results.add_command(power)
results.add_command(validate)


@results.command("show")
@RESULTS_OPTION
@RUN_OPTION
@click.option("--json", "as_json", is_flag=True, help="Every row as JSON, in a stable order.")
def results_show(folder: Path, run_name: str | None, as_json: bool) -> None:
    """Print the results: a summary per data set, or every row as JSON."""
    if as_json:
        _say_json(folder, run_name)
    else:
        _say_summary(folder, run_name)


@results.command("import", help=IMPORT_HELP)
@click.argument("source", type=click.Path(path_type=Path))
@RESULTS_OPTION
@import_options
def results_import(source: Path, folder: Path, format: Any, oracles: tuple[str, ...], run: str, **said: Any) -> None:
    """Add figures that were computed elsewhere."""
    from bench.imports import import_results

    reading = reading_of(**said)
    done = import_results(source, format=format, results=folder, reading=reading, oracles=oracles, run=run)
    click.echo(
        f"{done.figures} figures of {len(done.separators)} separators in {done.cells} cells, "
        f"{done.without_value} without a value; run {', '.join(done.runs)} in {folder}"
    )


@results.command("compact")
@RESULTS_OPTION
def results_compact(folder: Path) -> None:
    """Merge the many small parts of a results folder. Not while a run writes to it on another machine."""
    from reports.results import Results, ResultsError

    store = Results(folder)
    if not store.exists():
        raise ResultsError(f"{folder}: no results folder")
    before, after = store.compact()
    click.echo(f"{before} parts before, {after} now")


@main.group()
def leaderboard() -> None:
    """Build the static site, and what publishes it."""


leaderboard.add_command(files)


@leaderboard.command("build")
@RESULTS_OPTION
@click.option("--out", type=_FOLDER, default=DEFAULT_SITE, show_default=True, help="Folder for the site.")
@RUN_OPTION
@click.option("--base-url", metavar="URL", help="Where the site will be published: its feed then has whole addresses.")
def leaderboard_build(folder: Path, out: Path, run_name: str | None, base_url: str | None) -> None:
    """Turn a results folder into a folder of HTML that opens in any browser, without a server.

    A recording that was analysed into the folder scene of the site (stemtree analyze AUDIO --out SITE/scene) is linked.
    """
    if base_url is not None and not base_url.startswith(("https://", "http://")):
        raise UserError(f"--base-url {base_url!r}: write the whole address, https://...")
    click.echo(str(_build(folder, out, run_name, base_url).resolve()))


@leaderboard.command("serve")
@RESULTS_OPTION
@click.option("--out", type=_FOLDER, default=DEFAULT_SITE, show_default=True, help="Folder for the site.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port on this machine only."
)
def leaderboard_serve(folder: Path, out: Path, port: int) -> None:
    """Build the site and serve it on 127.0.0.1 until interrupted."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    page = _build(folder, out)
    handler = partial(SimpleHTTPRequestHandler, directory=str(page.parent))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        click.echo(f"http://127.0.0.1:{server.server_port}/")
        server.serve_forever()


def _run(config: RunConfig) -> RunReport:
    from bench.run import run as run_config

    return run_config(config)


def _take_apart(site: Path) -> None:
    """Analyse a song of the embedded data, in which speech, drums, bass and vibraphone come and go, into the site."""
    from tempfile import TemporaryDirectory

    from bench.analysis.request import analyze_recording
    from bench.datasets.mini import default_folder, parts
    from leaderboard.folder import SCENE

    mixture = parts(default_folder())["musdb18"] / "test" / DEMO_SONG / "mixture.wav"
    with TemporaryDirectory() as scratch:
        song = Path(scratch) / f"{DEMO_SONG}.wav"  # the page has the name of the file
        shutil.copyfile(mixture, song)
        analyze_recording(song, site / SCENE, force=True)


def _build(folder: Path, out: Path, run_name: str | None = None, base_url: str | None = None) -> Path:
    from bench.progress import spinner
    from leaderboard import build

    with spinner("leaderboard") as tell:
        return build(folder, out, run=run_name, base_url=base_url, progress=tell)


def _say_json(folder: Path, run_name: str | None) -> None:
    from reports.results import Results, as_json

    json.dump(as_json(Results(folder).rows(run_name)), sys.stdout, indent=1, ensure_ascii=False)
    click.echo()


def _say_summary(folder: Path, run_name: str | None) -> None:
    from reports.results import Results
    from reports.text import summary

    click.echo(summary(Results(folder), run_name, width=text_width()))


def _say_report(report: RunReport, folder: Path) -> None:
    for problem in report.problems:
        click.echo(f"stemtree: {problem.message}", err=True)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(report.counts.items()))
    if not report.dry:
        click.echo(f"{report.cells} cells: {counts}; {report.reused} reused; run {report.run} in {folder}")
        for remark in report.remarks:
            click.echo(f"stemtree: {remark}", err=True)
        return
    if report.seconds_left is None:
        time = "no estimate of time: none of these separators has run here yet"
    else:
        time = f"about {_duration(report.seconds_left)}"
        if report.unknown_speed:
            time += f", not counting {', '.join(report.unknown_speed)}, which never ran here"
    click.echo(f"{report.cells} cells: {counts}; {time}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
