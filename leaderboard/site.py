"""Build the site: a folder of results in, a folder of plain files out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from leaderboard import kept
from leaderboard.context import read
from leaderboard.fingerprints import Fingerprints
from leaderboard.folder import SiteFolder
from leaderboard.page import PageModule, Studio
from leaderboard.pages import about, background, classes, compare, datasets, history, overview, scenes, separators
from reports.figures import none_left_over
from reports.results import Results

_PAGES: Final[tuple[PageModule, ...]] = (
    overview.pages,
    datasets.pages,
    separators.pages,
    scenes.pages,
    classes.pages,
    compare.pages,
    history.pages,
    background.pages,
    about.pages,
)
_SELDOM: Final = (50_000, 20, 100)
"""Objects more, and rounds of one generation, from which on Python looks through the next one."""


def build(
    results: Path,
    out: Path,
    *,
    run: str | None = None,
    title: str = "stemtree leaderboard",
    base_url: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> Path:
    """Build the site of a results folder in ``out`` and return the path of its ``index.html``.

    The same results give the same bytes. Only pages are made that may differ from those of the last build, and only
    files that do differ are written; what an earlier build left and this one does not make is dropped; other files in
    ``out`` stay. Where a recording was analysed into ``out/scene``, the index links to its page.

    Args:
        results: the results folder.
        out: a new or empty folder, or that of an earlier build.
        run: show this run alone; else the newest result of every separator and scene over all runs.
        title: heading of the site.
        base_url: where the site will be published; the feed's addresses are then absolute.
        progress: told in words how far it is.

    Raises:
        ResultsError: the results cannot be read, or there is no such run.
        SiteError: ``out`` holds files that are no site.
    """
    tell = progress or (lambda message: None)
    folder = SiteFolder(out)
    tell("reading the results")
    site = read(Results(results), run=run, title=title)
    fingerprints = Fingerprints(site, base_url=base_url)
    kept.recall(site, folder.folder, fingerprints)
    studio = Studio(site, folder.folder, base_url=base_url)
    every = [(page, fingerprints.page(page)) for pages in _PAGES for page in pages(studio)]
    wanted = [(page, made_of) for page, made_of in every if not folder.keeps(page.path, made_of)]
    with none_left_over(), _seldom_collected():
        for page, _ in wanted:
            if page.begin:
                tell(f"drawing for {page.path}")
                page.begin()
        for number, (page, made_of) in enumerate(sorted(wanted, key=lambda one: one[0].begin is not None), 1):
            tell(f"{number:,} of {len(wanted):,} files, {page.path}")
            folder.add(page.path, page.content(), made_of=made_of)
    for file in sorted(resources.files("leaderboard").joinpath("static", "site").iterdir(), key=lambda file: file.name):
        folder.add(f"static/{file.name}", file.read_bytes())
    folder.add(kept.FILE, kept.content(site, fingerprints))
    folder.write()
    return folder.folder / "index.html"


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for cycles less often: nearly all that a build makes stays, and is looked through each time."""
    former = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*former)
