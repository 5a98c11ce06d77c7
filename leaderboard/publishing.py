"""Files that turn a repository on GitHub into a leaderboard: it is built and published, and takes submissions."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Final

from leaderboard.folder import SiteError

_FILES: Final = {
    ".github/workflows/leaderboard.yml": "leaderboard.yml",
    ".github/workflows/submission.yml": "submission.yml",
    ".github/pull_request_template.md": "pull_request_template.md",
    "SUBMITTING.md": "SUBMITTING.md",
}
_REQUIREMENTS: Final = """\
# What builds the site and looks at submissions. Everybody who submits installs the same.
stemtree=={version}
"""
_ATTRIBUTES: Final = """\
# Results are compared byte by byte: no ending of a line may change.
results/** -text
"""


def repository_files() -> dict[str, str]:
    """Contents by path, relative to the root of the repository."""
    folder = resources.files("leaderboard").joinpath("templates", "publishing")
    files = {path: folder.joinpath(name).read_text(encoding="utf-8") for path, name in _FILES.items()}
    return files | {
        "requirements.txt": _REQUIREMENTS.format(version=version("stemtree")),
        ".gitattributes": _ATTRIBUTES,
        ".nojekyll": "",  # for those who publish from a branch: pages whose names begin with _ are pages too
    }


def write_repository_files(out: Path) -> list[Path]:
    """Write the files that are not there yet into ``out``, and return their paths.

    Raises:
        SiteError: one is there with other contents, and nothing was written.
    """
    files = repository_files()
    differ = [path for path, text in files.items() if (out / path).exists() and _text_of(out / path) != text]
    if differ:
        raise SiteError(f"{out / differ[0]}: is there with other contents; move it away, and run the command again")
    missing = {out / path: text for path, text in files.items() if not (out / path).exists()}
    for path, text in missing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(missing)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, IsADirectoryError):
        return None
