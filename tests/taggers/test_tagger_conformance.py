"""The conformance kit for taggers: each fault is seen, by the check that is there for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import taggers.conformance as kit
from ontology import Ontology
from taggers.base import TagContext, Tagger, Tags
from taggers.conformance.isolation import Isolation, Raised, recipe_of
from taggers.conformance.tagging import TaggerSubject
from taggers.labels import Labels


class Loudness(Tagger):
    """Speech as probable as the segment is loud. Source: none."""

    sample_rate = 8000
    min_seconds = 0.1

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        onto = Ontology.audioset()
        loud = waveforms.square().mean(dim=1).sqrt().nan_to_num().clamp(max=1)
        columns = torch.zeros((len(waveforms), 527), device=context.device)
        columns[:, onto["Speech"].index] = loud
        return self.told(columns, waveforms)

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        onto = Ontology.audioset()
        rolled = onto.roll_up(columns)
        return Tags(
            probabilities=rolled,
            known=torch.from_numpy(onto.known.copy()),
            framewise=rolled[:, None].repeat(1, 4, 1),
            clipwise=columns,
            embedding=columns[:, :5].clone(),
        )


class NoTags(Loudness):
    """Returns a tensor."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Any:
        return torch.zeros((len(waveforms), 632))


class Labelled(Loudness):
    """Returns the classes that have labels, and no others."""

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        return replace(super().told(columns, waveforms), probabilities=columns)


class KnowsAll(Loudness):
    """Puts zeros where it knows nothing."""

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        tags = super().told(columns, waveforms)
        return replace(tags, probabilities=tags.probabilities.nan_to_num(), framewise=None)


class ForgetsSome(Loudness):
    """Says NaN for a class that it knows."""

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        tags = super().told(columns, waveforms)
        tags.probabilities[0, Ontology.audioset()["Music"].row] = torch.nan
        return tags


class Logits(Loudness):
    """Returns what comes before the sigmoid."""

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        return super().told(columns - 3, waveforms)


class Upside(Loudness):
    """Is surer of a child than of its parent."""

    def told(self, columns: torch.Tensor, waveforms: torch.Tensor) -> Tags:
        tags = super().told(columns, waveforms)
        tags.framewise[:, 0, Ontology.audioset()["Human voice"].row] = 0  # type: ignore[index]
        return tags


class NeedsMore(Loudness):
    """Says that it hears segments which are too short for it."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        if waveforms.shape[1] < 4000:
            raise RuntimeError("kernel size cannot be greater than the input")
        return super().tag(waveforms, context=context)


class Normalised(Loudness):
    """Compares each segment with its batch."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        return super().tag(waveforms / waveforms.abs().amax().clamp(min=1e-3) / len(waveforms), context=context)


class Guesses(Labels):
    """An oracle that makes do without being told."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        try:
            return super().tag(waveforms, context=context)
        except ValueError:
            return Loudness().tag(waveforms, context=context)


class Percent(Loudness):
    """Gives thresholds in percent."""

    def thresholds(self) -> torch.Tensor:
        return torch.full((632,), 20.0)


class NoRate(Loudness):
    """Says its rate in words."""

    sample_rate = "8 kHz"  # type: ignore[assignment]


class Here(Isolation):
    """Runs checks in this process, which is quicker, where a fault can hurt nobody."""

    def call(self, function: Callable[[Any], Any]) -> Any:
        if not hasattr(self, "loaded"):
            module, _, name = self.recipe.path.partition(":")
            self.loaded = TaggerSubject(self.recipe, lambda: getattr(importlib.import_module(module), name))
        try:
            return function(self.loaded)
        except (kit.Violation, kit.NotApplicable):
            raise
        except Exception as error:
            raise Raised(type(error).__name__, str(error), "here") from error


def here(kind: type) -> Here:
    return Here(recipe_of(kind, TaggerSubject, options={}, device="cpu"))


@pytest.mark.parametrize("case", kit.tagger_checks(Loudness), ids=str)
def test_a_sound_tagger_passes_every_check(case: kit.Case) -> None:
    case.run()


QUICK = [check for check in kit.TAGGER_CHECKS if check.name not in ("determinism", "memory")]


@pytest.mark.parametrize("check", QUICK, ids=lambda check: check.name)
def test_the_oracle_passes_every_check(check: kit.Check) -> None:
    kit.Case(check, here(Labels)).run()


@pytest.mark.parametrize(
    ("fault", "check", "seen", "remedy"),
    [
        (NoRate, "declarations", "'8 kHz'", "sample_rate"),
        (NoTags, "tags", "tag() returned a Tensor", "taggers.base.Tags"),
        (Labelled, "tags", "(3, 527); expected torch.float32 (3, 632)", "roll_up()"),
        (KnowsAll, "known", "which is not known", "NaN where known is False"),
        (ForgetsSome, "known", "NaN for 'Music', which is known", "NaN where known is False"),
        (Logits, "values", "from -3 to", "sigmoid"),
        (Upside, "hierarchy", "framewise: 'Speech' is more probable than 'Human voice'", "roll_up"),
        (NeedsMore, "short", "kernel size", "min_seconds"),
        (Normalised, "batch", "segment 0 of 3 alone", "eval()"),
        (Guesses, "annotation", "has no annotation", "ValueError"),
        (Percent, "thresholds", "from 20 to 20", "float32 (632,)"),
    ],
)
def test_a_fault_is_seen_by_its_check_and_its_remedy_named(fault: type, check: str, seen: str, remedy: str) -> None:
    (chosen,) = (each for each in kit.TAGGER_CHECKS if each.name == check)
    found = kit.Case(chosen, here(fault)).result()
    assert found.outcome == "fail", found.seen
    assert seen in found.seen
    assert remedy in found.remedy
