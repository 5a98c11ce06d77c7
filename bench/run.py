"""One run, from configuration to results: open, describe, plan, execute, and write down what was done."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
import torch

from bench import plugins
from bench.blind.metrics import COLUMNS as BLIND_COLUMNS
from bench.cells import SeparatorSpec, SystemSpec
from bench.config import RunConfig
from bench.data import OpenedDataset, load_metrics, open_datasets
from bench.describe import Description
from bench.excerpts import finish, licence_remarks, with_excerpts
from bench.execute import load_metric, refused_rows, write_outcome
from bench.executors.base import Executor
from bench.executors.inline import InlineExecutor
from bench.executors.pool import PoolExecutor
from bench.metrics.base import Metric
from bench.plan import Plan, Planner
from bench.progress import spinner, track
from bench.provenance import provenance
from reports.results import Results
from reports.schema import DatasetEntry, Manifest, MetricEntry, Problem, SeparatorEntry

COMPACT_ABOVE: Final = 2_000
"""Parts in a results folder from which a run begins by merging them."""


_IDENTITY: Final = ("separators", "datasets", "metrics", "protocol", "data", "options", "limit", "seed", "device")
"""Fields of a configuration that decide what a run's table holds."""
_BLIND_IDENTITY: Final = ("taggers", "parsers", "detect", "scenes")
"""Such fields of runs on blind scenes."""


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
    remarks: tuple[str, ...] = ()
    """What to know of its listening excerpts."""


def run(config: RunConfig) -> RunReport:
    """Carry out a run, or only plan it where ``config.dry_run`` is set.

    Raises:
        RunError: a separator or metric is unknown, or no data set can be opened.
    """
    specs = _specs(config)
    metrics = _metrics(config.metrics)
    _check_options(config)
    _check_device(config.device)
    name = config.run or new_run_name()
    results = Results(config.results)
    configuration = config.model_dump(mode="json", exclude={"dry_run"})
    _refuse_other_configuration(results, name, configuration)
    with spinner("data sets") as tell:
        opened, problems = _open(config, tell)
    if not opened:
        raise RunError("; ".join(problem.message for problem in problems))
    with _executor(config) as executor:
        with spinner("plan") as tell:
            described = executor.describe(specs, _targets(opened))
            _refuse_misuse(described)
            planner = Planner(
                results=results,
                run=name,
                protocol=config.protocol,
                seed=config.seed,
                device=config.device,
                metrics=metrics,
                retry=config.retry,
                keep_estimates=config.estimates == "keep",
                progress=tell,
            )
            plan = planner.plan(opened, described)
        if config.dry_run:
            return _dry(name, plan, problems, results, workers=executor.workers)
        with spinner("listening excerpts"):
            plan = with_excerpts(plan, opened, config.excerpts, config.results)
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
    columns = BLIND_COLUMNS if configuration.get("protocol") == "scene" else ()
    manifest = Manifest(
        run=name,
        started=_now(),
        configuration=configuration,
        provenance=provenance(),
        datasets={dataset.name: _entry(dataset, plan, columns) for dataset in opened},
        separators={description.spec.name: _separator_entry(description) for description in described},
        problems=tuple(problems),
        reused=len(plan.done),
    )
    families = {description.spec.name: description.family for description in described}
    oracles = {description.spec.name: description.oracle for description in described}
    entries = pl.DataFrame(plan.entries).with_columns(
        family=pl.col("separator").replace_strict(families),
        oracle=pl.col("separator").replace_strict(oracles),
        protocol=pl.lit(configuration.get("protocol", "query")),
    )
    results.write_metrics(_metric_entries(plan))
    for dataset in opened:
        results.write_scenes(plan.scenes.filter(pl.col("dataset") == dataset.name))
    for description in described:
        if description.card:
            results.write_card(description.spec.name, description.card)
    results.write_manifest(manifest, entries)

    state, remarks = "interrupted", licence_remarks(plan, opened)
    try:
        for settled in plan.settled:
            rows = refused_rows(settled.job)
            write_outcome(settled.job, settled.status, settled.reason, trace=settled.trace, scores=rows)
        for _ in track(executor.run(plan.jobs), total=len(plan.jobs), label="cells"):
            pass
        state = "finished"
        remarks += finish(plan)
    finally:
        counts = Counter(results.run_cells(name)["status"].fill_null("pending").to_list())
        done = {"state": state, "finished": _now(), "counts": dict(counts)}
        results.write_manifest(manifest.model_copy(update=done))
    return RunReport(name, len(entries), len(plan.done), dict(counts), tuple(problems), remarks=tuple(remarks))


