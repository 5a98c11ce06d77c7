"""A results folder as large as one likes, written as runs write theirs: made-up scores, with failures and skips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from reports.bootstrap import seed_of
from reports.results import Results
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest, MetricEntry, SeparatorEntry

METRICS: Final = {
    "sdr@1": ("SDR", "dB", 6.0),
    "sdri@1": ("SDRi", "dB", 0.0),
    "sdrg@1": ("SDRg", "dB", -1.5),
    "si_sdri@1": ("SI-SDRi", "dB", -0.8),
    "loudness_error@1": ("Loudness error", "LU", 3.0),
}
"""Title, unit, and how far the metric lies from the level of a separator."""
_LOWER: Final = "loudness_error@1"
_INSTRUMENTS: Final = ("Piano", "Bass", "Guitar", "Organ", "Strings", "Brass", "Reed", "Pipe", "Synth lead",
                       "Synth pad", "Chromatic percussion", "Drums")  # fmt: skip
_RUNS: Final = 10
_MORE: Final = 1.02
"""Scenes more than full rows would take: what was refused or failed has fewer."""


@dataclass(frozen=True)
class Dataset:
    """A data set: its targets, how many of them sound in a scene, and its share of all score rows."""

    name: str
    title: str
    targets: tuple[str, ...]
    at_once: int
    share: float
    columns: tuple[str, ...]


DATASETS: Final = (
    Dataset("songs", "Songs", ("vocals", "drums", "bass", "other"), 4, 0.15, (
        "sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")),
    Dataset("pairs", "Pairs of clips", tuple(f"Class {n:02d}" for n in range(50)), 2, 0.25, (
        "sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-mean-mean")),
    Dataset("ensembles", "Ensembles", _INSTRUMENTS, 8, 0.4, (
        "sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean", "sdr@1/median")),
    Dataset("speech", "Speech in noise", ("Speech",), 1, 0.2, (
        "si_sdri@1/mean", "sdri@1/mean", "sdrg@1/class-median-mean", "loudness_error@1/mean")),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One scene: the places of its targets in those of the data set, and the recordings behind it."""

    name: str
    targets: tuple[int, ...]
    recordings: tuple[str, ...]


def separators(count: int) -> dict[str, tuple[str, float]]:
    """Family and level in dB by name: two baselines, two oracles, and systems."""
    given = {"mixture": ("baseline", 0.0), "silence": ("baseline", 2.0), "ibm": ("oracle", 12.0)}
    systems = {f"system-{n:03d}": (f"family-{n % 7}", 1.0 + 9.0 * n / count) for n in range(count - len(given))}
    return given | systems


def scenes_of(dataset: Dataset, *, rows: int, count: int) -> list[Scene]:
    """As many scenes as it takes for ``rows`` score rows of ``count`` separators in all data sets together."""
    number = max(4, math.ceil(_MORE * rows * dataset.share / (count * dataset.at_once * len(METRICS))))
    found = []
    for n in range(number):
        targets = tuple((n + 7 * k) % len(dataset.targets) for k in range(dataset.at_once))
        recordings = (f"clip-{n}", f"clip-{(n * 3 + 1) % number}") if dataset.at_once == 2 else (f"take-{n}",)
        found.append(Scene(f"{dataset.title} {n:04d}", tuple(dict.fromkeys(targets)), recordings))
    return found


