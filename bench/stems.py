"""Stems beside their mixture: same rate, same channels, brought to its length."""

from __future__ import annotations

from pathlib import Path

from bench.audio import Fitted, Unusable
from bench.scene import SceneError, Signal


def beside(mixture: Signal, stem: Signal, *, mixture_path: Path, stem_path: Path) -> tuple[Signal, tuple[str, ...]]:
    """``stem`` as a source of ``mixture``, with notes on what was done to it. Reads headers only.

    A shorter stem is padded with zeros at its end, a longer one cut. A stem of another rate or channel count is
    replaced by one that raises :class:`bench.audio.BrokenFile` when used: which channel of a mixture a mono stem
    was panned to, or how a stereo stem was mixed down, is not to be guessed. So does a file whose header is broken.
    """
    try:
        if stem.sample_rate != mixture.sample_rate:
            what = f"has {stem.sample_rate} Hz, but {mixture_path} has {mixture.sample_rate} Hz"
            return Unusable(stem_path, what, "resample one of them"), ()
        if stem.channels != mixture.channels:
            what = f"has {_count(stem.channels)}, but {mixture_path} has {_count(mixture.channels)}"
            return Unusable(stem_path, what, "render both with the same channels"), ()
        missing = mixture.samples - stem.samples
        length = mixture.samples
    except SceneError:
        return stem, ()  # it is raised again, with its own reason, when the scene is used
    if missing == 0:
        return stem, ()
    seconds = abs(missing) / mixture.sample_rate
    amount = f"{seconds:.2f} s" if seconds >= 0.01 else f"{abs(missing)} samples"
    done = "shorter than the mixture, padded" if missing > 0 else "longer than the mixture, cut"
    return Fitted(stem, length), (f"{stem_path.name}: {amount} {done}",)


def _count(channels: int) -> str:
    return {1: "1 channel (mono)", 2: "2 channels (stereo)"}.get(channels, f"{channels} channels")
