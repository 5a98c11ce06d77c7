"""``stemtree query``: saved queries, which `stemtree analyze --queries` and the separator uss-query take."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
MAKE_HELP: Final = """Average what the query net of a separator hears in CLIPs of one class, and save it.

\b
  stemtree query make --class Dog --out queries/dog.safetensors dogs/*.wav
  stemtree analyze street.wav --out street --queries queries
"""


@click.group()
def query() -> None:
    """Make saved queries: what a query net hears in example clips of a class."""


@query.command(help=MAKE_HELP)
@click.argument("clips", nargs=-1, required=True, metavar="CLIP...", type=_FILE)
@click.option("--class", "label", required=True, metavar="NAME", help="Class that the clips are of, by name or mid.")
@click.option("--out", type=_FILE, required=True, help="File to write, *.safetensors.")
@click.option("--checkpoint", type=_FILE, help="Checkpoint of the separator that will be asked [the published one].")
@click.option("--query-net", type=_FILE, help="Weights of its tagger [those that it was trained with].")
@click.option("--remove-silence", is_flag=True, help="Drop silent frames of the clips.")
@click.option("--force", is_flag=True, help="Replace a query that is there.")
def make(
    clips: tuple[Path, ...],
    label: str,
    out: Path,
    checkpoint: Path | None,
    query_net: Path | None,
    remove_silence: bool,
    force: bool,
) -> None:
    """Average what the query net hears in CLIPs of one class, and save it."""
    from bench.progress import spinner
    from bench.queries import make_query

    with spinner("query") as tell:
        meta = make_query(
            label,
            clips,
            out,
            checkpoint=checkpoint,
            query_net=query_net,
            remove_silence=remove_silence,
            force=force,
            progress=tell,
        )
    left = len(clips) - len(meta.clips)
    click.echo(f"{out}: {meta.target}, {meta.net}, from {len(meta.clips)} clips" + (f"; {left} silent" if left else ""))
