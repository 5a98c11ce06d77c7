"""Large files over HTTP: resumed where they were cut off, checked, and never half in place."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taggers.base import Unavailable

if TYPE_CHECKING:
    import requests

_TIMEOUT: Final = (10.0, 60.0)
"""Seconds to connect, and between two pieces."""
_PIECE: Final = 1 << 20


def download(url: str, path: Path, *, size: int, checksum: str | None) -> None:
    """Fetch ``url`` to ``path``.

    What has arrived lies beside it as ``NAME.part``; a later call goes on from there. Processes that want one file
    wait for each other, and one of them fetches it. Progress is shown on stderr.

    Args:
        url: address of the file.
        path: where to put it; its folder is made.
        size: bytes it must have.
        checksum: ``"sha256:..."`` or ``"md5:..."`` that it must have; None where none is known.

    Raises:
        Unavailable: it cannot be had, or what comes is another file. One line: what, from where, where to put it.
    """
    import pooch
    import requests

    remedy = f"fetch {url} ({size / 1e6:,.0f} MB) and put it at {path}, or give the path of your own copy"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path), _quiet(pooch.get_logger()):
            if path.is_file():
                return
            pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=_Resuming(path, size))
    except (requests.RequestException, OSError, ValueError) as error:
        raise Unavailable(f"{path.name} cannot be downloaded ({_reason(error)}): {remedy}") from error


class _Resuming:
    """A downloader for pooch that goes on where an earlier one stopped; pooch's own starts anew."""

    def __init__(self, path: Path, size: int) -> None:
        self._part = path.with_name(f"{path.name}.part")
        self._name = path.name
        self._size = size

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch ``url`` to ``output_file``, by way of the part."""
        if self._here() > self._size:
            self._part.unlink()
        if self._here() < self._size:
            self._fetch(url)
        if self._here() != self._size:
            raise ValueError(f"the connection ended after {self._here():,} of {self._size:,} bytes; run it again")
        self._part.replace(output_file)

    def _here(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _fetch(self, url: str) -> None:
        import requests

        headers = {"Accept-Encoding": "identity"}
        if self._here():
            headers["Range"] = f"bytes={self._here()}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            response.raise_for_status()
            start = _start(response)
            if start > self._here():
                raise ValueError(f"the server goes on at byte {start:,}, and only {self._here():,} are here")
            announced = response.headers.get("Content-Length", "")
            if announced.isdecimal() and start + int(announced) != self._size:
                raise ValueError(f"the server offers {start + int(announced):,} bytes, not {self._size:,}")
            with self._part.open("r+b" if start else "wb") as file, _bar(self._name, start, self._size) as advance:
                file.seek(start)
                for piece in response.iter_content(_PIECE):
                    file.write(piece)
                    if file.tell() > self._size:
                        raise ValueError(f"the server sends more than {self._size:,} bytes")
                    advance(len(piece))


def _start(response: requests.Response) -> int:
    """First byte of what the server sends: 0 where it does not resume."""
    if response.status_code != 206:
        return 0
    said = response.headers.get("Content-Range", "")
    first = said.removeprefix("bytes ").partition("-")[0]
    if not first.isdecimal():
        raise ValueError(f"the server sends a part and does not say which (Content-Range: {said!r})")
    return int(first)


@contextmanager
def _bar(name: str, start: int, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; elsewhere than in a terminal, one line."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"downloading {name}: {(size - start) / 1e6:,.0f} MB to go\n")
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"downloading {name}", total=size, completed=start)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches ``path``."""
    try:
        import fcntl
    except ImportError:  # no POSIX: two downloads at once then cost a wrong checksum, and a second try
        yield
        return
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off: run it again, and it goes on from there"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).splitlines()[0]
