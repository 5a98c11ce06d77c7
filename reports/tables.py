"""The tables of a results folder: per data set, per target and per scene, each figure with its interval.

One :class:`Board` is one data set, split and protocol. Its frames are tidy: one row per separator, per separator and
column, per separator, column and target, or per separator, scene, target and metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from reports import ranks
from reports.aggregate import Codes, column_depth, parse_column
from reports.blind import IMPUTED, PROTOCOL, Blind
from reports.blocks import FIGURES, Block, figures
from reports.bootstrap import Resampler
from reports.class_scores import ClassScores
from reports.outcomes import blind_outcomes, left_out_pairs, outcomes, score_rows, with_target
from reports.ranks import Contest
from reports.results import Results, ResultsError
from reports.schema import ENTRIES, REAL_TIME_FACTOR, DatasetEntry
from reports.sides import Sides

RANKED_COVERAGE: Final = 0.95
"""A separator with a smaller share of its pairs really measured gets no rank."""


_TOLD: Final = "it is told a part of the answer, and takes no part"


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
    blind: Blind | None = None
    """Of a board of blind scenes, whose targets are the depths at which they are scored."""
    mids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The AudioSet ids that each target stands for; none of one that is no class, such as a depth."""
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Overall figures and ranks, ready for JSON, once they are made; or as they were made of the very same rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Headline columns; the first one ranks."""
        return self.entry.columns

    @property
    def target_columns(self) -> tuple[str, ...]:
        """Headline columns that say something of every target: those of one depth, once for all depths."""
        return tuple(dict.fromkeys("/".join(column.split("/")[:2]) for column in self.columns))

    @cached_property
    def targets(self) -> list[str]:
        """The classes of the board: targets that sound in any scene."""
        headline = {parse_column(column)[0] for column in self.columns}
        due = self.outcomes.filter(pl.col("metric").is_in(list(headline)))
        return sorted(due["target"].unique())

    @cached_property
    def covered(self) -> dict[str, tuple[str, ...]]:
        """Targets by separator that it does not refuse; none where it was asked for nothing.

        A target that sounds only in scenes where the separator has not run is no target that it refuses.
        """
        states = (
            self.outcomes.filter(pl.col("metric") == parse_column(self.columns[0])[0])
            .group_by("separator", "target")
            .agg(
                asked=pl.col("state").is_in(["measured", "failed", "empty"]).any(),
                refused=(pl.col("state") == "skipped").any(),
            )
            .sort("separator", "target")
        )
        any_asked = set(states.filter("asked")["separator"])
        found = states.filter(pl.col("asked") | (~pl.col("refused") & pl.col("separator").is_in(sorted(any_asked))))
        return self._per_separator(found, "target")

    @cached_property
    def ran(self) -> dict[str, tuple[str, ...]]:
        """Scenes by separator of which there is a result, a skip or a failure."""
        return self._per_separator(
            self._run_rows.select("separator", "scene").unique().sort("separator", "scene"), "scene"
        )

    @cached_property
    def runnable(self) -> tuple[str, ...]:
        """Scenes in which any target sounds."""
        return tuple(self._ranking["scene"].unique().sort())

    @property
    def _ranking(self) -> pl.DataFrame:
        ranking = self.outcomes.filter(pl.col("metric") == parse_column(self.columns[0])[0])
        depth = column_depth(self.columns[0])
        return ranking if depth is None else ranking.filter(pl.col("index") == depth)

    @property
    def _run_rows(self) -> pl.DataFrame:
        return self._ranking.filter(pl.col("state") != "not run")

    def _per_separator(self, pairs: pl.DataFrame, column: str) -> dict[str, tuple[str, ...]]:
        found = {
            str(name): tuple(part[column]) for (name,), part in pairs.partition_by("separator", as_dict=True).items()
        }
        return {name: found.get(name, ()) for name in self.cells["separator"].unique().sort()}

    @cached_property
    def recordings(self) -> int:
        """Independent recordings behind the scenes."""
        return len({recording for scene in self._recordings for recording in scene})

    @property
    def _recordings(self) -> list[list[str]]:
        return [list(recordings) for recordings in self.scenes["recordings"]]

    @cached_property
    def _resampler(self) -> Resampler:
        return Resampler.shared(self._recordings, names=self._seed_names("bootstrap"))

    @cached_property
    def _blocks(self) -> dict[tuple[str, str], Block]:
        metrics = [parse_column(column)[0] for column in self.columns]
        coded = self.outcomes.filter(pl.col("metric").is_in(metrics)).select(
            "separator",
            "metric",
            "used",
            "reason",
            state=pl.col("state").to_physical(),
            target=_places("target", self.targets),
            scene=_places("scene", self.scenes["scene"]),
        )
        parts = coded.partition_by("separator", "metric", as_dict=True)
        return {
            (str(name), str(metric)): Block(
                state=part["state"].to_numpy(),
                used=part["used"].to_numpy(),
                targets=part["target"].to_numpy(),
                scenes=part["scene"].to_numpy(),
                reasons=part["reason"],
            )
            for (name, metric), part in parts.items()
        }

    @cached_property
    def classes(self) -> ClassScores:
        """Figures by class of the ontology and by depth."""
        kept = self.kept.setdefault("classes", {})
        return ClassScores(lambda: self._blocks, lambda: self._resampler, self.targets, self.mids, kept)

    @cached_property
    def overall(self) -> pl.DataFrame:
        """One row per separator and headline column, as :data:`FIGURES`, over what it covers and where it ran."""
        if "overall" not in self.kept:
            self.kept["overall"] = self.figures(self.targets, list(self.covered)).to_dicts()
        return pl.DataFrame(self.kept["overall"], schema=FIGURES)

    def figures(
        self, targets: Sequence[str], separators: Sequence[str], scenes: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """As :attr:`overall`, on some targets, scenes and separators alone: this compares those of unlike coverage."""
        codes = np.array([self.targets.index(target) for target in targets], dtype=np.int64)
        names = list(self.scenes["scene"])
        among = None if scenes is None else np.array([names.index(scene) for scene in scenes], dtype=np.int64)
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for column in self.columns:
            metric, rule = parse_column(column)
            depth = column_depth(column)
            wanted = codes if depth is None else self._code_of(depth)
            blocks = [self._blocks.get((name, metric)) for name in separators]
            made = figures(blocks, wanted, rule, self._resampler, among=among)
            found |= {(name, column): row for name, row in zip(separators, made, strict=True)}
        rows = [
            {"separator": name, "column": column} | found[name, column]
            for name in separators
            for column in self.columns
        ]
        return pl.DataFrame(rows, schema=FIGURES)

    def _code_of(self, depth: int) -> Codes:
        """The target that stands for a depth, none where nothing was scored there."""
        return np.array([code for code, target in enumerate(self.targets) if target == f"depth {depth}"], dtype=int)

    @cached_property
    def by_target(self) -> pl.DataFrame:
        """One row per separator, column of :attr:`target_columns` and target, aggregated as within a class."""
        schema = {**FIGURES, "target": pl.String()}
        if "by_target" not in self.kept:
            self.kept["by_target"] = pl.DataFrame(self._by_target(), schema=schema).to_dict(as_series=False)
        return pl.DataFrame(self.kept["by_target"], schema=schema).sort("separator", "column", "target")

    def _by_target(self) -> list[dict[str, Any]]:
        rows = []
        for column in self.target_columns:
            metric, rule = parse_column(column)
            blocks = {name: block for (name, other), block in self._blocks.items() if other == metric}
            for code, target in enumerate(self.targets):
                made = figures(list(blocks.values()), np.array([code]), rule, self._resampler)
                named = {"column": column, "target": target}
                rows += [{"separator": name} | named | row for name, row in zip(blocks, made, strict=True)]
        return rows

    def ranks(self, better: str, unit: str) -> dict[str, tuple[int, int] | str]:
        """Rank intervals in the first column by separator, or the reason why there is none.

        Oracles take no part: they are given the answer. Direction and unit are those of the column's metric.
        """
        asked = f"{better} {unit}"
        if asked not in self.kept.get("ranks", {}):
            self.kept["ranks"] = {asked: self._ranks(better, unit)}
        ranked = self.kept["ranks"][asked]
        return {name: rank if isinstance(rank, str) else (rank[0], rank[1]) for name, rank in ranked.items()}

    def _ranks(self, better: str, unit: str) -> dict[str, tuple[int, int] | str]:
        if better == "neither":
            return dict.fromkeys(self.covered, "this column has no better or worse")
        first = self.overall.filter(pl.col("column") == self.columns[0])
        told = pl.col("oracle").fill_null(False) | (pl.col("family") == "oracle")
        oracles = set(self.cells.filter(told)["separator"])
        found: dict[str, tuple[int, int] | str] = {}
        for row in first.iter_rows(named=True):
            reason = self._unranked(row, oracle=row["separator"] in oracles)
            if reason is not None:
                found[row["separator"]] = reason
        able = [name for name in self.covered if name not in found]
        if len(able) < 2:
            return {**found, **dict.fromkeys(able, "there is no other to rank it against")}
        contest = self.ranking
        intervals = contest.pairs.rank_intervals(
            [contest.names.index(name) for name in able],
            higher_is_better=better == "higher",
            margin=ranks.margin_of(unit),
        )
        return {**found, **dict(zip(able, intervals, strict=True))}

    @cached_property
    def ranking(self) -> Contest:
        """The contest in the first column."""
        return self.contest(self.columns[0])

    def contest(self, column: str) -> Contest:
        """All separators, oracles too, whose figure in a column stands for the whole board, against each other."""
        figures = self.overall.filter(pl.col("column") == column)
        whole = [row["separator"] for row in figures.iter_rows(named=True) if self._unranked(row, oracle=False) is None]
        return Contest.of(whole, self.sides(column))

    def sides(self, column: str) -> Sides:
        """All separators in a column, which need be no headline column, for comparisons on what any two have done."""
        (metric, rule), depth = parse_column(column), column_depth(column)
        outcomes = self.outcomes.filter(pl.col("metric") == metric)
        if depth is not None:
            outcomes = outcomes.filter(pl.col("index") == depth)
        return Sides.of(outcomes, list(self.scenes["scene"]), rule, self.pairing)

    @cached_property
    def pairing(self) -> Resampler:
        """The draws of scenes under which separators are compared."""
        return Resampler.of(self._recordings, names=self._seed_names("ranks"), draws=ranks.DRAWS)

    def _unranked(self, figure: dict[str, Any], *, oracle: bool) -> str | None:
        name = figure["separator"]
        if figure["value"] is None:
            return "nothing was measured"
        if oracle:
            return "an oracle is given the reference, and takes no part" if self.blind is None else _TOLD
        if len(self.ran[name]) < len(self.runnable):
            return f"it ran on {len(self.ran[name])} of {len(self.runnable)} scenes"
        if len(self.covered[name]) < len(self.targets):
            return f"it covers {len(self.covered[name])} of {len(self.targets)} targets"
        if figure["coverage"] < RANKED_COVERAGE:
            return f"only {figure['measured']} of {figure['due']} pairs were measured"
        return figure["note"] if figure["low"] is None else None

    def _seed_names(self, purpose: str) -> tuple[str, ...]:
        return (purpose, self.dataset, self.split, self.protocol)

    @cached_property
    def separators(self) -> pl.DataFrame:
        """One row per separator: family, scenes run, targets covered, counts of pairs in the ranking column, cost.

        ``real_time_factor`` is the median over cells of separation time by length of the recording, from cells that
        were computed, never from the cache; ``peak_mb`` is the greatest growth of memory in any cell.
        """
        counts = self._ranking.group_by("separator").agg(
            pairs=(pl.col("state") != "empty").sum(),
            failures=(pl.col("state") == "failed").sum(),
            skips=(pl.col("state") == "skipped").sum(),
            not_run=(pl.col("state") == "not run").sum(),
        )
        computed = self.cells.group_by("separator").agg(
            pl.col("family").first(),
            real_time_factor=REAL_TIME_FACTOR.median(),
            peak_mb=pl.col("peak_mb").max(),
        )
        covered = pl.DataFrame(
            {
                "separator": list(self.covered),
                "targets_covered": [len(found) for found in self.covered.values()],
                "scenes_run": [len(found) for found in self.ran.values()],
            },
            schema={"separator": pl.String(), "targets_covered": pl.Int64(), "scenes_run": pl.Int64()},
        )
        return (
            computed.join(counts, on="separator", how="left")
            .join(covered, on="separator", how="left")
            .with_columns(targets=pl.lit(len(self.targets)), scenes=pl.lit(len(self.runnable)))
            .with_columns(pl.col("pairs", "failures", "skips", "not_run").fill_null(0))
            .sort("separator")
        )


def boards(results: Results, run: str | None = None) -> list[Board]:
    """The boards of one run, or of the newest cells over all runs, sorted by data set, split and protocol.

    Raises:
        ResultsError: the folder cannot be read, or a cell belongs to a data set of which no manifest tells.
    """
    cells, scores, scenes = results.run_cells(run).sort("separator", "scene"), results.scores(), results.scenes()
    named = _by(_all_entries(results), ("dataset", "split"))
    entries = {
        (name, entry.split): entry
        for manifest in results.runs()
        if run is None or manifest.run == run
        for name, entry in manifest.datasets.items()
    }
    by_scene = _by(scenes, ("dataset", "split"))
    any_blind = (cells["protocol"] == PROTOCOL).any()
    swept, detections = (results.swept(), results.detections()) if any_blind else (pl.DataFrame(), pl.DataFrame())
    found = []
    for (dataset, split, protocol), part in sorted(_by(cells, ("dataset", "split", "protocol")).items()):
        if (dataset, split) not in entries:
            raise ResultsError(
                f"{results.folder / 'runs'}: no manifest tells of data set {dataset!r}, split {split!r}; restore it"
            )
        entry = entries[dataset, split]
        known = by_scene.get((dataset, split), scenes.clear())
        try:
            headline = [parse_column(column)[0] for column in entry.columns]
        except ValueError as error:
            raise ResultsError(f"{results.folder / 'runs'}: data set {dataset!r}: {error}") from error
        if not headline:
            raise ResultsError(f"{results.folder / 'runs'}: data set {dataset!r} has no headline column")
        described = _described(part, known, dataset, split)
        blind, mids = None, dict[str, tuple[str, ...]]()
        if protocol == PROTOCOL:
            left_out = left_out_pairs(score_rows(part.clear(), scores))
            judged = blind_outcomes(part, scores, described, headline=headline, imputed=IMPUTED)
            blind = Blind(part, scores, swept, detections, described)
        else:
            rows = with_target(score_rows(part, scores), scores=results.folder / "scores")
            elsewhere = score_rows(named[dataset, split], scores).drop_nulls("target")
            left_out = left_out_pairs(rows, elsewhere.join(part.select("scene").unique(), on="scene", how="semi"))
            judged = outcomes(part, rows, described, left_out, headline=headline)
            mids = _mids(rows)
        found.append(Board(dataset, split, protocol, entry, part, described, judged, left_out, blind, mids))
    return found


def _mids(rows: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """By target, all AudioSet ids that its rows name."""
    named = rows.select("target", "mids").drop_nulls().explode("mids", empty_as_null=False).unique()
    return {str(target): tuple(part["mids"].sort()) for (target,), part in _by(named, ("target",)).items()}


def _all_entries(results: Results) -> pl.DataFrame:
    """Every cell that any run ever named: what they say of a scene holds in every table."""
    frames = [pl.DataFrame(schema=ENTRIES)]
    for manifest in results.runs():
        with suppress(ResultsError):  # a run that is not shown must not keep the others from being shown
            frames.append(results.entries(manifest.run))
    return pl.concat(frames).unique(maintain_order=True)


def _places(column: str, values: Sequence[str] | pl.Series) -> pl.Expr:
    """The texts of a column as their places in ``values``."""
    return pl.col(column).replace_strict(list(values), range(len(values)), return_dtype=pl.Int64)


def _described(cells: pl.DataFrame, known: pl.DataFrame, dataset: str, split: str) -> pl.DataFrame:
    """The scenes of ``cells``; one that nothing is known of is its own recording."""
    recordings = pl.col("recordings")
    named = pl.when(recordings.list.len() > 0).then(recordings).otherwise(pl.concat_list("scene"))
    scenes = cells.select("scene").unique().join(known, on="scene", how="left")
    return scenes.with_columns(dataset=pl.lit(dataset), split=pl.lit(split), recordings=named).sort("scene")


def _by(frame: pl.DataFrame, columns: Iterable[str]) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(list(columns), as_dict=True, maintain_order=True)
