"""What a run was made with: commit, versions, hardware. The user's home folder and the machine's name stay out."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

_PACKAGES: Final = (
    "stemtree", "torch", "numpy", "scipy", "librosa", "scikit-learn", "soxr", "soundfile", "polars", "nussl",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """Facts about this installation and machine, JSON-ready."""
    import torch

    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "command": [argument.replace(str(Path.home()), "~") for argument in (Path(sys.argv[0]).name, *sys.argv[1:])],
    }


def _git(*arguments: str) -> str | None:
    """Output of a git command in stemtree's own checkout; None where it is installed without one."""
    checkout = Path(__file__).resolve().parents[1]
    try:
        command = ["git", "-C", str(checkout)]
        top = subprocess.run(
            [*command, "rev-parse", "--show-toplevel"], capture_output=True, text=True, timeout=10, check=True
        )
        if Path(top.stdout.strip()).resolve() != checkout:
            return None  # an installation inside somebody else's repository
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
