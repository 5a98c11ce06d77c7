"""The ontology as a tree and as an icicle, a page per class that has results, and the scores by depth."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import Any, Final

import polars as pl

from leaderboard import numbers, rankings
from leaderboard.class_blind import blind_section
from leaderboard.class_figures import Atlas, Scored, class_slug
from leaderboard.context import Column
from leaderboard.figures.failures import failures, label
from leaderboard.icicle import WIDTH, Tile, tiles
from leaderboard.order import in_order
from leaderboard.page import Page, Studio
from ontology import Node
from ontology.forest import Place, forest
from reports.blocks import FIGURES
from reports.figures import PAGE, Curve, Printing, curve_drawing, printing
from reports.figures.heat import step_edges
from reports.tables import Board

_LISTED: Final = 24
"""Scenes that a class page links to; the page of the data set has all."""
_CURVES: Final = 8
"""Separators whose scores by depth are drawn: more lines could not be told apart."""
_ROOM: Final = 520.0
"""Height of all scored classes of the icicle together, in units of the drawing, where there are many of them."""
_THIN, _TALL = 1.2, 14.0
"""Height of a class without results, and the greatest of one with them."""
_TONES: Final = {1: (3,), 2: (1, 4), 3: (0, 2, 4), 4: (0, 2, 3, 4), 5: (0, 1, 2, 3, 4), 6: (0, 1, 2, 3, 4, 5)}
"""Of the tones of the style sheet, the lightest first, those for so many steps: as far apart as can be."""


@dataclass(frozen=True)
class Line:
    """One class of the tree, in one of its places."""

    node: Node
    href: str | None
    first: bool
    """Whether its own classes stand below it here; in its other places it is a link to this one."""
    at: Scored | None
    below: Scored | None
    """At the class and below it, None where this is the same as at it."""
    cells: tuple[rankings.Cell | None, rankings.Cell | None]
    children: tuple[Line, ...]


@dataclass(frozen=True)
class Shade:
    """A tile of the icicle; ``step`` is the tone of its figure, None where it has none in the column drawn."""

    tile: Tile
    href: str | None
    step: int | None
    words: str


def pages(studio: Studio) -> Iterator[Page]:
    """The tree, the scores by depth, and a page per class with results."""
    atlas = Atlas(studio.site)
    yield studio.page("classes.html", "classes.html", partial(_index, atlas), of=atlas.site.boards)
    if atlas.boards:

        @cache
        def sections() -> list[dict[str, Any]]:
            return [_by_depth(atlas, board) for board in atlas.boards]

        yield studio.page("depths.html", "depths.html", lambda: _depths(sections()), of=atlas.boards, begin=sections)
    for node in atlas.nodes:
        href = str(atlas.href(node))
        of = [*atlas.boards_of(node), *(board for board, _ in atlas.blind_of(node))]
        yield studio.page(href, "class.html", partial(_class, atlas, node), of=of)


def _index(atlas: Atlas) -> dict[str, Any]:
    chosen = atlas.site.column(atlas.chosen) if atlas.chosen else None
    roots = forest([node.mid for node in atlas.ontology], atlas.ontology)
    shades, height, key = _icicle(atlas, chosen)
    return {
        "column": chosen,
        "lines": [_line(atlas, place) for place in roots],
        "shades": shades,
        "height": height,
        "width": WIDTH,
        "steps": key,
        "anchor": class_slug,
        "classes": len(atlas.ontology),
        "scored": atlas.nodes,
        "unclassed": [(board, board.classes.unclassed) for board in atlas.site.boards if not board.blind],
        "depths": bool(atlas.boards),
    }


def _line(atlas: Atlas, place: Place) -> Line:
    node = atlas.ontology[place.mid]
    if not place.first:
        return Line(node, atlas.href(node), False, None, None, (None, None), ())
    at, below = atlas.at(node), atlas.below(node)
    if at and below and at.targets == below.targets:
        below = None
    cells = atlas.cell(at) if at else None, atlas.cell(below) if below else None
    return Line(node, atlas.href(node), True, at, below, cells, tuple(_line(atlas, one) for one in place.below))


def _icicle(atlas: Atlas, chosen: Column | None) -> tuple[list[Shade], float, list[tuple[int, str]]]:
    """The tiles, the height of the drawing, and its key: tone and range of each step, the lowest first."""
    found = {node.mid: atlas.below(node) for node in atlas.nodes}
    values = {
        mid: scored.best.figure["value"]
        for mid, scored in found.items()
        if scored and scored.best.figure and chosen and scored.best.column.id == chosen.id
    }
    own = sum(atlas.at(node) is not None for node in atlas.nodes)
    tall = max(_THIN, min(_TALL, _ROOM / max(own, 1)))
    laid, height = tiles(lambda node: tall if node.mid in found else _THIN, ontology=atlas.ontology)
    edges = step_edges(list(values.values())) if values else []
    tones = _TONES[len(edges) - 1] if values else ()
    if chosen and chosen.better == "lower":
        tones = tones[::-1]
    shades = []
    for tile in laid:
        value = values.get(tile.node.mid)
        tone = None if value is None else tones[max(0, min(bisect_left(edges, value) - 1, len(tones) - 1))]
        shades.append(Shade(tile, atlas.href(tile.node), tone, _words(atlas, tile.node, found.get(tile.node.mid))))
    key = [(tone, _range(*ends)) for tone, ends in zip(tones, pairwise(edges), strict=True)]
    return shades, height, key


def _words(atlas: Atlas, node: Node, scored: Scored | None) -> str:
    """What a tile says to a pointer and to a screen reader."""
    if scored is None:
        return f"{node.name}: {'sounds in blind scenes' if atlas.blind_of(node) else 'no results'}"
    best = scored.best
    of = f"{_targets(best.targets)} of {atlas.site.board_title(best.board)}"
    cell = best.cell((0.0, 1.0))
    if cell is None:
        return f"{node.name}: {best.reason}; {of}"
    unit = f" {best.column.unit}" if best.column.unit else ""
    return f"{node.name}: {best.column.title} {cell.text}{unit}, {cell.interval or cell.note}, {best.separator}; {of}"


def _targets(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else numbers.count(len(names), "target")


def _range(low: float, high: float) -> str:
    ends = [f"{end:g}".replace("-", numbers.MINUS) for end in (low, high)]
    return f"up to {ends[1]}" if low == float("-inf") else f"{ends[0]} to {ends[1]}"


def _class(atlas: Atlas, node: Node) -> dict[str, Any]:
    children = [(child, atlas.href(child), atlas.below(child)) for child in node.children]
    figures = [scored.best.figure for _, _, scored in children if scored and scored.best.figure]
    scale = rankings.scale_of(pl.DataFrame(figures, schema=FIGURES))
    return {
        "node": node,
        "anchor": class_slug,
        "href": atlas.href,
        "paths": list(_paths(node)),
        "sections": [_section(atlas, board, node) for board in atlas.boards_of(node)],
        "children": [
            (child, href, scored, scored and scored.best.cell(scale)) for child, href, scored in children if scored
        ],
        "unscored": [(child, href) for child, href, scored in children if not scored],
        "blind": [blind_section(atlas.site, board, classes, node) for board, classes in atlas.blind_of(node)],
        "listed": _LISTED,
    }


def _paths(node: Node) -> Iterator[tuple[Node, ...]]:
    """Every way from a root down to a class, the class left out."""
    if not node.parents:
        yield ()
    for parent in node.parents:
        for above in _paths(parent):
            yield (*above, parent)


def _section(atlas: Atlas, board: Board, node: Node) -> dict[str, Any]:
    """What one data set has of a class."""
    scores, compared = board.classes, atlas.column(board)
    below = scores.below[node.mid]
    own = scores.own.get(node.mid, ())
    columns, figures = list[Column](), list[dict[str, Any]]()
    for column in map(atlas.site.column, board.target_columns if own else ()):
        columns.append(column)
        figures += atlas.figures(board, column.id, {column.id: own})
    if below != own:
        title = f"{compared.title}, all below" if own else compared.title
        columns.append(replace(compared, id="below", title=title))
        figures += atlas.figures(board, compared.id, {"below": below})
    labels = scores.labels(below)
    scenes = in_order(board.scenes["scene"][scores.scenes(own or below)])
    return {
        "board": board,
        "own": scores.labels(own),
        "below": [label for label in labels if label not in scores.labels(own)],
        "recordings": scores.recordings(below),
        "table": rankings.of_parts(atlas.site, board, columns, pl.DataFrame(figures, schema=FIGURES), labels),
        "others": {
            label: [atlas.ontology[mid] for mid in scores.classes(label) if mid != node.mid]
            for label in scores.labels(own)
            if len(scores.classes(label)) > 1
        },
        "scenes": scenes[:_LISTED],
        "more": max(0, len(scenes) - _LISTED),
    }


def _depths(sections: list[dict[str, Any]]) -> dict[str, Any]:
    drawn = [one["figure"] and (one["figure"][0].result().page, one["figure"][1]) for one in sections]
    return {"sections": [one | {"figure": figure} for one, figure in zip(sections, drawn, strict=True)]}


def _by_depth(atlas: Atlas, board: Board) -> dict[str, Any]:
    """Means over the classes of each depth, as a table and, where there are several depths, as curves."""
    column, parts = atlas.column(board), board.classes.at_depth
    heads = [
        replace(column, id=str(depth), title=f"Depth {depth}", words=numbers.count(len(part), "target"))
        for depth, part in parts.items()
    ]
    named = {str(depth): part for depth, part in parts.items()}
    figures = pl.DataFrame(list(atlas.figures(board, column.id, named)), schema=FIGURES)
    labels = board.classes.labels(tuple(code for part in parts.values() for code in part))
    table = rankings.of_parts(atlas.site, board, heads, figures, labels)
    return {
        "board": board,
        "column": column,
        "table": table,
        "figure": _curves(atlas, board, column, table, figures, list(parts)) if len(parts) > 1 else None,
    }


def _curves(
    atlas: Atlas, board: Board, column: Column, table: rankings.Table, figures: pl.DataFrame, depths: list[int]
) -> tuple[Printing, str] | None:
    """The best systems that may be compared on all depths, with the references that frame them.

    Returns the figure, and what its caption says of failures.
    """
    rows = [row for group in table.groups if group.look != "apart" for row in group.rows if not row.nothing]
    systems = [row for row in rows if row.kind == "system"][:_CURVES]
    shown = [row for row in rows if row.kind != "system" or row in systems][: 2 * _CURVES]
    if not shown:
        return None
    by_name = figures.partition_by("separator", as_dict=True)
    of_column = board.overall.filter(pl.col("column") == column.id).rows_by_key("separator", named=True, unique=True)
    overall = {row.name: of_column[row.name] for row in shown}
    drawn = figures.filter(pl.col("separator").is_in(list(overall)) & pl.col("value").is_not_null())
    curves = []
    for row in shown:
        found = {int(one["column"]): one for one in by_name[(row.name,)].iter_rows(named=True)}
        values, lows, highs = ([found[depth][end] for depth in depths] for end in ("value", "low", "high"))
        curves.append(Curve(label(row.name, overall[row.name]), depths, values, lows, highs, row.kind))
    unit = f" in {column.unit}" if column.unit else ""
    drawing = curve_drawing(
        curves,
        across="Depth of the class in the ontology",
        axis=f"{column.title}{unit}",
        title=f"{column.title} on {atlas.site.board_title(board)} by depth of the class",
        description=f"{column.title}{unit}, mean over the classes of each depth; the table has the same figures.",
        ticks=depths,
    )
    return printing(drawing, PAGE), failures(board, drawn.iter_rows(named=True), overall)