def new_run_name() -> str:
    """A name for a run that has none: when it starts, and four digits so that two at once do not meet."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _refuse_other_configuration(results: Results, name: str, configuration: Mapping[str, Any]) -> None:
    """A name stands for one configuration: going on under it with another would make the first one's cells vanish."""
    known = results.run(name)
    if known is None:
        return
    fields = _IDENTITY + (_BLIND_IDENTITY if configuration.get("protocol") == "scene" else ())
    differs = [key for key in fields if known.configuration.get(key) != configuration.get(key)]
    if differs:
        raise RunError(
            f"run {name!r} is in {results.folder} with other {', '.join(differs)}; "
            "give this one another name (run=NAME)"
        )


def _executor(config: RunConfig) -> Executor:
    if config.executor.kind == "inline":
        return InlineExecutor()
    return PoolExecutor(workers=config.executor.workers, limits=config.limits.limits())


def _specs(config: RunConfig) -> Sequence[SeparatorSpec | SystemSpec]:
    def part(kind: plugins.Kind, name: str) -> SeparatorSpec:
        try:
            path = plugins.resolve(kind, name)
        except plugins.PluginError as error:
            raise RunError(str(error)) from error
        return SeparatorSpec(name, path, dict(config.options.get(plugins.option_name(name), {})), kind)

    if config.protocol == "query":
        return [part("separators", name) for name in config.separators]
    from bench.blind.system import system_specs

    return system_specs(
        taggers=config.taggers,
        separators=config.separators if config.taggers else (),
        parsers=config.parsers,
        settings=config.detect,
        part=part,
    )


def _open(config: RunConfig, tell: Callable[[str], None]) -> tuple[list[OpenedDataset], list[Problem]]:
    blind = config.protocol == "scene"
    limit = None if blind else config.limit  # a blind scene takes its sources from any scene
    opened, problems = open_datasets(
        config.datasets, folders=config.data, options=config.options, limit=limit, progress=tell
    )
    if not blind:
        return opened, problems
    from bench.blind.open import blind_datasets

    found, more = blind_datasets(opened, config.scenes, limit=config.limit, progress=tell)
    return found, [*problems, *more]


def _metrics(names: Sequence[str] | None) -> dict[str, str] | None:
    if names is None:
        return None
    metrics, failures = load_metrics(names)
    if failures:
        raise RunError("; ".join(failures))
    return metrics


def _check_options(config: RunConfig) -> None:
    """Options for something that is not in the run are a typing error."""
    named = {plugins.option_name(name) for name in config.plugin_names()}
    inside_mini = plugins.names("datasets") if "mini" in config.datasets else set()
    for kind, section in (("options", config.options), ("data", config.data)):
        for name in section:
            if name not in named | inside_mini | ({"root"} if kind == "data" else set()):
                raise RunError(f"{kind}.{name}: {name!r} is not in this run, which has {', '.join(sorted(named))}")


def _refuse_misuse(described: Sequence[Description]) -> None:
    """Options that a separator does not take are a typing error: better no run than rows that all say so."""
    for description in described:
        if description.misused and description.failure:
            raise RunError(description.failure)


def _check_device(device: str) -> None:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RunError(f"device={device}: torch {torch.__version__} finds no CUDA device; see `stemtree doctor`")
    if device == "mps" and not torch.backends.mps.is_available():
        raise RunError(f"device=mps: torch {torch.__version__} finds no Metal device")


def _targets(opened: Sequence[OpenedDataset]) -> list[Any]:
    wanted = {target.target for dataset in opened for scene in dataset.scenes for target in scene.targets}
    return sorted(wanted, key=lambda target: (target.label, target.mids))


def _entry(opened: OpenedDataset, plan: Plan, columns: tuple[str, ...]) -> DatasetEntry:
    dataset = opened.dataset
    return DatasetEntry(
        title=opened.info.title,
        split=dataset.split,
        licence=opened.info.licence,
        citation=opened.info.citation,
        url=opened.info.url,
        columns=columns or dataset.columns,
        metrics=tuple(opened.metrics),
        caveat=opened.caveat,
        scenes=len(opened.scenes),
        version=plan.versions[opened.name],
    )


def _separator_entry(description: Description) -> SeparatorEntry:
    return SeparatorEntry(
        path=description.spec.path,
        options=dict(description.options or description.spec.options),
        code=description.code,
        weights=description.weights,
        variant=description.variant,
    )


def _metric_entries(plan: Plan) -> dict[str, MetricEntry]:
    wanted = {metric: plugin for job in plan.cells for metric, plugin in job.metrics.items()}
    return {metric: metric_entry(load_metric(plugin)) for metric, plugin in sorted(wanted.items())}


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
