"""Separators and parsers under test, as the checks see them."""

from __future__ import annotations

from functools import cached_property

import torch

from ontology import Target
from separators.adapt import extract
from separators.base import Context, Estimates, Parser, Query, Separator
from separators.conformance.queries import askable, queries_for, tensors_of, vocabulary
from taggers.conformance.cases import Violation
from taggers.conformance.subject import SECONDS, Asking, Outputs, Subject, tensor


class SeparatorSubject(Subject):
    """A separator under test. It is asked directly, as it will be by the adapter, or through the adapter."""

    noun = "separator"
    base = Separator
    plugin: Separator

    @property
    def samples(self) -> int:
        """A segment, where it wants segments."""
        return round((self.plugin.segment_seconds or SECONDS) * self.rate)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Targets that it accepts."""
        return askable(self.plugin)

    def queries(self, audio: torch.Tensor, rate: int | None = None) -> tuple[Query, ...]:
        """What it is asked about ``audio``."""
        return queries_for(self.plugin, self.targets, audio, rate or self.rate)

    def asking(self, audio: torch.Tensor) -> Asking:
        """The question about ``audio`` for all targets at once."""
        return self.asking_for(audio, self.queries(audio))

    def asking_for(self, audio: torch.Tensor, queries: tuple[Query, ...]) -> Asking:
        """The question about ``audio`` for these queries."""

        def call(seed: int) -> Outputs:
            context = Context(seed=seed, device=self.device, sample_rate=self.rate)
            return outputs_of(self.plugin.separate(audio, queries, context=context))

        return Asking({"mixture": audio, **dict(tensors_of(queries))}, call)

    def extract(self, audio: torch.Tensor, rate: int, queries: tuple[Query, ...]) -> Estimates:
        """Ask through the adapter, at any rate, layout and length."""
        return extract(self.plugin, audio, rate, queries, context=Context(seed=0, device=self.device))


class ParserSubject(Subject):
    """A parser under test, asked for a vocabulary of some classes that it can tell."""

    noun = "parser"
    base = Parser
    plugin: Parser

    @cached_property
    def vocabulary(self) -> tuple[Target, ...]:
        """What it may find."""
        return vocabulary(self.plugin)

    def asking(self, audio: torch.Tensor) -> Asking:
        """The question about ``audio`` for the whole vocabulary; what was found is among the outputs, as numbers."""

        def call(seed: int) -> Outputs:
            found = self.parse(audio, self.vocabulary, seed=seed)
            rows = [self.vocabulary.index(target) for target in found.targets or () if target in self.vocabulary]
            return {**outputs_of(found), "targets": torch.tensor(rows, dtype=torch.int64, device=found.audio.device)}

        return Asking({"mixture": audio}, call)

    def parse(self, audio: torch.Tensor, vocabulary: tuple[Target, ...], *, seed: int = 0) -> Estimates:
        """What it finds, which must be :class:`Estimates`."""
        context = Context(seed=seed, device=self.device, sample_rate=self.rate)
        with torch.inference_mode():
            found = self.plugin.parse(audio, vocabulary, context=context)
        if not isinstance(found, Estimates):
            raise Violation(f"parse() returned a {type(found).__name__}", "return separators.base.Estimates")
        tensor(found.audio, "audio")
        return found


def outputs_of(returned: object) -> dict[str, torch.Tensor]:
    """What a separator returned, by name."""
    found = returned if isinstance(returned, Estimates) else Estimates(audio=tensor(returned, "what it returned"))
    outputs = {"audio": tensor(found.audio, "audio")}
    if found.residual is not None:
        outputs["residual"] = tensor(found.residual, "residual")
    if found.activity is not None:
        outputs["activity"] = tensor(found.activity, "activity")
    if found.scores is not None:
        outputs["scores"] = torch.tensor(found.scores, dtype=torch.float32, device=found.audio.device)
    return outputs
