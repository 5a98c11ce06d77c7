"""A results folder with everything a site must show, made through the writers of the results folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from reports.results import Results
from reports.schema import ENTRIES, SCENES, DatasetEntry, Manifest, MetricEntry, Problem, SeparatorEntry

METRICS = {
    "sdri@1": ("SDRi", "SDR(estimate) - SDR(mixture), both as in sdr@1; exactly 0 for the mixture."),
    "sdrg@1": ("SDRg", "SDR(estimate) - SDR(g x): what is gained over the best volume knob."),
    "si_sdri@1": ("SI-SDRi", "SI-SDR(estimate) - SI-SDR(mixture)."),
}
SEPARATORS = {
    "mixture": ("baseline", 0.0),
    "silence": ("baseline", 4.9),
    "half": ("baseline", 4.4),
    "gain-oracle": ("oracle", 6.2),
    "irm": ("oracle", 13.9),
    "ibm": ("oracle", 12.9),
    "hpss": ("primitive", 3.1),
    "repet": ("primitive", 4.0),
    "crashing": ("my-family", 5.6),
    "absent-tool": ("bridge", 0.0),
    "hasty": ("my-family", 5.0),
    "broken": ("my-family", 5.0),
}
"""``hasty`` ran on two scenes of each data set, ``broken`` fails everywhere in three lines."""
HASTE = 2
THREE_LINES = "RuntimeError: shapes differ\n  expected (2, 44100)\n  got (1, 44100)"
STEMS = ("vocals", "drums", "bass", "other")
REFUSED = {"hpss": ("bass", "other"), "repet": ("drums", "bass")}
BIRDS = ("Dog", "Rain", "Sneeze")


class Writer:
    """Writes cells of one run with made-up but plausible scores."""

    def __init__(self, folder: Path, *, separators: dict[str, tuple[str, float]] = SEPARATORS) -> None:
        self.results = Results(folder)
        self.separators = separators
        self.entries: list[dict[str, Any]] = []
        self.datasets: dict[str, DatasetEntry] = {}
        self.scenes: list[dict[str, Any]] = []

    def dataset(
        self,
        name: str,
        scenes: dict[str, tuple[tuple[str, ...], tuple[str, ...]]],
        *,
        title: str,
        caveat: str | None = None,
        absent: tuple[tuple[str, str], ...] = (),
        trivial: tuple[tuple[str, str], ...] = (),
        split: str = "test",
    ) -> None:
        """Write ``scenes``: id -> (targets, recordings)."""
        self.datasets[name] = DatasetEntry(
            title=title, split=split, licence="CC BY-NC 4.0", citation=f"The authors of {title}, 2019.",
            url=f"https://example.org/{name}", metrics=tuple(METRICS), caveat=caveat, scenes=len(scenes),
            columns=tuple(f"{metric}/class-median-mean" for metric in METRICS), version="0" * 64,
        )  # fmt: skip
        for place, (scene, (targets, recordings)) in enumerate(scenes.items()):
            self.scenes.append({
                "dataset": name, "split": split, "scene": scene, "seconds": 24.0, "sample_rate": 44_100, "channels": 2,
                "targets": list(targets), "recordings": list(recordings), "content": "c" * 64,
                "notes": ["stem bass: 12 samples short, padded"] if scene.endswith("2") else [],
            })  # fmt: skip
            for separator, (family, level) in self.separators.items():
                if separator == "hasty" and place >= HASTE:
                    continue
                self._cell(name, split, scene, targets, separator, family, level, absent, trivial)

    def _cell(
        self, name: str, split: str, scene: str, targets: tuple[str, ...], separator: str, family: str, level: float,
        absent: tuple[tuple[str, str], ...], trivial: tuple[tuple[str, str], ...],
    ) -> None:  # fmt: skip
        key = f"{separator}/{name}/{split}/{scene}"
        self.entries.append({
            "key": key, "separator": separator, "family": family, "dataset": name, "split": split, "scene": scene,
            "protocol": "query", "variant": f"variant-of-{separator}",
        })  # fmt: skip
        if separator == "crashing" and scene.endswith("3"):
            return  # pending
        draw = np.random.default_rng(len(self.entries))
        status, reason, trace = "ok", None, None
        if separator == "crashing" and scene.endswith("1"):
            status, reason = "error", "ValueError: kernel <31> is even"
            trace = 'Traceback (most recent call last):\n  File "model.py", line 3\nValueError: kernel <31> is even'
        if separator == "absent-tool":
            status, reason = "skip", "the tool is not installed: pip install the-tool"
        if separator == "broken":
            status, reason, trace = "error", THREE_LINES, f"Traceback (most recent call last):\n{THREE_LINES}"
        idle = separator == "mixture"
        seconds = float(draw.uniform(0.2, 2)) * (0.001 if idle else 1)
        cell: dict[str, Any] = {
            "key": key, "run": "night-1", "status": status, "reason": reason, "traceback": trace, "metrics": [],
            "attempts": 1, "seconds": seconds if status == "ok" else None, "cpu_seconds": None,
            "total_seconds": 3.0, "audio_seconds": 24.0, "peak_mb": 0.0 if idle else 210.0, "device": "cpu",
            "notes": [],
        }  # fmt: skip
        self.results.write_part(cell, self._scores(scene, targets, separator, level, draw, absent, trivial)
                                if status == "ok" else [])  # fmt: skip

    def _scores(
        self, scene: str, targets: tuple[str, ...], separator: str, level: float, draw: np.random.Generator,
        absent: tuple[tuple[str, str], ...], trivial: tuple[tuple[str, str], ...],
    ) -> list[dict[str, Any]]:  # fmt: skip
        rows = []
        difficulty = np.random.default_rng(abs(hash_of(scene))).normal(0, 1.2, len(targets))
        for index, target in enumerate(targets):
            base = {"index": index, "target": target, "mids": ["/m/09x0r"], "depth": 2, "value": None}
            if target in REFUSED.get(separator, ()):
                rows.append(base | {"metric": None, "status": "skip", "reason": f"no component stands for {target!r}"})
                continue
            for place, metric in enumerate(METRICS):
                row = base | {"metric": metric, "status": "ok", "reason": None}
                if (scene, target) in absent:
                    row |= {"status": "skip", "reason": "absent: the reference lies 60 dB or more under the mixture"}
                elif (scene, target) in trivial:
                    row |= {"status": "skip", "reason": "trivial: the SDR of the mixture itself is above 30 dB"}
                elif separator == "silence" and metric == "si_sdri@1":
                    row |= {"status": "nan", "reason": "SI-SDRi has no value: the estimate is silent"}
                elif separator == "crashing" and scene.endswith("5") and metric == "sdrg@1":
                    row |= {"status": "error", "reason": "LinAlgError: SVD did not converge"}
                else:
                    value = level + difficulty[index] * (level > 0) + draw.normal(0, 0.4) * (level > 0)
                    row["value"] = float(value - (6.2 * place if separator != "mixture" else 3.0 * place))
                rows.append(row)
        return rows

    def finish(
        self,
        *,
        problems: tuple[Problem, ...] = (),
        run: str = "night-1",
        state: Literal["running", "finished", "interrupted"] = "finished",
    ) -> Path:
        """Write manifest, scenes, metrics and cards; returns the folder."""
        manifest = Manifest(
            run=run, state=state, started="2026-01-05T02:00:00Z", finished="2026-01-05T02:41:07Z",
            configuration={"separators": list(self.separators), "seed": 0, "options": {"hpss": {"kernel": 31}},
                "data": {}, "limit": None},
            provenance={"commit": "0123abc", "dirty": False, "python": "3.11.9", "packages": {"torch": "2.6.0"},
                        "hardware": {"cpu": "2 cores", "memory_gb": 8}},
            separators={name: separator_entry(name) for name in self.separators},
            datasets=self.datasets, problems=problems, counts={"ok": 70, "skip": 9, "error": 3}, reused=4,
        )  # fmt: skip
        self.results.write_manifest(manifest, pl.DataFrame(self.entries, schema=ENTRIES))
        self.results.write_scenes(pl.DataFrame(self.scenes, schema=SCENES))
        self.results.write_metrics({
            name: MetricEntry(title=title, unit="dB", better="higher", definition=definition,
                              undefined=f"{title} has no value: the reference is silent",
                              aggregations=("class-median-mean", "mean"))
            for name, (title, definition) in METRICS.items()
        })  # fmt: skip
        for name, (family, _) in self.separators.items():
            if name != "crashing":
                card: dict[str, Any] = {
                    "name": name,
                    "family": family,
                    "summary": f"What {name} is.",
                    "paper": None,
                    "url": None,
                    "licence": "MIT",
                    "parameters": 0,
                    "training_data": [],
                    "weights": [],
                    "notes": None,
                }
                self.results.write_text(Path("cards") / f"{name}.json", json.dumps(card))
        return self.results.folder


def separator_entry(name: str) -> SeparatorEntry:
    return SeparatorEntry(
        path=f"separators.some:{name.title()}",
        options={"kernel": 31, "mask": {"power": 2}},
        code="c0de" * 16,
        weights="feed" * 16 if name == "hpss" else None,
        variant=f"variant-of-{name}",
    )


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-4:], "big")


def songs(count: int) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {f"Artist - Song {number}": (STEMS, (f"song-{number}",)) for number in range(1, count + 1)}


def pairs(count: int) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {
        f"{BIRDS[n % 3]}+{BIRDS[(n + 1) % 3]}-{n:03d}": ((BIRDS[n % 3], BIRDS[(n + 1) % 3]), (f"a{n}", f"b{n // 2}"))
        for n in range(count)
    }


@pytest.fixture(scope="session")
def results_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten songs, one song alone, and pairs of clips; failures, skips, absent and trivial targets, a problem."""
    return write(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def make_writer() -> Callable[..., Writer]:
    return Writer


def write(folder: Path) -> Path:
    writer = Writer(folder)
    writer.dataset("musdb18", songs(10), title="MUSDB18", absent=(("Artist - Song 4", "vocals"),))
    writer.dataset("slakh2100", {"Track00001": (("Piano", "Bass"), ("midi-1",))}, title="Slakh2100")
    writer.dataset(
        "esc50", pairs(14), title="ESC-50 pairs", trivial=(("Dog+Rain-000", "Rain"),),
        caveat="Two clips of one recording may stand in different pairs.",
    )  # fmt: skip
    problem = Problem(subject="voicebank_demand", message="no folder /data/vbd. Download it from <the site>.")
    return writer.finish(problems=(problem,))
