"""What the command line does, for notebooks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from bench import plugins
from bench.config import RunConfig
from bench.run import run
from reports.results import Results
from separators.base import Separator


def evaluate(
    separator: str | type[Separator],
    dataset: str,
    *,
    root: Path | str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    results: Path | str | None = None,
) -> pl.DataFrame:
    """Run one separator on one data set in this process and return its rows.

    Args:
        separator: a plug-in's name, ``module:object``, or a class that can be imported.
        dataset: a plug-in's name, or ``mini``.
        root: the folder of the data set.
        options: constructor options, by separator or data set name.
        metrics: ids of metrics; None takes the data set's own.
        limit: at most so many scenes.
        results: results folder to keep; None uses one that is thrown away.

    Returns:
        One row per score, as ``stemtree results show`` prints them.

    Raises:
        bench.run.RunError: the separator, data set or a metric is unknown or cannot be opened.
    """
    name = separator if isinstance(separator, str) else f"{separator.__module__}:{separator.__qualname__}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(results) if results is not None else Path(scratch)
        config = RunConfig(
            separators=(name,),
            datasets=(dataset,),
            data={plugins.option_name(dataset): Path(root)} if root is not None else {},
            options={key: dict(value) for key, value in (options or {}).items()},
            metrics=tuple(metrics) if metrics is not None else None,
            limit=limit,
            results=folder,
            executor={"kind": "inline"},  # type: ignore[arg-type]
        )
        report = run(config)
        return Results(folder).rows(report.run)
