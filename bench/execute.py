"""Run one cell: read the scene, separate, score, write the rows. Whatever goes wrong becomes the cell's status."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from bench import estimates as kept
from bench import plugins
from bench.cells import Job, Outcome, SeparatorSpec, SystemSpec
from bench.codehash import CodeChangedError, code_hash
from bench.describe import ADAPTER, make_separator, say
from bench.excerpts import write_estimates
from bench.memory import PeakMemory
from bench.metrics.base import Metric
from bench.metrics.score import score_cell
from bench.scene import Scene, SceneError, Signal
from bench.seeding import seed_everything
from ontology import Ontology
from reports.results import Results
from reports.schema import FINAL_STATUSES, Status
from separators.adapt import encode, extract
from separators.base import Context, Estimates, Query, Separator, Unavailable

if TYPE_CHECKING:
    from bench.blind.system import System


@dataclass
class Loaded:
    """The separator or system that a worker keeps loaded between cells: one at a time, the last one asked for."""

    identity: str = ""
    made: Separator | System | None = None
    _conditions: dict[tuple[Signal, ...], torch.Tensor | None] = field(default_factory=dict)

    def separator(self, job: Job) -> Separator:
        """The job's separator, constructed anew only when it is another than the last."""
        made = self._get(job)
        assert isinstance(made, Separator)
        return made

    def system(self, job: Job) -> System:
        """The job's system, as for :meth:`separator`."""
        made = self._get(job)
        assert not isinstance(made, Separator)
        return made

    def condition(self, job: Job, examples: tuple[Signal, ...], context: Context) -> torch.Tensor | None:
        """What the job's separator makes of the examples of a target, once for all its queries; None for nothing."""
        if examples not in self._conditions:
            read = ((signal.read(), signal.sample_rate) for signal in examples)
            sounding = ((audio, rate) for audio, rate in read if audio.shape[1])
            self._conditions[examples] = encode(self.separator(job), sounding, context=context)
        return self._conditions[examples]

    def _get(self, job: Job) -> Separator | System:
        if self.made is None or self.identity != job.spec.identity:
            self.made = None  # let go of the old model before the new one takes its memory
            self._conditions.clear()
            self.made, self.identity = _make(job.spec, job.code), job.spec.identity
        return self.made


def _make(spec: SeparatorSpec | SystemSpec, code: str) -> Separator | System:
    if isinstance(spec, SystemSpec):
        from bench.blind.system import make_system  # lazy: not every run has systems

        return make_system(spec, code=code)
    separator = make_separator(spec)
    if code and code_hash(type(separator), *ADAPTER) != code:
        raise CodeChangedError(f"{spec.name}: its code was edited while the run went on; run it again")
    return separator


@dataclass
class _Record:
    """What is known of a cell while it runs."""

    seconds: float | None = None
    cpu_seconds: float | None = None
    scores: list[dict[str, Any]] = field(default_factory=list)
    detections: list[dict[str, Any]] = field(default_factory=list)
    failed_metrics: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def run_job(job: Job, loaded: Loaded, *, attempt: int = 1, last: bool = True) -> Outcome:
    """Run a cell and write its rows. Returns normally whatever the separator does short of killing the process.

    Running out of memory is written down only at the ``last`` attempt.
    """
    started, peak = time.perf_counter(), PeakMemory()
    record = _Record(notes=list(job.scene.notes))
    status: Status
    reason: str | None = None
    trace: str | None = None
    try:
        work = _analyse_and_score if isinstance(job.spec, SystemSpec) else _separate_and_score
        status, reason = work(job, loaded, record)
    except Unavailable as error:
        status, reason = "skip", str(error)
    except (SceneError, CodeChangedError) as error:
        status, reason = "error", str(error)
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        status, reason, trace = "oom", f"out of memory: {error}", traceback.format_exc()
        if not last:
            return _outcome(job, status, reason, time.perf_counter() - started)
    except (Exception, SystemExit) as error:
        status, reason, trace = "error", say(error), traceback.format_exc()
    return write_outcome(
        job,
        status,
        reason,
        trace=trace,
        scores=record.scores,
        detections=record.detections,
        failed_metrics=record.failed_metrics,
        notes=record.notes,
        attempt=attempt,
        seconds=record.seconds,
        cpu_seconds=record.cpu_seconds,
        total_seconds=time.perf_counter() - started,
        peak_mb=peak.growth_mb(),
    )


