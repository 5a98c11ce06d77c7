"""Write scores in the files of other tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.audio import FileSignal
from bench.data import open_datasets
from bench.external import EstimatesError, Matched, match
from bench.metrics.museval_json import track_scores, write_museval
from bench.scene import Scene


def export_museval(
    dataset: str,
    *,
    root: Path,
    estimates: Path,
    out: Path,
    table: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Score estimates that lie in files with BSS Eval v4 and write museval's files, ``OUT/SPLIT/SCENE.json``.

    Frames are not kept in a results folder, so that they are computed from the audio, as museval 0.4.1 does it. A
    scene's targets are scored together, those that have no estimate left out.

    Args:
        dataset: a plug-in's name.
        root: folder of the data set.
        estimates: folder of ``SCENE/TARGET.wav`` or ``.flac``, at the mixture's rate and layout.
        out: folder for the files.
        table: CSV with the columns scene, target, path, for files that are called otherwise.
        options: constructor options of the data set.

    Returns:
        The files written, in the order of the scenes.

    Raises:
        EstimatesError: the folders cannot be used, no file matches, or an estimate has another rate or layout.
    """
    opened, problems = open_datasets([dataset], folders={dataset: root}, options={dataset: options or {}})
    if not opened:
        raise EstimatesError(problems[0].message)
    matched = match(opened[0].scenes, estimates, table)
    if not matched.files:
        raise EstimatesError(f"{estimates}: no file matches a scene; SCENE/TARGET.wav is wanted")
    written = []
    for scene in opened[0].scenes:
        targets = [wanted for wanted in scene.targets if (scene.id, wanted.target.label) in matched.files]
        if not targets:
            continue
        audio = torch.stack([_estimate(scene, wanted.target.label, matched) for wanted in targets])
        references = torch.stack([scene.reference(wanted) for wanted in targets])
        labels = [wanted.target.label for wanted in targets]
        path = out / scene.split / f"{scene.id}.json"
        if not path.resolve().is_relative_to(out.resolve()):
            raise EstimatesError(f"scene {scene.id!r} leads out of {out}; rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_museval(path, track_scores(labels, audio, references, sample_rate=scene.mixture.sample_rate))
        written.append(path)
    return written


def _estimate(scene: Scene, label: str, matched: Matched) -> torch.Tensor:
    """An estimate, padded or cut at its end to the mixture's length, as museval does."""
    path, mixture = matched.files[scene.id, label], scene.mixture
    signal = FileSignal(path)
    if (signal.sample_rate, signal.channels) != (mixture.sample_rate, mixture.channels):
        raise EstimatesError(
            f"{path}: {signal.sample_rate} Hz, {signal.channels} channels, but the mixture of {scene.id} has "
            f"{mixture.sample_rate} Hz, {mixture.channels} channels; bring the estimate to these"
        )
    audio = signal.read()
    return torch.nn.functional.pad(audio, (0, mixture.samples - audio.shape[1]))
