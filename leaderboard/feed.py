"""The feed of regressions and new bests: Atom, RFC 4287."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree

from leaderboard.order import in_order
from leaderboard.story import Told, urn_of
from reports.event import EventKind
from reports.results import ResultsError
from reports.schema import Manifest

PATH: Final = "history.atom"
KINDS: Final[frozenset[EventKind]] = frozenset({"regression", "slower", "failing", "scores changed", "new best"})
"""What the feed is of: what is worse, and new bests."""
MOST: Final = 100
"""Entries: readers keep what they have seen."""
_ATOM: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(told: Sequence[Told], manifests: Mapping[str, Manifest], *, title: str, base_url: str | None) -> bytes:
    """The feed of ``told``, the newest first; ``manifests`` are the runs by name, the oldest first.

    Ids are made of what an entry is about, and times are those of the runs, so that equal results give equal bytes.
    Addresses are relative to the feed unless ``base_url``, the address of the site's folder, is given.

    Raises:
        ResultsError: a run does not say when it started.
    """
    runs = list(manifests.values())
    feed = ElementTree.Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    _add(feed, "id", urn_of("feed", title, runs[0].run, runs[0].started).urn)
    _add(feed, "title", f"{title}: regressions and new bests")
    _add(feed, "updated", _time(runs[-1]))
    _add(_element(feed, "author"), "name", title)
    _element(feed, "link", rel="alternate", type="text/html", href=_address("history.html", base_url))
    _element(feed, "link", rel="self", type="application/atom+xml", href=_address(PATH, base_url))
    for one in [one for one in told if one.event.kind in KINDS][:MOST]:
        entry = _element(feed, "entry")
        _add(entry, "id", one.urn.urn)
        _add(entry, "title", one.line)
        _add(entry, "updated", _time(manifests[one.event.run]))
        _element(
            entry, "link", rel="alternate", type="text/html", href=_address(f"history.html#{one.anchor}", base_url)
        )
        _add(entry, "summary", "\n".join(_sentences(one)))
    ElementTree.indent(feed, " ")
    text = ElementTree.tostring(feed, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _sentences(one: Told) -> list[str]:
    event = one.event
    said = []
    if one.figure:
        said.append(f"{one.figure.title}, {one.figure.words}: from {one.values}.")
    elif one.values:
        said.append(f"From {one.values}.")
    said.append(f"Run {event.run}" + (f", the run before it {event.former}." if event.former else "."))
    said += [f"{remark[0].upper()}{remark[1:]}." for remark in one.remarks]
    if event.scenes:
        said.append(f"Scenes: {', '.join(in_order(event.scenes)[:6])}{' and others' if len(event.scenes) > 6 else ''}.")
    if event.causes:
        said.append(f"What changed: {'; '.join(event.causes)}.")
    return said


def _time(manifest: Manifest) -> str:
    """When a run ended, or began where it has not, as RFC 3339 asks for it."""
    for said in (manifest.finished, manifest.started):
        try:
            moment = datetime.fromisoformat(said or "")
        except ValueError:
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    raise ResultsError(
        f"runs/{manifest.run}.json: started: {manifest.started!r} is no time; restore it, or remove the run"
    )


def _address(relative: str, base_url: str | None) -> str:
    return urljoin(base_url.rstrip("/") + "/", relative) if base_url else relative


def _element(parent: ElementTree.Element, name: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, name, {key: _NOT_XML.sub("", text) for key, text in attributes.items()})


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    _element(parent, name).text = _NOT_XML.sub("", text)
