"""The optional packages that ``mini`` and ``rendered`` are made with, and the line that installs them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from pathlib import Path
from types import ModuleType


class RenderingError(RuntimeError):
    """A package cannot do its part; the message says which, and the remedy. Who makes a data set adds its name."""


INSTALL = "pip install 'stemtree[synth]' && pip install --no-deps tinysoundfont"
PACKAGES = ("pretty_midi", "tinysoundfont", "espeakng_loader")


def require(name: str) -> ModuleType:
    """Import one of ``PACKAGES``.

    ``tinysoundfont`` asks for pyaudio, which needs a compiler and PortAudio, but imports it only to play
    aloud: it goes in without its dependencies.

    Raises:
        RenderingError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RenderingError(f"the package {name} cannot be imported ({error}); {INSTALL}") from error


def check() -> None:
    """See that every package is there before anything is rendered.

    Raises:
        RenderingError: naming all that are absent.
    """
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise RenderingError(f"not installed: {', '.join(absent)}; {INSTALL}")
    soundfont_path()


def soundfont_path() -> Path:
    """The General MIDI soundfont TimGM6mb inside the installed pretty_midi wheel, used where it lies.

    Raises:
        RenderingError: the wheel is not installed, or has no soundfont.
    """
    spec = importlib.util.find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise RenderingError(f"not installed: pretty_midi; {INSTALL}")
    path = Path(spec.origin).parent / "TimGM6mb.sf2"
    if not path.is_file():
        raise RenderingError(f"{path} is missing from the installed pretty_midi; pip install 'pretty_midi==0.2.11'")
    return path


def versions() -> dict[str, str]:
    """Installed versions of what decides the samples, by distribution name."""
    names = ("numpy", "scipy", "soundfile", "soxr", "pretty_midi", "tinysoundfont", "espeakng-loader")
    return {name: importlib.metadata.version(name) for name in names}