def write_outcome(
    job: Job,
    status: Status,
    reason: str | None,
    *,
    trace: str | None = None,
    scores: list[dict[str, Any]] | None = None,
    detections: list[dict[str, Any]] | None = None,
    failed_metrics: Collection[str] = (),
    notes: list[str] | None = None,
    attempt: int = 1,
    seconds: float | None = None,
    cpu_seconds: float | None = None,
    total_seconds: float = 0.0,
    peak_mb: float | None = None,
) -> Outcome:
    """Write the rows of a cell, run or not, and say what became of it.

    ``failed_metrics`` are kept apart from those that were scored: they are tried again when that is asked for.
    """
    done = status in FINAL_STATUSES
    rows = (scores or []) if done else _unscored(job, status, reason) if job.rescoring else []
    cell = {
        "key": job.key,
        "run": job.run,
        "status": status,
        "reason": reason,
        "traceback": trace,
        "metrics": [metric for metric in job.metrics if metric not in failed_metrics] if done else [],
        "failed_metrics": sorted(failed_metrics) if done else list(job.metrics),
        "attempts": attempt,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "total_seconds": total_seconds,
        "audio_seconds": _audio_seconds(job.scene),
        "peak_mb": peak_mb,
        "device": job.device,
        "notes": notes or list(job.scene.notes),
    }
    Results(job.results).write_part(cell, rows, (detections or []) if done else [])
    return _outcome(job, status, reason, total_seconds)


def _outcome(job: Job, status: Status, reason: str | None, seconds: float) -> Outcome:
    return Outcome(job.key, job.spec.name, job.scene.dataset, job.scene.id, status, reason, seconds)


def _analyse_and_score(job: Job, loaded: Loaded, record: _Record) -> tuple[Status, str | None]:
    from bench.blind.execute import scoring

    scored = scoring(loaded.system(job), job)
    record.seconds, record.cpu_seconds = scored.analysed.seconds, scored.analysed.cpu_seconds
    with torch.inference_mode():
        record.scores += [*scored.scores(), *scored.swept()]
        record.detections += scored.detections()
    broken = scored.broken()
    return ("nan", broken) if broken else ("ok", None)


def _separate_and_score(job: Job, loaded: Loaded, record: _Record) -> tuple[Status, str | None]:
    record.scores += refused_rows(job)
    scene = job.scene
    mixture = scene.mixture.read()
    references = torch.stack([scene.reference(scene.targets[place]) for place in job.asked])
    folder = kept.estimates_folder(job.results, job.key)
    audio = _given(job, record, mixture) if job.given is not None else kept.load(folder, job.asked)
    if audio is None:
        audio = _separate(job, loaded, record, mixture, references).audio
        if job.keep_estimates:
            kept.save(folder, audio, job.asked, scene.mixture.sample_rate)
    audio = _to_layout(audio, mixture.shape[0], record)
    broken = int((~torch.isfinite(audio)).sum())
    rows = score_cell(
        [load_metric(plugin) for plugin in job.metrics.values()],
        estimates=audio,
        references=references,
        mixture=mixture,
        sample_rate=scene.mixture.sample_rate,
    )
    record.failed_metrics = {row.metric for row in rows if row.status == "error" or row.unavailable}
    for row in rows:
        place = job.asked[row.index]
        record.scores.append(
            _target_columns(scene, place)
            | {"metric": row.metric, "value": row.value, "status": row.status, "reason": row.reason}
        )
    write_estimates(job, audio, references, mixture)
    if broken:
        return "nan", f"{broken} of {audio.numel()} samples of the estimates are NaN or infinite"
    return "ok", None


