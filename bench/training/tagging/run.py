"""Train a tagger: choose thresholds with a network that leaves some clips out, train on all, and test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from bench.seeding import seed_everything
from bench.training import journal, loop
from bench.training.checkpoints import MODEL, Checkpoints, check_same
from bench.training.clips import TrainingClip, TrainingData, content_key, one_label_per_class, open_data
from bench.training.errors import TrainError
from bench.training.follow import follow
from bench.training.launch import Launch
from bench.training.report import RunReport, few, told
from bench.training.settings import TrainConfig
from bench.training.settings import told as explained
from bench.training.store import ClipStore
from bench.training.tagging.augment import Augment
from bench.training.tagging.batches import TagBatch, TagBatches, TagDrawing
from bench.training.tagging.labels import declared, nameable
from bench.training.tagging.leave import left_out, set_aside
from bench.training.tagging.thresholds import calibrated
from bench.training.tagging.training import TaggerSettings, TaggerTraining
from bench.training.tagging.validate import Outcome, TagValidation
from ontology import Ontology

Tell = Callable[[str], None]
Made = TypeVar("Made", bound=BaseModel)

CALIBRATION: Final = "calibration"
"""Folder of the run whose network thresholds are chosen by."""
THRESHOLDS: Final = "thresholds.json"
TEST: Final = "test.json"
_DROPOUT: Final = 4
"""Stream of random numbers, beside those of the sampler and the batches: a resumed run draws what another draws."""
_SEPARATION: Final = ("anchor", "mix_num", "snr_db", "interferers")


@dataclass(frozen=True, kw_only=True)
class TaggerReport(RunReport):
    """What the training of a tagger came to."""

    thresholds: Mapping[str, float]
    """By mid; empty where none were chosen."""
    validation: Outcome | None = None
    tests: Mapping[str, Outcome]
    """By data set and split."""

    def lines(self) -> Iterator[str]:
        """Average precision by class, on what was held out and on each test."""
        named = [("validation", self.validation)] if self.validation else []
        for title, outcome in (*named, *((f"test, {name}", outcome) for name, outcome in self.tests.items())):
            yield f"{title}: average precision\n{outcome.table()}\n"


@dataclass(frozen=True)
class _Job:
    """One network to be trained: that which thresholds are chosen by, or the final one."""

    config: TrainConfig
    sources: Sequence[TrainingData]
    held: Sequence[TrainingClip]
    """Clips that it is validated on."""
    classes: Sequence[str]
    """Mids, in the order of its outputs."""
    thresholds: Mapping[str, float]
    """By mid; empty where none are chosen."""
    here: Launch


@dataclass(frozen=True)
class _TaggerParts(loop.Parts):
    trainable: TaggerTraining
    validation: TagValidation
    seed: int

    def loss(self, module: Any, batch: TagBatch, step: int) -> torch.Tensor:
        torch.manual_seed(int(np.random.default_rng([self.seed, _DROPOUT, step]).integers(2**62)))
        device = self.launch.device
        loss: torch.Tensor = module(batch.spectrograms.to(device), batch.labels.to(device))
        return loss


def train_tagger(config: TrainConfig, here: Launch, *, tell: Tell, say: Tell) -> TaggerReport:
    """Train under ``config``; see :func:`bench.train.train`."""
    _check(config)
    sources = one_label_per_class(
        [
            open_data(name, path, config.options.get(name, {}), unlabelled=True, tell=tell)
            for name, path in config.data.items()
        ]
    )
    sources, notes = _nameable(sources)
    classes = declared([clip for source in sources for clip in source.clips])
    for note in notes:
        say(note)
    thresholds: Mapping[str, float] = {}
    if config.calibrate is not None:
        calibration = _calibrate(config, sources, classes, here, tell=tell, say=say)
        if isinstance(calibration, TaggerReport):
            return calibration
        thresholds = calibration
    held: list[TrainingClip] = []
    if config.held_out:
        sources, held = set_aside(sources, config.held_out)
    started = Checkpoints(config.out, keep=None, settings={}, clips="").steps()
    fresh = config.calibrate is not None and not started  # only its calibration is done
    job = _Job(config, sources, held, classes, thresholds, here)
    return _run(job, resume=config.resume and not fresh, notes=notes, tell=tell, say=say)[1]


def _check(config: TrainConfig) -> None:
    """Refuse settings of separators, which nobody would read, and clips at levels of their own."""
    if unread := [name for name in config.said() if name in _SEPARATION or name.startswith("query")]:
        raise TrainError(f"{unread[0]}: plays no part in training a tagger; leave it out")
    if config.level_db is None:
        raise TrainError(
            "level_db=null: clips of a tagger's mixtures are brought to a level; say e.g. level_db=[-20,-20]"
        )


def _nameable(sources: Sequence[TrainingData]) -> tuple[list[TrainingData], list[str]]:
    made: list[TrainingData] = []
    unnamed: set[str] = set()
    for source in sources:
        clips, names = nameable(source.clips)
        unnamed.update(names)
        made.append(replace(source, clips=clips, tested=nameable(source.tested)[0]))
    named = ", ".join(sorted(unnamed))
    return made, [f"left out, for want of a label in AudioSet: {named}"] if unnamed else []


def _calibrate(
    config: TrainConfig, sources: Sequence[TrainingData], classes: Sequence[str], here: Launch, *, tell: Tell, say: Tell
) -> Mapping[str, float] | TaggerReport:
    """Thresholds by mid, once they are chosen; the report of a run that was stopped before."""
    out = config.out / CALIBRATION
    key = {
        "settings": _deciding(config, {}, here.world),
        "clips": content_key([clip for source in sources for clip in source.clips]),
    }
    path = out / THRESHOLDS
    if path.is_file():
        return _read_thresholds(path, key)
    if not config.resume and (out / "checkpoints").is_dir():
        raise TrainError(f"{config.out}: holds a run already; say resume=true to go on with it, or name another folder")
    kept, held = left_out(config, sources)
    say(f"calibration: {len(held)} clips are left out of a network of its own, in {out}")
    own = config.model_copy(update={"out": out, "test": False})
    job = _Job(own, kept, held, classes, {}, here)
    parts, report = _run(job, resume=config.resume, notes=[], tell=tell, say=say)
    if not report.finished:
        return report
    chosen, absent = calibrated(parts.trainable, held, memory_bytes=config.memory_gb * 2**30, tell=tell)
    if absent:
        ontology = Ontology.audioset()
        say("no held-out clip tells the threshold, which stays 0.5, of: " + ", ".join(ontology[m].name for m in absent))
    if here.rank == 0:
        scratch = path.with_suffix(".partial")
        scratch.write_text(json.dumps({**key, "thresholds": chosen, "undecided": absent}, indent=1), encoding="utf-8")
        scratch.replace(path)
    return chosen


def _read_thresholds(path: Path, key: Mapping[str, Any]) -> Mapping[str, float]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        thresholds = {str(mid): float(value) for mid, value in found["thresholds"].items()}
        before = {"settings": dict(found["settings"]), "clips": found["clips"]}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise TrainError(f"{path}: cannot be read ({error}); remove it to choose thresholds anew") from error
    check_same(path, before, json.loads(json.dumps(key)))
    return thresholds


def _deciding(config: TrainConfig, thresholds: Mapping[str, float], world: int) -> dict[str, Any]:
    """What decides the weights and what the checkpoint tells."""
    return {
        "family": TaggerTraining.family,
        **config.deciding(),
        "augment": _settings(Augment, config.augment, "augment").model_dump(mode="json"),
        "calibrate": config.calibrate,
        "calibration_share": config.calibration_share,
        "thresholds": dict(thresholds),
        "processes": world,
    }


def _settings(kind: type[Made], given: Mapping[str, Any], section: str) -> Made:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise TrainError(f"{section}.{explained(error)}") from error


def _run(job: _Job, *, resume: bool, notes: Sequence[str], tell: Tell, say: Tell) -> tuple[_TaggerParts, TaggerReport]:
    """Train one network, validate it, and test it on the sources' own test clips where that is set."""
    config, sources = job.config, job.sources
    counts = [told(source) for source in sources]
    parts = _parts(job)
    for count in counts:
        say(count)
    parts, done = follow(config, parts, sources, resume=resume, tell=tell, say=say)
    broken = few("clips cannot be used", list(parts.batches.broken.values()))
    for note in broken:
        say(note)
    report = TaggerReport(
        out=config.out,
        done=done,
        steps=config.steps,
        checkpoint=config.out / MODEL,
        notes=(*notes, *counts, *broken),
        main=job.here.rank == 0,
        thresholds=job.thresholds,
        tests={},
    )
    if parts.journal is None:
        return parts, report
    if report.finished:
        unread: list[str] = []
        if len(parts.validation):
            tell("validation")
            checked = loop.record_validation(parts, done)
            assert isinstance(checked, Outcome)
            report = replace(report, validation=checked)
            unread += parts.validation.unreadable
        tests = _tests(config, parts, sources, unread, tell) if config.test else {}
        unheard = few("clips to be judged on cannot be used", unread)
        for note in unheard:
            say(note)
        report = replace(report, tests=tests, notes=(*report.notes, *unheard))
        if tests:
            plain = {name: outcome.plain() for name, outcome in tests.items()}
            (config.out / TEST).write_text(json.dumps(plain, indent=1, allow_nan=False), encoding="utf-8")
    journal.draw(parts.journal.records(), config.out / journal.CURVE)
    return parts, report


