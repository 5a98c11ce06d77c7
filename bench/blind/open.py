"""The data sets of a blind run: scenes made of each that was opened, with the metrics of the scene protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.blind.manifest import load
from bench.blind.metrics import METRICS
from bench.blind.scenes import scenes_of
from bench.config import ScenesConfig
from bench.data import OpenedDataset
from bench.datasets.base import DatasetError
from bench.scene import SceneError
from reports.schema import Problem


def blind_datasets(
    opened: Sequence[OpenedDataset],
    config: ScenesConfig,
    *,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[OpenedDataset], list[Problem]]:
    """Blind scenes of each data set; one that has no sources for any becomes a problem and the others go on.

    Args:
        opened: the data sets, each with all of its scenes.
        config: how many scenes, or which.
        limit: at most so many scenes of each.
        progress: told what is being done.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    manifest = load(config.manifest) if config.manifest else None
    found: list[OpenedDataset] = []
    problems: list[Problem] = []
    for one in opened:
        try:
            blind = scenes_of(one, manifest=manifest, count=config.count, seed=config.seed, progress=progress)
        except (DatasetError, SceneError) as error:
            problems.append(Problem(subject=f"{one.name}-scenes", message=str(error)))
            continue
        found.append(replace(blind, scenes=blind.scenes[:limit], metrics=METRICS))
    return found, problems
