"""The single sources of a data set: what blind scenes can be made of.

- Only sources with a class. MUSDB18's "other" is none, and neither is the noise of VoiceBank-DEMAND: DEMAND's
  recordings hold babble, so with them in a scene nothing could be called absent.
- Each recording once under each label: clips stand in several pairs, and songs made from one MIDI file are alike.
- From weakly labelled clips, only those of one class, and every other class stays unknown in their scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.audio import EnergyMatched, Mono, Resampled
from bench.blind.signals import Part
from bench.data import OpenedDataset
from bench.scene import Signal, Source
from bench.truth import finest, roots


@dataclass(frozen=True, eq=False)
class Single:
    """One source with a class, and where it comes from: the scene's id and the place among its sources."""

    scene: str
    place: int
    label: str
    mids: tuple[str, ...]
    recording: str
    may_contain: tuple[str, ...]
    signal: Signal


def singles(opened: OpenedDataset) -> list[Single]:
    """The single sources of a data set, ordered by scene and place. Reads no audio."""
    weak = opened.dataset.weakly_labelled
    found: dict[tuple[str, str], Single] = {}
    for scene in sorted(opened.scenes, key=lambda scene: scene.id):
        for place, source in enumerate(scene.sources):
            if not source.mids or (weak and len(finest(source.mids)) > 1):
                continue
            single = Single(
                scene.id, place, label_of(source), source.mids, source.recording,
                may_contain(source, weak=weak), own_signal(source),
            )  # fmt: skip
            found.setdefault((source.recording, source.label), single)
    return list(found.values())


def label_of(source: Source) -> str:
    """A source's label, fit for a manifest: names on disk need not be UTF-8."""
    return source.label.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def may_contain(source: Source, *, weak: bool) -> tuple[str, ...]:
    """What a source with a class may hold beside it: in a weakly labelled clip, anything."""
    return roots() if weak else source.may_contain or ()


def own_signal(source: Source) -> Signal:
    """A source's audio at its own level, whatever it was mixed with."""
    return source.signal.signal if isinstance(source.signal, EnergyMatched) else source.signal


def excerpt(signal: Signal, *, start: int, length: int, sample_rate: int) -> Signal:
    """``length`` samples of a signal from ``start`` on, mono at ``sample_rate`` in Hz."""
    return Resampled(Mono(Part(signal, start, length)), sample_rate)
