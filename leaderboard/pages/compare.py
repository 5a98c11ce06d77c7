"""A page per data set on which any two of its separators are held against each other, and the list of these pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from leaderboard import numbers, rankings
from leaderboard.context import Column, Site
from leaderboard.page import Page, Studio
from reports import bootstrap, ranks
from reports.pairs import Extreme, Pair, Pairs, Verdict, all_pairs
from reports.power import POWER
from reports.tables import Board

_LINE: Final = 200.0
"""Length of the scale of ranks, in units of its drawing."""
_MOST: Final = 25
"""Pairs whose ties are not transitive that are written out."""
_LOOKS: Final[Mapping[Verdict | None, tuple[str, str, str]]] = {
    "better": ("better", "\N{BLACK UP-POINTING TRIANGLE}", "better"),
    "worse": ("worse", "\N{BLACK DOWN-POINTING TRIANGLE}", "worse"),
    "differs": ("better", "\N{NOT EQUAL TO}", "differs"),
    "tied": ("tied", "\N{ALMOST EQUAL TO}", "not told apart"),
    None: ("open", "?", "no verdict"),
}
"""Class, mark and words of a verdict."""
_EQUAL: Final = ("tied", "=", "practically equal")


@dataclass(frozen=True)
class Cell:
    """One pair from one side: ``look`` is a class of the style sheet, ``mark`` and ``words`` say the same."""

    look: str
    mark: str
    words: str
    value: float | None
    text: str | None
    interval: str | None
    note: str | None


@dataclass(frozen=True)
class Ranked:
    """One separator with its figure and its rank; ``line`` are the ends of the rank on the scale."""

    row: rankings.Row
    line: tuple[float, float] | None
    against: Mapping[str, int] | None
    """Ranked separators by verdict; None where it stands apart from the ranking."""


@dataclass(frozen=True)
class Where:
    """A scene in which two separators differ much."""

    scene: str
    href: str
    text: str


@dataclass(frozen=True)
class Line:
    """All that is known of one pair; numbers are of the first less the second. What is None has no value."""

    first: str
    second: str
    cell: Cell
    alone: str | None
    standardised: str | None
    share: str | None
    share_interval: str | None
    needed: str | None
    needed_interval: str | None
    remarks: tuple[str, ...]
    scenes: tuple[Where, Where] | None
    pair: Pair


def pages(studio: Studio) -> Iterator[Page]:
    """The list of data sets, and a page per board."""
    yield studio.page("compare.html", "compare.html", dict, of=None)
    for board in studio.site.boards:
        path = studio.site.compare_href(board)
        yield studio.page(path, "compare_board.html", partial(_values, studio, board), of=[board])


def _values(studio: Studio, board: Board) -> dict[str, Any]:
    table = studio.table(board)
    column = table.columns[0]
    rows = {row.name: row for row in table.rows}
    pairs = all_pairs(board, column=column.id, better=column.better, unit=column.unit)  # type: ignore[arg-type]
    ranked = [name for name in pairs.whole if not isinstance(rows[name].rank, str)]
    names = [*pairs.whole, *pairs.part]
    ties = _ties(pairs)
    return {
        "board": board,
        "table": table,
        "column": column,
        "whole": [_ranked(rows[name], pairs, ranked) for name in pairs.whole],
        "part": [_ranked(rows[name], pairs, []) for name in pairs.part],
        "without": [row for row in table.rows if row.name not in names],
        "ranks": len(ranked),
        "matrix": [(rows[name], [_cell(pairs, name, other, column) for other in names]) for name in names],
        "looks": {pair.verdict for pair in pairs.pairs.values()},
        "lines": [_line(studio.site, board, pair, column) for pair in pairs.pairs.values()],
        "triples": sum(len(middles) for _, _, middles in ties),
        "ties": ties[:_MOST],
        "more_ties": len(ties[_MOST:]),
        "margin": ranks.margin_of(column.unit),
        "draws": (ranks.DRAWS, bootstrap.DRAWS),
        "few": min(bootstrap.FEW, board.recordings),
        "power": POWER,
    }


def _ranked(row: rankings.Row, pairs: Pairs, ranked: Sequence[str]) -> Ranked:
    line = None
    if not isinstance(row.rank, str):
        step = _LINE / max(1, len(ranked) - 1)
        line = round((row.rank[0] - 1) * step, 1), round((row.rank[1] - 1) * step, 1)
    others = [other for other in ranked if other != row.name]
    verdicts = Counter(str(pairs.of(row.name, other).verdict) for other in others)
    return Ranked(row, line, verdicts if row.name in pairs.whole else None)


def _cell(pairs: Pairs, name: str, other: str, column: Column) -> Cell | None:
    """How ``name`` stands against ``other``; None for the cell of a separator against itself."""
    return None if name == other else _shown(pairs.of(name, other), column)


def _shown(pair: Pair, column: Column) -> Cell:
    look, mark, words = _EQUAL if pair.equal else _LOOKS[pair.verdict]
    difference = pair.own.difference
    return Cell(
        look,
        mark,
        words,
        difference,
        None if difference is None else numbers.difference(difference, column.unit),
        numbers.difference_interval(pair.low, pair.high, column.unit),
        pair.note,
    )


def _line(site: Site, board: Board, pair: Pair, column: Column) -> Line:
    own, better = pair.own, pair.own.superiority
    needed = None
    if own.needed is not None:
        high = "\N{INFINITY}" if own.needed_high is None else f"{own.needed_high:,}"
        needed = f"[{own.needed_low:,}, {high}]"
    remarks = []
    if own.imputed:
        remarks.append(f"{own.imputed:,} imputed")
    if own.unpaired:
        remarks.append(f"{own.unpaired:,} of one alone left out")

    def where(extreme: Extreme) -> Where:
        return Where(
            extreme.scene, site.scene_href(board, extreme.scene), numbers.difference(extreme.difference, column.unit)
        )

    return Line(
        first=own.first,
        second=own.second,
        cell=_shown(pair, column),
        alone=numbers.difference_interval(own.low, own.high, column.unit),
        standardised=None if pair.standardised is None else numbers.signed(numbers.decimal(pair.standardised, 2)),
        share=None if better is None else numbers.percent(better.share),
        share_interval=None if better is None else f"[{numbers.percent(better.low)}, {numbers.percent(better.high)}]",
        needed=None if own.needed is None else f"{own.needed:,}",
        needed_interval=needed,
        remarks=tuple(remarks),
        scenes=pair.scenes and (where(pair.scenes[0]), where(pair.scenes[1])),
        pair=pair,
    )


def _ties(pairs: Pairs) -> list[tuple[str, str, list[str]]]:
    """By pair that is told apart, the separators that both of it are tied with."""
    found: dict[tuple[str, str], list[str]] = {}
    for first, middle, last in pairs.intransitive():
        ahead = first, last
        found.setdefault(ahead if pairs.of(*ahead).verdict != "worse" else ahead[::-1], []).append(middle)
    return [(first, last, middles) for (first, last), middles in found.items()]