def _separate(job: Job, loaded: Loaded, record: _Record, mixture: torch.Tensor, references: torch.Tensor) -> Estimates:
    separator = loaded.separator(job)
    context = Context(seed=job.seed, device=torch.device(job.device))
    seed_everything(job.seed)
    queries = []
    for row, place in enumerate(job.asked):
        examples = job.examples.get(place, ())
        condition = loaded.condition(job, examples, context) if examples else None
        queries.append(
            Query(
                target=job.scene.targets[place].target,
                condition=condition,
                reference=references[row] if "reference" in separator.needs else None,
                examples=() if condition is not None else tuple(signal.read() for signal in examples),
            )
        )
    seed_everything(job.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    result = extract(separator, mixture, job.scene.mixture.sample_rate, tuple(queries), context=context)
    record.seconds, record.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return result


def _given(job: Job, record: _Record, mixture: torch.Tensor) -> torch.Tensor:
    """Estimates made elsewhere, fitted to the mixture's length."""
    assert job.given is not None
    rows = []
    for place in job.asked:
        signal = job.given[place]
        if signal.sample_rate != job.scene.mixture.sample_rate:
            raise SceneError(
                f"{_place(signal)}: {signal.sample_rate} Hz, but the mixture of {job.scene.id} has "
                f"{job.scene.mixture.sample_rate} Hz; resample the estimate"
            )
        audio = signal.read()
        if audio.shape[0] != mixture.shape[0]:
            raise SceneError(
                f"{_place(signal)}: {audio.shape[0]} channels, but the mixture of {job.scene.id} has "
                f"{mixture.shape[0]}; give the estimate in the mixture's layout"
            )
        missing = mixture.shape[1] - audio.shape[1]
        if missing:
            label = job.scene.targets[place].target.label
            did = f"{missing} samples short, padded" if missing > 0 else f"{-missing} samples too long, cut"
            record.notes.append(f"estimate of {label}: {did} at its end")
        rows.append(torch.nn.functional.pad(audio, (0, missing)))
    return torch.stack(rows)


def _place(signal: Signal) -> str:
    return str(getattr(signal, "path", signal))


def _to_layout(audio: torch.Tensor, channels: int, record: _Record) -> torch.Tensor:
    """Estimates in the mixture's channel layout: a mono estimate of a scene with more is scored on each channel."""
    if audio.shape[1] == channels:
        return audio
    if audio.shape[1] != 1:
        raise ValueError(f"the estimates have {audio.shape[1]} channels, the mixture {channels}; 1 or {channels} fit")
    record.notes.append(f"mono estimates, scored on each of the mixture's {channels} channels")
    return audio.expand(-1, channels, -1)


def refused_rows(job: Job) -> list[dict[str, Any]]:
    """One row for each target that the separator is not asked for, with the reason."""
    return [
        _target_columns(job.scene, place) | {"metric": None, "value": None, "status": "skip", "reason": reason}
        for place, reason in job.refused.items()
    ]


def _target_columns(scene: Scene, place: int) -> dict[str, Any]:
    target = scene.targets[place].target
    ontology = Ontology.audioset()
    depths = [ontology[mid].depth for mid in target.mids]
    return {"index": place, "target": target.label, "mids": list(target.mids), "depth": min(depths, default=None)}


def _unscored(job: Job, status: Status, reason: str | None) -> list[dict[str, Any]]:
    """Rows that say why a finished cell has no value of the metrics that were new to it."""
    said = f"{status}: {reason}"
    if isinstance(job.spec, SystemSpec):
        from bench.blind.rows import unscored

        return unscored(job.metrics, said)
    return [
        _target_columns(job.scene, place) | {"metric": metric, "value": None, "status": "error", "reason": said}
        for place in job.asked
        for metric in job.metrics
    ]


def _audio_seconds(scene: Scene) -> float | None:
    try:
        return scene.mixture.seconds
    except SceneError:
        return None


@cache
def load_metric(name: str) -> Metric:
    """A metric by plug-in name or ``module:object``.

    Raises:
        PluginError: it is unknown, cannot be loaded, or is no :class:`Metric`.
    """
    metric = plugins.load("metrics", name)
    if not isinstance(metric, Metric):
        raise plugins.PluginError(f"metric {name!r} is {metric!r}, not a bench.metrics.base.Metric")
    return metric
