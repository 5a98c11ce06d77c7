"""What a page module gets to work with: the site's content, its templates, and a way to hand back pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from leaderboard import numbers, rankings
from leaderboard.context import Site, dataset_title, metric_anchor
from leaderboard.order import in_order
from leaderboard.statuses import status_words
from reports.tables import Board
from reports.unseen import seen


@dataclass(frozen=True)
class Page:
    """One file of the site. Its content is made when it is asked for, so that a build may leave out what stands."""

    path: str
    """Relative to the folder of the site, with forward slashes."""
    content: Callable[[], str | bytes]
    of: tuple[Board, ...] | None
    """Boards whose results it shows; None where it may show anything."""
    shows: str | None = None
    """The hash of all that it shows, where this is less than its boards; titles, metrics, cards count anyway."""
    runs: bool = False
    """Whether it also tells of the runs behind its boards."""
    begin: Callable[[], object] | None = None
    """Has work begun elsewhere that its content waits for: a build makes such pages last."""


NAVIGATION: Final = (
    ("index.html", "Overview"),
    ("classes.html", "Classes"),
    ("compare.html", "Compare"),
    ("history.html", "History"),
    ("metrics.html", "Metrics and methods"),
    ("reported.html", "Reported figures"),
    ("runs.html", "Runs"),
    ("about.html", "About"),
)
"""Address and title of the pages that every page links to."""


class Studio:
    """Renders templates for the pages of one site; ``folder`` is where the site will lie, ``base_url`` its address."""

    def __init__(self, site: Site, folder: Path, *, base_url: str | None = None) -> None:
        self.site, self.folder, self.base_url = site, folder, base_url
        self.environment = jinja2.Environment(
            loader=jinja2.PackageLoader("leaderboard", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=cut,
        )
        self.environment.globals.update(
            site=site,
            navigation=NAVIGATION,
            numbers=numbers,
            status_words=status_words,
            metric_anchor=metric_anchor,
            dataset_title=dataset_title,
            flatten=flatten,
        )
        self.environment.filters["web"] = web_address
        self.environment.filters["in_order"] = in_order

    def page(
        self,
        path: str,
        template: str,
        values: Callable[[], Mapping[str, Any]],
        *,
        of: Sequence[Board] | None,
        shows: str | None = None,
        runs: bool = False,
        begin: Callable[[], object] | None = None,
    ) -> Page:
        """A page made of ``template``; ``values`` are taken when it is rendered, beside ``root`` and ``path``.

        ``root`` is the way from the page to the folder of the site: ``""``, ``"../"`` and so on; ``of``, ``shows``,
        ``runs`` and ``begin`` are those of :class:`Page`.
        """

        def content() -> str:
            root = "../" * path.count("/")
            text = self.environment.get_template(template).render(root=root, path=path, **values())
            return seen(text)

        return Page(path, content, None if of is None else tuple(of), shows, runs, begin)

    @cached_property
    def overall(self) -> dict[str, rankings.Table]:
        """The overall table of each board, by its name (:meth:`leaderboard.context.Site.board_name`)."""
        return {self.site.board_name(board): rankings.overall(self.site, board) for board in self.site.boards}

    def table(self, board: Board) -> rankings.Table:
        """The overall table of a board, made once."""
        return self.overall[self.site.board_name(board)]


_MOST: Final = 20_000
"""Characters of one text that a page shows: more than any name, reason or traceback needs."""


def cut(value: Any) -> Any:
    """A text as it may stand in a page: cut where it is too long, and the rest counted."""
    if not isinstance(value, str) or isinstance(value, Markup) or len(value) <= _MOST:
        return value
    return f"{value[:_MOST]}\N{HORIZONTAL ELLIPSIS} ({len(value) - _MOST:,} more characters)"


PageModule = Callable[[Studio], Iterator[Page]]
"""Each module of :mod:`leaderboard.pages` has one, ``pages``."""


def web_address(url: str | None) -> str | None:
    """The address when it is one of the web; nothing else may stand in a link."""
    return url if url and url.startswith(("https://", "http://")) else None


def flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as dotted names and text, in the order in which it stands."""
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _plain(value)))
    return rows


def _plain(value: Any) -> str:
    """A leaf of a configuration in words."""
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
