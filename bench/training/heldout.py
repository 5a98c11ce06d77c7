"""Pairs to validate on where a data set has no split for it: recordings set aside, and mixed two by two."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter

from bench.audio import Fitted, Mono, Resampled
from bench.datasets.audioset import Loudest
from bench.datasets.pairs import Clip, no_kin, pair_scene, repaired
from bench.scene import Scene
from bench.training.anchors import STEP_SECONDS
from bench.training.clips import TrainingClip
from ontology import Ontology, Target


def hold_out(
    clips: Sequence[TrainingClip], *, share: float, sample_rate: int, samples: int, dataset: str
) -> tuple[tuple[TrainingClip, ...], tuple[Scene, ...]]:
    """Set a share of the recordings aside, chosen by hashed names, and pair them: training clips, and held-out scenes.

    No class loses its last recording. Each held-out clip is once the target, for its first label, with one that shares
    no kin with it, at 0 dB.
    """
    chosen = aside(clips, share)
    kept = tuple(clip for clip in clips if clip.recording not in chosen)
    held = {clip.name: clip for clip in clips if clip.recording in chosen}
    rows = [Clip(clip.name, clip.labels[0].label, clip.mids, clip.recording) for clip in held.values()]
    hop = round(STEP_SECONDS * sample_rate)
    scenes = []
    for pair in repaired(rows, admissible=no_kin(Ontology.audioset()), seed="held out"):
        first, second = (
            Fitted(Loudest(Resampled(Mono(held[clip.name].signal), sample_rate), samples, hop), samples)
            for clip in pair.clips
        )
        target = held[pair.target.name].labels[0]
        id = "+".join(clip.name for clip in pair.clips)
        scenes.append(pair_scene(pair, (first, second), id=id, dataset=dataset, split="held-out", targets=[target]))
    return kept, tuple(scenes)


def aside(
    clips: Sequence[TrainingClip], share: float, *, by: Callable[[TrainingClip], str] = attrgetter("recording")
) -> frozenset[str]:
    """Names of a share of the recordings, or of what else ``by`` names; no class loses its last one."""
    labels: dict[str, set[Target]] = {}
    for clip in clips:
        labels.setdefault(by(clip), set()).update(clip.labels)
    left = Counter(label for each in labels.values() for label in each)
    places = {
        name: int.from_bytes(hashlib.sha256(f"held out\n{name}".encode()).digest()[:8], "big") / 2**64
        for name in labels
    }
    chosen = set()
    for name in sorted(labels, key=lambda name: places[name]):
        if places[name] >= share:
            break
        if all(left[label] > 1 for label in labels[name]):
            left.subtract(labels[name])
            chosen.add(name)
    return frozenset(chosen)
