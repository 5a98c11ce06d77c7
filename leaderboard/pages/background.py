"""What stands behind the figures: definitions, figures reported by others, runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from leaderboard import rerun
from leaderboard.citation import links
from leaderboard.page import Page, Studio, flatten
from reports import bootstrap, ranks, tables
from reports.aggregate import AGGREGATIONS, parse_column
from reports.outcomes import FALLBACK
from reports.published import published, published_on
from reports.schema import Manifest


def pages(studio: Studio) -> Iterator[Page]:
    """Metrics and methods, reported figures, the list of runs, and a page per run."""
    yield studio.page("metrics.html", "metrics.html", partial(_metrics, studio), of=None, shows="metrics")
    yield studio.page("reported.html", "reported.html", _reported, of=None, shows="reported")
    yield studio.page("runs.html", "runs.html", dict, of=None)
    for manifest in studio.site.manifests:
        address, said = studio.site.run_href(manifest.run), manifest.model_dump_json()
        yield studio.page(address, "run.html", partial(_run, manifest), of=None, shows=said)


def _metrics(studio: Studio) -> dict[str, Any]:
    used = {metric for board in studio.site.boards for metric in board.entry.metrics}
    used |= {parse_column(column)[0] for board in studio.site.boards for column in board.columns}
    return {
        "metrics": sorted({*used, *studio.site.metrics}),
        "aggregations": AGGREGATIONS,
        "bootstrap": bootstrap,
        "ranks": ranks,
        "fallback": FALLBACK,
        "links": links,
        "ranked_coverage": tables.RANKED_COVERAGE,
    }


def _reported() -> dict[str, Any]:
    names = dict.fromkeys(figure.dataset for figure in published())
    return {"reported": [(name, published_on(name)) for name in names]}


def _run(manifest: Manifest) -> dict[str, Any]:
    return {
        "manifest": manifest,
        "reruns": [rerun.of_run(manifest)],
        "configuration": flatten(manifest.configuration),
        "provenance": flatten(manifest.provenance),
    }