def _tests(
    config: TrainConfig, parts: _TaggerParts, sources: Sequence[TrainingData], unread: list[str], tell: Tell
) -> dict[str, Outcome]:
    """By data set and split what the network hears in its test clips; ``unread`` is told why clips are left out."""
    tests = {}
    for source in sources:
        if source.tested:
            name = f"{source.name} {source.test_split}"
            tell(f"test on {name}")
            clips = TagValidation(
                source.tested,
                sample_rate=parts.trainable.sample_rate,
                memory_bytes=config.memory_gb * 2**30,
                limit=None,
            )
            tests[name] = clips.check(parts.trainable, intervals=True, tell=tell)
            unread += clips.unreadable
    return tests


def _parts(job: _Job) -> _TaggerParts:
    config, here = job.config, job.here
    clips = [clip for source in job.sources for clip in source.clips]
    settings = _settings(TaggerSettings, config.model, "model")
    augment = _settings(Augment, config.augment, "augment")
    seed_everything(config.seed)
    try:
        trainable = TaggerTraining(
            settings, classes=job.classes, thresholds=job.thresholds, steps=config.steps, device=here.device
        )
    except ValueError as error:
        raise TrainError(f"model: {error}") from error
    rate, share = trainable.sample_rate, config.memory_gb * 2**30 / here.world
    assert config.level_db is not None  # _check refuses it
    batches = TagBatches(
        clips,
        ClipStore(clips, sample_rate=rate, memory_bytes=share),
        classes=job.classes,
        spectrogram=trainable.spectrogram,
        drawing=TagDrawing(
            batch=config.batch,
            samples=round(config.segment_seconds * rate),
            sample_rate=rate,
            seed=config.seed,
            level_db=config.level_db,
            energy_share=config.energy_share,
            augment=augment,
            rank=here.rank,
            world=here.world,
        ),
    )
    return _TaggerParts(
        trainable=trainable,
        optimiser=trainable.optimiser(),
        batches=batches,
        validation=TagValidation(
            job.held if here.rank == 0 else [], sample_rate=rate, memory_bytes=share, limit=config.validation_limit
        ),
        checkpoints=Checkpoints(
            config.out,
            keep=config.keep,
            settings=_deciding(config, job.thresholds, here.world),
            clips=content_key(clips),
        ),
        journal=None,
        launch=here,
        seed=config.seed,
    )
