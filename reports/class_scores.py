"""Figures over parts of a board's targets: those of one class of the ontology, of all below it, of one depth.

A figure of a part is what :func:`reports.blocks.figure` makes of its rows. Where the aggregation goes by class, each
target is resampled once and the parts are put together from the targets' draws, so that hundreds of parts that overlap
cost little more than one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np

from ontology import Ontology
from reports.aggregate import Aggregation, Array, Codes, parse_column, weighted_mean
from reports.blocks import Block, figure, tally
from reports.bootstrap import Resampler, interval_of
from reports.draws import Rows

Part = tuple[int, ...]
"""Places of targets in the board's list, ascending."""
_AT_ONCE: Final = 8
"""Separators whose draws of all targets are held at once, which bounds the memory."""


class ClassScores:
    """The targets of one board by the classes they stand for, and figures of any part of them."""

    def __init__(
        self,
        blocks: Callable[[], Mapping[tuple[str, str], Block]],
        resampler: Callable[[], Resampler],
        targets: Sequence[str],
        mids: Mapping[str, Sequence[str]],
        kept: dict[str, Any],
    ) -> None:
        """Take apart what a board holds.

        Args:
            blocks: gives outcomes by separator and metric; their targets are places in ``targets``. It is asked when
                the first figure is made, and so is ``resampler``.
            resampler: gives what draws the board's scenes.
            targets: labels of the targets.
            mids: by label, the AudioSet ids that it stands for; none for a label that is no class.
            kept: what was worked out of the very same blocks before, as JSON holds it; gets what is worked out now.
        """
        self._give_blocks, self._give_resampler, self._targets = blocks, resampler, targets
        self._mids = {label: known_classes(label, mids) for label in targets}
        self._made: dict[str, dict[str, Any]] = kept.setdefault("figures", {})
        self._values: dict[str, float | None] = kept.setdefault("values", {})
        self._counted: dict[bytes, int] = {}

    @cached_property
    def _blocks(self) -> Mapping[tuple[str, str], Block]:
        return self._give_blocks()

    @cached_property
    def _resampler(self) -> Resampler:
        return self._give_resampler()

    @cached_property
    def own(self) -> dict[str, Part]:
        """By mid: the targets that stand for this very class. One that stands for several classes is in each."""
        found: dict[str, list[int]] = {}
        for code, label in enumerate(self._targets):
            for mid in self._mids[label]:
                found.setdefault(mid, []).append(code)
        return {mid: tuple(codes) for mid, codes in found.items()}

    @cached_property
    def below(self) -> dict[str, Part]:
        """By mid: the targets that stand for this class or any below it, each once however many paths lead there."""
        onto = Ontology.audioset()
        found: dict[str, set[int]] = {}
        for mid, codes in self.own.items():
            for node in onto.ancestors(mid, include_self=True):
                found.setdefault(node.mid, set()).update(codes)
        return {mid: tuple(sorted(codes)) for mid, codes in found.items()}

    @cached_property
    def at_depth(self) -> dict[int, Part]:
        """By depth, ascending: the targets whose class is that deep; of several classes the least depth counts."""
        onto = Ontology.audioset()
        found: dict[int, list[int]] = {}
        for code, label in enumerate(self._targets):
            if self._mids[label]:
                found.setdefault(min(onto[mid].depth for mid in self._mids[label]), []).append(code)
        return {depth: tuple(found[depth]) for depth in sorted(found)}

    @cached_property
    def unclassed(self) -> tuple[str, ...]:
        """Labels that are no class of the ontology."""
        return tuple(label for label in self._targets if not self._mids[label])

    def labels(self, part: Part) -> tuple[str, ...]:
        """The labels of a part."""
        return tuple(self._targets[code] for code in part)

    def classes(self, label: str) -> tuple[str, ...]:
        """The mids that a label stands for."""
        return self._mids[label]

    def scenes(self, part: Part) -> Codes:
        """Places of the scenes in which any target of the part is due, ascending."""
        if not self._blocks:
            return np.empty(0, dtype=np.int64)
        block = next(iter(self._blocks.values()))  # the same pairs are due for every separator
        return np.unique(block.scenes[np.isin(block.targets, part)])

    def recordings(self, part: Part) -> int:
        """How many independent recordings stand behind a part."""
        return self._count(self.scenes(part))

    def _count(self, scenes: Codes) -> int:
        """The recordings behind scenes, counted once for all separators that ran on the same ones."""
        known = np.unique(scenes)
        key = known.tobytes()
        if key not in self._counted:
            self._counted[key] = self._resampler.recordings(known)
        return self._counted[key]

    def value(self, separator: str, column: str, part: Part, *, coverage: float) -> float | None:
        """The figure without its interval, of a separator that can be held against others on the whole part.

        None where any of it was skipped or has not run, or less than a share ``coverage`` was measured.
        """
        key = f"{coverage} {_key(column, separator, part)}"
        if key not in self._values:
            self._values[key] = self._value(separator, column, part, coverage)
        return self._values[key]

    def _value(self, separator: str, column: str, part: Part, coverage: float) -> float | None:
        metric, rule = parse_column(column)
        block = self._blocks.get((separator, metric))
        if block is None:
            return None
        inside = self._inside(separator, metric, part)
        counts = tally(block, self._mask(block, inside))
        if counts["skipped"] or counts["not_run"] or (counts["coverage"] or 0.0) < coverage:
            return None
        chosen = inside[~np.isnan(block.used[inside])]
        return rule.unweighted(block.used[chosen], block.targets[chosen])

    def figures(
        self, column: str, separators: Iterable[str], parts: Iterable[Part]
    ) -> dict[tuple[str, Part], dict[str, Any]]:
        """By separator and part: a row of :data:`reports.blocks.FIGURES` but for its names. Each is made once."""
        wanted = list(dict.fromkeys(product(separators, parts)))
        missing: dict[str, list[Part]] = {}
        for name, part in wanted:
            if _key(column, name, part) not in self._made:
                missing.setdefault(name, []).append(part)
        metric, rule = parse_column(column)
        for names in _few(list(missing)):
            drawn = self._draws(metric, rule, {name: missing[name] for name in names}) if rule.by_class else {}
            for name in names:
                for part in missing[name]:
                    self._made[_key(column, name, part)] = self._figure(name, metric, rule, part, drawn)
        return {(name, part): self._made[_key(column, name, part)] for name, part in wanted}

    def _figure(
        self, separator: str, metric: str, rule: Aggregation, part: Part, drawn: Mapping[tuple[str, int], Array]
    ) -> dict[str, Any]:
        block = self._blocks.get((separator, metric))
        if block is None or not rule.by_class:
            return figure(block, np.array(part, dtype=np.int64), rule, self._resampler)
        inside = self._inside(separator, metric, part)
        counts = tally(block, self._mask(block, inside))
        if not counts["measured"]:
            return counts
        chosen = inside[~np.isnan(block.used[inside])]
        targets = np.stack([drawn[separator, code] for code in part if (separator, code) in drawn], axis=1)
        draws = weighted_mean(targets, (~np.isnan(targets)).astype(float))
        interval = interval_of(draws, self._count(block.scenes[chosen]))
        value = rule.unweighted(block.used[chosen], block.targets[chosen])
        return counts | {"value": value, "low": interval.low, "high": interval.high, "note": interval.note}

    def _draws(
        self, metric: str, rule: Aggregation, parts: Mapping[str, Sequence[Part]]
    ) -> dict[tuple[str, int], Array]:
        """By separator and target of its parts: the target's figure under each draw (draws,), NaN where it has none."""
        sets: dict[tuple[str, int], Rows] = {}
        for name, wanted in parts.items():
            block = self._blocks.get((name, metric))
            if block is None:
                continue
            for code in sorted({code for part in wanted for code in part}):
                rows = self._rows[name, metric][code]
                rows = rows[~np.isnan(block.used[rows])]
                if len(rows):
                    sets[name, code] = Rows(block.used[rows], block.targets[rows], block.scenes[rows])
        # Each set is of one target: what is taken within a class is its figure.
        draws = self._resampler.draws_of(list(sets.values()), replace(rule, by_class=False))
        return dict(zip(sets, draws, strict=True))

    def _inside(self, separator: str, metric: str, part: Part) -> Codes:
        """Places of the rows of a part in their block."""
        rows = self._rows[separator, metric]
        return np.concatenate([rows[code] for code in part])

    @staticmethod
    def _mask(block: Block, rows: Codes) -> np.ndarray:
        mask = np.zeros(len(block.targets), dtype=bool)
        mask[rows] = True
        return mask

    @cached_property
    def _rows(self) -> dict[tuple[str, str], list[Codes]]:
        """By separator and metric: the places of each target's rows in their block."""
        found = {}
        for name, block in self._blocks.items():
            order = np.argsort(block.targets, kind="stable")
            ends = np.searchsorted(block.targets[order], np.arange(1, len(self._targets)))
            found[name] = np.split(order, ends)
        return found


def known_classes(label: str, mids: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Those of the ``mids`` of a label that are in the ontology."""
    onto = Ontology.audioset()
    return tuple(mid for mid in mids.get(label, ()) if mid in onto)


def _key(column: str, separator: str, part: Part) -> str:
    return f"{column} {','.join(map(str, part))} {separator}"


def _few(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
