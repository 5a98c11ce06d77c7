"""A page per data set, and beside it its table and its figures as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any, Final

import polars as pl

from leaderboard import rankings
from leaderboard.blind_board import blind_sections
from leaderboard.class_figures import class_hrefs
from leaderboard.context import Site, count_left_out
from leaderboard.downloads import FORMATS, LINKED, Format, sheet_of
from leaderboard.figures import KINDS, Plate, View, plates_of, shown_kinds
from leaderboard.order import in_order
from leaderboard.page import Page, Studio
from leaderboard.paths import slug
from reports.aggregate import parse_column
from reports.figures import PAGE, Printing, printing
from reports.published import published_on
from reports.tables import Board

_FILES: Final = {"svg": "SVG", "pdf": "PDF"}


def pages(studio: Studio) -> Iterator[Page]:
    """One page per board, a file per format of its table, and two of each figure."""
    for board in studio.site.boards:
        path = studio.site.board_href(board)
        files = [(FORMATS[name], f"{path.removesuffix('.html')}.{FORMATS[name].suffix}") for name in LINKED]
        figures = _Figures(studio.site, board)
        values = partial(_values, studio, board, files, figures)
        yield studio.page(path, "dataset.html", values, of=[board], begin=figures.begin)
        for format, address in files:
            yield Page(address, partial(_file, studio, board, format), (board,))
        for kind in figures.kinds:
            for suffix in _FILES:
                content = partial(figures.file, kind, suffix)
                yield Page(figures.address(kind, suffix), content, (board,), begin=figures.begin)


def _file(studio: Studio, board: Board, format: Format) -> bytes:
    return format.write(sheet_of(studio.site, board, studio.table(board)))


class _Figures:
    """The figures of one board, each drawn once for the page and its files."""

    def __init__(self, site: Site, board: Board) -> None:
        self.view = View(site, board)
        self._folder = f"figures/{slug(site.board_name(board))}"

    @cached_property
    def missing(self) -> dict[str, str]:
        """Why the board lacks a figure that its page would show, by kind."""
        reasons = {kind: KINDS[kind].lacks(self.view) for kind in shown_kinds(self.view)}
        return {kind: reason for kind, reason in reasons.items() if reason is not None}

    @property
    def kinds(self) -> list[str]:
        """The kinds that are drawn."""
        return [kind for kind in shown_kinds(self.view) if kind not in self.missing]

    def address(self, kind: str, suffix: str) -> str:
        """Of a figure as a file."""
        return f"{self._folder}/{kind}.{suffix}"

    def file(self, kind: str, suffix: str) -> bytes:
        """A figure as a file."""
        printed = self._printed[kind][1].result()
        return printed.svg if suffix == "svg" else printed.pdf

    def begin(self) -> None:
        """Have all figures drawn elsewhere."""
        self._printed  # noqa: B018  asked for once, they are on their way
        self._curves  # noqa: B018

    @cached_property
    def _printed(self) -> dict[str, tuple[Plate, Printing]]:
        return {kind: printed for kind in self.kinds for printed in _print(KINDS[kind].plates(self.view))}

    @cached_property
    def _curves(self) -> list[tuple[Plate, Printing]]:
        """Those over thresholds, which stand in the page alone."""
        curves = plates_of(self.view, "thresholds") if self.view.board.blind else ()
        return [] if isinstance(curves, str) else _print(curves)

    def shown(self) -> list[dict[str, Any]]:
        """What the page shows, in its order."""
        files = {
            kind: {title: self.address(kind, suffix) for suffix, title in _FILES.items()} for kind in self._printed
        }
        found = [(plate, printed, files[kind]) for kind, (plate, printed) in self._printed.items()]
        found += [(plate, printed, {}) for plate, printed in self._curves]
        return [{"plate": plate, "svg": printed.result().page, "files": files} for plate, printed, files in found]


def _print(plates: Iterable[Plate]) -> list[tuple[Plate, Printing]]:
    return [(plate, printing(plate.drawing, PAGE)) for plate in plates]


def _values(studio: Studio, board: Board, files: list[tuple[Format, str]], figures: _Figures) -> dict[str, Any]:
    site, table = studio.site, studio.table(board)
    return {
        "board": board,
        "table": table,
        "shared": rankings.shared(site, board),
        "by_target": rankings.by_target(site, board, hrefs=class_hrefs(board)),
        "left_out": count_left_out(board),
        "figures": figures.shown(),
        "not_drawn": [(KINDS[kind].title, reason) for kind, reason in figures.missing.items()],
        "blind": blind_sections(site, board) if board.blind else None,
        "reported": () if board.blind else published_on(board.dataset),
        "scenes": _scene_list(board),
        "downloads": [(format.title, address) for format, address in files],
    }


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
    counted = listed.with_columns(pl.col("measured", "failures", "skips", "not_run", "left_out").fill_null(0))
    by_name = {row["scene"]: row for row in counted.iter_rows(named=True)}
    return [by_name[name] for name in in_order(by_name)]
