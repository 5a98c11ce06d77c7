"""The cache of separated audio, so that a new metric needs no new separation.

Kept as 32-bit float WAV, sample for sample what the separator returned: a score from the cache equals the first one.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch


def estimates_folder(results: Path, key: str) -> Path:
    """Where the estimates of a cell lie."""
    return results / "audio" / "estimates" / key[:2] / key


def save(folder: Path, audio: torch.Tensor, places: Sequence[int], sample_rate: int) -> None:
    """Write ``audio`` (targets, channels, samples), one file per place among the scene's targets, all in one rename."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    partial.mkdir(parents=True)
    for place, estimate in zip(places, audio, strict=True):
        soundfile.write(partial / f"{place}.wav", estimate.T.cpu().numpy(), sample_rate, subtype="FLOAT")
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


def load(folder: Path, places: Sequence[int]) -> torch.Tensor | None:
    """The kept estimates (targets, channels, samples), or None where any is not there."""
    files = [folder / f"{place}.wav" for place in places]
    if not files or not all(file.is_file() for file in files):
        return None
    signals = [soundfile.read(file, dtype="float32", always_2d=True)[0] for file in files]
    return torch.stack([torch.from_numpy(signal.T.copy()) for signal in signals])
