"""What any two separators have both done, and the figure of each on exactly that, under draws that all share.

One pair of scene and target is a row here. Two separators are compared on the rows that both have done: what either
skipped, has not run, or failed at without a score to impute, counts for neither. A failure with the score of the
mixture is done, and so is a blind scene that by the metric's own rules leaves one of them without a score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from reports import draws
from reports.aggregate import Aggregation, Array, Codes
from reports.bootstrap import Resampler
from reports.outcomes import is_done

Mask = npt.NDArray[np.bool_]
_ROW: Final = ["scene", "index", "target"]
_AT_ONCE: Final = 64
"""Sides drawn together, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows on which separators are compared; ``scenes`` are those of the rows in ``mask``."""

    mask: Mask
    scenes: Codes
    incidence: Mask

    @cached_property
    def key(self) -> bytes:
        """What tells them from other rows."""
        return self.mask.tobytes()

    @cached_property
    def scene_count(self) -> int:
        """How many scenes they are of."""
        return len(self._of_scenes)

    @cached_property
    def recordings(self) -> int:
        """How many independent recordings stand behind them."""
        return int(self._of_scenes.any(axis=0).sum())

    @cached_property
    def units(self) -> int:
        """The most recordings that one scene is made of; 1 where there is no row."""
        return int(self._of_scenes.sum(axis=1).max(initial=1))

    @cached_property
    def _of_scenes(self) -> Mask:
        return np.asarray(self.incidence[np.unique(self.scenes)])


@dataclass(frozen=True)
class Side:
    """One separator on some rows: ``draws`` (draws,) are NaN where a draw leaves nothing.

    ``means`` (recordings,) are over the rows that a recording is in, and ``by_scene`` (scenes,) over those of a scene,
    NaN where there is none.
    """

    value: float
    draws: Array
    means: Array
    by_scene: Array


@dataclass(frozen=True, eq=False)
class Sides:
    """All separators of a board in one column; arrays are (separators, rows), or (rows,) for ``targets``, ``scenes``.

    ``used`` is what enters a figure, NaN where nothing does.
    """

    names: tuple[str, ...]
    scene_names: tuple[str, ...]
    used: Array
    done: Mask
    failed: Mask
    targets: Codes
    scenes: Codes
    rule: Aggregation
    resampler: Resampler
    _rows: dict[bytes, Rows] = field(default_factory=dict, repr=False)
    _made: dict[tuple[int, bytes], Side] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, outcomes: pl.DataFrame, scenes: Sequence[str], rule: Aggregation, resampler: Resampler) -> Sides:
        """Lay out the ``outcomes`` of one metric (and depth); ``scenes`` are those that ``resampler`` weighs."""
        rows = outcomes.select(_ROW).unique().sort(_ROW)
        names = outcomes["separator"].unique().sort()
        placed = outcomes.join(rows.with_row_index("row"), on=_ROW, how="left")
        at = placed["separator"].cast(pl.Enum(names)).to_physical().to_numpy(), placed["row"].to_numpy()
        used, done, failed = (
            np.full((len(names), len(rows)), nothing, dtype=type(nothing)) for nothing in (np.nan, False, False)
        )
        used[at] = placed["used"].to_numpy()
        done[at] = placed.select(is_done()).to_series().to_numpy()
        failed[at] = (placed["used"].is_not_null() & (placed["state"] == "failed")).to_numpy()
        places = {scene: code for code, scene in enumerate(scenes)}
        targets = {target: code for code, target in enumerate(rows["target"].unique().sort())}
        return cls(
            tuple(names),
            tuple(scenes),
            used,
            done,
            failed,
            np.array([targets[target] for target in rows["target"]], dtype=np.int64),
            np.array([places[scene] for scene in rows["scene"]], dtype=np.int64),
            rule,
            resampler,
        )

    def with_draws(self, count: int) -> Sides:
        """The same under the first ``count`` draws."""
        fewer = Resampler(self.resampler.weights[:count], self.resampler.incidence)
        return replace(self, resampler=fewer, _rows={}, _made={})

    def shared(self, first: int, second: int) -> Rows:
        """The rows that both have done."""
        mask = self.done[first] & self.done[second]
        key = mask.tobytes()
        if key not in self._rows:
            self._rows[key] = Rows(mask, self.scenes[mask], self.resampler.incidence)
        return self._rows[key]

    def prepare(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Make the sides of these pairs, which is much faster together than one by one."""
        needed: dict[tuple[int, bytes], Rows] = {}
        for pair in pairs:
            rows = self.shared(*pair)
            needed |= {(separator, rows.key): rows for separator in pair}
        missing = [(separator, rows) for (separator, key), rows in needed.items() if (separator, key) not in self._made]
        for start in range(0, len(missing), _AT_ONCE):
            self._make(missing[start : start + _AT_ONCE])

    def side(self, separator: int, rows: Rows) -> Side:
        """The figure of a separator on ``rows``, made once."""
        if (separator, rows.key) not in self._made:
            self._make([(separator, rows)])
        return self._made[separator, rows.key]

    def _make(self, needed: Sequence[tuple[int, Rows]]) -> None:
        sets = []
        for separator, rows in needed:
            chosen = rows.mask & ~np.isnan(self.used[separator])
            sets.append(draws.Rows(self.used[separator, chosen], self.targets[chosen], self.scenes[chosen]))
        drawn = self.resampler.draws_of(sets, self.rule)
        incidence = self.resampler.incidence.astype(np.float64)
        for (separator, rows), one, figures in zip(needed, sets, drawn, strict=True):
            value = self.rule.unweighted(one.values, one.classes)
            sums, counts = (
                np.bincount(one.scenes, weights, minlength=len(self.scene_names)).astype(np.float64)
                for weights in (one.values, None)
            )
            means, by_scene = _ratio(sums @ incidence, counts @ incidence), _ratio(sums, counts)
            self._made[separator, rows.key] = Side(value, figures, means, by_scene)

    def difference(self, first: int, second: int) -> tuple[float, Array]:
        """Figure of the first less that of the second on the rows that both have done, and its draws (draws,)."""
        rows = self.shared(first, second)
        one, other = self.side(first, rows), self.side(second, rows)
        return one.value - other.value, one.draws - other.draws


def _ratio(sums: Array, counts: Array) -> Array:
    return np.asarray(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
