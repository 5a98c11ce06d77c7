"""Make ``mini`` whole or not at all, and tell whether a folder holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.datasets.base import DatasetError
from bench.datasets.mini import events, extras, noisy_speech, slakh, songs
from bench.datasets.whole import absolute, file_sha256, make_whole
from taggers.cache import cache_folder

VERSION = "2"
"""Goes up with every change that is heard; a folder of another version is made anew."""
MANIFEST = "mini.json"
_FOLDERS = {
    "musdb18": "musdb18",
    "slakh2100": "slakh2100_flac_redux",
    "dcase2018": "fsdkaggle2018",
    "voicebank_demand": "voicebank_demand",
}
_MAKERS: dict[str, Callable[[Path, Callable[[str], None]], None]] = {
    "musdb18": songs.make,
    "slakh2100": slakh.make,
    "dcase2018": events.make,
    "voicebank_demand": noisy_speech.make,
}
PARTS = tuple(_MAKERS)
"""Names of the data sets whose layouts ``mini`` has, in the order they are made."""

_SOUNDFONT = "instruments by TinySoundFont (MIT) from TimGM6mb.sf2 (GPL-2) in the installed pretty_midi wheel"
_SPEECH = "voices by espeak-ng (GPL-3) from the installed espeakng-loader wheel"
_OWN = "scores, texts and synthesis are stemtree's own (MIT)"
_ORIGINS = {
    "musdb18": f"{_SOUNDFONT}; spoken {_SPEECH}; {_OWN}. No MUSDB18 audio.",
    "slakh2100": f"{_SOUNDFONT}; {_OWN}. No Slakh2100 audio or MIDI.",
    "dcase2018": f"{_SOUNDFONT}; {_OWN}. No Freesound audio.",
    "voicebank_demand": f"{_SPEECH}; {_OWN}. No VoiceBank or DEMAND audio.",
}


def default_folder() -> Path:
    """Where ``mini`` is kept when nobody names a folder: in stemtree's cache, a folder for each version."""
    return cache_folder() / "mini" / VERSION


def parts(folder: Path) -> dict[str, Path]:
    """The root of each data set that the ``mini`` in ``folder`` has, by the data set's name.

    Raises:
        DatasetError: ``folder`` holds no whole ``mini``.
    """
    manifest = _read_manifest(folder)
    if manifest is None:
        raise DatasetError(f"mini: {folder} is not a whole mini of version {VERSION}; stemtree data make mini")
    return {name: folder / _FOLDERS[name] for name in PARTS if name in manifest["parts"]}


def make(
    folder: Path,
    *,
    parts: Sequence[str] = PARTS,
    verify: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Make ``mini`` in ``folder`` unless it is there already, and return the folder.

    It appears under its name only when whole. Runs on one machine give the same bytes. On
    another, rounding to 16 bit hides most differences in the last place of floating-point functions, not all;
    other versions of the packages named in ``mini.json`` may sound different.

    Args:
        folder: new, empty, or an earlier ``mini``, which is replaced where it is not whole.
        parts: only these of ``PARTS``; what an earlier one had besides is kept up.
        verify: compare every file's SHA-256, not only its size, before an earlier one counts as whole.
        progress: is called with one line per step.

    Raises:
        DatasetError: a package is absent or fails, the folder holds something else, or cannot be written.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise DatasetError(f"mini: no part {', '.join(unknown)}; it has {', '.join(PARTS)}")
    folder = absolute(folder)
    if _whole(folder, parts, verify=verify):
        return folder
    earlier = _read_manifest(folder)
    wanted = [name for name in PARTS if name in parts or (earlier is not None and name in earlier["parts"])]

    def fill(scratch: Path) -> None:
        for name in wanted:
            _MAKERS[name](scratch / _FOLDERS[name], progress or _ignore)
        _write_manifest(scratch, wanted)

    try:
        extras.check()
        make_whole(
            folder,
            fill,
            name="mini",
            megabytes=100,
            earlier=lambda folder: _read_any_manifest(folder) is not None,
            whole=lambda folder: _whole(folder, wanted, verify=True),
        )
    except extras.RenderingError as error:
        raise DatasetError(f"mini: {error}") from error
    return folder


def _whole(folder: Path, wanted: Sequence[str], *, verify: bool) -> bool:
    manifest = _read_manifest(folder)
    if manifest is None or not set(wanted) <= set(manifest["parts"]):
        return False
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            return False
        if verify and file_sha256(path) != entry["sha256"]:
            return False
    return True


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a ``mini`` of this version; None where there is none."""
    manifest = _read_any_manifest(folder)
    return manifest if manifest is not None and manifest["version"] == VERSION else None


def _read_any_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fields = {"version", "files", "parts"}
    ours = isinstance(manifest, dict) and manifest.get("name") == "mini" and fields <= set(manifest)
    return manifest if ours else None


def _write_manifest(folder: Path, made: Sequence[str]) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "name": "mini",
        "version": VERSION,
        "parts": {name: {"folder": _FOLDERS[name], "origin": _ORIGINS[name]} for name in made},
        "made_with": {**extras.versions(), "TimGM6mb.sf2": "sha256 " + file_sha256(extras.soundfont_path())},
        "files": {
            path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            for path in files
        },
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _ignore(_line: str) -> None:
    pass
