"""``stemtree data``: make, find, verify and freeze data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from bench.user_input import DATASET_OPTION, SHOWN, UserError, dataset_options

_MADE: Final = ("mini", "rendered")
"""Data sets that are made and not fetched."""
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def data() -> None:
    """Make, find and verify data sets."""


@data.command("make")
@click.argument("name", type=click.Choice(_MADE))
@click.option("--out", type=_FOLDER, help="Folder to make it in; the user's cache unless said.")
def data_make(name: str, out: Path | None) -> None:
    """Make a data set on this machine: mini, embedded for tests and demos, or rendered, clips to train on."""
    from bench.datasets import mini, rendered
    from bench.progress import spinner

    with spinner(name) as tell:
        if name == "mini":
            made = mini.parts(mini.make(out or mini.default_folder(), progress=tell))
        else:
            folder = rendered.make(out or rendered.default_folder(), progress=tell)
            made = {split: folder / f"{split}.csv" for split in rendered.SPLITS}
    for part, place in made.items():
        click.echo(f"{part}\t{place}")


@data.command("get")
@click.argument("dataset")
def data_get(dataset: str) -> None:
    """Say where a data set comes from, under which licence, and how to lay it out."""
    from bench.data import dataset_class

    if dataset in _MADE:
        raise UserError(f"{dataset} is made on this machine: stemtree data make {dataset}")
    info = dataset_class(dataset).info
    for label, value in (
        ("title", info.title), ("licence", info.licence), ("citation", info.citation), ("url", info.url),
        ("get it", info.how_to_get),
    ):  # fmt: skip
        click.echo(f"{label + ':':<10} {value}")


@data.command("verify")
@click.argument("dataset")
@click.option("--root", type=_FOLDER, required=True, help="Folder of the data set.")
@DATASET_OPTION
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def data_verify(dataset: str, root: Path, options: tuple[str, ...], as_json: bool) -> None:
    """Decode every file of a data set and say exactly what is missing or broken. Exit status 1 if anything is."""
    from bench.data import construct, find_folder
    from bench.progress import spinner

    if dataset in _MADE:
        raise UserError(f"{dataset} is verified when it is made: stemtree data make {dataset}")
    opened = construct(dataset, find_folder(dataset, {dataset: root}), dataset_options(options))
    problems = []
    with spinner(f"verify {dataset}") as tell:
        for problem in opened.verify():
            problems.append(problem)
            tell(str(problem.path))
    if as_json:
        rows = [{"path": str(p.path), "what": p.what, "remedy": p.remedy} for p in problems]
        click.echo(json.dumps(rows, indent=1))
    else:
        for problem in problems[:SHOWN]:
            click.echo(f"{problem.path}: {problem.what}; {problem.remedy}")
        if len(problems) > SHOWN:
            click.echo(f"... and {len(problems) - SHOWN} more; --json has them all")
        count = "complete" if not problems else f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        click.echo(f"{dataset} at {opened.root}: {count}")
    if problems:
        raise click.exceptions.Exit(1)


@data.command("scenes")
@click.argument("dataset")
@click.option("--root", type=_FOLDER, required=True, help="Folder of the data set.")
@click.option("--out", type=_FILE, required=True, help="File of the manifest, JSON.")
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="How many scenes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one draws other scenes.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True, max=3600), default=10.0, show_default=True,
    help="Length of each scene.",
)  # fmt: skip
@DATASET_OPTION
def data_scenes(
    dataset: str, root: Path, out: Path, count: int, seed: int, seconds: float, options: tuple[str, ...]
) -> None:
    """Draw blind scenes from the single sources of a data set, and freeze them in a manifest.

    The manifest holds no audio. A run takes it as scenes.manifest=FILE; equal data and options give an equal file.
    """
    from bench.blind import draw, manifest, scenes
    from bench.data import open_datasets
    from bench.datasets.base import DatasetError
    from bench.plugins import option_name
    from bench.progress import spinner

    if dataset == "mini":
        raise UserError("mini stands for several data sets: draw from one of the folders of stemtree data make mini")
    own = option_name(dataset)
    with spinner(f"scenes of {dataset}") as tell:
        opened, problems = open_datasets(
            [dataset], folders={own: root}, options={own: dataset_options(options)}, progress=tell
        )
        if problems or not opened:
            raise DatasetError("; ".join(problem.message for problem in problems))
        drawn = draw.draw(opened[0], count=count, seed=seed, seconds=seconds, progress=tell)
    manifest.save(drawn, out)
    click.echo(f"{out}: {scenes.describe(drawn)}")
