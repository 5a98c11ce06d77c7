"""What the tests of the analysis share: timelines written by hand, and separators made of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from bench.analysis.dispatch import Named, target_of
from bench.analysis.extract import Ask, Extraction, Partition
from bench.analysis.settings import AnalysisSettings
from bench.analysis.walk import Spans
from ontology import Ontology
from separators.base import ANY, Context, Query, Separator
from taggers.timeline import Timeline

ONTO = Ontology.audioset()
CLASSES = len(ONTO)


def timeline(
    scores: Mapping[str, Sequence[float]],
    *,
    segment: float = 1.0,
    hop: float = 1.0,
    unknown: Sequence[str] = (),
    seconds: float | None = None,
    rolled_up: bool = True,
) -> Timeline:
    """Scores by class name, one per segment; others have 0, and a class at least as much as those below it."""
    count = len(next(iter(scores.values())))
    rows = torch.zeros((count, CLASSES))
    for name, values in scores.items():
        column = torch.tensor(list(values))
        for node in ONTO.ancestors(name, include_self=True) if rolled_up else (ONTO[name],):
            rows[:, node.row] = torch.maximum(rows[:, node.row], column)
    for name in unknown:
        rows[:, ONTO[name].row] = float("nan")
    length = (count - 1) * hop + segment if seconds is None else seconds
    return Timeline(length, segment, hop, rows, ~torch.isnan(rows).any(dim=0))


def separator(
    answer: Callable[[torch.Tensor, tuple[Query, ...]], torch.Tensor], *, name: str = "probe", **declared: object
) -> Named:
    """A separator that answers with a function."""

    def separate(
        self: Separator, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context
    ) -> torch.Tensor:
        return answer(mixture, queries)

    attributes = {"family": "probe", "classes": ANY, "separate": separate, **declared}
    return Named(name, type(name.title(), (Separator,), attributes)())


def echo(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
    return mixture.expand(len(queries), *mixture.shape)


def ask(name: str, active: Spans, named: Named) -> Ask:
    return Ask(target_of(ONTO[name]), active, named)


@dataclass(frozen=True)
class Extracted:
    """Audio per ask, ``(channels, samples)``, None where it failed; ``failures`` say why, by place."""

    audio: tuple[torch.Tensor | None, ...]
    failures: Mapping[int, str]


def extract_all(
    mixture: torch.Tensor,
    sample_rate: int,
    asks: Sequence[Ask],
    *,
    settings: AnalysisSettings,
    context: Context,
    consistent: Partition | None = None,
) -> Extracted:
    """All blocks of a mixture in memory, one after the other."""
    work = Extraction(
        lambda start, stop: mixture[:, start:stop], mixture.shape[1], sample_rate, asks, settings, context, consistent
    )
    pieces: list[list[torch.Tensor]] = [[] for _ in asks]
    for index in range(len(work.blocks)):
        for place, audio in work.run(index):
            pieces[place].append(audio)
    whole = (None if place in work.failures else torch.cat(got, dim=1) for place, got in enumerate(pieces))
    return Extracted(tuple(whole), work.failures)


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
