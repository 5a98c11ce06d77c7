"""What a board of blind scenes has beside its table: detection, the split of the loss, curves over thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from reports.detection import DETECTION_FIGURES, detection_figures
from reports.loss_split import SPLITS, Quadruple, loss_split, quadruples
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


_HEARD: Final = (
    "scene", "depth", "mid", "truth", "score", "predicted", "spans", "segments", "segment_seconds", "hop_seconds",
)  # fmt: skip
"""Columns of the detections that their figures are made of."""


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
        seconds = self.scenes.select("scene", "seconds").drop_nulls()
        rows = self._named(self.detections).filter(pl.col("depth").is_in(SHOWN_DEPTHS))
        heard = self.cells.filter(pl.col("status").is_in(["ok", "nan"]))  # the others have no rows of any class
        frames = [pl.DataFrame(schema={"separator": pl.String(), **DETECTION_FIGURES})]
        known: dict[str, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = {}
        for (system,), part in sorted(rows.partition_by("separator", as_dict=True).items()):
            tagger = tagger_of(str(system))
            asked = seconds.join(heard.filter(pl.col("separator") == system), on="scene", how="semi").sort("scene")
            said = part.select(_HEARD).sort("scene", "depth", "mid")
            if tagger not in known or not (known[tagger][0].equals(asked) and known[tagger][1].equals(said)):
                figures = detection_figures(
                    part, recordings=self._recordings, seconds=dict(asked.iter_rows()), names=(tagger,)
                )
                known[tagger] = asked, said, figures
            frames.append(known[tagger][2].select(pl.lit(system).alias("separator"), *DETECTION_FIGURES))
        return pl.concat(frames)

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
    def splits(self) -> pl.DataFrame:
        """How the loss of each system divides into detection and separation; see :mod:`reports.loss_split`."""
        rows = self._named(self.scores).filter(
            (pl.col("metric") == RANKED) & pl.col("target").is_null() & pl.col("depth").is_in(SHOWN_DEPTHS)
        )
        found = [loss_split(rows, one, recordings=self._recordings) for one in self._quadruples]
        return pl.concat([pl.DataFrame(schema=SPLITS), *found])

    @cached_property
    def curves(self) -> pl.DataFrame:
        """The ranked metric against the threshold, by system and depth; see :mod:`reports.thresholds`.

        A cell that failed counts at every threshold with the score of the fallback, as in the figure that ranks, or as
        left out where there is none.
        """
        swept = self._named(self.swept).filter(pl.col("metric") == RANKED)
        rows = swept.filter(~pl.col("status").is_in(_FAILED))
        points = swept.select("separator", "metric", "depth", "threshold").drop_nulls("threshold").unique()
        failed = self.cells.filter(pl.col("status").is_in(_FAILED)).select("separator", "scene")
        own = (pl.col("metric") == RANKED) & pl.col("target").is_null() & pl.col("threshold").is_null()
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
