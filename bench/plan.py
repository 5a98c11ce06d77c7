"""Turn data sets and separators into cells with content keys, and see which are done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import polars as pl

from bench.cells import Job, SeparatorSpec, SystemSpec
from bench.codehash import code_hash
from bench.data import OpenedDataset
from bench.describe import Description
from bench.scene import Scene, SceneError, Signal
from bench.truth import Truth
from ontology import Ontology
from ontology.targets import Target
from reports.results import Results
from reports.schema import FINAL_STATUSES, SCENES, Status


@dataclass(frozen=True)
class Settled:
    """A cell whose outcome is known before it runs: its scene cannot be read, or its separator cannot be made."""

    job: Job
    status: Status
    reason: str
    trace: str | None = None


@dataclass(frozen=True)
class Plan:
    """Every cell of a run (``cells``): those to run, those settled already, and those whose results are there.

    Cells of equal contents (one pair listed twice, one separator under two names) share a key: they are all in
    ``cells``, and one of them is in ``jobs``.
    """

    cells: tuple[Job, ...]
    jobs: tuple[Job, ...]
    settled: tuple[Settled, ...]
    done: tuple[Job, ...]
    scenes: pl.DataFrame
    versions: Mapping[str, str]
    """Hash over the contents of each data set's scenes."""

    @property
    def entries(self) -> list[dict[str, str]]:
        """One row per cell, in plan order, without the separators' families."""
        return [
            {
                "key": job.key,
                "separator": job.spec.name,
                "dataset": job.scene.dataset,
                "split": job.scene.split,
                "scene": job.scene.id,
                "variant": job.variant,
            }
            for job in self.cells
        ]


@dataclass(frozen=True)
class KeyState:
    """Status of a key, the metrics scored under it, and those that failed."""

    status: str
    scored: frozenset[str]
    failed: frozenset[str]


@dataclass
class Planner:
    """Makes plans, each for one run."""

    results: Results
    run: str
    protocol: str = "query"
    seed: int = 0
    device: str = "cpu"
    metrics: Mapping[str, str] | None = None
    retry: Collection[str] = ()
    keep_estimates: bool = False
    progress: Callable[[str], None] | None = None
    _examples: dict[tuple[str, Target, int | None], tuple[tuple[Signal, ...], str]] = field(default_factory=dict)

    def plan(self, datasets: Sequence[OpenedDataset], separators: Sequence[Description]) -> Plan:
        """Make the plan of a run; hashes every scene's audio, once per file."""
        cells: list[Job] = []
        jobs: list[Job] = []
        settled: list[Settled] = []
        done: list[Job] = []
        scene_rows: list[dict[str, Any]] = []
        versions: dict[str, str] = {}
        state = self.state()
        for opened in datasets:
            contents: list[str] = []
            for number, scene in enumerate(opened.scenes, 1):
                self._tell(f"{opened.name}: reading scene {number} of {len(opened.scenes)}")
                content, broken = _content(scene)
                contents.append(content)
                scene_rows.append(_scene_row(scene, None if broken else content))
                for separator in separators:
                    cell = self._cell(opened, scene, content, separator)
                    cells.append(cell)
                    missing = self.missing(cell, state)
                    if not missing:
                        done.append(cell)
                        continue
                    known = state.get(cell.key)
                    job = replace(cell, metrics=missing, rescoring=bool(known and known.status in FINAL_STATUSES))
                    outcome = _settle(cell, separator, broken)
                    if outcome:
                        settled.append(Settled(job, *outcome))
                    else:
                        jobs.append(job)
            versions[opened.name] = _sha256(contents)
        scenes = pl.DataFrame(scene_rows, schema=SCENES)
        return Plan(tuple(cells), tuple(unique(jobs)), tuple(settled), tuple(done), scenes, versions)

    def _cell(self, opened: OpenedDataset, scene: Scene, content: str, separator: Description) -> Job:
        refused = {
            place: separator.refusals[wanted.target]
            for place, wanted in enumerate(scene.targets)
            if wanted.target in separator.refusals
        }
        examples: dict[int, tuple[Signal, ...]] = {}
        contents: dict[int, str] = {}
        if "examples" in separator.needs:
            for place, wanted in enumerate(scene.targets):
                clips, digest = self._clips(opened, wanted.target, separator.max_examples)
                if clips:
                    examples[place], contents[place] = clips, digest
                else:
                    refused.setdefault(place, f"{opened.name} has no example clips of {wanted.target.label!r} here")
        asked = tuple(place for place in range(len(scene.targets)) if place not in refused)
        blind = isinstance(separator.spec, SystemSpec)
        key = _sha256(
            ({"truth": _truth_code()} if blind else {})
            | {
                "separator": separator.variant,
                "hindrance": [separator.unavailable, separator.failure],
                "scene": content,
                "queries": [[t.target.label, t.target.mids] for t in scene.targets],
                "examples": contents,
                "ontology": Ontology.audioset().version,
                "protocol": self.protocol,
                "seed": self.seed,
                "dtype": "float32",
                "device": self.device.partition(":")[0],
            }
        )
        return Job(
            key=key,
            spec=separator.spec,
            scene=scene,
            asked=asked,
            refused=refused,
            metrics=self.metrics or opened.metrics,
            run=self.run,
            results=self.results.folder,
            code=separator.code,
            variant=separator.variant,
            seed=self.seed,
            device=self.device,
            examples=examples,
            keep_estimates=self.keep_estimates,
        )

    def _clips(self, opened: OpenedDataset, target: Target, most: int | None) -> tuple[tuple[Signal, ...], str]:
        """Example clips of a target, at most so many or all of them and whole, and a hash over their contents."""
        wanted = (opened.name, target, most)
        if wanted not in self._examples:
            distinct: dict[str, Signal] = {}  # a clip may stand in several scenes, and counts once
            for clip in opened.dataset.examples(target, whole=most is None):
                distinct.setdefault(clip.fingerprint(), clip)
                if len(distinct) == most:
                    break
            self._examples[wanted] = tuple(distinct.values()), _sha256(list(distinct))
        return self._examples[wanted]

    def state(self) -> dict[str, KeyState]:
        """What is known of every key there is."""
        cells = self.results.cells().select("key", "status", "metrics", "failed_metrics")
        return {
            key: KeyState(status, frozenset(scored or ()), frozenset(failed or ()))
            for key, status, scored, failed in cells.iter_rows()
        }

    def missing(self, job: Job, state: Mapping[str, KeyState]) -> dict[str, str]:
        """Metrics of the cell that have yet to be scored; all of them where it must run again.

        What failed stands until its key changes, or is retried.
        """
        known = state.get(job.key)
        if known is None or known.status in self.retry:
            return dict(job.metrics)
        stands = known.scored if self.retry else known.scored | known.failed
        return {metric: plugin for metric, plugin in job.metrics.items() if metric not in stands}

    def _tell(self, message: str) -> None:
        if self.progress:
            self.progress(message)


