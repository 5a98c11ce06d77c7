"""The folder of a site: written file by file, each in one rename, and never mixed up with somebody else's folder."""

from __future__ import annotations

import json
import uuid
from pathlib import Path, PurePosixPath
from typing import Final

MARKER: Final = ".stemtree-site.json"
SCENE: Final = "scene"
"""Where the analysis of a recording may lie in a site: no build writes or removes anything in it."""


class SiteError(ValueError):
    """A site cannot be written here; the message names the folder and the remedy."""


class SiteFolder:
    """Collects the files of a build, and drops those of the last build that are gone.

    Files that no build has written (a CNAME, a ``.git``, an analysis in ``scene``) stay. A build that is cut short
    leaves whole pages, and the next one mends the rest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise SiteError(f"{self.folder} is a file; name a folder for the site")
        marker = self.folder / MARKER
        if self.folder.is_dir() and not marker.is_file() and {path.name for path in self.folder.iterdir()} - {SCENE}:
            raise SiteError(f"{self.folder} holds files that are no stemtree site; name a new or empty folder")
        self._former = _files_of(marker)
        self._files: dict[str, bytes] = {}

    def add(self, relative: str, content: str | bytes) -> None:
        """Take a file of the site; ``relative`` is a path with forward slashes, and may come once."""
        if relative in self._files:
            raise ValueError(f"{relative} is written twice")
        self._files[relative] = content.encode() if isinstance(content, str) else content

    def write(self) -> None:
        """Write all files that differ from what is there, then drop those of the last build that are gone."""
        self._put(MARKER, _marker({*self._former, *self._files}))
        for relative, content in self._files.items():
            self._put(relative, content)
        for relative in sorted(self._former - self._files.keys()):
            path = self.folder / relative
            path.unlink(missing_ok=True)
            for parent in path.relative_to(self.folder).parents:
                if parent != Path() and (self.folder / parent).is_dir() and not any((self.folder / parent).iterdir()):
                    (self.folder / parent).rmdir()
        self._put(MARKER, _marker(set(self._files)))

    def _put(self, relative: str, content: bytes) -> None:
        path = self.folder / relative
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex}.partial")
        partial.write_bytes(content)
        partial.replace(path)


def _marker(files: set[str]) -> bytes:
    return (json.dumps({"stemtree_site": 1, "files": sorted(files)}, indent=0, ensure_ascii=False) + "\n").encode()


def _files_of(marker: Path) -> set[str]:
    """What the last build wrote; names that would leave the folder are nobody's."""
    if not marker.is_file():
        return set()
    try:
        listed = json.loads(marker.read_text(encoding="utf-8"))["files"]
        names = [PurePosixPath(name) for name in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(f"{marker} is not what a build writes; remove the folder and build again") from error
    return {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}
