"""Build the site: a folder of results in, a folder of plain files out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
import polars as pl

from leaderboard import details, numbers, rankings
from leaderboard.blind_board import blind_sections
from leaderboard.context import Site, count_left_out, dataset_title, metric_anchor, read
from leaderboard.downloads import FORMATS, LINKED, sheet_of
from leaderboard.folder import SCENE, SiteFolder
from reports import bootstrap, ranks, tables
from reports.aggregate import AGGREGATIONS, parse_column
from reports.figures import Dot, interval_plot
from reports.outcomes import FALLBACK
from reports.published import published, published_on
from reports.results import Results
from reports.tables import Board

_STATIC: Final = ("site.css", "site.js")
_FIRST_COLUMNS: Final = 6
"""Figures that the overview shows of a data set: as many as stand side by side on a screen 1,280 px wide."""


def build(results: Path, out: Path, *, run: str | None = None, title: str = "stemtree leaderboard") -> Path:
    """Build the site of a results folder in ``out`` and return the path of its ``index.html``.

    The same results give the same bytes. Only files that differ are written; what an earlier build left and this one
    does not make is dropped; other files in ``out`` stay. Where a recording was analysed into ``out/scene``, the index
    links to its page.

    Args:
        results: the results folder.
        out: a new or empty folder, or that of an earlier build.
        run: show this run alone; else the newest result of every separator and scene over all runs.
        title: heading of the site.

    Raises:
        ResultsError: the results cannot be read, or there is no such run.
        SiteError: ``out`` holds files that are no site.
    """
    folder = SiteFolder(out)
    site = read(Results(results), run=run, title=title)
    pages = _Pages(site, folder)
    pages.index()
    pages.separators()
    pages.metrics()
    pages.reported()
    pages.runs()
    for board in site.boards:
        pages.scenes(board)
    for name in _STATIC:
        folder.add(f"static/{name}", resources.files("leaderboard").joinpath("static", name).read_bytes())
    folder.write()
    return folder.folder / "index.html"


class _Pages:
    """Renders each kind of page into the folder."""

    def __init__(self, site: Site, folder: SiteFolder) -> None:
        self.site, self.folder = site, folder
        self.overall = [(board, rankings.overall(site, board)) for board in site.boards]
        self.environment = jinja2.Environment(
            loader=jinja2.PackageLoader("leaderboard", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals.update(
            site=site, numbers=numbers, metric_anchor=metric_anchor, dataset_title=dataset_title, flatten=flatten
        )
        self.environment.filters["web"] = web_address

    def _add(self, path: str, template: str, **values: Any) -> None:
        root = "../" * path.count("/")
        self.folder.add(path, self.environment.get_template(template).render(root=root, path=path, **values))

    def index(self) -> None:
        """The overall page, and one page per data set."""
        scene = f"{SCENE}/index.html"
        self._add(
            "index.html",
            "index.html",
            overall=[(board, table.first(_FIRST_COLUMNS)) for board, table in self.overall],
            scene=scene if (self.folder.folder / scene).is_file() else None,
        )
        for board, table in self.overall:
            self._add(
                self.site.board_href(board),
                "dataset.html",
                board=board,
                table=table,
                shared=rankings.shared(self.site, board),
                by_target=rankings.by_target(self.site, board),
                left_out=count_left_out(board),
                figure=_figure(self.site, board, table),
                blind=blind_sections(self.site, board) if board.blind else None,
                reported=() if board.blind else published_on(board.dataset),
                scenes=_scene_list(board),
                downloads=self._downloads(board, table),
            )

    def _downloads(self, board: Board, table: rankings.Table) -> list[tuple[str, str]]:
        """Write the table of a data set in other formats beside its page; titles and addresses."""
        sheet, beside = sheet_of(self.site, board, table), self.site.board_href(board).removesuffix(".html")
        found = []
        for format in (FORMATS[name] for name in LINKED):
            found.append((format.title, f"{beside}.{format.suffix}"))
            self.folder.add(found[-1][1], format.write(sheet))
        return found

    def separators(self) -> None:
        """One page per separator."""
        failures = [(board, details.failures(self.site, board)) for board in self.site.boards]
        skips = [(board, details.skips(self.site, board)) for board in self.site.boards]
        waiting = [(board, details.not_run(self.site, board)) for board in self.site.boards]
        rows = [(board, table, {row.name: row for row in table.rows}) for board, table in self.overall]
        for name in sorted(self.site.families):
            results = [
                (board, *rankings.alone(table, by_name[name])) for board, table, by_name in rows if name in by_name
            ]
            self._add(
                self.site.separator_href(name),
                "separator.html",
                name=name,
                card=self.site.card(name),
                variants=self.site.variants(name),
                results=[result for result in results if any(cell.text for cell in result[2].cells)],
                without=[result for result in results if not any(cell.text for cell in result[2].cells)],
                failures=[(board, groups[name]) for board, groups in failures if name in groups],
                skips=[(board, groups[name]) for board, groups in skips if name in groups],
                waiting=[(board, groups[name]) for board, groups in waiting if name in groups],
            )

    def scenes(self, board: Board) -> None:
        """One page per scene of a data set."""
        names = list(board.scenes["scene"])
        for place, (scene, targets) in enumerate(details.scene_tables(self.site, board)):
            self._add(
                self.site.scene_href(board, scene["scene"]),
                "scene.html",
                board=board,
                scene=scene,
                targets=targets,
                former=names[place - 1] if place else None,
                following=names[place + 1] if place + 1 < len(names) else None,
            )

    def metrics(self) -> None:
        """Definitions and methods."""
        used = {metric for board in self.site.boards for metric in board.entry.metrics}
        used |= {parse_column(column)[0] for board in self.site.boards for column in board.columns}
        self._add(
            "metrics.html",
            "metrics.html",
            metrics=sorted({*used, *self.site.metrics}),
            aggregations=AGGREGATIONS,
            bootstrap=bootstrap,
            ranks=ranks,
            fallback=FALLBACK,
            ranked_coverage=tables.RANKED_COVERAGE,
        )

    def reported(self) -> None:
        """Figures that others have published, by data set."""
        names = dict.fromkeys(figure.dataset for figure in published())
        self._add("reported.html", "reported.html", reported=[(name, published_on(name)) for name in names])

    def runs(self) -> None:
        """The list of runs, and one page per manifest."""
        self._add("runs.html", "runs.html")
        for manifest in self.site.manifests:
            self._add(
                self.site.run_href(manifest.run),
                "run.html",
                manifest=manifest,
                configuration=flatten(manifest.configuration),
                provenance=flatten(manifest.provenance),
            )


def web_address(url: str | None) -> str | None:
    """The address when it is one of the web; nothing else may stand in a link."""
    return url if url and url.startswith(("https://", "http://")) else None


def flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as dotted names and text, in the order in which it stands."""
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _plain(value)))
    return rows


