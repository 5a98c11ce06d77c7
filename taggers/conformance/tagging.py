"""A tagger under test, and the checks that hold for taggers alone: the shape and the sense of their tags."""

from __future__ import annotations

import math
from typing import Final

import torch

from ontology import Ontology
from taggers.base import CLASSES, LABELLED, Annotation, Event, TagContext, Tagger, Tags
from taggers.conformance.cases import Check, NotApplicable, Violation
from taggers.conformance.compare import ALIKE, difference
from taggers.conformance.declared import rate_problems
from taggers.conformance.subject import SECONDS, Asking, Outputs, Subject, sound

BATCH: Final = 3
"""Segments in a batch."""
ROUNDING: Final = 1e-6
"""By how much a class may lie below one of its children."""


class TaggerSubject(Subject):
    """A tagger under test. It hears segments as :mod:`taggers.timeline` cuts them: mono, long enough, at its rate."""

    noun = "tagger"
    base = Tagger
    plugin: Tagger

    @property
    def channels(self) -> int:
        """Always mono."""
        return 1

    @property
    def samples(self) -> int:
        """A few seconds, or as many as it takes to hear anything."""
        return max(round(SECONDS * self.rate), self.shortest)

    @property
    def shortest(self) -> int:
        """Samples of the shortest segment that it says it hears."""
        return max(math.ceil(self.plugin.min_seconds * self.rate), 1)

    def asking(self, audio: torch.Tensor) -> Asking:
        """The question about ``audio``, each channel a segment. Its outputs are what the tagger says it knows."""

        def call(seed: int) -> Outputs:
            return _said(self.tag(audio, seed=seed), oracle=self.plugin.needs_annotation)

        return Asking({"waveforms": audio}, call)

    def tag(self, waveforms: torch.Tensor, *, seed: int = 0, annotated: bool = True) -> Tags:
        """What it hears in ``waveforms`` (batch, samples), all from the beginning of the recording."""
        context = TagContext(
            seed=seed,
            device=self.device,
            starts=(0.0,) * len(waveforms),
            sample_rate=self.rate,
            annotation=_annotation() if annotated and self.plugin.needs_annotation else None,
        )
        with torch.inference_mode():
            tags = self.plugin.tag(waveforms, context=context)
        if not isinstance(tags, Tags):
            raise Violation(f"tag() returned a {type(tags).__name__}", "return taggers.base.Tags")
        return tags

    def batch(self) -> torch.Tensor:
        """Some segments, float32 (batch, samples)."""
        return torch.cat([self.audio(seed) for seed in range(BATCH)])


def declarations(subject: TaggerSubject) -> str:
    """Rate and shortest segment are of their kinds: recordings are cut by them."""
    plugin = subject.plugin
    problems = list(rate_problems(plugin.sample_rate))
    if not isinstance(plugin.min_seconds, int | float) or not 0 <= plugin.min_seconds < math.inf:
        problems.append(f"min_seconds is {plugin.min_seconds!r}, not a time from 0 up")
    if not isinstance(plugin.needs_annotation, bool):
        problems.append(f"needs_annotation is {plugin.needs_annotation!r}, not True or False")
    if problems:
        raise Violation("; ".join(problems))
    rate = f"{plugin.sample_rate} Hz" if plugin.sample_rate else "any rate"
    return f"{rate}, segments from {plugin.min_seconds:g} s up"


