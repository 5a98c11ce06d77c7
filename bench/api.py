"""What the command line does, for notebooks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from bench import plugins
from bench.analysis.request import analyze_recording
from bench.config import ExcerptsConfig, RunConfig
from bench.run import run
from reports.results import Results
from separators.base import Separator

if TYPE_CHECKING:
    import torch

    from bench.analysis.tree import SceneTree
    from taggers.base import Annotation


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
            excerpts=ExcerptsConfig(of="own" if results is not None else "none"),
            executor={"kind": "inline"},  # type: ignore[arg-type]
        )
        report = run(config)
        return Results(folder).rows(report.run)


def analyze(
    path: Path | str,
    *,
    out: Path | str,
    tagger: str | None = None,
    separators: Sequence[str] = (),
    labels: Path | str | Annotation | None = None,
    preset: Literal["uss"] | None = None,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
    device: torch.device | None = None,
) -> SceneTree:
    """Find what sounds in a recording, extract each class, and write audio, ``scene.json``, pictures and a page.

    Args:
        path: a recording that soundfile or ffmpeg reads.
        out: a new or empty folder; with ``force`` also that of an earlier analysis, which is replaced.
        tagger: a plug-in's name or ``module:object``. None takes ``labels`` where they are given, no tagger where
            ``settings`` name classes (they count as sounding throughout), and ``mini-tagger`` elsewhere, or
            ``panns-sed`` under the preset ``uss``.
        separators: in order of preference; none takes the default.
        labels: what sounds when, for a tagger that repeats it: an annotation or the path of a CSV file.
        preset: ``uss`` decides as the public USS code does.
        settings: fields of :class:`bench.analysis.settings.AnalysisSettings`, such as ``depths`` and ``threshold``.
        options: constructor options, by tagger's or separator's name.
        force: replace an earlier analysis.
        device: of tagger and separators; None is the CPU.

    Returns:
        The scene tree, as it stands in ``scene.json``.

    Raises:
        bench.analysis.request.AnalysisError: the recording, the folder or a setting cannot be used.
        bench.plugins.PluginError: tagger or separator are unknown, or do not take their options.
        taggers.base.Unavailable: the tagger's weights are not to be had.
    """
    return analyze_recording(
        Path(path),
        Path(out),
        tagger=tagger,
        separators=separators,
        labels=Path(labels) if isinstance(labels, str) else labels,
        preset=preset,
        settings=settings,
        options=options,
        force=force,
        device=device,
    )
