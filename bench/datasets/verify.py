"""What ``stemtree data verify`` says of whole scenes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.audio import BrokenFile
from bench.datasets.base import Problem
from bench.scene import Scene, SceneError


def scene_problems(scenes: Iterable[Scene]) -> Iterator[Problem]:
    """Decode every signal of the scenes and say what is wrong with which file; each problem once."""
    seen: set[Problem] = set()
    for scene in scenes:
        parts = [scene.mixture, *(source.signal for source in scene.sources)]
        for signal in parts:
            try:
                signal.read()
            except BrokenFile as error:
                problem = Problem(error.path, error.what, error.remedy)
                if problem not in seen:
                    seen.add(problem)
                    yield problem
            except SceneError:
                continue  # a sum of parts that do not agree: each part is read, and named, for itself
