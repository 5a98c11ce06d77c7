"""Score a folder of estimates against a data set, as one more separator of the results folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.data import open_datasets
from bench.executors.inline import InlineExecutor
from bench.external import EstimatesError, Matched, attach, describe_external, match
from bench.plan import Planner
from bench.progress import spinner
from bench.run import RunReport, execute
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
    opened, problems = open_datasets([dataset], folders={dataset: root}, options={dataset: options or {}})
    if not opened:
        raise EstimatesError(problems[0].message)
    store = Results(results)
    run = run_name or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    described = [describe_external(name)]
    matched = match(opened[0].scenes, estimates, table)
    if not matched.files:
        first = opened[0].scenes[0]
        raise EstimatesError(
            f"{estimates}: no file matches a scene; expected e.g. "
            f"{first.id}/{first.targets[0].target.label}.wav (see --map for other names)"
        )
    with spinner("plan") as tell:
        plan = Planner(results=store, run=run, progress=tell).plan(opened, described)
        scored = {key: frozenset(metrics or ()) for key, metrics in store.cells().select("key", "metrics").iter_rows()}
        plan = attach(plan, opened[0], matched, scored)
    configuration = {"protocol": "query", "score": name, "estimates": str(estimates)}
    with InlineExecutor() as executor:
        report = execute(run, plan, opened, described, problems, store, executor, configuration=configuration)
    return report, matched
