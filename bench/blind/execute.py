"""Run one blind cell: read the scene, let the system analyse it, score what it made of it."""

from __future__ import annotations

import torch

from bench.blind.analysed import Analysed, SceneAudio
from bench.blind.parsed import ParsedScene
from bench.blind.rows import Scoring
from bench.blind.system import System
from bench.blind.tagged import TaggedScene
from bench.cells import Job, SystemSpec
from bench.truth import truth
from separators.base import Context


def analyse(system: System, job: Job, audio: SceneAudio) -> Analysed:
    """What a system makes of a scene at its own threshold; raises whatever a plug-in raises."""
    assert isinstance(job.spec, SystemSpec)
    settings = job.spec.settings.model_copy(update={"seed": job.seed})
    context = Context(seed=job.seed, device=torch.device(job.device))
    if system.parser is not None:
        return ParsedScene(system.parser, audio, settings, context)
    return TaggedScene(system, audio, settings, context)


def scoring(system: System, job: Job) -> Scoring:
    """A cell's scene, read once, and what the system makes of it.

    Raises:
        SceneError: the scene cannot be read.
    """
    scene = job.scene
    audio = SceneAudio(
        truth=truth(scene),
        mixture=scene.mixture.read(),
        sample_rate=scene.mixture.sample_rate,
        sources=[source.signal.read() for source in scene.sources],
    )
    return Scoring(audio, analyse(system, job, audio))
