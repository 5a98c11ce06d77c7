"""Listening excerpts of a run: a short stretch of a few scenes, and what each separator made of it.

The run chooses scenes and stretches before it begins, and writes mixtures and references; each cell cuts its own
estimates while it has them, so that nothing is separated twice; pictures are drawn when the cells are done, so that
no cell's time or memory counts them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch

from bench import estimates as kept
from bench.loudness import integrated_loudness
from bench.metrics.bss_eval.sdr import framewise_sdr
from bench.progress import track as show_progress
from bench.scene import Scene, SceneError
from reports.excerpts import (
    SCENE_FILE,
    CellExcerpt,
    Estimate,
    Reference,
    SceneExcerpt,
    Sound,
    Track,
    cell_file,
    excerpt_folder,
    read_excerpt,
    short_hash,
)
from reports.results import Results

if TYPE_CHECKING:
    from bench.cells import Job
    from bench.config import ExcerptsConfig
    from bench.data import OpenedDataset
    from bench.plan import Plan

SECONDS: Final = 10.0
"""Length of an excerpt: as long as listening tests have them (ITU-R BS.1534-3, section 5.3: about 10 s)."""
_STEP_SECONDS: Final = 0.1
_SOUNDING_DB: Final = -40.0
"""A target sounds in a step whose energy is at most so far under that of its loudest step."""
_FULL_SCALE: Final = 32_768
_LARGEST: Final = 32_767
"""16-bit sample."""


@dataclass(frozen=True)
class Stretch:
    """The part of a scene that is cut out, in samples, and the folder that it is written into."""

    folder: Path
    start: int
    frames: int

    def cut(self, audio: torch.Tensor) -> torch.Tensor:
        """The stretch of ``(..., channels, samples)`` in at most two channels: more are averaged into one."""
        part = audio[..., self.start : self.start + self.frames]
        return part if part.shape[-2] <= 2 else part.mean(dim=-2, keepdim=True)


def with_excerpts(plan: Plan, opened: Sequence[OpenedDataset], settings: ExcerptsConfig, results: Path) -> Plan:
    """The plan with a stretch in every cell whose estimates are to be heard; writes mixtures and references.

    A scene that cannot be read gets none: its cells say why.

    Raises:
        ResultsError: a file of an earlier excerpt is not what a run writes.
    """
    contents = {(row["dataset"], row["scene"]): row["content"] for row in plan.scenes.iter_rows(named=True)}
    stretches: dict[tuple[str, str], Stretch] = {}
    for dataset in opened:
        if settings.of == "none" or (settings.of == "own" and not dataset.own):
            continue
        for scene in _spread(dataset.scenes, settings.scenes):
            content = contents[scene.dataset, scene.id]
            if content and scene.targets:
                try:
                    stretches[scene.dataset, scene.id] = _write_scene(results, scene, content, dataset.info.licence)
                except SceneError:
                    continue

    def given(job: Job) -> Job:
        wanted = settings.separators is None or job.spec.name in settings.separators
        return replace(job, excerpt=stretches.get((job.scene.dataset, job.scene.id))) if wanted else job

    jobs, done = tuple(map(given, plan.jobs)), tuple(map(given, plan.done))
    return replace(plan, jobs=jobs, done=done)


def write_estimates(job: Job, estimates: torch.Tensor, references: torch.Tensor, mixture: torch.Tensor) -> None:
    """Write a cell's excerpt, where it is to have one and has none.

    Estimates with samples that are not finite are left out: nothing can play them.

    Args:
        job: the cell.
        estimates: float32 ``(targets, channels, samples)`` of the targets that were asked for.
        references: the same shape.
        mixture: ``(channels, samples)``.
    """
    stretch = job.excerpt
    if stretch is None or cell_file(stretch.folder, job.key).exists():
        return
    rate = job.scene.mixture.sample_rate
    mixed = stretch.cut(mixture)
    described = []
    for place, estimate, reference in zip(job.asked, stretch.cut(estimates), stretch.cut(references), strict=True):
        if not torch.isfinite(estimate).all():
            continue
        frames = framewise_sdr(estimate[None], reference[None], sample_rate=rate, silence="strict")[0].tolist()
        described.append(
            Estimate(
                index=place,
                track=_write_track(stretch.folder, estimate, rate),
                residual=_sound(_numpy(mixed - estimate), rate),
                frames=tuple(map(_frame, frames)),
            )
        )
    said = CellExcerpt(key=job.key, separator=job.spec.name, estimates=tuple(described))
    _write_text(cell_file(stretch.folder, job.key), said.model_dump_json(indent=1))


def licence_remarks(plan: Plan, opened: Sequence[OpenedDataset]) -> list[str]:
    """One line for each data set of others whose sound the plan is to keep."""
    heard = {job.scene.dataset for job in (*plan.jobs, *plan.done) if job.excerpt}
    return [
        f"{dataset.name}: excerpts of its sound are in the results ({dataset.info.licence}); "
        "whether they may be passed on is yours to see to"
        for dataset in opened
        if dataset.name in heard and not dataset.own
    ]


def finish(plan: Plan) -> list[str]:
    """Cut what cells of earlier runs kept, draw what has no picture yet, and say what has no excerpt.

    Such cells were done before excerpts were asked for, and their estimates were not kept.

    Args:
        plan: from :func:`with_excerpts`, when its jobs are done.
    """
    without = 0
    for job in plan.done:
        if job.excerpt is None or not job.asked or cell_file(job.excerpt.folder, job.key).exists():
            continue
        estimates = kept.load(kept.estimates_folder(job.results, job.key), job.asked)
        if estimates is None:
            without += 1
            continue
        mixture = job.scene.mixture.read()
        references = torch.stack([job.scene.reference(job.scene.targets[place]) for place in job.asked])
        write_estimates(job, estimates.expand(-1, mixture.shape[0], -1), references, mixture)
    folders = sorted({job.excerpt.folder for job in (*plan.jobs, *plan.done) if job.excerpt})
    for folder in show_progress(folders, total=len(folders), label="spectrograms"):
        _draw(folder)
    if not without:
        return []
    return [
        f"no listening excerpt of {without} cells, which were done and kept no estimates; "
        "a new results folder has them, and excerpts=none wants none"
    ]


def _spread(scenes: Sequence[Scene], count: int) -> list[Scene]:
    """``count`` of the scenes, evenly spread over their list: its beginning may be all of one kind."""
    count = min(count, len(scenes))
    return [scenes[place * len(scenes) // count] for place in range(count)]


def _write_scene(results: Path, scene: Scene, content: str, licence: str) -> Stretch:
    """Choose the stretch and write what all cells of the scene share, or take what an earlier run chose."""
    folder = excerpt_folder(results, scene.dataset, scene.id, content)
    rate = scene.mixture.sample_rate
    if (said := read_excerpt(folder / SCENE_FILE, SceneExcerpt)) is not None:
        return Stretch(folder, round(said.start * rate), round(said.seconds * rate))
    mixture = scene.mixture.read()
    references = torch.stack([scene.reference(target) for target in scene.targets])
    stretch = Stretch(folder, *busiest(references, sample_rate=rate, seconds=SECONDS))
    if stretch.frames == 0:
        raise SceneError(f"{scene.id}: no samples")
    heard = stretch.cut(mixture)
    described = SceneExcerpt(
        dataset=scene.dataset,
        split=scene.split,
        scene=scene.id,
        content=content,
        licence=licence,
        start=stretch.start / rate,
        seconds=stretch.frames / rate,
        sample_rate=rate,
        channels=heard.shape[0],
        mixture=_write_track(folder, heard, rate),
        references=tuple(
            Reference(index=place, target=target.target.label, track=_write_track(folder, stretch.cut(true), rate))
            for place, (target, true) in enumerate(zip(scene.targets, references, strict=True))
        ),
    )
    _write_text(folder / SCENE_FILE, described.model_dump_json(indent=1))
    return stretch


def busiest(references: torch.Tensor, *, sample_rate: int, seconds: float) -> tuple[int, int]:
    """First sample and length of the stretch in which most targets sound for most of the time; the earliest of equals.

    In steps of 0.1 s; a target sounds in those within 40 dB of its loudest one.

    Args:
        references: ``(targets, channels, samples)``.
        sample_rate: in Hz.
        seconds: length of the stretch; all of what is shorter.
    """
    samples, step = references.shape[-1], max(1, round(_STEP_SECONDS * sample_rate))
    length = round(seconds * sample_rate)
    if samples <= length:
        return 0, samples
    whole = references[..., : samples // step * step].double().square().sum(dim=-2)
    energy = whole.unflatten(-1, (-1, step)).sum(dim=-1)
    loudest = energy.amax(dim=-1, keepdim=True)
    sounding = ((energy >= loudest * 10 ** (_SOUNDING_DB / 10)) & (loudest > 0)).sum(dim=0).numpy()
    total = np.concatenate([[0], np.cumsum(sounding)])
    wide = length // step
    starts = np.arange(0, (samples - length) // step + 1)
    first = int(np.argmax(total[np.minimum(starts + wide, len(sounding))] - total[starts]))
    return first * step, length


def _frame(value: float) -> float | Literal["exact"] | None:
    return None if np.isnan(value) else "exact" if np.isposinf(value) else value


def _numpy(audio: torch.Tensor) -> np.ndarray:
    return np.asarray(audio.cpu().numpy(), dtype=np.float64)


def _sound(audio: np.ndarray, rate: int) -> Sound:
    """Level of a signal; its picture is named after its samples, and drawn later."""
    name = short_hash(np.float32(audio).tobytes() + str(rate).encode())
    return Sound(loudness=integrated_loudness(audio, rate), peak=float(np.abs(audio).max()), picture=name)


def _write_track(folder: Path, audio: torch.Tensor, rate: int) -> Track:
    """Write a signal as 16-bit FLAC, softer where it would clip; equal samples are one file."""
    import soundfile

    signal = _numpy(audio)
    sound = _sound(signal, rate)
    gain = min(1.0, _LARGEST / sound.peak / _FULL_SCALE) if sound.peak else 1.0
    samples = np.rint(signal * gain * _FULL_SCALE).astype(np.int16)
    name = short_hash(samples.tobytes() + f"{rate} {signal.shape[0]}".encode())
    path = folder / f"{name}.flac"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex}.partial")
        soundfile.write(partial, samples.T, rate, format="FLAC", subtype="PCM_16")
        partial.replace(path)
    return Track(**sound.model_dump(), file=name, gain=gain)


def _write_text(path: Path, text: str) -> None:
    Results(path.parent).write_text(Path(path.name), text + "\n")


def _draw(folder: Path) -> None:
    """Draw everything in the folder that has no picture yet, all on the colour scale of the mixture."""
    from bench.analysis.pictures import TOP_HZ, mel_power, save_picture

    scene = read_excerpt(folder / SCENE_FILE, SceneExcerpt)
    assert scene is not None
    rate = scene.sample_rate
    mixture = _read(folder, scene.mixture)

    def picture(name: str) -> Path:
        return folder / f"{name}.png"

    def power(signal: np.ndarray) -> np.ndarray:
        return mel_power(_wave(signal, rate), top=min(TOP_HZ, rate / 2))

    wanted = {name: signal for name, signal in _pictured(folder, scene, mixture).items() if not picture(name).exists()}
    loudest = float(power(mixture).max()) if wanted else 0.0
    for name, signal in wanted.items():
        save_picture(picture(name), power(signal()), loudest)


def _pictured(folder: Path, scene: SceneExcerpt, mixture: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Every signal of a folder by the name of its picture."""
    found: dict[str, Callable[[], np.ndarray]] = {scene.mixture.picture: lambda: mixture}
    for reference in scene.references:
        found[reference.track.picture] = partial(_read, folder, reference.track)
    for path in folder.glob("*.json"):
        cell = read_excerpt(path, CellExcerpt) if path.name != SCENE_FILE else None
        for estimate in cell.estimates if cell else ():
            found[estimate.track.picture] = partial(_read, folder, estimate.track)
            found[estimate.residual.picture] = partial(_difference, mixture, folder, estimate.track)
    return found


def _difference(mixture: np.ndarray, folder: Path, track: Track) -> np.ndarray:
    return mixture - _read(folder, track)


def _wave(signal: np.ndarray, rate: int) -> BytesIO:
    import soundfile

    file = BytesIO()
    soundfile.write(file, signal.T, rate, format="WAV", subtype="FLOAT")
    file.seek(0)
    return file


def _read(folder: Path, track: Track) -> np.ndarray:
    import soundfile

    return np.asarray(soundfile.read(folder / f"{track.file}.flac", dtype="float64", always_2d=True)[0].T / track.gain)
