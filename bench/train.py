"""Train a separator or a tagger on weakly labelled clips: put the parts together, run the loop, say how it came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import ValidationError

from bench import plugins
from bench.describe import check_options
from bench.seeding import seed_everything
from bench.training import journal, loop
from bench.training.anchors import STEP_SECONDS, Anchors, EnergyAnchors, FramewiseAnchors, RandomAnchors
from bench.training.batches import Batch, Batches, Drawing
from bench.training.checkpoints import MODEL, Checkpoints
from bench.training.clips import TrainingClip, TrainingData, content_key, one_label_per_class, open_data
from bench.training.conditions import Conditions, HeardConditions, LabelConditions
from bench.training.errors import TrainError
from bench.training.follow import follow
from bench.training.heldout import hold_out
from bench.training.launch import Launch, launch
from bench.training.mixer import anything, other_kin
from bench.training.publish import publish
from bench.training.report import RunReport, few, told
from bench.training.scores import Score, Summary, summary
from bench.training.settings import TAGGING, TrainConfig
from bench.training.settings import told as explained
from bench.training.store import ClipStore
from bench.training.tagging.run import train_tagger
from bench.training.trainable import TAGGER, Separating, family_class
from bench.training.trial import Gain, gains, trial
from bench.training.validate import Validation
from ontology import Ontology, Target

Tell = Callable[[str], None]

_EXAMPLES = 32
"""Clips of a class whose conditions are averaged to ask for it in the test."""


@dataclass(frozen=True, kw_only=True)
class TrainReport(RunReport):
    """What the training of a separator came to."""

    validation: Summary | None = None
    test: Summary | None = None
    test_split: str | None = None
    gains: tuple[Gain, ...] = ()

    def lines(self) -> Iterator[str]:
        """Medians by class of validation and test, and the differences that matter."""
        for title, scores in (("validation", self.validation), (f"test, {self.test_split}", self.test)):
            if scores is not None:
                yield f"{title}: medians in dB\n{journal.table(scores)}\n"
        for gain in self.gains:
            low, high, note = gain.interval.low, gain.interval.high, gain.interval.note
            interval = "no interval" if low is None else f"95 % interval {low:.2f} to {high:.2f}"
            yield f"{gain.name}: {gain.value:.2f} dB, {interval}" + (f" ({note})" if note else "")


@dataclass(frozen=True)
class _SeparatorParts(loop.Parts):
    trainable: Separating
    batches: Batches
    validation: Validation
    conditions: Conditions

    def loss(self, module: Any, batch: Batch, step: int) -> torch.Tensor:
        targets = batch.targets.to(self.launch.device)
        conditions = self.conditions.of(targets, batch.labels)
        loss: torch.Tensor = module(batch.mixtures.to(self.launch.device), conditions, targets)
        return loss


def train(family: str, config: TrainConfig, *, tell: Tell | None = None, say: Tell | None = None) -> RunReport:
    """Train ``family`` under ``config``; its folder then holds checkpoints, a log, a card and a curve.

    Args:
        family: what to train: ``uss`` or ``tagger``.
        config: the settings, from :func:`bench.training.settings.compose`.
        tell: is told how far it is, often.
        say: is told what happened, now and then.

    Raises:
        TrainError: it cannot start, or not go on; the message says why and what mends it.
        bench.datasets.base.DatasetError: a data set cannot be opened.
        taggers.base.Unavailable: weights of a tagger are not to be had.
    """
    tell, say = tell or _quiet, say or _quiet
    kind = family_class(family)
    here = launch(config.device)
    if here.rank:
        tell = say = _quiet
    if not config.resume and (config.out / "checkpoints").is_dir():
        raise TrainError(f"{config.out}: holds a run already; say resume=true to go on with it, or name another folder")
    here.wait()
    report: RunReport = (
        train_tagger(config, here, tell=tell, say=say)
        if family == TAGGER
        else _train_separator(kind, config, here, tell=tell, say=say)
    )
    if config.publish is not None and report.finished and report.main:
        say(f"published, with its card: {publish(config.out, config.publish)}")
    return report


def _train_separator(kind: Any, config: TrainConfig, here: Launch, *, tell: Tell, say: Tell) -> TrainReport:
    if unread := [name for name in config.said() if name in TAGGING]:
        raise TrainError(f"{unread[0]}: plays no part in training a separator; leave it out")
    sources = one_label_per_class(
        [open_data(name, path, config.options.get(name, {})) for name, path in config.data.items()]
    )
    conditions = _conditions(config, here.device)
    sources, notes = _trainable_sources(sources, conditions)
    if not any(source.validation for source in sources) and config.held_out:
        sources = [_held_out(source, config, kind.sample_rate) for source in sources]
    parts = _parts(kind, config, conditions, sources, here)
    notes += [told(source) for source in sources]
    notes += few("validation scenes cannot be read", parts.validation.unreadable)
    for note in notes:
        say(note)
    parts, done = follow(config, parts, sources, resume=config.resume, tell=tell, say=say)
    broken = few("clips cannot be used", list(parts.batches.broken.values()))
    for note in broken:
        say(note)
    return _report(config, parts, sources, done, [*notes, *broken], tell)


def _quiet(message: str) -> None:
    """Say nothing."""


def _trainable_sources(sources: Sequence[TrainingData], conditions: Conditions) -> tuple[list[TrainingData], list[str]]:
    """The sources without labels that cannot be asked for, and what was left out."""
    every = {label for source in sources for clip in source.clips for label in clip.labels}
    mute = {label for label in every if not conditions.asks(label)}
    if mute:
        sources = [replace(source, clips=tuple(_without(source.clips, mute))) for source in sources]
    if not any(source.clips for source in sources):
        raise TrainError(
            f"query={conditions.name}: none of the classes has a label to ask by; say query=at_soft or embedding, "
            "without query_masked"
        )
    named = ", ".join(sorted(label.label for label in mute))
    return list(sources), [f"left out, for want of a label to ask by: {named}"] if mute else []


def _without(clips: Sequence[TrainingClip], mute: set[Target]) -> list[TrainingClip]:
    kept = (replace(clip, labels=tuple(label for label in clip.labels if label not in mute)) for clip in clips)
    return [clip for clip in kept if clip.labels]


def _held_out(source: TrainingData, config: TrainConfig, rate: int) -> TrainingData:
    samples = round(config.segment_seconds * rate)
    clips, scenes = hold_out(
        source.clips, share=config.held_out, sample_rate=rate, samples=samples, dataset=source.name
    )
    if not clips:
        raise TrainError(f"{source.name}: held_out={config.held_out} leaves no clip to train on; say held_out=0")
    return replace(source, clips=clips, validation=scenes)


def _parts(
    kind: Any, config: TrainConfig, conditions: Conditions, sources: Sequence[TrainingData], here: Launch
) -> _SeparatorParts:
    clips = [clip for source in sources for clip in source.clips]
    _check_kin(clips, config)
    targets = sorted({label for clip in clips for label in clip.labels}, key=lambda label: (label.label, label.mids))
    trainable = _trainable(kind, config, conditions, targets, here.device)
    rate, samples = trainable.sample_rate, round(config.segment_seconds * trainable.sample_rate)
    share = config.memory_gb * 2**30 / here.world
    anchors = _anchors(config, samples, rate, here.device)
    batches = Batches(
        clips,
        ClipStore(clips, sample_rate=rate, memory_bytes=share),
        anchors=anchors,
        admissible=_admissible(config),
        drawing=Drawing(
            batch=config.batch,
            samples=samples,
            seed=config.seed,
            level_db=config.level_db,
            snr_db=config.snr_db,
            interferers=config.mix_num - 1,
            rank=here.rank,
            world=here.world,
        ),
    )
    validation = Validation(
        [scene for source in sources for scene in source.validation] if here.rank == 0 else [],
        conditions=conditions,
        trained=targets,
        sample_rate=rate,
        samples=samples,
        limit=config.validation_limit,
        device=here.device,
    )
    settings = {
        "family": trainable.family,
        **config.deciding(),
        "processes": here.world,
        "query_sha256": conditions.sha256,
        "tagger_sha256": anchors.tagger.weights_sha256() if isinstance(anchors, FramewiseAnchors) else None,
    }
    return _SeparatorParts(
        trainable=trainable,
        optimiser=trainable.optimiser(),
        batches=batches,
        conditions=conditions,
        validation=validation,
        checkpoints=Checkpoints(config.out, keep=config.keep, settings=settings, clips=content_key(clips)),
        journal=None,
        launch=here,
    )


def _trainable(
    kind: Any, config: TrainConfig, conditions: Conditions, targets: Sequence[Target], device: torch.device
) -> Separating:
    try:
        settings = kind.settings_type.model_validate(config.model)
    except ValidationError as error:
        raise TrainError(f"model.{explained(error)}") from error
    ontology = Ontology.audioset()
    mids = {mid for target in targets for mid in target.mids}
    seed_everything(config.seed)
    try:
        made: Separating = kind(
            settings,
            condition_size=conditions.size,
            query=conditions.name,
            query_sha256=conditions.sha256,
            query_net=config.query_tagger,
            query_scaled=config.query_scaled,
            classes=[node.mid for node in ontology.walk() if node.mid in mids],
            segment_seconds=config.segment_seconds,
            steps=config.steps,
            device=device,
        )
    except ValueError as error:
        raise TrainError(f"model: {error}") from error
    return made


def _conditions(config: TrainConfig, device: torch.device) -> Conditions:
    if config.query == "labels":
        return LabelConditions()
    try:
        return HeardConditions(
            config.query,
            tagger=config.query_tagger,
            checkpoint=config.query_checkpoint,
            scaled=config.query_scaled,
            masked=config.query_masked,
            device=device,
        )
    except (ValueError, OSError) as error:
        raise TrainError(str(error)) from error


def _anchors(config: TrainConfig, samples: int, rate: int, device: torch.device) -> Anchors:
    if config.anchor == "random":
        return RandomAnchors(samples)
    if config.anchor == "energy":
        return EnergyAnchors(samples, round(STEP_SECONDS * rate), config.energy_share)
    try:
        kind = plugins.load("taggers", config.tagger)
        options = config.options.get(plugins.option_name(config.tagger), {})
        check_options(config.tagger, kind, options)
        tagger = kind(**options)
    except ValueError as error:
        raise TrainError(f"tagger={config.tagger}: {error}") from error
    if tagger.sample_rate not in (None, rate):
        raise TrainError(f"tagger={config.tagger}: listens at {tagger.sample_rate} Hz, and clips are kept at {rate} Hz")
    return FramewiseAnchors(tagger, samples, rate, device)


def _admissible(config: TrainConfig) -> Callable[[Sequence[str], Sequence[str]], bool]:
    return anything if config.interferers == "any" else other_kin(Ontology.audioset())


def _check_kin(clips: Sequence[TrainingClip], config: TrainConfig) -> None:
    """Each class needs a clip of another kind to be mixed with."""
    admissible = _admissible(config)
    contents = {clip.mids for clip in clips}
    for label in sorted({label for clip in clips for label in clip.labels}, key=lambda label: label.label):
        if not any(admissible(label.mids, other) for other in contents):
            raise TrainError(
                f"{label.label}: every clip holds it, or a class above or below it; add clips of another kind, or say "
                "interferers=any"
            )


def _report(
    config: TrainConfig,
    parts: _SeparatorParts,
    sources: Sequence[TrainingData],
    done: int,
    notes: list[str],
    tell: Tell,
) -> TrainReport:
    """Validate, test and draw, where the run is through and this is the first process."""
    report = TrainReport(
        out=config.out,
        done=done,
        steps=config.steps,
        checkpoint=config.out / MODEL,
        notes=tuple(notes),
        main=parts.launch.rank == 0,
    )
    if parts.journal is None:
        return report
    if report.finished:
        if len(parts.validation):
            tell("validation")
            checked = loop.record_validation(parts, done)
            assert isinstance(checked, Summary)
            report = replace(report, validation=checked)
        tested = [source for source in sources if source.test] if config.test else []
        scores = [score for source in tested for score in _test(config, parts, source, notes, tell)]
        if scores:
            splits = ", ".join(f"{source.name} {source.test_split}" for source in tested)
            found = summary(scores)
            report = replace(report, test=found, test_split=splits, gains=tuple(gains(scores)), notes=tuple(notes))
            parts.journal.write(done, "test", split=splits, scores=[score.plain() for score in scores])
    journal.draw(parts.journal.records(), config.out / journal.CURVE)
    return report


def _test(
    config: TrainConfig, parts: _SeparatorParts, source: TrainingData, notes: list[str], tell: Tell
) -> list[Score]:
    targets = parts.batches.labels
    conditions = {
        target.mids: parts.batches.condition(target, parts.conditions, _EXAMPLES, device=parts.launch.device)
        for target in targets
    }
    scores = []
    unreadable = []
    outcomes = trial(
        parts.trainable,
        source.test,
        condition_of=lambda target: conditions[target.mids],
        trained=targets,
        segment_seconds=config.segment_seconds,
        device=parts.launch.device,
    )
    for count, outcome in enumerate(outcomes, 1):
        tell(f"test scene {count} of {len(source.test)}")
        if isinstance(outcome, str):
            unreadable.append(outcome)
        else:
            scores += outcome
    notes += few("test scenes cannot be read", unreadable)
    return scores