def _plain(value: Any) -> str:
    """A leaf of a configuration in words."""
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _scene_list(board: Board) -> list[dict[str, Any]]:
    """The scenes of a board with what is counted in each."""
    ranking = board.outcomes.filter(pl.col("metric") == parse_column(board.columns[0])[0])
    counts = ranking.group_by("scene").agg(
        measured=(pl.col("state") == "measured").sum(),
        failures=(pl.col("state") == "failed").sum(),
        skips=(pl.col("state") == "skipped").sum(),
        not_run=(pl.col("state") == "not run").sum(),
    )
    left_out = board.left_out.group_by("scene").agg(left_out=pl.len())
    listed = board.scenes.join(counts, on="scene", how="left").join(left_out, on="scene", how="left")
    return (
        listed.with_columns(pl.col("measured", "failures", "skips", "not_run", "left_out").fill_null(0))
        .sort("scene")
        .to_dicts()
    )


def _figure(site: Site, board: Board, table: rankings.Table) -> str | None:
    """The interval plot of the first column; None where no separator covers all targets and scenes."""
    first = board.overall.filter(pl.col("column") == board.columns[0])
    by_name = {row["separator"]: row for row in first.iter_rows(named=True)}
    comparable = [row for group in table.groups if group.look != "apart" for row in group.rows]
    rows = [row for row in comparable if row.cells[0].value is not None]
    if not rows:
        return None
    column = table.columns[0]
    dots = [
        Dot(row.name, by_name[row.name]["value"], by_name[row.name]["low"], by_name[row.name]["high"], row.kind)
        for row in rows
    ]
    said = "; ".join(f"{row.name} {row.cells[0].text} {row.cells[0].interval or 'without interval'}" for row in rows)
    unit = f" in {column.unit}" if column.unit else ""
    return interval_plot(
        dots,
        axis=f"{column.title}{unit}, {column.words}",
        title=f"{column.title} on {site.board_title(board)}, separator by separator",
        description=f"{column.title}{unit}: {said}.",
    )
