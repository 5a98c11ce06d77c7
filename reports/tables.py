"""The tables of a results folder: per data set, per target and per scene, each figure with its interval.

One :class:`Board` is one data set, split and protocol. Its frames are tidy: one row per separator, per separator and
column, per separator, column and target, or per separator, scene, target and metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from reports import ranks
from reports.aggregate import Aggregation, Array, Codes, parse_column
from reports.bootstrap import Resampler
from reports.outcomes import left_out_pairs, outcomes, score_rows
from reports.results import Results, ResultsError
from reports.schema import DatasetEntry

RANKED_COVERAGE: Final = 0.95
"""A separator with a smaller share of its pairs really measured gets no rank."""

FIGURES: Final = pl.Schema(
    {
        "separator": pl.String(),
        "column": pl.String(),
        "value": pl.Float64(),  # null where nothing was measured
        "low": pl.Float64(),
        "high": pl.Float64(),
        "note": pl.String(),  # why there is no value, no interval, or only a weak one
        "due": pl.Int64(),  # pairs of scene and target that were not skipped
        "measured": pl.Int64(),
        "imputed": pl.Int64(),  # failed, and counted with the mixture's score
        "dropped": pl.Int64(),  # failed, and left out because the mixture has no score there
        "skipped": pl.Int64(),
        "coverage": pl.Float64(),  # measured / due; null where nothing is due
    }
)


@dataclass(frozen=True)
class Board:
    """One data set, split and protocol: every separator on the same scenes."""

    dataset: str
    split: str
    protocol: str
    entry: DatasetEntry
    cells: pl.DataFrame
    scenes: pl.DataFrame
    outcomes: pl.DataFrame
    left_out: pl.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """Headline columns; the first one ranks."""
        return self.entry.columns

    @cached_property
    def targets(self) -> list[str]:
        """The classes of the board: targets that sound in any scene."""
        headline = {parse_column(column)[0] for column in self.columns}
        due = self.outcomes.filter(pl.col("metric").is_in(list(headline)))
        return sorted(due["target"].unique())

    @cached_property
    def covered(self) -> dict[str, tuple[str, ...]]:
        """Targets by separator on which it was asked for anything."""
        headline = parse_column(self.columns[0])[0]
        asked = self.outcomes.filter((pl.col("metric") == headline) & (pl.col("state") != "skipped"))
        found = asked.select("separator", "target").unique().sort("separator", "target")
        by_name = {
            name: tuple(part["target"]) for (name,), part in found.partition_by("separator", as_dict=True).items()
        }
        return {name: by_name.get(name, ()) for name in self.cells["separator"].unique().sort()}

    @cached_property
    def recordings(self) -> int:
        """Independent recordings behind the scenes."""
        return len({recording for scene in self._recordings for recording in scene})

    @property
    def _recordings(self) -> list[list[str]]:
        return [list(recordings) for recordings in self.scenes["recordings"]]

    @cached_property
    def _resampler(self) -> Resampler:
        return Resampler.of(self._recordings, names=self._seed_names("bootstrap"))

    @cached_property
    def _blocks(self) -> dict[tuple[str, str], _Block]:
        target_code = {target: code for code, target in enumerate(self.targets)}
        scene_code = {scene: code for code, scene in enumerate(self.scenes["scene"])}
        metrics = [parse_column(column)[0] for column in self.columns]
        parts = self.outcomes.filter(pl.col("metric").is_in(metrics)).partition_by("separator", "metric", as_dict=True)
        return {
            (str(name), str(metric)): _Block(
                state=part["state"].cast(pl.String).to_numpy(),
                used=part["used"].to_numpy(),
                targets=np.array([target_code[target] for target in part["target"]], dtype=np.int64),
                scenes=np.array([scene_code[scene] for scene in part["scene"]], dtype=np.int64),
                reasons=part["reason"],
            )
            for (name, metric), part in parts.items()
        }

    @cached_property
    def overall(self) -> pl.DataFrame:
        """One row per separator and headline column, as :data:`FIGURES`, over the targets that it covers."""
        return self.figures(self.targets, list(self.covered))

    def figures(self, targets: Sequence[str], separators: Sequence[str]) -> pl.DataFrame:
        """As :attr:`overall`, on some targets and separators alone: what compares separators of unlike coverage."""
        codes = np.array([self.targets.index(target) for target in targets], dtype=np.int64)
        rows = []
        for name in separators:
            for column in self.columns:
                metric, rule = parse_column(column)
                block = self._blocks.get((name, metric))
                rows.append({"separator": name, "column": column} | self._figure(block, codes, rule))
        return pl.DataFrame(rows, schema=FIGURES)

    @cached_property
    def by_target(self) -> pl.DataFrame:
        """One row per separator, headline column and target; the aggregation is the one taken within a class."""
        rows = []
        for (name, metric), block in self._blocks.items():
            for column in self.columns:
                if parse_column(column)[0] != metric:
                    continue
                rule = parse_column(column)[1]
                for code, target in enumerate(self.targets):
                    figure = self._figure(block, np.array([code]), rule)
                    rows.append({"separator": name, "column": column, "target": target} | figure)
        return pl.DataFrame(rows, schema={**FIGURES, "target": pl.String()}).sort("separator", "column", "target")

    def ranks(self, better: str, unit: str) -> dict[str, tuple[int, int] | str]:
        """Rank intervals in the first column by separator, or the reason why there is none.

        Oracles take no part: they are given the answer. Direction and unit are those of the column's metric.
        """
        if better == "neither":
            return dict.fromkeys(self.covered, "this column has no better or worse")
        first = self.overall.filter(pl.col("column") == self.columns[0])
        oracles = set(self.cells.filter(pl.col("family") == "oracle")["separator"])
        found: dict[str, tuple[int, int] | str] = {}
        for row in first.iter_rows(named=True):
            reason = self._unranked(row, oracle=row["separator"] in oracles)
            if reason is not None:
                found[row["separator"]] = reason
        able = [name for name in self.covered if name not in found]
        values = first.filter(pl.col("separator").is_in(able)).sort("separator")["value"].to_numpy()
        metric, rule = parse_column(self.columns[0])
        resampler = Resampler.of(self._recordings, names=self._seed_names("ranks"), draws=ranks.DRAWS)
        drawn = []
        for name in able:
            block = self._blocks[name, metric]
            chosen = ~np.isnan(block.used)
            drawn.append(resampler.draws(block.used[chosen], block.targets[chosen], block.scenes[chosen], rule))
        if not drawn:
            return found
        draws = np.stack(drawn)
        draws = draws[:, ~np.isnan(draws).any(axis=0)]
        intervals = ranks.rank_intervals(
            values,
            draws,
            higher_is_better=better == "higher",
            margin=ranks.PRACTICALLY_EQUAL_DB if unit == "dB" else 0.0,
        )
        return {**found, **dict(zip(able, intervals, strict=True))}

    def _unranked(self, figure: dict[str, Any], *, oracle: bool) -> str | None:
        name = figure["separator"]
        if figure["value"] is None:
            return "nothing was measured"
        if oracle:
            return "an oracle is given the reference, and takes no part"
        if len(self.covered[name]) < len(self.targets):
            return f"it covers {len(self.covered[name])} of {len(self.targets)} targets"
        if figure["coverage"] < RANKED_COVERAGE:
            return f"only {figure['measured']} of {figure['due']} pairs were measured"
        return figure["note"] if figure["low"] is None else None

    def _seed_names(self, purpose: str) -> tuple[str, ...]:
        return (purpose, self.dataset, self.split, self.protocol)

    @cached_property
    def separators(self) -> pl.DataFrame:
        """One row per separator: family, scenes, targets covered, failures and skips in the ranking column, cost.

        ``real_time_factor`` is the median over cells of separation time by length of the recording, from cells that
        were computed, never from the cache; ``peak_mb`` is the greatest growth of memory in any cell.
        """
        ranking = self.outcomes.filter(pl.col("metric") == parse_column(self.columns[0])[0])
        counts = ranking.group_by("separator").agg(
            pairs=pl.len(), failures=(pl.col("state") == "failed").sum(), skips=(pl.col("state") == "skipped").sum()
        )
        computed = self.cells.group_by("separator").agg(
            pl.col("family").first(),
            scenes=pl.len(),
            real_time_factor=(pl.col("seconds") / pl.col("audio_seconds")).median(),
            peak_mb=pl.col("peak_mb").max(),
        )
        covered = pl.DataFrame(
            {"separator": list(self.covered), "targets_covered": [len(found) for found in self.covered.values()]},
            schema={"separator": pl.String(), "targets_covered": pl.Int64()},
        )
        return (
            computed.join(counts, on="separator", how="left")
            .join(covered, on="separator", how="left")
            .with_columns(targets=pl.lit(len(self.targets)), pairs=pl.col("pairs").fill_null(0))
            .with_columns(pl.col("failures", "skips").fill_null(0))
            .sort("separator")
        )

    def _figure(self, block: _Block | None, codes: Codes, rule: Aggregation) -> dict[str, Any]:
        if block is None:
            return dict.fromkeys(("due", "measured", "imputed", "dropped", "skipped"), 0) | {
                "note": "no target sounds in any scene"
            }
        inside = np.isin(block.targets, codes)
        state, has_value = block.state[inside], ~np.isnan(block.used[inside])
        failed, measured, skipped = (int((state == name).sum()) for name in ("failed", "measured", "skipped"))
        # Where nothing was measured there is no figure for a failure to be counted in.
        imputed = int(((state == "failed") & has_value).sum()) if measured else 0
        due = failed + measured
        figure = {
            "due": due,
            "measured": measured,
            "imputed": imputed,
            "dropped": failed - imputed,
            "skipped": skipped,
            "coverage": measured / due if due else None,
        }
        if not measured:
            return figure | {"note": block.commonest_reason(inside)}
        chosen = np.flatnonzero(inside)[has_value]
        values, classes, scenes = block.used[chosen], block.targets[chosen], block.scenes[chosen]
        value = rule(values, classes, np.ones((1, len(values))))[0]
        interval = self._resampler.interval(values, classes, scenes, rule)
        return figure | {"value": float(value), "low": interval.low, "high": interval.high, "note": interval.note}


@dataclass(frozen=True)
class _Block:
    """The outcomes of one separator and metric as arrays of one length."""

    state: np.ndarray
    used: Array
    targets: Codes
    scenes: Codes
    reasons: pl.Series

    def commonest_reason(self, inside: np.ndarray) -> str:
        said = self.reasons.filter(pl.Series(inside)).drop_nulls()
        if not len(said):
            return "nothing was measured"
        counted = said.value_counts().sort("count", said.name, descending=[True, False])
        return str(counted[said.name][0])


def boards(results: Results, run: str | None = None) -> list[Board]:
    """The boards of one run, or of the newest cells over all runs, sorted by data set, split and protocol.

    Raises:
        ResultsError: the folder cannot be read, or a cell belongs to a data set of which no manifest tells.
    """
    cells, scores, scenes = results.run_cells(run), results.scores(), results.scenes()
    entries = {
        (name, entry.split): entry
        for manifest in results.runs()
        if run is None or manifest.run == run
        for name, entry in manifest.datasets.items()
    }
    by_scene = _by(scenes, ("dataset", "split"))
    found = []
    for (dataset, split, protocol), part in sorted(_by(cells, ("dataset", "split", "protocol")).items()):
        if (dataset, split) not in entries:
            raise ResultsError(
                f"{results.folder / 'runs'}: no manifest tells of data set {dataset!r}, split {split!r}; restore it"
            )
        entry = entries[dataset, split]
        known = by_scene.get((dataset, split), scenes.clear())
        found.append(_board(dataset, split, protocol, entry, part, scores, known, results))
    return found


def _board(
    dataset: str,
    split: str,
    protocol: str,
    entry: DatasetEntry,
    cells: pl.DataFrame,
    scores: pl.DataFrame,
    known: pl.DataFrame,
    results: Results,
) -> Board:
    try:
        headline = [parse_column(column)[0] for column in entry.columns]
    except ValueError as error:
        raise ResultsError(f"{results.folder / 'runs'}: data set {dataset!r}: {error}") from error
    if not headline:
        raise ResultsError(f"{results.folder / 'runs'}: data set {dataset!r} has no headline column")
    # A scene that nothing is known of is its own recording.
    scenes = (
        cells.select("scene")
        .unique()
        .join(known, on="scene", how="left")
        .with_columns(
            dataset=pl.lit(dataset),
            split=pl.lit(split),
            recordings=pl.when(pl.col("recordings").list.len() > 0)
            .then(pl.col("recordings"))
            .otherwise(pl.concat_list("scene")),
        )
        .sort("scene")
    )
    rows = score_rows(cells, scores)
    return Board(
        dataset=dataset,
        split=split,
        protocol=protocol,
        entry=entry,
        cells=cells,
        scenes=scenes,
        outcomes=outcomes(cells, rows, scenes, headline=headline),
        left_out=left_out_pairs(rows),
    )


def _by(frame: pl.DataFrame, columns: Iterable[str]) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(list(columns), as_dict=True, maintain_order=True)
