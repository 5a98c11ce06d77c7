"""What slakh-utils publishes about Slakh2100: splits, tracks made from one MIDI file, and sub-mix recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from bench.datasets.base import DatasetError
from bench.datasets.layout import read_csv, read_yaml

RESIDUALS: Final = "residuals"
"""The name slakh-utils gives to the sum of all stems that no recipe names."""


def split_of(track: str, version: str) -> str | None:
    """The split of ``track`` (``TrackNNNNN``) in ``original``, ``v2`` or ``redux``; None where it is left out.

    The original has tracks 1 to 1500 for training, to 1875 for validation, to 2100 for the test.
    """
    number = int(track.removeprefix("Track"))
    original = "train" if number <= 1500 else "validation" if number <= 1875 else "test"
    row = _special_tracks().get(track)
    if version == "original" or row is None:
        return original
    return row["split2" if version == "v2" else "redux"] or None


def midi_group(track: str) -> str:
    """The first track that was rendered from the same MIDI file as ``track``: itself, for most."""
    row = _special_tracks().get(track)
    return row["same_midi_as"] if row else track


@cache
def _special_tracks() -> dict[str, dict[str, str]]:
    with as_file(files("bench.datasets").joinpath("data/slakh2100_splits.csv")) as path:
        rows = read_csv(path, columns=("track", "split2", "redux", "same_midi_as"))
    return {row["track"]: row for row in rows}


@dataclass(frozen=True)
class Submix:
    """Recipes that sum stems by one entry of their metadata, as slakh-utils defines them.

    ``key`` is ``program_num``, ``inst_class``, ``plugin_name`` or any other entry; ``recipes`` maps a sub-mix to the
    values of that entry that it takes.
    """

    key: str
    recipes: Mapping[str, tuple[Any, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The sub-mixes, and last :data:`RESIDUALS`."""
        return (*self.recipes, RESIDUALS)

    def name_of(self, stem: Mapping[str, Any]) -> str:
        """The sub-mix that a stem with this metadata belongs to."""
        return next((name for name, values in self.recipes.items() if stem.get(self.key) in values), RESIDUALS)


def load_submix(name: str) -> Submix:
    """A sub-mix definition: one of the examples of slakh-utils by name, or a file of the user's in that format.

    Raises:
        DatasetError: there is none of that name, or the file is not a definition.
    """
    if name.endswith((".yaml", ".yml")):
        return _parse(read_yaml(Path(name)), where=name)
    with as_file(files("bench.datasets").joinpath("data/slakh2100_submixes.yaml")) as path:
        examples = read_yaml(path)
    if name not in examples:
        raise DatasetError(
            f"slakh2100: no sub-mix {name!r}; there are {', '.join(examples)}, or give the path of a .yaml file"
        )
    return _parse(examples[name], where=name)


def _parse(definition: dict[str, Any], *, where: str) -> Submix:
    key, recipes = definition.get("Mixing key"), definition.get("Recipes")
    lists = isinstance(recipes, dict) and all(isinstance(values, list) for values in recipes.values())
    if not isinstance(key, str) or not isinstance(recipes, dict) or not recipes or not lists:
        raise DatasetError(f'{where}: a sub-mix has a "Mixing key" and "Recipes", each a name with a list of values')
    values = [value for listed in recipes.values() for value in listed]
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice or RESIDUALS in recipes:
        wrong = f"value {twice[0]} stands in two recipes" if twice else f"{RESIDUALS!r} is the name of the rest"
        raise DatasetError(f"{where}: {wrong}; slakh-utils takes each stem once")
    return Submix(key, {str(name): tuple(listed) for name, listed in recipes.items()})
