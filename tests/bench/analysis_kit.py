"""What the tests of the analysis share: timelines written by hand, and separators made of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from bench.analysis.dispatch import Named, target_of
from bench.analysis.extract import Ask
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


def ask(name: str, active: Spans, named: Named, **query: object) -> Ask:
    return Ask(Query(target_of(ONTO[name]), **query), active, named)  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
