"""What the history tells of a board as one run left it: a small part of the board, which may be kept as JSON."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict

from reports.tables import Board

FAILED: Final = ("error", "timeout", "oom", "nan", "unscored")
"""Statuses of a cell that has failed; ``unscored`` is ok, but for a metric that could not be computed."""


class Figure(BaseModel):
    """A headline figure of a separator, in the unit of the column's metric."""

    model_config = ConfigDict(frozen=True)

    separator: str
    column: str
    basis: str
    """Tells the pairs of scene and target that it is over."""
    cells: int
    """Changes when any of its cells does."""
    whole: bool
    value: float
    low: float | None
    high: float | None
    note: str | None
    measured: int
    due: int


class Failed(BaseModel):
    """Scenes that failed alike."""

    model_config = ConfigDict(frozen=True)

    separator: str
    status: str
    reason: str | None
    scenes: tuple[str, ...]


class Standing(BaseModel):
    """A board as one run left it."""

    model_config = ConfigDict(frozen=True)

    figures: tuple[Figure, ...]
    families: dict[str, str]
    """By separator, of all that are there."""
    oracles: tuple[str, ...]
    failed: tuple[Failed, ...]
    results: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """Separators with the scenes of which there is a result or a failure; those of equal scenes together."""

    @classmethod
    def of(cls, board: Board, figures: tuple[Figure, ...]) -> Standing:
        """That of a board, whose figures are at hand."""
        cells = _with_status(board)
        failed = cells.filter(pl.col("status").is_in(list(FAILED)))
        groups = failed.sort("separator", "status", "reason", "scene", nulls_last=True).partition_by(
            "separator", "status", "reason", as_dict=True, maintain_order=True
        )
        families = board.cells.select("separator", "family").unique().sort("separator", "family")
        return cls(
            figures=figures,
            families=dict(families.iter_rows()),
            oracles=tuple(board.cells.filter(pl.col("oracle").fill_null(False))["separator"].unique().sort()),
            failed=tuple(
                Failed(separator=separator, status=status, reason=reason, scenes=tuple(part["scene"]))
                for (separator, status, reason), part in groups.items()
            ),
            results=_alike(cells),
        )

    @cached_property
    def _scenes(self) -> dict[str, frozenset[str]]:
        return {name: scenes for names, found in self.results for scenes in [frozenset(found)] for name in names}

    @cached_property
    def _failing(self) -> frozenset[tuple[str, str]]:
        return frozenset((one.separator, scene) for one in self.failed for scene in one.scenes)

    def fails(self, separator: str, scene: str) -> bool | None:
        """Whether a cell has failed; None where there is no result of it."""
        if scene not in self._scenes.get(separator, ()):
            return None
        return (separator, scene) in self._failing


def _with_status(board: Board) -> pl.DataFrame:
    missing = pl.col("failed_metrics").list.len().fill_null(0) > 0
    unscored = (pl.col("status") == "ok") & missing
    return board.cells.filter(pl.col("status").is_not_null()).select(
        "separator",
        "scene",
        status=pl.when(unscored).then(pl.lit("unscored")).otherwise("status"),
        reason=pl.when(unscored).then(pl.format("no {}", pl.col("failed_metrics").list.join(", "))).otherwise("reason"),
    )


def _alike(cells: pl.DataFrame) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    found: dict[tuple[str, ...], list[str]] = {}
    parts: dict[tuple[Any, ...], pl.DataFrame] = cells.sort("separator", "scene").partition_by(
        "separator", as_dict=True, maintain_order=True
    )
    for (separator,), part in parts.items():
        found.setdefault(tuple(part["scene"]), []).append(str(separator))
    return tuple((tuple(names), scenes) for scenes, names in found.items())
