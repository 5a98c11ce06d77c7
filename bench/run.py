"""One run, from configuration to results: open, describe, plan, execute, and write down what was done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from bench import plugins
from bench.cells import SeparatorSpec
from bench.config import RunConfig
from bench.data import OpenedDataset, open_datasets
from bench.describe import Description
from bench.execute import refused_rows, write_outcome
from bench.executors.base import Executor
from bench.executors.inline import InlineExecutor
from bench.executors.pool import PoolExecutor
from bench.metrics.base import Metric
from bench.plan import Plan, Planner
from bench.progress import spinner, track
from bench.provenance import provenance
from reports.results import Results
from reports.schema import DatasetEntry, Manifest, MetricEntry, Problem

COMPACT_ABOVE: Final = 2_000
"""Parts in a results folder from which a run begins by merging them."""


class RunError(ValueError):
    """A run cannot start; the message says why, in one line."""


@dataclass(frozen=True)
class RunReport:
    """What a run did. ``seconds_left`` is the estimate of a dry run: None where nothing is known to estimate from."""

    run: str
    cells: int
    reused: int
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]
    dry: bool = False
    seconds_left: float | None = None
    unknown_speed: tuple[str, ...] = ()


def run(config: RunConfig) -> RunReport:
    """Carry out a run, or only plan it where ``config.dry_run`` is set.

    Raises:
        RunError: a separator or metric is unknown, or no data set can be opened.
    """
    specs = [_spec(name, config.options) for name in config.separators]
    _check_metrics(config.metrics)
    _check_options(config)
    name = config.run or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    results = Results(config.results)
    with spinner("data sets") as tell:
        opened, problems = open_datasets(
            config.datasets, folders=config.data, options=config.options, limit=config.limit, progress=tell
        )
    if not opened:
        raise RunError("; ".join(problem.message for problem in problems))
    with _executor(config) as executor:
        with spinner("plan") as tell:
            described = executor.describe(specs, _targets(opened))
            planner = Planner(
                results=results,
                run=name,
                protocol=config.protocol,
                seed=config.seed,
                device=config.device,
                metrics=config.metrics,
                retry=config.retry,
                keep_estimates=config.estimates == "keep",
                progress=tell,
            )
            plan = planner.plan(opened, described)
        if config.dry_run:
            return _dry(name, plan, problems, results, workers=executor.workers)
        configuration = config.model_dump(mode="json", exclude={"dry_run"})
        return execute(name, plan, opened, described, problems, results, executor, configuration=configuration)


def execute(
    name: str,
    plan: Plan,
    opened: Sequence[OpenedDataset],
    described: Sequence[Description],
    problems: Sequence[Problem],
    results: Results,
    executor: Executor,
    *,
    configuration: dict[str, Any],
) -> RunReport:
    """Run a plan. The manifest comes first, so that a kill leaves a run that can be read, and again at the end."""
    _compact_if_many(results)
    manifest = Manifest(
        run=name,
        started=_now(),
        configuration=configuration,
        provenance=provenance(),
        datasets={dataset.name: _entry(dataset, plan) for dataset in opened},
        problems=tuple(problems),
        reused=len(plan.done),
    )
    families = {description.spec.name: description.family for description in described}
    entries = pl.DataFrame(plan.entries).with_columns(
        family=pl.col("separator").replace_strict(families), protocol=pl.lit(configuration.get("protocol", "query"))
    )
    results.write_metrics(_metric_entries(manifest.datasets))
    for dataset in opened:
        results.write_scenes(plan.scenes.filter(pl.col("dataset") == dataset.name), version=plan.versions[dataset.name])
    _write_cards(results, described)
    results.write_manifest(manifest, entries)

    state = "interrupted"
    try:
        for settled in plan.settled:
            rows = refused_rows(settled.job)
            write_outcome(settled.job, settled.status, settled.reason, trace=settled.trace, scores=rows)
        for _ in track(executor.run(plan.jobs), total=len(plan.jobs), label="cells"):
            pass
        state = "finished"
    finally:
        counts = Counter(results.run_cells(name)["status"].fill_null("pending").to_list())
        done = {"state": state, "finished": _now(), "counts": dict(counts)}
        results.write_manifest(manifest.model_copy(update=done))
    return RunReport(name, len(entries), len(plan.done), dict(counts), tuple(problems))


def _executor(config: RunConfig) -> Executor:
    if config.executor.kind == "inline":
        return InlineExecutor()
    return PoolExecutor(workers=config.executor.workers, limits=config.limits.limits())


def _spec(name: str, options: Mapping[str, Mapping[str, Any]]) -> SeparatorSpec:
    try:
        path = plugins.resolve("separators", name)
        return SeparatorSpec(name=name, path=path, options=dict(options.get(_option_name(name), {})))
    except plugins.PluginError as error:
        raise RunError(str(error)) from error


def _option_name(name: str) -> str:
    """What stands after ``options.``: a plug-in's name, or the object's own of ``module:object``."""
    return name.rpartition(":")[2]


def _check_metrics(metrics: Iterable[str] | None) -> None:
    try:
        for name in metrics or ():
            plugins.resolve("metrics", name)
    except plugins.PluginError as error:
        raise RunError(str(error)) from error


def _check_options(config: RunConfig) -> None:
    """Options for something that is not in the run are a typing error."""
    known = {_option_name(name) for name in (*config.separators, *config.datasets)}
    if "mini" in config.datasets:
        known |= set(plugins.plugins("datasets"))
    for kind, section in (("options", config.options), ("data", config.data)):
        for name in section:
            if name not in known | ({"root"} if kind == "data" else set()):
                raise RunError(f"{kind}.{name}: {name!r} is not in this run, which has {', '.join(sorted(known))}")


def _targets(opened: Sequence[OpenedDataset]) -> list[Any]:
    wanted = {target.target for dataset in opened for scene in dataset.scenes for target in scene.targets}
    return sorted(wanted, key=lambda target: (target.label, target.mids))


def _entry(opened: OpenedDataset, plan: Plan) -> DatasetEntry:
    dataset = opened.dataset
    return DatasetEntry(
        title=opened.info.title,
        split=dataset.split,
        licence=opened.info.licence,
        citation=opened.info.citation,
        url=opened.info.url,
        columns=dataset.columns,
        metrics=dataset.metrics,
        caveat=opened.caveat,
        scenes=len(opened.scenes),
        version=plan.versions[opened.name],
    )


def _metric_entries(datasets: Mapping[str, DatasetEntry]) -> dict[str, MetricEntry]:
    ids = sorted({metric for entry in datasets.values() for metric in entry.metrics})
    metrics = [plugins.load("metrics", name) for name in ids]
    return {metric.id: metric_entry(metric) for metric in metrics}


def metric_entry(metric: Metric) -> MetricEntry:
    """What a results folder says of a metric."""
    return MetricEntry(
        title=metric.title,
        unit=metric.unit,
        better=metric.better,
        definition=metric.definition,
        undefined=metric.undefined,
        aggregations=metric.aggregations,
    )


def _write_cards(results: Results, described: Sequence[Description]) -> None:
    for description in described:
        if description.card:
            text = json.dumps(dict(description.card), indent=1, ensure_ascii=False)
            results.write_text(Path("cards") / f"{_file_name(description.spec.name)}.json", text)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def _compact_if_many(results: Results) -> None:
    if sum(1 for _ in (results.folder / "cells").glob("*.parquet")) > COMPACT_ABOVE:
        results.compact()


def _dry(name: str, plan: Plan, problems: Sequence[Problem], results: Results, *, workers: int) -> RunReport:
    speeds = _speeds(results)
    seconds, unknown = 0.0, set()
    for job in plan.jobs:
        if job.spec.name in speeds:
            seconds += speeds[job.spec.name] * job.scene.mixture.seconds
        else:
            unknown.add(job.spec.name)
    counts = {"to run": len(plan.jobs), "known beforehand": len(plan.settled), "done": len(plan.done)}
    total = sum(counts.values())
    left = None if len(unknown) == len({job.spec.name for job in plan.jobs}) and plan.jobs else seconds / workers
    return RunReport(
        name,
        total,
        len(plan.done),
        counts,
        tuple(problems),
        dry=True,
        seconds_left=left,
        unknown_speed=tuple(sorted(unknown)),
    )


def _speeds(results: Results) -> dict[str, float]:
    """Median seconds of work per second of audio, by separator, over everything that was ever computed here."""
    if not results.runs():
        return {}
    ratio = pl.col("total_seconds") / pl.col("audio_seconds")
    cells = results.run_cells().filter(pl.col("seconds").is_not_null())
    return dict(cells.group_by("separator").agg(ratio.median().alias("ratio")).select("separator", "ratio").iter_rows())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
