"""What a board of blind scenes has beside its table: detection, the split of the loss, curves over thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from reports.detection import DETECTION_FIGURES, detection_figures
from reports.loss_split import SPLITS, Quadruple, loss_split, quadruples
from reports.odd_detections import odd_detections
from reports.outcomes import BLIND_FALLBACK
from reports.thresholds import threshold_curves

PROTOCOL: Final = "scene"
RANKED: Final = "capi_sdri@dcase2026"
"""The metric whose loss is split, and whose curve over thresholds is drawn."""
IMPUTED: Final = (RANKED, "ca_sdri@dcase2025", "casa_sdri_st@1", "casa_sdri_st_union@1")
"""Metrics in which doing nothing earns nothing, so that a failure may be counted as that."""
SHOWN_DEPTHS: Final = (1, 2, 3)
_FAILED: Final = ("error", "timeout", "oom", "nan")
"""Statuses of cells, or of single scores, that have no value though they were asked for."""
_FATES: Final = ("failed", "skipped", "not run", "of unknown length", "with damaged detections")
"""What keeps a scene out of the figures of detection."""
_HEARD: Final = (
    "scene", "depth", "mid", "truth", "score", "predicted", "spans", "segments", "segment_seconds", "hop_seconds",
)  # fmt: skip
"""Columns of the detections that their figures are made of."""


_OF_SCENES: Final = pl.col("target").is_null() & (pl.col("index") == pl.col("depth"))
"""Scores of a scene as a whole: there is one for each metric, depth and threshold."""


@dataclass(frozen=True)
class Blind:
    """The rows behind one board of blind scenes.

    ``cells`` are those of the board, with ``oracle``; ``scores`` and ``detections`` those of the whole folder, the
    scores with those of the grid of thresholds; ``scenes`` says how long each is, and which recordings are behind it.
    """

    cells: pl.DataFrame
    scores: pl.DataFrame
    swept: pl.DataFrame
    detections: pl.DataFrame
    scenes: pl.DataFrame

    @cached_property
    def detection(self) -> pl.DataFrame:
        """mAP, F1 and PSDS by system and depth; see :mod:`reports.detection`."""
        rows = self._named(self.detections).filter(pl.col("depth").is_in(SHOWN_DEPTHS))
        frames = [pl.DataFrame(schema={"separator": pl.String(), **DETECTION_FIGURES})]
        known: dict[str, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = {}
        for (system,), part in sorted(rows.partition_by("separator", as_dict=True).items()):
            tagger = tagger_of(str(system))
            asked = self.heard(str(system))
            said = part.join(asked, on="scene", how="semi").select(_HEARD).sort("scene", "depth", "mid")
            if tagger not in known or not (known[tagger][0].equals(asked) and known[tagger][1].equals(said)):
                figures = detection_figures(
                    said, recordings=self._recordings, seconds=dict(asked.iter_rows()), names=(tagger,)
                )
                known[tagger] = asked, said, figures
            frames.append(known[tagger][2].select(pl.lit(system).alias("separator"), *DETECTION_FIGURES))
        return pl.concat(frames)

    def heard(self, system: str) -> pl.DataFrame:
        """``scene, seconds`` of the scenes that the detection figures of a system are over, sorted."""
        found = self._fates.filter((pl.col("separator") == system) & pl.col("fate").is_null())
        return found.select("scene", "seconds").sort("scene")

    def unheard(self, system: str) -> dict[str, int]:
        """How many scenes they leave out, by what became of the scene in words; none of which there is none."""
        fates = self._fates.filter(pl.col("separator") == system)["fate"].drop_nulls()
        return {fate: count for fate in _FATES if (count := int((fates == fate).sum()))}

    @cached_property
    def _fates(self) -> pl.DataFrame:
        """``separator, scene, seconds, fate`` of every system and scene; no fate where its detections count."""
        asked = self.cells.select("separator").unique().join(self.scenes.select("scene", "seconds"), how="cross")
        status = self.cells.select("separator", "scene", "status", "key")
        failed, skipped, not_run, no_length, damaged = map(pl.lit, _FATES)
        fate = (
            pl.when(pl.col("status").is_null())
            .then(not_run)
            .when(pl.col("status") == "skip")
            .then(skipped)
            .when(~pl.col("status").is_in(["ok", "nan"]))  # what has no finite estimate was detected all the same
            .then(failed)
            .when(pl.col("seconds").is_null())
            .then(no_length)
            .when(pl.col("key").is_in(self._damaged))
            .then(damaged)
        )
        return asked.join(status, on=["separator", "scene"], how="left").with_columns(fate=fate)

    @property
    def _damaged(self) -> list[str]:
        """Keys of cells with detections that cannot be."""
        cells = self.cells.select("key", "scene").join(self.scenes.select("scene", "seconds"), on="scene")
        rows = self.detections.join(cells, on="key")
        return rows.filter(pl.any_horizontal(odd_detections(pl.col("seconds")).values()))["key"].unique().to_list()

    @cached_property
    def detectors(self) -> dict[str, str]:
        """What detects, with one system that shows it: a tagger once, where all systems of it detect alike."""
        systems = self.detection["separator"].unique().sort().to_list()
        said = {name: self.detection.filter(pl.col("separator") == name).drop("separator") for name in systems}
        found: dict[str, str] = {}
        for name in systems:
            own = [other for other in systems if tagger_of(other) == tagger_of(name)]
            alike = all(said[other].equals(said[name]) for other in own)
            found.setdefault(tagger_of(name) if alike else name, name)
        return found

    @cached_property
    def unheard_detectors(self) -> dict[str, str]:
        """Taggers and parsers of which there is no figure of detection, each with one system of it: none has heard."""
        heard = {tagger_of(name) for name in self.detection["separator"].unique()}
        others = [name for name in self.cells["separator"].unique().sort(descending=True) if not len(self.heard(name))]
        return {tagger_of(name): name for name in others if tagger_of(name) not in heard}

    @cached_property
    def splits(self) -> pl.DataFrame:
        """How the loss of each system divides into detection and separation; see :mod:`reports.loss_split`."""
        rows = self._named(self.scores).filter(
            (pl.col("metric") == RANKED) & _OF_SCENES & pl.col("depth").is_in(SHOWN_DEPTHS)
        )
        found = [loss_split(rows, one, recordings=self._recordings) for one in self._quadruples]
        return pl.concat([pl.DataFrame(schema=SPLITS), *found])

    @cached_property
    def curves(self) -> pl.DataFrame:
        """The ranked metric against the threshold, by system and depth; see :mod:`reports.thresholds`.

        A cell that failed counts at every threshold with the score of the fallback, as in the figure that ranks, or as
        left out where there is none.
        """
        at = pl.col("threshold").is_between(0, 1)
        swept = self._named(self.swept).filter((pl.col("metric") == RANKED) & _OF_SCENES & at)
        rows = swept.filter(~pl.col("status").is_in(_FAILED))
        points = swept.select("separator", "metric", "depth", "threshold").drop_nulls("threshold").unique()
        failed = self.cells.filter(pl.col("status").is_in(_FAILED)).select("separator", "scene")
        own = (pl.col("metric") == RANKED) & _OF_SCENES & pl.col("threshold").is_null()
        doing_nothing = self._named(self.scores.filter(own)).filter(pl.col("separator") == BLIND_FALLBACK)
        fallback = doing_nothing.select("scene", "depth", "value")
        imputed = points.join(failed, on="separator").join(fallback, on=["scene", "depth"], how="left")
        whole = [*points.columns, "scene", "value"]
        imputed = imputed.select(whole).join(rows, on=whole[:-1], how="anti", nulls_equal=True)
        return threshold_curves(pl.concat([rows.select(whole), imputed]), recordings=self._recordings)

    @property
    def _quadruples(self) -> list[Quadruple]:
        """Real systems with their oracles: a part is real where a system that it is in is told nothing."""
        ran = self.cells.filter(pl.col("status") == "ok")  # one that could not be made tells nothing of its parts
        told = dict(ran.select("separator", pl.col("oracle").fill_null(False)).unique().iter_rows())
        pairs = {tuple(name.split("+", 1)): oracle for name, oracle in told.items() if "+" in name}
        real = [pair for pair, oracle in pairs.items() if not oracle]
        return quadruples(
            told,
            oracle_taggers={tagger for tagger, _ in pairs} - {tagger for tagger, _ in real},
            oracle_separators={separator for _, separator in pairs} - {separator for _, separator in real},
        )

    @property
    def _recordings(self) -> Mapping[str, Sequence[str]]:
        return dict(self.scenes.select("scene", "recordings").iter_rows())

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the board's cells, each with its system and scene."""
        return rows.join(self.cells.select("key", "separator", "scene"), on="key", how="inner")


def tagger_of(system: str) -> str:
    """The tagger of ``tagger+separators``; a parser is named by itself."""
    return system.partition("+")[0]