class BigResults:
    """Writes runs of made-up scores: ``rows`` score rows for ``count`` separators, and more on demand."""

    def __init__(self, folder: Path, *, rows: int = 1_000_000, count: int = 50) -> None:
        self.results = Results(folder)
        self.separators = separators(count)
        self.scenes = {dataset.name: scenes_of(dataset, rows=rows, count=count) for dataset in DATASETS}

    def write(self) -> int:
        """Write all runs, and what is known of scenes and metrics; returns how many score rows there are."""
        names = list(self.separators)
        written = sum(self.run(f"night-{number:02d}", names[number::_RUNS]) for number in range(min(_RUNS, len(names))))
        self.results.write_scenes(pl.DataFrame(list(self._described()), schema=SCENES))
        self.results.write_metrics({
            name: MetricEntry(
                title=title, unit=unit, better="lower" if name == _LOWER else "higher",
                definition=f"{title} of made-up scores.", undefined=f"{title} has no value: the estimate is silent",
                aggregations=("class-median-mean", "mean"),
            )
            for name, (title, unit, _) in METRICS.items()
        })  # fmt: skip
        return written

    def run(
        self,
        run: str,
        names: Sequence[str],
        *,
        attempt: int = 0,
        only: dict[str, list[str]] | None = None,
        done: bool = False,
    ) -> int:
        """Write a run of some separators, all of them in one part for each data set; returns the score rows.

        Args:
            run: its name, which also says when it began: runs sort by it.
            names: separators; one that is not among those of the folder is a new system.
            attempt: another one gives other scores.
            only: scenes by data set; None for all of all.
            done: whether the run finds all of its cells done, and writes none.
        """
        written, entries = 0, []
        for dataset in DATASETS:
            cells: list[dict[str, Any]] = []
            scores: list[dict[str, Any]] = []
            for name in names:
                family, level = self.separators.get(name, ("newcomers", 7.5))
                for place, scene in enumerate(self.scenes[dataset.name]):
                    wanted = only is None or scene.name in only.get(dataset.name, ())
                    if not wanted or (name == "system-005" and place >= 3 and dataset.name == "songs"):
                        continue
                    key = f"{name}/{dataset.name}/{scene.name}/{attempt}"
                    entries.append({
                        "key": key, "separator": name, "family": family, "dataset": dataset.name, "split": "test",
                        "scene": scene.name, "protocol": "query", "variant": f"variant-of-{name}",
                        "oracle": family == "oracle",
                    })  # fmt: skip
                    if done:
                        continue
                    cell, rows = _cell(run, key, dataset, scene, name, level, attempt)
                    cells.append(cell)
                    scores += [{**row, "key": key} for row in rows]
            if cells:
                self.results.write_cells(cells, scores)
            written += len(scores)
        self.results.write_manifest(_manifest(run, names, self.scenes, only), pl.DataFrame(entries, schema=ENTRIES))
        for name in names:
            family, _ = self.separators.get(name, ("newcomers", 7.5))
            self.results.write_card(name, {
                "name": name, "family": family, "summary": f"What {name} does.", "licence": "MIT",
                "parameters": 1_000 * len(name), "training_data": ["made up"],
            })  # fmt: skip
        return written

    def _described(self) -> Iterator[dict[str, Any]]:
        for dataset in DATASETS:
            for scene in self.scenes[dataset.name]:
                yield {
                    "dataset": dataset.name, "split": "test", "scene": scene.name, "seconds": 10.0,
                    "sample_rate": 44_100, "channels": 2, "targets": [dataset.targets[n] for n in scene.targets],
                    "recordings": list(scene.recordings), "notes": [], "content": "c" * 64,
                }  # fmt: skip


def _cell(
    run: str, key: str, dataset: Dataset, scene: Scene, name: str, level: float, attempt: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    draw = np.random.default_rng(seed_of((key, str(attempt))))
    failed = name.startswith("system-01") and draw.random() < 0.02
    cell = {
        "key": key, "run": run, "status": "error" if failed else "ok",
        "reason": f"ValueError: {scene.name} is too short" if failed else None,
        "traceback": "Traceback (most recent call last):\nValueError: too short" if failed else None,
        "metrics": list(METRICS), "failed_metrics": [], "attempts": 1, "seconds": float(draw.uniform(0.5, 3)),
        "cpu_seconds": 1.0, "total_seconds": 4.0, "audio_seconds": 10.0, "peak_mb": float(draw.uniform(50, 900)),
        "device": "cpu", "notes": [],
    }  # fmt: skip
    if failed:
        return cell, []
    hardness = np.random.default_rng(seed_of((dataset.name, scene.name))).normal(0, 1.5, len(scene.targets))
    noise = draw.normal(0, 0.5, (len(scene.targets), len(METRICS)))
    rows = []
    for index, place in enumerate(scene.targets):
        row = {"index": index, "target": dataset.targets[place], "mids": ["/m/09x0r"], "depth": 2, "value": None,
               "status": "ok", "reason": None}  # fmt: skip
        if name in ("system-007", "system-008") and place % 4 == 3:
            refused = {"metric": None, "status": "skip", "reason": f"no component stands for {row['target']!r}"}
            rows.append(row | refused)
            continue
        for number, (metric, (title, _, offset)) in enumerate(METRICS.items()):
            if name == "silence" and metric == "si_sdri@1":
                undefined = {"status": "nan", "reason": f"{title} has no value: the estimate is silent"}
                rows.append(row | {"metric": metric} | undefined)
                continue
            idle = name == "mixture" and metric != "sdr@1"
            value = 0.0 if idle else level + offset + hardness[index] + noise[index, number]
            rows.append(row | {"metric": metric, "value": float(abs(value) if metric == _LOWER else value)})
    return cell, rows


def _manifest(
    run: str, names: Sequence[str], scenes: dict[str, list[Scene]], only: dict[str, list[str]] | None
) -> Manifest:
    return Manifest(
        run=run, state="finished", started="2026-01-05T02:00:00Z", finished="2026-01-05T06:00:00Z",
        configuration={"separators": list(names)}, provenance={"commit": "0123abc", "packages": {"numpy": "2"}},
        datasets={
            dataset.name: DatasetEntry(
                title=dataset.title, split="test", licence="CC BY 4.0", citation=f"The authors of {dataset.title}.",
                url=f"https://example.org/{dataset.name}", columns=dataset.columns, metrics=tuple(METRICS),
                scenes=len(scenes[dataset.name]), version="0" * 64,
            )
            for dataset in DATASETS
            if only is None or dataset.name in only
        },
        separators={
            name: SeparatorEntry(path=f"systems.{name}:System", options={"size": len(name)}, code="c0de" * 16,
                                 variant=f"variant-of-{name}")
            for name in names
        },
        counts={"ok": 1},
    )  # fmt: skip
