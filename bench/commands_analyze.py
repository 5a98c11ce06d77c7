"""The command ``stemtree analyze``: its options, and what it prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bench.user_input import text_width

if TYPE_CHECKING:
    from bench.analysis.tree import ClassEntry, SceneTree

_SEVERAL: Final = {"--separator": None, "--classes": None, "--depths": re.compile(r"[\d,]+")}
"""Options that take several values after one name, and what such a value looks like; None: anything but an option."""
_LOG_WIDTH: Final = 120
QUERIED: Final = "uss-query"
"""The separator that takes the saved queries of --queries."""

ANALYZE_HELP: Final = """Find what sounds in a recording, and extract it: the scene tree, class by class.

AUDIO is whatever soundfile or ffmpeg reads. It comes first, before options that take several values. The folder of
--out gets one FLAC per class, scene.json, pictures, and index.html, a page that plays it all.

\b
  stemtree analyze street.wav --out street
  stemtree analyze band.mp3 --out band --classes Guitar "Drum kit" Singing
  stemtree analyze band.mp3 --out band --labels events.csv --depths 1,2,3
  stemtree analyze street.wav --out street --queries queries
  stemtree analyze street.wav --out street --tagger panns-sed

Without --tagger the classes of --classes count as sounding throughout, and those of --labels as it says; without
either, mini-tagger listens. It comes with stemtree and tells a few of the 632 classes, which a note and `stemtree card
mini-tagger` name: of all others it says nothing. panns-sed tells 527, and downloads its weights. --queries asks
uss-query for the classes of its files.
"""


class _Spreading(click.Command):
    """Takes ``--depths 1 2 3`` for ``--depths 1 --depths 2 --depths 3``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_spread(args)))


def _spread(arguments: Sequence[str]) -> Iterator[str]:
    several = None
    fresh = False
    for argument in arguments:
        if argument.startswith("-") and len(argument) > 1:
            several = argument if argument in _SEVERAL else None
            fresh = True
        elif several is not None and not fresh:
            like = _SEVERAL[several]
            if like is None or like.fullmatch(argument):
                yield several
            else:
                several = None
        else:
            fresh = False
        yield argument


