"""Blind scenes as a data set of their own: a manifest's sources, placed and summed, none of them a target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.audio import Sum
from bench.blind.draw import COUNT, SECONDS, draw
from bench.blind.manifest import BlindScene, Manifest, PlacedSource, sha256
from bench.blind.signals import Frozen, Missing, PinkNoise, Placed
from bench.blind.singles import excerpt, label_of, own_signal
from bench.data import OpenedDataset
from bench.datasets.base import DatasetError
from bench.scene import Scene, Signal, Source

BED: Final = "bed"
"""Label of the pink noise under every scene."""
NOISE: Final = "/m/096m7z"
"""Noise, with white and pink noise below it: what a tagger may rightly hear in the bed."""
PROTOCOL: Final = "scene"


def scenes_of(
    opened: OpenedDataset,
    *,
    manifest: Manifest | None = None,
    count: int = COUNT,
    seed: int = 0,
    seconds: float = SECONDS,
    progress: Callable[[str], None] | None = None,
) -> OpenedDataset:
    """The blind scenes of an opened data set, named ``NAME-scenes``; without metrics, as it has no targets.

    Args:
        opened: the data set, with all of its scenes (no limit).
        manifest: which scenes; drawn by :func:`bench.blind.draw.draw` from the other options where None.
        count: number of scenes to draw.
        seed: of the drawing.
        seconds: length of each scene.
        progress: told which scene is being drawn.

    A source of the manifest that is not there as the manifest has it makes its scene raise ``SceneError`` when it is
    used; the others go on.

    Raises:
        DatasetError: the manifest is of another data set or split, or nothing can be drawn.
    """
    if manifest is None:
        manifest = draw(opened, count=count, seed=seed, seconds=seconds, progress=progress)
    here, there = (opened.name, opened.dataset.split), (manifest.dataset, manifest.split)
    if here != there:
        raise DatasetError(
            f"the manifest is of {there[0]} (split {there[1]}), the data set is {here[0]} (split {here[1]}); "
            "choose that one, or draw another manifest"
        )
    name, hashed = f"{opened.name}-scenes", sha256(manifest)
    origin = {scene.id: scene for scene in opened.scenes}
    return replace(
        opened,
        name=name,
        scenes=tuple(_scene(blind, manifest, hashed, name, origin) for blind in manifest.scenes),
        info=replace(opened.info, title=f"{opened.info.title}, blind scenes"),
        caveat=" ".join(filter(None, (opened.caveat, describe(manifest)))),
        metrics={},
    )


def describe(manifest: Manifest) -> str:
    """One or two sentences: how many scenes there are of each kind, and what could not be drawn."""
    sizes = Counter(len(scene.sources) for scene in manifest.scenes)
    doubles = sum(_doubled(scene) for scene in manifest.scenes)
    said = (
        f"{len(manifest.scenes)} scenes of {manifest.seconds:g} s, {sizes[0]} of them empty and {doubles} with two "
        f"sources of one class; at most {max(sizes)} sources in one."
    )
    if not doubles:
        said += " No two recordings of one class could be had."
    if manifest.passed_over:
        said += f" Sources that were silent or unreadable when the scenes were drawn: {len(manifest.passed_over)}."
    return said


def _doubled(scene: BlindScene) -> bool:
    classes = [source.mids for source in scene.sources]
    return len(set(classes)) < len(classes)


def _scene(blind: BlindScene, manifest: Manifest, hashed: str, name: str, origin: Mapping[str, Scene]) -> Scene:
    own = f"{name}/{blind.id}"
    noise = f"{manifest.dataset} {manifest.split} {manifest.seed} {blind.id}"
    bed = PinkNoise(noise, manifest.sample_rate, manifest.samples, manifest.bed_dbfs)
    sources = (
        *(_source(placed, manifest, origin) for placed in blind.sources),
        Source(BED, (), bed, own, may_contain=(NOISE,)),
    )
    return Scene(
        id=blind.id,
        dataset=name,
        split=manifest.split,
        mixture=Frozen(Sum(tuple(source.signal for source in sources)), hashed),
        sources=sources,
        targets=(),
        recordings=tuple(dict.fromkeys(placed.recording for placed in blind.sources)) or (own,),
        notes=tuple(
            f"{placed.label}: {placed.level_db:.1f} dBFS where it sounds, gain {placed.gain_db:+.1f} dB, "
            f"at {placed.onset / manifest.sample_rate:.2f} s"
            for placed in blind.sources
        ),
        protocol_notes={"protocol": PROTOCOL, "rule": manifest.rule, "manifest": hashed},
    )


def _source(placed: PlacedSource, manifest: Manifest, origin: Mapping[str, Scene]) -> Source:
    taken = excerpt(
        _resolved(placed, origin), start=placed.start, length=placed.length, sample_rate=manifest.sample_rate
    )
    return Source(
        placed.label,
        placed.mids,
        Placed(taken, placed.onset, manifest.samples, placed.gain_db),
        placed.recording,
        spans=tuple((start / manifest.sample_rate, end / manifest.sample_rate) for start, end in placed.spans),
        may_contain=placed.may_contain or None,
    )


def _resolved(placed: PlacedSource, origin: Mapping[str, Scene]) -> Signal:
    """The source's own audio, or what raises where the data set here does not have it as the manifest says."""
    where = f"the manifest takes {placed.label!r} from scene {placed.scene!r}, source {placed.source}"
    remedy = "use the data that the manifest was drawn from, or draw it anew with `stemtree data scenes`"
    scene = origin.get(placed.scene)
    if scene is None or placed.source >= len(scene.sources):
        return Missing(f"{where}, which this data set does not have; {remedy}")
    found = scene.sources[placed.source]
    if (label_of(found), found.mids, found.recording) != (placed.label, placed.mids, placed.recording):
        return Missing(f"{where}, which is {label_of(found)!r} of {found.recording!r} here; {remedy}")
    return own_signal(found)
