"""Make the rendered clips whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.datasets.base import DatasetError
from bench.datasets.mini import extras, pcm
from bench.datasets.rendered import noises, playing, songs, speech
from bench.datasets.rendered.clip import SAMPLE_RATE, Clip
from bench.datasets.rendered.instruments import INSTRUMENT_CLASSES
from bench.datasets.whole import absolute, file_sha256, make_whole
from taggers.cache import cache_folder

VERSION = "1"
"""Goes up with every change that is heard; a folder of another version is made anew."""
MANIFEST = "rendered.json"
SPLITS = ("train", "held_out", "songs", "unknown", "noise")
"""Tables of the data set, in the order they are made."""
CLASSES = (speech.SPEECH, *INSTRUMENT_CLASSES, noises.WHITE, noises.PINK)
"""What clips are labelled with: display names of AudioSet, in a fixed order."""
COLUMNS = ("path", "labels", "recording", "licence")
_TOLD_EVERY = 25

_RECIPES: tuple[Callable[[str, float], Iterator[Clip]], ...] = (speech.clips, playing.clips, songs.clips, noises.clips)
_ORIGINS = {
    "instruments": "TimGM6mb.sf2 (GPL-2) in the installed pretty_midi wheel, by TinySoundFont (MIT)",
    "speech": "espeak-ng (GPL-3) in the installed espeakng-loader wheel",
    "scores, sentences, noises": "stemtree's own (MIT)",
}


def default_folder() -> Path:
    """Where the clips are kept when nobody names a folder: in stemtree's cache, a folder for each version."""
    return cache_folder() / "rendered" / VERSION


def make(folder: Path, *, progress: Callable[[str], None] | None = None, share: float = 1.0) -> Path:
    """Make the clips in ``folder`` unless they are there already, and return the folder.

    ``folder`` then has a table for each of ``SPLITS`` with the columns path, labels (parted by ``;``, empty where no
    class of ``CLASSES`` sounds), recording and licence, and mono FLAC at 32 kHz below ``audio``. It appears under its
    name only when whole. Runs on one machine give the same bytes; other versions of the packages named in
    ``rendered.json`` may sound different.

    Args:
        folder: new, empty, or an earlier one, which is replaced where it is not whole or of another version.
        progress: is called with a line now and then.
        share: of each recipe's clips, the first ones; never none.

    Raises:
        DatasetError: a package is absent or fails, the folder holds something else, or cannot be written.
    """
    folder = absolute(folder)
    if _whole(folder, share):
        return folder

    def fill(scratch: Path) -> None:
        for split in SPLITS:
            _write_split(scratch, split, share, progress or _ignore)
        _write_manifest(scratch, share)

    try:
        extras.check()
        make_whole(
            folder,
            fill,
            name="rendered",
            megabytes=300,
            earlier=lambda folder: _manifest(folder) is not None,
            whole=lambda folder: _whole(folder, share),
        )
    except extras.RenderingError as error:
        raise DatasetError(f"rendered: {error}") from error
    return folder


def _write_split(folder: Path, split: str, share: float, progress: Callable[[str], None]) -> None:
    progress(f"{split}: speech")  # all of it is spoken before the first clip is there
    rows: list[tuple[str, str, str, str]] = []
    for clip in (clip for recipe in _RECIPES for clip in recipe(split, share)):
        if len(rows) % _TOLD_EVERY == 0:
            progress(f"{split}: {len(rows)} clips, {clip.folder}")
        pcm.write(folder / clip.path, pcm.to_pcm(clip.audio), SAMPLE_RATE)
        rows.append((clip.path, ";".join(clip.labels), clip.recording, clip.licence))
    with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _write_manifest(folder: Path, share: float) -> None:
    manifest = {
        "name": "rendered",
        "version": VERSION,
        "share": share,
        "classes": CLASSES,
        "made_with": {**extras.versions(), "TimGM6mb.sf2": "sha256 " + file_sha256(extras.soundfont_path())},
        "origins": _ORIGINS,
        "licences": sorted({playing.LICENCE, speech.LICENCE, noises.LICENCE}),
        "tables": {f"{split}.csv": {"sha256": file_sha256(folder / f"{split}.csv")} for split in SPLITS},
        "bytes": {path.relative_to(folder).as_posix(): path.stat().st_size for path in _audio(folder)},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _audio(folder: Path) -> list[Path]:
    return sorted(folder.glob("audio/*/*/*.flac"))


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of clips of any version; None where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fields = {"version", "share", "tables", "bytes"}
    ours = isinstance(manifest, dict) and manifest.get("name") == "rendered" and fields <= set(manifest)
    return manifest if ours else None


def _whole(folder: Path, share: float) -> bool:
    manifest = _manifest(folder)
    if manifest is None or (manifest["version"], manifest["share"]) != (VERSION, share):
        return False
    tables = {folder / name: entry["sha256"] for name, entry in manifest["tables"].items()}
    sizes = {folder / name: size for name, size in manifest["bytes"].items()}
    return all(path.is_file() and file_sha256(path) == digest for path, digest in tables.items()) and all(
        path.is_file() and path.stat().st_size == size for path, size in sizes.items()
    )


def _ignore(_line: str) -> None:
    pass
