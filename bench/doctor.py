"""What is installed, what is missing, and the one line that mends each. Imports nothing heavy."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from taggers.cache import cache_folder


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``remedy`` is empty where all is well."""

    name: str
    state: str
    remedy: str = ""


_PYTHON: Final = ((3, 11), (3, 15))
_PACKAGES: Final = (
    # What it is for, the modules that must be there, the distribution whose version is shown, and what installs them.
    (
        "embedded data",
        ("pretty_midi", "tinysoundfont", "espeakng_loader"),
        "tinysoundfont",
        "pip install 'stemtree[synth]' && pip install --no-deps tinysoundfont",
    ),
    (
        "nussl separators",
        ("nussl", "museval", "pyloudnorm"),
        "nussl",
        "pip install 'stemtree[nussl-runtime]' && pip install --no-deps nussl==1.1.9",
    ),
    ("PESQ", ("pesq",), "pesq", "pip install 'stemtree[speech]', which needs a C compiler"),
    ("USS through OpenVINO", ("openvino",), "openvino", "pip install 'stemtree[openvino]'"),
    ("training on several devices", ("accelerate",), "accelerate", "pip install 'stemtree[train]'"),
)


def examine() -> Iterator[Finding]:
    """Look at this installation, one finding at a time."""
    yield _python()
    for name in ("torch", "numpy", "librosa", "polars"):
        yield _distribution(name)
    for purpose, modules, distribution, remedy in _PACKAGES:
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        if absent:
            yield Finding(purpose, f"missing {', '.join(absent)}", remedy)
        else:
            yield Finding(purpose, f"{distribution} {version(distribution)}")
    yield _tool("ffmpeg", "MUSDB18's .stem.mp4 files", also="ffprobe")
    yield _gpu()
    yield _cache()


def _python() -> Finding:
    least, below = _PYTHON
    here = tuple(map(int, platform.python_version_tuple()[:2]))
    if least <= here < below:
        return Finding("Python", platform.python_version())
    wanted = f"{least[0]}.{least[1]} to {below[0]}.{below[1] - 1}"
    return Finding("Python", platform.python_version(), f"use Python {wanted}: make PYTHON=python3.11")


def _distribution(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", "pip install -c constraints.txt -e .")


def _tool(name: str, purpose: str, *, also: str) -> Finding:
    absent = [tool for tool in (name, also) if shutil.which(tool) is None]
    if absent:
        remedy = "apt-get install ffmpeg, brew install ffmpeg, or ffmpeg.org"
        return Finding(name, f"{', '.join(absent)} not on PATH; needed for {purpose} alone", remedy)
    return Finding(name, str(shutil.which(name)))


def _gpu() -> Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "none found; everything runs on the processor")
    build = version("torch")
    if build.endswith("+cpu"):
        remedy = "pip install --force-reinstall torch (a build with CUDA; constraints.txt pins the version)"
        return Finding("GPU", f"there is one, but torch {build} cannot use it", remedy)
    return Finding("GPU", f"torch {build}; say device=cuda")


def _cache() -> Finding:
    folder = cache_folder()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding("cache", f"{folder} cannot be written", "set STEMTREE_CACHE to a folder that can")
    return Finding("cache", f"{folder}, {shutil.disk_usage(Path(there)).free / 2**30:.0f} GB free")
