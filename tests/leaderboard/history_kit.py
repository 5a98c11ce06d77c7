"""Nightly runs of made-up separators: what a night finds done under its key it takes as it is, as runs do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import polars as pl

from reports.results import Results
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest, MetricEntry, SeparatorEntry

START: Final = datetime(2026, 1, 5, 2, tzinfo=UTC)
TARGETS: Final = ("vocals", "drums")
METRICS: Final = {"sdri@1": "SDRi", "si_sdri@1": "SI-SDRi"}


@dataclass(frozen=True)
class System:
    """A separator in one night: ``variant`` names its code; scores are about ``level`` in dB."""

    level: float
    variant: str = "1"
    family: str = "my-family"
    failing: tuple[str, ...] = ()
    seconds: float = 2.0


class Nights:
    """Writes runs into one folder, one a day."""

    def __init__(self, folder: Path, *, songs: int = 10, dataset: str = "set", spread: float = 0.05) -> None:
        self.results, self.dataset, self.spread = Results(folder), dataset, spread
        self.songs = [f"song{number:02d}" for number in range(songs)]
        self._done: set[str] = set()

    def write(
        self, day: int, systems: Mapping[str, System], *, data: str = "1", songs: int | None = None,
        again: frozenset[str] = frozenset(), offset: float = 0.0, run: str | None = None,
    ) -> str:  # fmt: skip
        """Write the run of a ``day``; separators in ``again`` are computed anew under their keys, ``offset`` dB off."""
        run, began = run or f"night-{day:03d}", START + timedelta(days=day)
        shown = self.songs[:songs]
        entries: list[dict[str, Any]] = []
        cells: list[dict[str, Any]] = []
        scores: list[dict[str, Any]] = []
        for name, system in systems.items():
            for song in shown:
                key = f"{name}/{system.variant}/{data}/{self.dataset}/{song}"
                entries.append({"key": key, "separator": name, "family": system.family, "dataset": self.dataset,
                                "split": "test", "scene": song, "protocol": "query", "oracle": False,
                                "variant": f"{name} {system.variant}"})  # fmt: skip
                failed = song in system.failing
                if (key in self._done and name not in again) or (failed and f"{key} failed" in self._done):
                    continue
                self._done.add(f"{key} failed" if failed else key)
                cells.append({"key": key, "run": run, "status": "error" if failed else "ok",
                              "reason": "LinAlgError: no <b>convergence</b>" if failed else None,
                              "metrics": [] if failed else list(METRICS), "failed_metrics": [], "attempts": 1,
                              "seconds": system.seconds * (1 + 0.01 * (len(cells) % 3)), "audio_seconds": 10.0,
                              "notes": []})  # fmt: skip
                if not failed:
                    scores += self._scores(key, name, system, song, offset if name in again else 0.0)
        with patch("reports.results.time.time", return_value=began.timestamp() + 60):
            self.results.write_cells(cells, scores)
            self._describe(run, began, systems, data, shown, pl.DataFrame(entries, schema=ENTRIES))
        return run

    def _scores(self, key: str, name: str, system: System, song: str, offset: float) -> list[dict[str, Any]]:
        place = self.songs.index(song)
        of_song = np.random.default_rng([99, place]).normal(0, 1.5, len(TARGETS))
        own = np.random.default_rng([sum(f"{name} {system.variant}".encode()), place]).normal(0, 1, len(TARGETS))
        values = (system.level + of_song + self.spread * own) * (name != "mixture") + offset
        return [
            {"key": key, "index": index, "target": target, "mids": [], "depth": 2, "metric": metric, "status": "ok",
             "value": float(values[index]) - shift, "reason": None}
            for index, target in enumerate(TARGETS)
            for metric, shift in zip(METRICS, (0.0, 1.0 if name != "mixture" else 0.0), strict=True)
        ]  # fmt: skip

    def _describe(
        self, run: str, began: datetime, systems: Mapping[str, System], data: str, songs: list[str],
        entries: pl.DataFrame,
    ) -> None:  # fmt: skip
        entry = DatasetEntry(
            title=self.dataset.title(), split="test", licence="CC0", citation="c", url="https://example.org",
            columns=tuple(f"{metric}/class-median-mean" for metric in METRICS), metrics=tuple(METRICS),
            scenes=len(songs), version=f"{data} {len(songs)}",
        )  # fmt: skip
        separators = {
            name: SeparatorEntry(
                path="my_pkg:System",
                options={"kernel": 31},
                code=system.variant * 8,
                variant=f"{name} {system.variant}",
            )
            for name, system in systems.items()
        }
        newest = max(system.variant for system in systems.values())
        self.results.write_manifest(
            Manifest(run=run, state="finished", started=began.isoformat(), configuration={}, separators=separators,
                     finished=(began + timedelta(minutes=40)).isoformat(), datasets={self.dataset: entry},
                     provenance={"commit": newest * 8, "dirty": False, "cpu": "a cpu", "cores": 2}),
            entries,
        )  # fmt: skip
        self.results.write_metrics({
            name: MetricEntry(title=title, unit="dB", better="higher", definition="d", undefined="u",
                              aggregations=("class-median-mean",))
            for name, title in METRICS.items()
        })  # fmt: skip
        self.results.write_scenes(pl.DataFrame(
            [{"dataset": self.dataset, "split": "test", "scene": song, "seconds": 10.0, "sample_rate": 44_100,
              "channels": 2, "targets": list(TARGETS), "recordings": [song], "notes": []} for song in songs],
            schema=SCENES,
        ))  # fmt: skip
