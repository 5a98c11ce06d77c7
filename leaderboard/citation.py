"""BibTeX of what the site shows: the leaderboard itself, stemtree, each data set, each separator's paper.

Citations come as running text, in manifests and cards: they stand whole in ``note``, and of their parts only what is
sure is taken out (a DOI, an arXiv number, a year, where there is exactly one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from leaderboard.context import Site
from leaderboard.page import web_address
from leaderboard.paths import slug
from leaderboard.rerun import software
from reports.schema import Manifest
from reports.sheet_text import latex_escape

AUTHOR: Final = "The stemtree authors"
TITLE: Final = "stemtree"
ABSTRACT: Final = "Hierarchical sound-scene analysis and source-separation benchmark on the AudioSet ontology"
_DOI: Final = re.compile(r"\b10\.\d{4,9}/[^\s,;()<>\"{}\\]+[^\s,;()<>\"{}\\.]")
_ARXIV: Final = re.compile(r"\barXiv:(\d{4}\.\d{4,5})\b", re.IGNORECASE)
_GITHUB: Final = re.compile(r"\bgithub\.com/[\w.-]+/[\w-]+")
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")


@dataclass(frozen=True)
class Entry:
    """One entry of a bibliography."""

    key: str
    title: str
    fields: Mapping[str, str]
    """As they stand in BibTeX, without braces around them."""
    kind: str = "misc"

    def __str__(self) -> str:
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def escape(text: str) -> str:
    """``text`` for a field: nothing in it is markup, and no brace is left that BibTeX would count."""
    return latex_escape(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def of_leaderboard(site: Site) -> Entry:
    """The site as it stands: dated by its newest run, whose version and commit it names."""
    run = site.newest
    fields = {"author": f"{{{escape(AUTHOR)}}}", "title": f"{{{escape(site.title)}}}", **_date(run)}
    boards = [site.board_name(board) for board in site.boards]
    note = f"Run {run.run}, started {run.started}, {software(run)}"
    shown = "" if len(site.manifests) == 1 else f"; the newest of {len(site.manifests)} runs"
    fields["note"] = escape(f"{note}{shown}{'. Data sets: ' + ', '.join(boards) if boards else ''}")
    return Entry(f"stemtree-leaderboard-{slug(run.started[:10])}", site.title, fields)


def of_software(run: Manifest) -> Entry:
    """The program that a run was made with, as CITATION.cff names it."""
    fields = {"author": f"{{{escape(AUTHOR)}}}", "title": f"{{{escape(f'{TITLE}: {ABSTRACT}')}}}"}
    packages = run.provenance.get("packages")
    version = packages.get("stemtree") if isinstance(packages, Mapping) else None
    if version:
        fields["version"] = escape(str(version))
    fields["note"] = escape(f"As used for run {run.run}: {software(run)}")
    return Entry("stemtree", TITLE, fields, kind="software")


def of_datasets(site: Site) -> list[Entry]:
    """Each data set once, by what its manifest says of how to cite it."""
    boards = {board.dataset: board.entry for board in site.boards}
    return list(
        _told_once((f"data-{slug(name)}", entry.title, entry.citation, entry.url) for name, entry in boards.items())
    )


def of_separators(site: Site) -> list[Entry]:
    """The paper of each separator whose card names one, once."""
    cards = ((name, site.card(name)) for name in sorted(site.families))
    return list(
        _told_once(
            (f"separator-{slug(name)}", name, card.paper, card.url or "") for name, card in cards if card and card.paper
        )
    )


def bibliography(site: Site) -> list[tuple[str, list[Entry]]]:
    """All of it, under headings."""
    return [
        ("This leaderboard", [of_leaderboard(site)]),
        ("The program", [of_software(site.newest)]),
        ("Data sets", of_datasets(site)),
        ("Separators", of_separators(site)),
    ]


def bib_file(site: Site) -> str:
    """All of it as one file."""
    return "\n\n".join(str(entry) for _, entries in bibliography(site) for entry in entries) + "\n"


def _told_once(works: Iterable[tuple[str, str, str, str]]) -> Iterator[Entry]:
    """Entries of works, each a key, a title, a citation and an address; of one citation only the first."""
    seen = set[str]()
    for key, title, citation, url in works:
        if citation not in seen:
            seen.add(citation)
            yield Entry(key, title, _told(title, citation, url))


def _told(title: str, citation: str, url: str) -> dict[str, str]:
    fields = {"title": f"{{{escape(title)}}}"}
    dois, eprints, years = (set(pattern.findall(citation)) for pattern in (_DOI, _ARXIV, _YEAR))
    if len(years) == 1:
        fields["year"] = years.pop()
    if len(dois) == 1:
        fields["doi"] = dois.pop()
    if len(eprints) == 1:
        fields |= {"eprint": eprints.pop(), "archiveprefix": "arXiv"}
    if web_address(url):
        fields["url"] = quote(url, safe=":/?#[]@!$&'()*+,;=%-._~")
    fields["note"] = escape(citation)
    return fields


def links(text: str) -> list[tuple[str, str]]:
    """Label and address of each work that running text names by DOI, arXiv number or place on GitHub."""
    found = [(f"arXiv:{number}", f"https://arxiv.org/abs/{number}") for number in _ARXIV.findall(text)]
    found += [(f"doi:{doi}", f"https://doi.org/{doi}") for doi in _DOI.findall(text)]
    found += [(place, f"https://{place}") for place in _GITHUB.findall(text)]
    return list(dict.fromkeys(found))


def _date(run: Manifest) -> dict[str, str]:
    """Year and month in which a run began, where it says so in ISO 8601."""
    found = re.match(r"(\d{4})-(\d\d)-", run.started)
    return {"year": found[1], "month": found[2]} if found else {}
