"""The folder of a site: written file by file, each in one rename, and never mixed up with somebody else's folder."""

from __future__ import annotations

import hashlib
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
        self._former, self._made = _last_build(marker)
        self._files: dict[str, bytes | None] = {}
        self._kept: dict[str, tuple[str, str]] = {}

    def keeps(self, relative: str, made_of: str | None) -> bool:
        """Whether a file stands as the last build wrote it, of the same as now; it then need not be made.

        ``made_of`` is the hash of all that it hangs on; None is never the same.
        """
        former = self._made.get(relative)
        path = self.folder / relative
        if made_of is None or former is None or former[0] != made_of or not path.is_file():
            return False
        if _digest(path.read_bytes()) != former[1]:
            return False
        self._take(relative, None)
        self._kept[relative] = former
        return True

    def add(self, relative: str, content: str | bytes, *, made_of: str | None = None) -> None:
        """Take a file of the site; ``relative`` is a path with forward slashes, and may come once."""
        encoded = content.encode("utf-8", "replace") if isinstance(content, str) else content
        self._take(relative, encoded)
        if made_of is not None:
            self._kept[relative] = made_of, _digest(encoded)

    def _take(self, relative: str, content: bytes | None) -> None:
        if relative in self._files:
            raise ValueError(f"{relative} is written twice")
        self._files[relative] = content

    def write(self) -> None:
        """Write all files that differ from what is there, then drop those of the last build that are gone."""
        self._put(MARKER, _marker({*self._former, *self._files}, {}))
        for relative, content in self._files.items():
            if content is not None:
                self._put(relative, content)
        for relative in sorted(self._former - self._files.keys()):
            path = self.folder / relative
            path.unlink(missing_ok=True)
            for parent in path.relative_to(self.folder).parents:
                if parent != Path() and (self.folder / parent).is_dir() and not any((self.folder / parent).iterdir()):
                    (self.folder / parent).rmdir()
        self._put(MARKER, _marker(set(self._files), self._kept))

    def _put(self, relative: str, content: bytes) -> None:
        path = self.folder / relative
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex}.partial")
        partial.write_bytes(content)
        partial.replace(path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _marker(files: set[str], made: dict[str, tuple[str, str]]) -> bytes:
    described = {"stemtree_site": 1, "files": sorted(files), "made": dict(sorted(made.items()))}
    return (json.dumps(described, indent=0, ensure_ascii=False) + "\n").encode()


def _last_build(marker: Path) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """What the last build wrote, and by file what it was made of and what came of it.

    Names that would leave the folder are nobody's.
    """
    if not marker.is_file():
        return set(), {}
    try:
        described = json.loads(marker.read_text(encoding="utf-8"))
        names = [PurePosixPath(name) for name in described["files"]]
        made = {str(name): (str(of), str(content)) for name, (of, content) in described.get("made", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SiteError(f"{marker} is not what a build writes; remove the folder and build again") from error
    inside = {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}
    return inside, {name: found for name, found in made.items() if name in inside}
