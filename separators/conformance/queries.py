"""What a separator under test is asked: targets that it accepts, and queries that carry what it says it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

import torch

from ontology import Ontology, Target
from ontology.graph import Node
from ontology.labelmaps import complement_labels
from separators.base import ANY, ComponentSeparator, Parser, Query, Separator
from taggers.base import LABELLED
from taggers.conformance.cases import Violation
from taggers.conformance.subject import sound

TARGETS: Final = 3
"""Targets that a separator is asked for at once, if it accepts so many."""
BLOCK_SECONDS: Final = 0.25
"""Targets take turns in the mixture, each sounding for so long."""
F0_HZ: Final = 220.0
F0_FRAME_SECONDS: Final = 0.01
EXAMPLE_SECONDS: Final = 1.0
_USUAL: Final = ("Speech", "Music", "Dog", "Guitar", "Vehicle", "Rain")


def askable(separator: Separator) -> tuple[Target, ...]:
    """The first few targets that the separator does not refuse: declared ones first, then any class there is.

    Raises:
        Violation: it refuses every class of the ontology and every complement label.
    """
    found: dict[Target, None] = {}
    for target in _candidates(separator):
        if separator.refuses(target) is None:
            found[target] = None
        if len(found) == TARGETS:
            break
    if not found:
        raise Violation("it refuses every class of the ontology and every complement label")
    return tuple(found)


def vocabulary(parser: Parser) -> tuple[Target, ...]:
    """Targets that a parser may find: what it declares, or some usual classes."""
    onto = Ontology.audioset()
    names = _USUAL if parser.classes is ANY else tuple(parser.classes)  # type: ignore[arg-type]
    return tuple(target_of(onto[name]) for name in names)


def target_of(node: Node) -> Target:
    """The target that stands for one class."""
    return Target(node.name, (node.mid,))


def queries_for(separator: Separator, targets: tuple[Target, ...], audio: torch.Tensor, rate: int) -> tuple[Query, ...]:
    """One query per target about ``audio`` (channels, samples), each carrying what the separator needs and no more.

    The targets take turns: each sounds in blocks of :data:`BLOCK_SECONDS`, and is the mixture there. References, spans
    and fundamental frequencies all say so, for any audio whatever, and the references add up to it. A
    condition has the length that the separator declares.
    """
    needs = frozenset(separator.needs)
    samples = audio.shape[-1]
    block = max(round(BLOCK_SECONDS * rate), 1)
    turns = torch.arange(samples) // block % len(targets)
    made = []
    for place, target in enumerate(targets):
        sounding = (turns == place).to(audio.device)
        channels = audio.shape[0]
        made.append(
            Query(
                target=target,
                condition=_condition(separator, target).to(audio.device) if "condition" in needs else None,
                examples=_examples(target, channels, rate, audio.device) if "examples" in needs else (),
                text=f"the sound of {target.label.lower()}" if "text" in needs else None,
                spans=_spans(place, len(targets), block, samples, rate) if "spans" in needs else (),
                f0=_f0(sounding, rate) if "f0" in needs else None,
                instance=0 if "instance" in needs else None,
                reference=torch.where(sounding, audio, 0.0) if "reference" in needs else None,
            )
        )
    return tuple(made)


def tensors_of(queries: tuple[Query, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor that queries carry, with a name for it."""
    for number, query in enumerate(queries):
        for name in ("condition", "f0", "reference"):
            value = getattr(query, name)
            if value is not None:
                yield f"{name} of query {number}", value
        for place, example in enumerate(query.examples):
            yield f"example {place} of query {number}", example


def _candidates(separator: Separator) -> Iterator[Target]:
    onto = Ontology.audioset()
    names: list[str] = []
    if isinstance(separator, ComponentSeparator):
        # The first entry of every component, then the second, so that components differ.
        rows = zip_longest(*separator.components.values())
        names += [name for row in rows for name in row if name is not None]
    elif separator.classes is not ANY:
        names += [*separator.classes, *separator.labels]  # type: ignore[misc]
    names += _USUAL
    for name in names:
        if name in complement_labels() or name in separator.labels:
            yield Target(name)
        elif name in onto:
            yield target_of(onto[name])
    yield from map(target_of, onto)
    yield from map(Target, sorted(complement_labels()))


def _seed(target: Target) -> int:
    """A number for the target that is the same in every process."""
    return int.from_bytes(hashlib.sha256(target.label.encode()).digest()[:4])


def _condition(separator: Separator, target: Target) -> torch.Tensor:
    generator = torch.Generator().manual_seed(_seed(target))
    return torch.rand(separator.condition_size or LABELLED, generator=generator)


def _examples(target: Target, channels: int, rate: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    samples = round(EXAMPLE_SECONDS * rate)
    return tuple(sound(channels, samples, rate, seed=_seed(target) + number).to(device) for number in range(2))


def _spans(place: int, turns: int, block: int, samples: int, rate: int) -> tuple[tuple[float, float], ...]:
    starts = range(place * block, samples, turns * block)
    spans = tuple((start / rate, min(start + block, samples) / rate) for start in starts)
    # A target without a turn in so short a recording still needs a span, since the separator cannot do without.
    return spans or ((0.0, samples / rate),)


def _f0(sounding: torch.Tensor, rate: int) -> torch.Tensor:
    hop = max(round(F0_FRAME_SECONDS * rate), 1)
    return torch.where(sounding[::hop], F0_HZ, 0.0)
