"""Score estimates that were made elsewhere: find the file of each scene and target, and say which are left over."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.audio import FileSignal
from bench.cells import Job, SeparatorSpec
from bench.describe import Description
from bench.plan import Plan, Planner, Settled, unique
from bench.scene import Scene, SceneError, Signal

SUFFIXES: Final = (".wav", ".flac")


class EstimatesError(ValueError):
    """A folder of estimates cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Matched:
    """Which file holds the estimate of each scene and target, and what found no partner."""

    files: Mapping[tuple[str, str], Path]
    unmatched: tuple[str, ...]
    """Scene/target pairs without a file."""
    extra: tuple[Path, ...]
    """Files that no scene and target claims."""


def match(scenes: Sequence[Scene], folder: Path, table: Path | None = None) -> Matched:
    """Find ``folder/SCENE/TARGET.wav``, ``folder/SCENE.wav`` where there is one target, or what a CSV table says.

    ``.flac`` does as well. The table has the columns scene, target and path, paths relative to ``folder``.

    Raises:
        EstimatesError: the folder is missing, a file of the table is absent or outside the folder, or a target has two
            files.
    """
    if not folder.is_dir():
        raise EstimatesError(f"{folder}: no such folder; --estimates names the folder that holds SCENE/TARGET.wav")
    files: dict[tuple[str, str], Path] = {}
    listed = _table(folder, table) if table else None
    for scene in scenes:
        for wanted in scene.targets:
            label = wanted.target.label
            pair = (scene.id, label)
            if listed is not None:
                if pair in listed:
                    files[pair] = listed[pair]
                continue
            names = [folder / scene.id / label, *([folder / scene.id] if len(scene.targets) == 1 else [])]
            there = [path for name in names for suffix in SUFFIXES if (path := _with_suffix(name, suffix)).is_file()]
            if len(there) > 1:
                raise EstimatesError(f"{scene.id}: {there[0]} and {there[1]} both claim {label!r}; remove one")
            if there:
                files[pair] = there[0]
    pairs = [(scene.id, wanted.target.label) for scene in scenes for wanted in scene.targets]
    unmatched = tuple(f"{scene}/{target}" for scene, target in pairs if (scene, target) not in files)
    used = set(files.values())
    extra = tuple(path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path not in used)
    return Matched(files, unmatched, extra)


def describe_external(name: str) -> Description:
    """What a plan needs to know of a system whose estimates are files: it refuses nothing by itself."""
    return Description(spec=SeparatorSpec(name=name, path="external:files"), family="external", code="files")


def attach(plan: Plan, planner: Planner, matched: Matched) -> Plan:
    """The plan with the estimates given to its cells, whose keys then count the estimates' contents."""
    state = planner.state()
    variant = _sha256(*(f"{pair} {_fingerprint(FileSignal(path))}" for pair, path in sorted(matched.files.items())))
    cells = [_with_files(replace(job, variant=variant[:16]), matched) for job in plan.cells]
    jobs: list[Job] = []
    settled: list[Settled] = []
    done: list[Job] = []
    for job in cells:
        missing = planner.missing(job, state)
        if not missing:
            done.append(job)
        elif job.asked:
            jobs.append(replace(job, metrics=missing, rescoring=job.key in state))
        else:
            settled.append(Settled(replace(job, metrics=missing), "skip", "no estimate of this scene was given"))
    return replace(plan, cells=tuple(cells), jobs=tuple(unique(jobs)), settled=tuple(settled), done=tuple(done))


def _with_files(job: Job, matched: Matched) -> Job:
    given: dict[int, Signal] = {}
    refused: dict[int, str] = {}
    for place, wanted in enumerate(job.scene.targets):
        path = matched.files.get((job.scene.id, wanted.target.label))
        if path is None:
            refused[place] = f"no estimate of {wanted.target.label!r} was given"
        else:
            given[place] = FileSignal(path)
    contents = [f"{place} {_fingerprint(signal)}" for place, signal in given.items()]
    return replace(job, key=_sha256(job.key, *contents), asked=tuple(given), refused=refused, given=given)


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fingerprint(signal: Signal) -> str:
    try:
        return signal.fingerprint()
    except (SceneError, OSError) as error:
        return str(error)  # reading it says the same, in the cell's row


def _table(folder: Path, table: Path) -> dict[tuple[str, str], Path]:
    rows: dict[tuple[str, str], Path] = {}
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            absent = {"scene", "target", "path"} - set(reader.fieldnames or ())
            if absent:
                raise EstimatesError(f"{table}: no column {', '.join(sorted(absent))}; it needs scene, target and path")
            for number, row in enumerate(reader, 2):
                path = folder / row["path"]
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise EstimatesError(f"{table}:{number}: {row['path']} leads out of {folder}")
                if not path.is_file():
                    raise EstimatesError(f"{table}:{number}: no file {path}")
                rows[row["scene"], row["target"]] = path
    except (OSError, UnicodeDecodeError) as error:
        raise EstimatesError(f"{table}: {error}") from error
    return rows


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)  # with_suffix would cut names that hold a dot
