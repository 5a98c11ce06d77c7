"""Open the data sets that a run names: find their folders, apply their options, list their scenes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench import plugins
from bench.datasets.base import Dataset, DatasetError, DatasetInfo
from bench.describe import check_options
from bench.execute import load_metric
from bench.scene import Scene, SceneError
from reports.schema import Problem

ROOT_VARIABLE: Final = "STEMTREE_DATA"
"""Environment variable that stands for ``data.root`` where a run names no folder."""
MINI: Final = "mini"


@dataclass(frozen=True)
class OpenedDataset:
    """A data set with its scenes. ``name`` stands in tables, and tells embedded copies from the real ones."""

    name: str
    dataset: Dataset
    scenes: tuple[Scene, ...]
    info: DatasetInfo
    caveat: str | None
    metrics: Mapping[str, str]
    """Its metrics: ids, and the plug-ins that compute them."""
    own: bool = False
    """Whether its audio is made by the project itself, and free of anybody's rights."""


def open_datasets(
    names: Sequence[str],
    *,
    folders: Mapping[str, Path],
    options: Mapping[str, Mapping[str, Any]],
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[OpenedDataset], list[Problem]]:
    """Open each named data set; one that cannot be opened becomes a problem and the others go on.

    Args:
        names: data sets by plug-in name, or ``mini``.
        folders: by data set name, and ``root`` for all: where to look for their layouts.
        options: constructor options by data set name.
        limit: at most so many scenes of each.
        progress: told what is being done.
    """
    opened: list[OpenedDataset] = []
    problems: list[Problem] = []
    for name in names:
        try:
            for prefix, plugin, folder in _expand(name, folders, progress):
                dataset = construct(plugin, folder, options.get(plugins.option_name(plugin), {}))
                metrics, unloadable = load_metrics(dataset.metrics)
                problems += [Problem(subject=name, message=f"{name}: {message}") for message in unloadable]
                opened.append(_with_scenes(prefix, dataset, metrics, limit))
        except (DatasetError, SceneError, plugins.PluginError) as error:
            problems.append(Problem(subject=name, message=str(error)))
        except Exception as error:  # a reader from outside may raise anything; the other data sets go on
            problems.append(Problem(subject=name, message=f"{name}: {type(error).__name__}: {error}"))
    return opened, problems


def load_metrics(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Metrics by id with the plug-ins that compute them, and why others cannot be loaded."""
    metrics: dict[str, str] = {}
    failures: list[str] = []
    for name in names:
        try:
            metrics[load_metric(name).id] = name
        except plugins.PluginError as error:
            failures.append(str(error))
    return metrics, failures


def find_folder(name: str, folders: Mapping[str, Path]) -> Path:
    """Where a data set lies: ``data.NAME``, else ``data.root``, else the environment's root.

    Raises:
        DatasetError: no folder was named, its layout is not under it, or is there more than once.
    """
    kind = dataset_class(name)
    own = plugins.option_name(name)
    named = folders.get(own) or folders.get("root") or os.environ.get(ROOT_VARIABLE)
    if not named:
        raise DatasetError(
            f"{name}: no folder given; say data.{own}=PATH, data.root=PATH or ${ROOT_VARIABLE}. {kind.info.how_to_get}"
        )
    root = Path(named).expanduser()
    if not root.is_dir():
        raise DatasetError(f"{name}: no folder {root}. {kind.info.how_to_get}")
    found = kind.find(root)
    if own in folders and (root in found or not found):
        return root  # an explicit folder without the layout gets the reader's own, more exact message
    if not found:
        raise DatasetError(f"{name}: its layout was not found under {root}. {kind.info.how_to_get}")
    found = kind.prefer(found)
    if len(found) > 1:
        choices = ", ".join(str(path) for path in found)
        raise DatasetError(f"{name}: found {len(found)} times under {root}; say data.{own}=PATH with one of {choices}")
    return found[0]


def _expand(
    name: str, folders: Mapping[str, Path], progress: Callable[[str], None] | None
) -> list[tuple[str, str, Path]]:
    """Prefix of the shown name, plug-in and folder of each data set behind ``name``."""
    if name != MINI:
        return [("", name, find_folder(name, folders))]
    from bench.datasets import mini

    folder = mini.make(folders.get(MINI) or mini.default_folder(), progress=progress)
    return [(f"{MINI}-", plugin, root) for plugin, root in mini.parts(folder).items()]


def dataset_class(name: str) -> type[Dataset]:
    """The class of a data set, by plug-in name or ``module:object``.

    Raises:
        PluginError: it is unknown, cannot be loaded, or is no :class:`Dataset`.
    """
    kind = plugins.load("datasets", name)
    if not (isinstance(kind, type) and issubclass(kind, Dataset)):
        raise plugins.PluginError(f"dataset {name!r} is {kind!r}, not a class derived from bench.datasets.base.Dataset")
    return kind


def construct(name: str, folder: Path, options: Mapping[str, Any]) -> Dataset:
    """A data set at ``folder`` with its options checked by name.

    Raises:
        DatasetError: the folder or an option's value cannot be used.
        PluginError: it is unknown or has no such option.
    """
    kind = dataset_class(name)
    check_options(name, kind, options)
    return kind(folder, **options)


def _with_scenes(prefix: str, dataset: Dataset, metrics: Mapping[str, str], limit: int | None) -> OpenedDataset:
    scenes = [_named(scene, prefix) for scene in islice(dataset.scenes(), limit)]
    if not scenes:
        raise DatasetError(f"{dataset.name}: no scene in split {dataset.split!r} of {dataset.root}")
    info, caveat = dataset.info, dataset.caveat
    if prefix:
        info = replace(
            info,
            title=f"{MINI}, in the layout of {info.title}",
            licence="made on this machine",
            citation=f"Embedded data of stemtree, in the layout of: {info.citation}",
        )
        caveat = "Synthetic audio, made to show that everything works: its figures say nothing about real recordings."
    return OpenedDataset(scenes[0].dataset, dataset, tuple(scenes), info, caveat, metrics, own=bool(prefix))


def _named(scene: Scene, prefix: str) -> Scene:
    """The scene under the name of its data set in tables, its texts fit for files: names on disk need not be UTF-8."""
    return replace(
        scene,
        id=_text(scene.id),
        dataset=prefix + scene.dataset,
        recordings=tuple(map(_text, scene.recordings)),
        notes=tuple(map(_text, scene.notes)),
    )


def _text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
