"""A results folder that somebody else sent beside the one that it shall be part of: nothing there may change."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from reports.findings import Report
from reports.outcomes import score_rows
from reports.results import Results
from reports.schema import ENTRIES
from reports.validation_files import Texts
from reports.validation_tables import NAMED, Tables

_SCORE: Final = ["key", "index", "metric", "threshold"]
_PAIR: Final = ["dataset", "split", "protocol", "scene", "index"]


def against_base(
    folder: Path, base: Results, texts: Texts, tables: Tables, report: Report, *, tolerance: float
) -> None:
    """Find what would take the place of something in ``base``."""
    _same_files(folder, base.folder, texts, report)
    _same_scores(base, tables, report, tolerance)
    _same_scenes(base, tables, report)
    _same_pairs(base, tables, report)
    _same_separators(base, texts, report)


def _same_files(folder: Path, base: Path, texts: Texts, report: Report) -> None:
    """A file of one name must be the same file: copying the folder over ``base`` would lose the other."""
    for path in texts.paths:
        if path.startswith("scenes/"):
            continue  # named after what they say, but for when they were written
        ours = base / path
        if ours.is_file() and ours.read_bytes() != (folder / path).read_bytes():
            what = {
                "runs": "a run of this name is there already; give yours another name",
                "metrics": "the metric is defined otherwise there; a new definition needs a new version",
                "cards": "the card is another there; give your separator another name",
            }.get(path.partition("/")[0], "there is another file of this name")
            report.add(path, what)


def _same_scores(base: Results, tables: Tables, report: Report, tolerance: float) -> None:
    """Equal keys must give equal scores, and a cell that is done stays what it is."""
    known = pl.concat([base.scores(), base.swept()])
    both = tables.scores.join(known, on=_SCORE, how="inner", nulls_equal=True, suffix="_there")
    value, there = pl.col("value"), pl.col("value_there")
    close = ((value - there).abs() <= tolerance).fill_null(False) | value.eq_missing(there)
    _name(
        both.filter(~(close & (pl.col("status") == pl.col("status_there")))),
        pl.format(
            "{} of key {} is {}, and {} there: equal keys must give equal scores",
            *(pl.col(name).cast(pl.String).fill_null("no value") for name in ("metric", "key", "value", "value_there")),
        ),
        report,
    )
    cells = tables.cells.join(base.cells(), on="key", how="inner", suffix="_there")
    _name(
        cells.filter((pl.col("status_there") == "ok") & (pl.col("status") != "ok")),
        pl.format("key {} is {}, and ok there", "key", "status"),
        report,
    )


def _same_scenes(base: Results, tables: Tables, report: Report) -> None:
    """A scene of one name is one recording, and what is known of it stays: figures and intervals rest on it."""
    both = tables.scenes.join(base.scenes(), on=["dataset", "split", "scene"], how="inner", suffix="_there")
    _name(
        both.filter(pl.col("content") != pl.col("content_there")),
        pl.format("{}, scene {}: not the recording of that name there", "dataset", "scene"),
        report,
    )
    for name in ("targets", "recordings"):
        there = pl.col(f"{name}_there")
        _name(
            both.filter(there.is_not_null() & there.ne_missing(pl.col(name))),
            pl.format(f"{{}}, scene {{}}: other {name} than there", "dataset", "scene"),
            report,
        )


def _same_pairs(base: Results, tables: Tables, report: Report) -> None:
    """One word that a target is absent or trivial leaves it out for all separators, so none may be said of a score."""
    entries = pl.concat([pl.DataFrame(schema=ENTRIES), *(base.entries(manifest.run) for manifest in base.runs())])
    there = _placed(entries, base.scores())
    left_out = pl.col("left_out").is_not_null()
    counted = there.filter(pl.col("status") == "ok").join(there.filter(left_out), on=_PAIR, how="anti")
    _name(
        _placed(tables.runs, tables.scores).filter(left_out).join(counted, on=_PAIR, how="semi"),
        pl.format("{}, scene {}: {} is {}, and has scores there", "dataset", "scene", "target", "left_out"),
        report,
    )


def _placed(entries: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    own = ["key", "separator", "scene"]
    known = entries.select(*own, "dataset", "split", "protocol").unique()
    return score_rows(known, scores).unique().join(known, on=own)


def _same_separators(base: Results, texts: Texts, report: Report) -> None:
    """A name stands for one separator: results of another would take its row."""
    known = {name: entry.path for manifest in base.runs() for name, entry in manifest.separators.items()}
    for run, manifest in sorted(texts.manifests.items()):
        for name, entry in manifest.separators.items():
            if known.get(name, entry.path) != entry.path:
                report.add(
                    f"runs/{run}.json",
                    f"separator {name!r} is {entry.path}, and {known[name]} there: its row would be taken; "
                    "give yours another name",
                )


def _name(rows: pl.DataFrame, said: pl.Expr, report: Report) -> None:
    for file, row, text in rows.select("file", "row", said=said).head(NAMED).iter_rows():
        report.add(file, text, row)
    if len(rows) > NAMED:
        report.add("", f"{len(rows) - NAMED:,} more such rows")
