"""Checks of a parser: what it names, and how sure it is."""

from __future__ import annotations

import torch

from separators.adapt_parser import parse_mixture
from separators.base import Context, Estimates
from separators.conformance.recordings import ODD_RATES, SHORT
from separators.conformance.subject import ParserSubject
from taggers.conformance.cases import Check, NotApplicable, Violation
from taggers.conformance.subject import SECONDS, sound


def rows(subject: ParserSubject) -> str:
    """Each row of audio has one target of the vocabulary, and is as long as the mixture; finding nothing is legal.

    Joint scores match what was found to what is there by these names.
    """
    audio = subject.audio()
    found = subject.parse(audio, subject.vocabulary)
    count = found.audio.shape[0] if found.audio.ndim == 3 else -1
    if count < 0 or found.audio.shape[2] != audio.shape[1]:
        raise Violation(f"audio has shape {tuple(found.audio.shape)}; expected (found, channels, {audio.shape[1]})")
    if found.targets is None or len(found.targets) != count:
        named = "no targets" if found.targets is None else f"{len(found.targets)} targets"
        raise Violation(f"{named} for {count} rows of audio")
    _must_be_listed(subject, found.targets, subject.vocabulary)
    return f"{count} found in {len(subject.vocabulary)} classes"


def vocabulary(subject: ParserSubject) -> str:
    """Only what is in the vocabulary is found, however small that is: other classes are not asked about."""
    sizes = sorted({1, len(subject.vocabulary)})
    for size in sizes:
        listed = subject.vocabulary[:size]
        found = subject.parse(subject.audio(), listed)
        _must_be_listed(subject, found.targets or (), listed)
    return f"within vocabularies of {' and '.join(map(str, sizes))}"


def scores(subject: ParserSubject) -> str:
    """One confidence between 0 and 1 per row: thresholds are swept over them."""
    found = subject.parse(subject.audio(), subject.vocabulary)
    if found.scores is None:
        raise NotApplicable("it gives none: its score against a threshold cannot be drawn")
    if len(found.scores) != found.audio.shape[0]:
        raise Violation(f"{len(found.scores)} scores for {found.audio.shape[0]} rows")
    wrong = [score for score in found.scores if not 0 <= score <= 1]
    if wrong:
        raise Violation(f"a score of {wrong[0]:.3g}")
    return f"{len(found.scores)} in 0..1"


def rate(subject: ParserSubject) -> str:
    """Recordings at other rates come back at their own rate and length, for the adapter resamples around it."""
    for each in ODD_RATES:
        _through_adapter(subject, sound(subject.channels, round(SECONDS * each) + 1, each), each)
    return f"{', '.join(map(str, ODD_RATES))} Hz"


def channels(subject: ParserSubject) -> str:
    """Mono and stereo come back in their layout: the adapter mixes."""
    seen = []
    for count in (1, 2):
        found = _through_adapter(subject, sound(count, subject.samples, subject.rate), subject.rate)
        seen.append(f"{count} in, {found.audio.shape[1]} out")
    return "; ".join(seen)


def length(subject: ParserSubject) -> str:
    """Recordings of an odd number of samples, and of hardly any, come back at their length: real ones are not round."""
    lengths = (*SHORT, round(1.37 * subject.samples) | 1)
    for samples in lengths:
        found = subject.parse(sound(subject.channels, samples, subject.rate).to(subject.device), subject.vocabulary)
        if found.audio.shape[-1] != samples:
            raise Violation(f"{found.audio.shape[-1]} samples came back for {samples}")
        if not bool(torch.isfinite(found.audio).all()):
            raise Violation(f"audio of {samples} samples is not finite")
    return f"{', '.join(map(str, lengths))} samples"


def _through_adapter(subject: ParserSubject, audio: torch.Tensor, rate: int) -> Estimates:
    found = parse_mixture(subject.plugin, audio, rate, subject.vocabulary, context=Context(device=subject.device))
    if not bool(torch.isfinite(found.audio).all()):
        raise Violation(f"audio of {tuple(audio.shape)} at {rate} Hz is not finite")
    return found


def _must_be_listed(subject: ParserSubject, targets: object, listed: tuple[object, ...]) -> None:
    assert isinstance(targets, tuple | list)
    for target in targets:
        if target not in listed:
            raise Violation(f"it found {getattr(target, 'label', target)!r}, which is not in the vocabulary")


ROWS = Check("rows", rows, "return Estimates(audio, targets=...) with one target of the vocabulary per row")
VOCABULARY = Check("vocabulary", vocabulary, "drop what was found outside the vocabulary that is handed over")
SCORES = Check("scores", scores, "give each row a confidence between 0 and 1, e.g. the sigmoid of its logit")
RATE = Check("rate", rate, "take the rate from context.sample_rate, or declare sample_rate to be resampled for")
CHANNELS = Check("channels", channels, "declare channels = 1 or 2 if it takes no other; the adapter does the rest")
LENGTH = Check("length", length, "return exactly mixture.shape[-1] samples: pad before the transform, cut after it")
