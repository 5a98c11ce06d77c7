"""Blind scenes class by class: how well it is detected, and what is gained on it where it was found.

A class is looked at in its own depth's cut, where it is judged in every scene. See :mod:`reports.blind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from ontology import Ontology
from reports.aggregate import AGGREGATIONS
from reports.blind import Blind
from reports.blocks import Block, figure
from reports.bootstrap import Resampler
from reports.detection import detection_figures
from reports.outcomes import STATES, score_rows

SEPARATED: Final = "sdri@1"
"""The metric of a class that sounds and was found."""
DETECTED: Final = {"map": "average precision", "f1_macro": "F1"}
"""Figures of a single class: its means over classes are of itself alone."""
_HEARD: Final = ("scene", "depth", "mid", "truth", "score", "predicted", "spans")


class BlindClasses:
    """The classes that sound in the scenes of one blind board."""

    def __init__(self, blind: Blind) -> None:
        self._blind = blind

    @cached_property
    def scenes(self) -> dict[str, tuple[str, ...]]:
        """By mid: the scenes in which the class sounds, itself or any below it."""
        sounding = self._scores.filter(pl.col("left_out").is_null() | (pl.col("left_out") != "absent"))
        there = sounding.group_by("mid").agg(pl.col("scene").unique().sort())
        return {str(mid): tuple(scenes) for mid, scenes in there.sort("mid").iter_rows()}

    def separation(self, mid: str) -> dict[str, dict[str, Any]]:
        """By system: a row of :data:`reports.blocks.FIGURES` but for its names, the mean over scenes where it found it.

        ``measured`` counts these, ``skipped`` those in which it missed the class or no part of it takes it, ``dropped``
        those in which it failed, and ``not_run`` those it has not come to. Scenes in which the class is trivial do not
        count. Empty where there are no others.
        """
        codes = {scene: code for code, scene in enumerate(self._blind.scenes["scene"])}
        found = {}
        for (name,), part in sorted(self._tried(mid).partition_by("separator", as_dict=True).items()):
            block = Block(
                state=part["state"].to_physical().to_numpy(),
                used=part["value"].to_numpy(),
                targets=np.zeros(len(part), dtype=np.int64),
                scenes=np.array([codes[scene] for scene in part["scene"]], dtype=np.int64),
                reasons=part["reason"],
            )
            found[str(name)] = figure(block, np.zeros(1, dtype=np.int64), AGGREGATIONS["mean"], self._resampler)
        return found

    def detection(self, mid: str) -> dict[str, dict[str, dict[str, Any]]]:
        """By tagger or parser, and by figure of :data:`DETECTED`: a row of the table of detection figures.

        Empty for a class that is never right or wrong to detect, and for one that sounds in no scene.
        """
        if mid not in self._judged:
            return {}
        found = {}
        for name, system in self._blind.detectors.items():
            asked = self._blind.heard(system)
            rows = self._judged[mid].filter(pl.col("separator") == system).join(asked, on="scene", how="semi")
            figures = detection_figures(
                rows.select(_HEARD), recordings=self._recordings, seconds=dict(asked.iter_rows()), names=(name, mid)
            )
            found[name] = {row["figure"]: row for row in figures.iter_rows(named=True) if row["figure"] in DETECTED}
        return found

    def unheard(self, name: str) -> dict[str, int]:
        """How many scenes the figures of a tagger or parser leave out; see :meth:`reports.blind.Blind.unheard`."""
        return self._blind.unheard(self._blind.detectors[name])

    @cached_property
    def _scores(self) -> pl.DataFrame:
        """``separator, scene, mid, status, value, reason, left_out`` of each class in the cut of its own depth."""
        of_classes = self._blind.scores.filter((pl.col("metric") == SEPARATED) & pl.col("target").is_not_null())
        named = of_classes.with_columns(mid=pl.col("mids").list.first()).join(self._own_depth, on=["mid", "depth"])
        return score_rows(self._blind.cells, named).select(
            "separator", "scene", "mid", "status", "value", "reason", "left_out"
        )

    @cached_property
    def _by_class(self) -> Mapping[tuple[Any, ...], pl.DataFrame]:
        return self._scores.partition_by("mid", as_dict=True)

    def _tried(self, mid: str) -> pl.DataFrame:
        """``separator, scene, state, value, reason`` of every system in every scene that counts, NaN without value.

        A cell that failed has no row of any class: it is known from the scores of the others.
        """
        rows = self._by_class[mid,]
        counted = rows.filter(pl.col("left_out").is_null()).select("scene").unique()
        own = rows.select("separator", "scene", "value", score="status", said="reason")
        cells = self._blind.cells.select("separator", "scene", "status", "reason")
        tried = cells.join(counted, on="scene", how="semi").join(own, on=["separator", "scene"], how="left")
        status, finite = pl.coalesce("score", "status"), pl.col("value").is_finite().fill_null(False)
        state = (
            pl.when((pl.col("score") == "ok") & finite)
            .then(pl.lit("measured"))
            .when(status == "skip")
            .then(pl.lit("skipped"))
            .when(status.is_null() | (pl.col("score").is_null() & (status == "ok")))
            .then(pl.lit("not run"))
            .otherwise(pl.lit("failed"))
        )
        return tried.select(
            "separator",
            "scene",
            state=state.cast(pl.Enum(STATES)),
            value=pl.when((pl.col("score") == "ok") & finite).then("value").otherwise(float("nan")),
            reason=pl.coalesce("said", "reason"),
        ).sort("separator", "scene")

    @cached_property
    def _judged(self) -> dict[str, pl.DataFrame]:
        """By mid: what the detectors said, of the classes that sound and are judged in any scene."""
        systems = list(self._blind.detectors.values())
        cells = self._blind.cells.filter(pl.col("separator").is_in(systems)).select("key", "separator", "scene")
        rows = self._blind.detections.join(self._own_depth, on=["mid", "depth"]).join(cells, on="key")
        sounding = rows.filter(pl.col("truth") == 1).select("mid").unique()
        parts = rows.join(sounding, on="mid", how="semi").partition_by("mid", as_dict=True)
        return {str(mid): part for (mid,), part in parts.items()}

    @cached_property
    def _own_depth(self) -> pl.DataFrame:
        nodes = list(Ontology.audioset())
        schema = {"mid": pl.String(), "depth": pl.Int32()}
        return pl.DataFrame({"mid": [n.mid for n in nodes], "depth": [n.depth for n in nodes]}, schema=schema)

    @cached_property
    def _recordings(self) -> dict[str, list[str]]:
        return dict(self._blind.scenes.select("scene", "recordings").iter_rows())

    @cached_property
    def _resampler(self) -> Resampler:
        return Resampler.of(list(self._recordings.values()), names=("classes of blind scenes",))
