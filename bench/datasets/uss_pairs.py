"""The 2 s pairs that the public USS code writes: one folder per class, a source and a mixture file per pair.

``FOLDER/class_id=K/class_id=K,index=NNN,{source,mixture}.wav`` (or flac), K an AudioSet index, and beside the folder
a table ``FOLDER.csv`` that names the clips behind each file.

Source: bytedance/uss, evaluation/dataset_creation/audioset.py.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from bench.audio import FileSignal
from bench.datasets.base import DatasetError, Problem
from bench.datasets.layout import subfolders
from bench.datasets.soundness import twin_problems
from bench.scene import Scene, SceneTarget, Source
from bench.stems import beside
from ontology import Ontology, Target

USS_RATE = 32_000
AUDIOSET_LABELS = 527

_FILE = re.compile(r"(class_id=(\d+),index=(\d+)),(?:source|mixture)\.(wav|flac)")
_CLIP = re.compile(r"Y?([\w-]{11})(?:_[\d.]+_[\d.]+)?", re.ASCII)


def clip_id(stem: str) -> str | None:
    """The YouTube id in a file name without its suffix: ``ID``, ``YID`` or ``ID_START_END``; None in any other name."""
    match = _CLIP.fullmatch(stem)
    return match[1] if match else None


def pair_scenes(folder: Path, *, dataset: str, split: str) -> Iterator[Scene]:
    """One scene per pair, by class and number. Its only source is the target: the other was not written.

    A pair of which one file is absent is still a scene, and reading it raises a ``SceneError`` that names the file.

    Raises:
        DatasetError: no pair is there, or the table cannot be read.
    """
    ontology = Ontology.audioset()
    clips = _clips_behind(folder)
    for class_id, index, source_path, mixture_path in _pairs(folder):
        mixture = FileSignal(mixture_path)
        source, notes = beside(mixture, FileSignal(source_path), mixture_path=mixture_path, stem_path=source_path)
        node = ontology[class_id]
        target = Target(node.name, (node.mid,))
        id = f"{class_id:03d}-{index:03d}"
        recordings = clips.get(mixture_path.stem)
        if recordings is None:
            recordings = (id,)
            notes += ("no table names the clips behind it: the pair counts as one recording",)
        yield Scene(
            id=id,
            dataset=dataset,
            split=split,
            mixture=mixture,
            sources=(Source(node.name, target.mids, source, recordings[0]),),
            targets=(SceneTarget(target, (0,)),),
            recordings=recordings,
            notes=notes,
        )


def pair_problems(folder: Path) -> Iterator[Problem]:
    """What is missing or broken in the pairs; raises as :func:`pair_scenes` does."""
    _clips_behind(folder)
    for _, _, source, mixture in _pairs(folder):
        yield from twin_problems(source, mixture, rates=(USS_RATE,), remedy=f"unpack or write {folder.name} anew")


def _pairs(folder: Path) -> list[tuple[int, int, Path, Path]]:
    """Class index, running number, source file and mixture file of each pair, in order."""
    found: dict[tuple[int, int], tuple[int, int, Path, Path]] = {}
    for below in subfolders(folder):
        for path in below.iterdir():
            match = _FILE.fullmatch(path.name)
            if match is None:
                continue
            class_id, index = int(match[2]), int(match[3])
            if class_id >= AUDIOSET_LABELS:
                raise DatasetError(f"{path}: AudioSet's class indices end at {AUDIOSET_LABELS - 1}; remove that file")
            source, mixture = (path.with_name(f"{match[1]},{kind}.{match[4]}") for kind in ("source", "mixture"))
            found[class_id, index] = (class_id, index, source, mixture)
    if not found:
        raise DatasetError(f"{folder}: no class_id=K/class_id=K,index=NNN,mixture.wav is there; write the pairs anew")
    return [found[key] for key in sorted(found)]


def _clips_behind(folder: Path) -> dict[str, tuple[str, ...]]:
    """The ids of the clips behind each mixture, by its file's stem; empty where there is no table."""
    table = folder.with_name(f"{folder.name}.csv")
    if not table.is_file():
        return {}
    behind = {}
    for row in read_lines(table):
        # A file's name comes first, with unquoted commas in it; two clips follow, each as name, class and onset.
        name, clips = Path(",".join(row[:-6])).stem, row[-6::3]
        if name and all(clips):  # the row of a source file names one clip only
            behind[name] = tuple(clip_id(Path(clip).stem) or clip for clip in clips)
    return behind


def read_lines(table: Path) -> list[list[str]]:
    """The fields of each line of a table without a usable header; lines that start with ``#`` are left out.

    Raises:
        DatasetError: the table cannot be read.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return list(csv.reader((line for line in file if not line.startswith("#")), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: cannot be read as a table ({error}); fetch it anew") from error
