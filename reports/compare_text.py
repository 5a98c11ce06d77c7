"""A comparison of two states of results as plain text, for a terminal, a log or a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from reports.aggregate import column_depth, parse_column
from reports.bootstrap import LEVEL
from reports.compare import Comparison, words_of
from reports.terminal import lines_of, number
from reports.unseen import seen

SHOWN: Final = 20
"""Lines of each list; JSON has all."""
SCENES: Final = 6
"""Scenes that a line names."""


def comparison_text(found: Comparison, *, width: int = 160) -> str:
    """Changed scores, changed statuses, differences of the headline figures, and one line that sums them up."""
    parts = [_changed_scores(found), _statuses(found), *_figures(found, width), _last_line(found)]
    return seen("\n".join(line for part in parts for line in part))


def _changed_scores(found: Comparison) -> list[str]:
    count = len(found.changed_scores)
    head = (
        f"Same key, same scores: {count} of {found.scores_compared} scores in "
        f"{_count(found.unchanged_keys, 'cell')} of unchanged key changed by more than {found.tolerance:g}"
    )
    lines = [
        f"  {_cell(row)}, {row['target'] or 'no target'}, {row['metric'] or 'no metric'}{_at(row['threshold'])}: "
        f"{_score(row, 'base')} -> {_score(row, 'head')}"
        for row in found.changed_scores.head(SHOWN).to_dicts()
    ]
    return [head, *lines, *_rest(count), ""]


def _at(threshold: float | None) -> str:
    return "" if threshold is None else f" at threshold {threshold:g}"


def _score(row: Mapping[str, Any], side: str) -> str:
    value = row[side]
    return f"{value:.6g}" if value is not None else str(row[f"{side}_status"] or "no row")


def _statuses(found: Comparison) -> list[str]:
    if found.status_changes.is_empty():
        return ["Statuses: none changed", ""]
    counts = ", ".join(f"{count} {words}" for words, count in found.status_counts.items())
    lines = []
    for group in _alike(found.status_changes):
        row, scenes = group.row(0, named=True), group["scene"]
        named = ", ".join(scenes.head(SCENES)) + (f" and {len(scenes) - SCENES} more" if len(scenes) > SCENES else "")
        reason = f": {' '.join(row['reason'].split())}" if row["reason"] else ""
        lines.append(f"  {words_of(row)}: {_place(row)}, {_count(len(scenes), 'cell')} ({named}){reason}")
    return [f"Statuses: {counts}", *lines[:SHOWN], *_rest(len(lines)), ""]


def _alike(changes: pl.DataFrame) -> list[pl.DataFrame]:
    """Cells that one line tells of: of one separator and data set, with one change for one reason."""
    order = pl.Enum(["worse", "gone", "better", "other", "new"])
    what = ["change", "base", "head", "separator", "dataset", "split", "protocol", "reason"]
    return changes.sort(pl.col("change").cast(order), maintain_order=True).partition_by(what, maintain_order=True)


def _count(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['separator']} on {row['dataset']} ({row['split']}, {row['protocol']})"


def _cell(row: Mapping[str, Any]) -> str:
    return f"{_place(row)}, {row['scene']}"


def _rest(count: int) -> list[str]:
    return [f"  ... and {count - SHOWN} more; --json has them all"] if count > SHOWN else []


def _figures(found: Comparison, width: int) -> list[list[str]]:
    places = found.figures.partition_by("dataset", "split", "protocol", maintain_order=True)
    if not places:
        return [["Figures: no data set in which a separator is on both sides", ""]]
    return [_table(part, width) for part in places]


def _table(part: pl.DataFrame, width: int) -> list[str]:
    from rich.table import Table

    first = part.row(0, named=True)
    title = f"{first['dataset']} ({first['split']}, {first['protocol']} protocol): HEAD - BASE"
    as_before = (pl.col("verdict") == "not recomputed") & (pl.col("difference") == 0)
    still, rows = part.filter(as_before), part.filter(~as_before).to_dicts()
    rest = f"  {_count(len(still), 'figure')} of {_count(still['separator'].n_unique(), 'separator')}: not recomputed"
    left_out = [rest] if len(still) else []
    if not rows:
        return [title, *left_out, ""]
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("separator", "figure"):
        table.add_column(heading, overflow="fold")
    for heading in ("BASE", "HEAD", "difference, 95 %", "cells", "recomputed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for row in rows:
        table.add_row(
            row["separator"], _title(row), number(row["base"], 3), number(row["head"], 3), _difference(row),
            str(row["cells"]), str(row["recomputed"]), _verdict(row) + _uncounted(row),
        )  # fmt: skip
    return [*lines_of(table, width=width), *left_out, ""]


def _title(row: Mapping[str, Any]) -> str:
    metric, rule = parse_column(row["column"])
    depth = column_depth(row["column"])
    unit = f" ({row['unit']})" if row["unit"] else ""
    return f"{metric}{unit}, {rule.name}" + ("" if depth is None else f", depth {depth}")


def _verdict(row: Mapping[str, Any]) -> str:
    if row["verdict"] in ("no interval", "nothing in both"):  # the note says so
        return str(row["note"])
    return row["verdict"] + (f" ({row['note']})" if row["note"] else "")


def _uncounted(row: Mapping[str, Any]) -> str:
    """Failures that enter with the mixture's score, and scores without a partner."""
    notes = [
        f"{row[name]} {words}"
        for name, words in (
            ("base_imputed", "failed in BASE"), ("head_imputed", "failed in HEAD"),
            ("base_only", "only in BASE"), ("head_only", "only in HEAD"),
        )
        if row[name]
    ]  # fmt: skip
    return f"; {', '.join(notes)}" if notes else ""


def _difference(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "–"
    if row["low"] is None:
        return number(row["difference"], 3, sign="+")
    bounds = ", ".join(number(row[name], 3, sign="+") for name in ("low", "high"))
    return f"{number(row['difference'], 3, sign='+')} [{bounds}]"


def _last_line(found: Comparison) -> Sequence[str]:
    verdicts = found.verdict_counts
    tested = sum(verdicts.get(name, 0) for name in ("better", "worse", "differs", "no difference told apart"))
    lines = []
    if tested:
        expected = (1 - LEVEL) * tested
        by_chance = f"about {expected:.0f}" if expected >= 1 else "less than one"
        lines.append(f"{tested} figures tested one by one: where nothing differs, {by_chance} would seem to by chance")
    counted = (
        (len(found.changed_scores), "score changed under its key", "scores changed under their key"),
        ((found.status_changes["change"] == "worse").sum(), "cell has a worse status", "cells have a worse status"),
        (verdicts.get("worse", 0), "figure is worse", "figures are worse"),
    )
    wrong = ", ".join(f"{count} {one if count == 1 else more}" for count, one, more in counted if count)
    done = f"{found.recomputed} of {found.cells_in_both} cells in both were recomputed"
    return [*lines, f"{'REGRESSION' if found.regressed else 'nothing worse'}: {wrong + '; ' if wrong else ''}{done}"]
