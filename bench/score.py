"""Score a folder of estimates against a data set, as one more separator of the results folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import plugins
from bench.data import open_datasets
from bench.executors.inline import InlineExecutor
from bench.external import EstimatesError, Matched, attach, describe_external, match
from bench.plan import Planner
from bench.progress import spinner
from bench.run import RunReport, execute, new_run_name
from reports.results import Results


def score_files(
    dataset: str,
    *,
    root: Path,
    estimates: Path,
    name: str,
    results: Path,
    table: Path | None = None,
    options: Mapping[str, Any] | None = None,
    run_name: str | None = None,
) -> tuple[RunReport, Matched]:
    """Score ``estimates`` under ``name``, and say which scenes and files found no partner.

    Raises:
        EstimatesError: the folder or the table cannot be used, the data set cannot be opened, or nothing matches.
    """
    if name in plugins.names("separators"):
        raise EstimatesError(
            f"{name!r} is an installed separator, whose row these figures would take; use another --name"
        )
    opened, problems = open_datasets([dataset], folders={dataset: root}, options={dataset: options or {}})
    if not opened:
        raise EstimatesError(problems[0].message)
    if len(opened) > 1:
        names = ", ".join(one.name for one in opened)
        raise EstimatesError(f"{dataset} stands for {len(opened)} data sets ({names}); score them one by one")
    store = Results(results)
    run = run_name or new_run_name()
    described = [describe_external(name)]
    matched = match(opened[0].scenes, estimates, table)
    if not matched.files:
        first = opened[0].scenes[0]
        raise EstimatesError(
            f"{estimates}: no file matches a scene; expected e.g. "
            f"{first.id}/{first.targets[0].target.label}.wav (see --map for other names)"
        )
    with spinner("plan") as tell:
        planner = Planner(results=store, run=run, progress=tell)
        plan = attach(planner.plan(opened, described), planner, matched)
    configuration = {"protocol": "query", "score": name, "estimates": str(estimates)}
    with InlineExecutor() as executor:
        report = execute(run, plan, opened, described, problems, store, executor, configuration=configuration)
    return report, matched