@click.command(cls=_Spreading, help=ANALYZE_HELP)
@click.argument("audio", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the result.")
@click.option("--tagger", help="Who listens: a name (see `stemtree list taggers`) or module:object.")
@click.option(
    "--separator",
    "separators",
    multiple=True,
    metavar="S ...",
    help="In order of preference [mini-uss repet-sim hpss].",
)
@click.option("--depths", multiple=True, metavar="N ...", help="Depths of the ontology to extract [1 2 3].")
@click.option("--threshold", type=float, help="Score from which a class sounds, 0 to 1 [the tagger's own, or 0.2].")
@click.option("--classes", multiple=True, metavar="NAME ...", help="These classes alone, at whatever depth.")
@click.option("--labels", type=click.Path(path_type=Path), help="What sounds when: a CSV file with start,end,class.")
@click.option(
    "--queries", type=click.Path(path_type=Path, file_okay=False), help="Folder of saved queries (`stemtree query`)."
)
@click.option("--preset", type=click.Choice(["uss"]), help="uss: decide as the public USS code does.")
@click.option("--consistent", is_flag=True, help="Make a disjoint set of classes add up to the recording.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME.KEY=VALUE", help="Option of the tagger or a separator."
)
@click.option("--force", is_flag=True, help="Replace an earlier analysis in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print scene.json.")
def analyze(
    audio: Path,
    out: Path,
    tagger: str | None,
    separators: tuple[str, ...],
    depths: tuple[str, ...],
    threshold: float | None,
    classes: tuple[str, ...],
    labels: Path | None,
    queries: Path | None,
    preset: str | None,
    consistent: bool,
    options: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Find what sounds in a recording, and extract it."""
    from bench.analysis.request import AnalysisError, analyze_recording
    from bench.analysis.tree import SCENE_FILE
    from leaderboard.scene_page import PAGE

    given: dict[str, Any] = {
        "depths": _depths(depths) or None,
        "threshold": threshold,
        "classes": classes or None,
        "consistent": "partition" if consistent else None,
    }
    if depths and classes:
        raise AnalysisError("--depths and --classes exclude each other: classes named are extracted at whatever depth")
    chosen = _options(options)
    if queries is not None:
        separators = separators or (QUERIED,)
        if QUERIED not in separators:
            raise AnalysisError(f"--queries is for {QUERIED}, which is not among the separators; add it to --separator")
        chosen.setdefault(QUERIED, {})["queries"] = str(queries)
        if not (classes or depths or labels or tagger):
            from bench.queries import saved_classes

            given["classes"] = saved_classes(queries)
    tree = analyze_recording(
        audio,
        out,
        tagger=tagger,
        separators=separators,
        labels=labels,
        preset=preset,
        settings={name: value for name, value in given.items() if value is not None},
        options=chosen,
        force=force,
    )
    if as_json:
        click.echo((out / SCENE_FILE).read_text(encoding="utf-8"), nl=False)
        return
    _say(tree)
    click.echo(str((out / PAGE).resolve()))


def _depths(values: Sequence[str]) -> tuple[int, ...]:
    from bench.analysis.request import AnalysisError

    numbers = [number.strip() for value in values for number in value.split(",")]
    for number in numbers:
        if not number.isdecimal():
            raise AnalysisError(f"--depths {number!r}: say whole numbers from 1 to 6, as in --depths 1,2,3")
    return tuple(sorted({int(number) for number in numbers}))


def _options(pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """NAME.KEY=VALUE, values read as YAML."""
    import yaml

    from bench.analysis.request import AnalysisError

    options: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        name, dot, key = path.rpartition(".")
        if not (equals and dot and name and key):
            raise AnalysisError(f"--option {pair!r}: say NAME.KEY=VALUE, e.g. hpss.kernel=17")
        try:
            options.setdefault(name, {})[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise AnalysisError(f"--option {pair!r}: the value is no YAML; put it in quotes") from error
    return options


def _say(tree: SceneTree) -> None:
    """Print the tree as a table, and what a reader must know."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from leaderboard import numbers
    from leaderboard.scene_page import STATUSES
    from ontology.forest import forest

    console = Console(file=sys.stdout, width=text_width(in_log=_LOG_WIDTH), highlight=False)
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("class", overflow="fold")
    for heading in ("depth", "conf.", "level", "sounds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("by", overflow="fold")
    entries: Mapping[str, ClassEntry] = {entry.mid: entry for entry in tree.classes}
    for place in (place for root in forest(list(entries)) for place in root.walk()):
        entry = entries[place.mid]
        table.add_row(
            Text("  " * place.level + entry.name + ("" if place.first else " (as above)")),
            str(entry.depth),
            "–" if entry.confidence is None else numbers.decimal(entry.confidence, 2),
            "–" if entry.level_db is None else f"{numbers.decimal(entry.level_db, 1)} dB",
            numbers.duration(sum(span.end - span.start for span in entry.spans)),
            Text(_by(entry) if place.first else ""),
        )
    if tree.classes:
        console.print(table)
    for note in tree.notes:
        click.echo(f"note: {note}", err=True)
    counts = [
        f"{count} {words}"
        for status, words in STATUSES.items()
        if (count := sum(entry.status == status for entry in tree.classes))
    ]
    click.echo(f"{numbers.count(len(tree.classes), 'class', 'classes')}: {', '.join(counts) or 'nothing was heard'}")


def _by(entry: ClassEntry) -> str:
    if entry.status == "extracted":
        return entry.separator or ""
    if entry.status == "failed":
        return f"failed: {entry.reason}"
    return f"not extracted: {entry.reason if entry.separator else 'no separator takes it'}"