def _content(scene: Scene) -> tuple[str, str | None]:
    """The scene's content hash, and why it cannot be used if so; the reason then is its content."""
    try:
        return scene.content_hash(), None
    except (SceneError, OSError) as error:
        return _sha256(str(error)), str(error)


def _settle(job: Job, separator: Description, broken: str | None) -> tuple[Status, str, str | None] | None:
    if separator.failure:
        return "error", separator.failure, separator.trace
    if separator.unavailable:
        return "skip", separator.unavailable, None
    if broken:
        return "error", broken, None
    if not job.asked and isinstance(job.spec, SeparatorSpec):
        return "skip", "; ".join(dict.fromkeys(job.refused.values())), None
    return None


def unique(jobs: Sequence[Job]) -> Iterator[Job]:
    """One job for each key, with the metrics of all that share it."""
    by_key: dict[str, Job] = {}
    for job in jobs:
        known = by_key.get(job.key)
        by_key[job.key] = replace(known, metrics={**known.metrics, **job.metrics}) if known else job
    yield from by_key.values()


def _scene_row(scene: Scene, content: str | None) -> dict[str, Any]:
    shape: tuple[float | None, int | None, int | None] = (None, None, None)
    with suppress(SceneError):  # an unreadable mixture has no shape; its cells say why
        shape = (scene.mixture.seconds, scene.mixture.sample_rate, scene.mixture.channels)
    return {
        "dataset": scene.dataset,
        "split": scene.split,
        "scene": scene.id,
        "seconds": shape[0],
        "sample_rate": shape[1],
        "channels": shape[2],
        "targets": [wanted.target.label for wanted in scene.targets] or _sounding(scene),
        "recordings": list(scene.recordings),
        "notes": list(scene.notes),
        "content": content,
    }


@cache
def _truth_code() -> str:
    """Hash of the code that decides what is present, absent and unknown."""
    return code_hash(Truth)


def _sounding(scene: Scene) -> list[str]:
    """What sounds in a blind scene, which has no targets."""
    return [source.label for source in scene.sources if source.mids]


def _sha256(described: object) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()