def tags(subject: TaggerSubject) -> str:
    """Every field has its shape and dtype, one row per segment: 632 classes in walking order, or the 527 labels."""
    batch = subject.batch()
    found = subject.tag(batch)
    rows = len(batch)
    expected: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {
        "probabilities": (torch.float32, (rows, CLASSES)),
        "known": (torch.bool, (CLASSES,)),
        "framewise": (torch.float32, (rows, None, CLASSES)),
        "clipwise": (torch.float32, (rows, LABELLED)),
        "embedding": (torch.float32, (rows, None)),
        "counts": (torch.int64, (rows, CLASSES)),
    }
    there = []
    for name, (dtype, shape) in expected.items():
        value = getattr(found, name)
        if value is None and name not in ("probabilities", "known"):
            continue
        if not isinstance(value, torch.Tensor):
            raise Violation(f"{name} is a {type(value).__name__}, not a tensor")
        fits = value.ndim == len(shape) and all(
            size > 0 if want is None else size == want for want, size in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype != dtype:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise Violation(f"{name} is {value.dtype} {tuple(value.shape)}; expected {dtype} ({wanted})")
        there.append(name)
    return ", ".join(there)


def known(subject: TaggerSubject) -> str:
    """NaN stands for every class that it cannot tell, and for no other: 0 would say that the class is absent.

    An annotation can leave open now and then what an oracle tells elsewhere, so oracles may say NaN there too.
    """
    found = subject.tag(subject.batch())
    if not bool(found.known.any()):
        raise Violation("it knows no class at all")
    for name, values in _by_class(found).items():
        missing = torch.isnan(values)
        onto = tuple(Ontology.audioset())
        if not bool(missing[..., ~found.known].all()):
            row = int((~missing.reshape(-1, CLASSES).all(dim=0) & ~found.known).nonzero()[0])
            raise Violation(f"{name} has a value for {onto[row].name!r}, which is not known")
        if bool(missing[..., found.known].any()) and not subject.plugin.needs_annotation:
            row = int((missing.reshape(-1, CLASSES).any(dim=0) & found.known).nonzero()[0])
            raise Violation(f"{name} is NaN for {onto[row].name!r}, which is known")
    return f"{int(found.known.sum())} of {CLASSES} classes"


def values(subject: TaggerSubject) -> str:
    """Probabilities lie between 0 and 1: thresholds and their sweeps rely on it. Counts are not negative."""
    found = subject.tag(subject.batch())
    each = {**_by_class(found), **({} if found.clipwise is None else {"clipwise": found.clipwise})}
    for name, value in each.items():
        told = value[~torch.isnan(value)]
        if bool(((told < 0) | (told > 1)).any()):
            raise Violation(f"{name} runs from {float(told.min()):.3g} to {float(told.max()):.3g}")
    if found.counts is not None and bool((found.counts < 0).any()):
        raise Violation("counts are negative", "let counts be 0 where nothing sounds")
    return f"0..1: {', '.join(each)}"


def hierarchy(subject: TaggerSubject) -> str:
    """Each class is at least as probable as each of its children: a dog's bark is an animal's sound.

    The walk goes down from the roots, and would never reach a class under a parent that is less probable.
    """
    found = subject.tag(subject.batch())
    links = [(node.row, child.row) for node in Ontology.audioset() for child in node.children]
    above, below = (torch.tensor(rows, device=found.probabilities.device) for rows in zip(*links, strict=True))
    for name, value in _by_class(found).items():
        wrong = (value[..., below] > value[..., above] + ROUNDING).reshape(-1, len(links)).any(dim=0)
        if bool(wrong.any()):
            onto = tuple(Ontology.audioset())
            parent, child = links[int(wrong.nonzero()[0])]
            raise Violation(f"{name}: {onto[child].name!r} is more probable than {onto[parent].name!r}, which it is")
    return f"{len(links)} links"


def short(subject: TaggerSubject) -> str:
    """The shortest segment that it says it hears, and one of an odd length, are heard: recordings end anywhere."""
    lengths = (subject.shortest, subject.samples | 1)
    for samples in lengths:
        found = subject.tag(sound(1, samples, subject.rate).to(subject.device))
        if bool(torch.isnan(found.probabilities[:, found.known]).any()) and not subject.plugin.needs_annotation:
            raise Violation(f"{samples} samples: NaN where it knows the class")
    return f"{' and '.join(map(str, lengths))} samples"


def batches(subject: TaggerSubject) -> str:
    """Segments tagged together are tagged as each alone: batches are cut by memory, not by sense."""
    batch = subject.batch()
    oracle = subject.plugin.needs_annotation
    together = _said(subject.tag(batch), oracle=oracle)
    for row in range(len(batch)):
        alone = _said(subject.tag(batch[row : row + 1]), oracle=oracle)
        apart = difference({name: value[row : row + 1] for name, value in together.items()}, alone, tolerance=ALIKE)
        if apart:
            raise Violation(f"segment {row} of {len(batch)} alone: {apart}")
    return f"{len(batch)} segments together as each alone"


def annotation(subject: TaggerSubject) -> str:
    """An oracle without an annotation raises a ValueError: guessing would pass for the truth."""
    if not subject.plugin.needs_annotation:
        raise NotApplicable("it needs none")
    try:
        subject.tag(subject.batch(), annotated=False)
    except ValueError as error:
        return f"without one: ValueError, {error}"
    raise Violation("it tagged a recording that has no annotation")


def thresholds(subject: TaggerSubject) -> str:
    """Calibrated thresholds, if it has any, are one per class, between 0 and 1."""
    found = subject.plugin.thresholds()
    if found is None:
        raise NotApplicable("it has none of its own")
    if not isinstance(found, torch.Tensor) or found.dtype != torch.float32 or found.shape != (CLASSES,):
        raise Violation(f"thresholds() returned {_kind(found)}; expected float32 ({CLASSES},)")
    told = found[~torch.isnan(found)]
    if bool(((told < 0) | (told > 1)).any()):
        raise Violation(f"thresholds run from {float(told.min()):.3g} to {float(told.max()):.3g}")
    return f"{len(told)} of {CLASSES}"


def _kind(value: object) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__


def _by_class(found: Tags) -> dict[str, torch.Tensor]:
    """Values with a class axis, by name."""
    framewise = {} if found.framewise is None else {"framewise": found.framewise}
    return {"probabilities": found.probabilities, **framewise}


def _said(found: Tags, *, oracle: bool) -> dict[str, torch.Tensor]:
    """What a tagger said, by name: what it does not know is left out, and what an oracle leaves open is marked."""
    outputs = {name: value[..., found.known] for name, value in _by_class(found).items()}
    if oracle:
        outputs = {name: value.nan_to_num(nan=-1.0) for name, value in outputs.items()}
    more = {"clipwise": found.clipwise, "embedding": found.embedding, "counts": found.counts}
    return {**outputs, **{name: value for name, value in more.items() if value is not None}}


def _annotation() -> Annotation:
    """A made-up one: a class twice at once, one inside another's time, one throughout."""
    onto = Ontology.audioset()
    events = (("Speech", 0.0, 1.0, 0), ("Speech", 0.5, 2.0, 1), ("Bark", 1.0, 1.5, 0), ("Music", 0.0, SECONDS, 0))
    return Annotation(tuple(Event(onto[name].mid, start, end, number) for name, start, end, number in events))


DECLARATIONS = Check("declarations", declarations, "declare sample_rate and min_seconds as taggers/base.py says")
TAGS = Check("tags", tags, "return Tags as taggers/base.py says; Ontology.roll_up() makes 632 of 527")
KNOWN = Check("known", known, "put NaN where known is False and nowhere else, as Ontology.roll_up() does")
VALUES = Check("values", values, "put logits through a sigmoid")
HIERARCHY = Check("hierarchy", hierarchy, "carry probabilities up with Ontology.audioset().roll_up(clipwise)")
SHORT = Check("short", short, "declare min_seconds; shorter segments are padded before they come")
BATCHES = Check("batch", batches, "switch the model to eval(), and normalise each segment by itself")
ANNOTATION = Check("annotation", annotation, "raise ValueError where context.annotation is None")
THRESHOLDS = Check("thresholds", thresholds, "return float32 (632,), NaN where a class has none, or None")
