"""The page of one analysed recording: a single file that unfolds the scene tree and plays it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from leaderboard import numbers
from leaderboard.activity import runs, steps
from leaderboard.clock import clock, time_ticks
from leaderboard.page import flatten
from leaderboard.scene_media import BUDGET, Media, embedded_svg, gather
from ontology.forest import Place, forest

PAGE: Final = "index.html"
STATUSES: Final = {"extracted": "extracted", "detected": "not extracted", "failed": "failed"}
"""What becomes of a class, and the words for it."""
_TICK_HZ: Final = (0, 1000, 2000, 4000, 8000)


@dataclass(frozen=True)
class Row:
    """One line of the tree."""

    entry: Mapping[str, Any]
    track: str
    """What its audio and its anchor are called in the page."""
    first: bool
    """False where a class stands a second time, under another parent."""
    parents: tuple[str, ...]
    """Names of the classes under which it stands."""
    below: tuple[Row, ...]
    strip: tuple[tuple[str, str], ...]
    sounding: float
    """Seconds in which it counts as active."""


def build_scene_page(
    folder: Path,
    scene: Mapping[str, Any],
    *,
    budget: int = BUDGET,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write ``index.html`` into ``folder`` and return its path.

    The page needs nothing but itself where audio and pictures fit into ``budget`` bytes, and else the files in the
    folder; it works from ``file://`` and, with the browser's own players, without JavaScript.

    Args:
        folder: where ``scene.json``, the audio and the pictures lie.
        scene: ``scene.json`` as Python objects.
        budget: most bytes of audio and pictures inside the page.
        progress: told what is being done.

    Raises:
        SiteError: a file that the scene names is missing or lies outside ``folder``.
    """
    recording, entries = scene["recording"], scene["classes"]
    holders = [recording, *entries]
    media = gather(
        folder,
        audio=_named([*(one["audio"] for one in holders), scene["residual"]]),
        pictures=_named([*(one["spectrogram"] for one in holders), scene["residual_spectrogram"]]),
        budget=budget,
        progress=progress,
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("leaderboard", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("scene_page.html").render(
        scene=scene,
        recording=recording,
        rows=_rows(scene),
        counts={status: sum(entry["status"] == status for entry in entries) for status in STATUSES},
        statuses=STATUSES,
        listened=any(entry["activity"] for entry in entries),
        media=media,
        levels=_levels(scene),
        budget=budget,
        weight=_weight(media),
        chart=None if scene["chart"] is None else embedded_svg(folder, scene["chart"]),
        settings=flatten({name: value for name, value in scene["settings"].items() if name != "spectrogram"}),
        scale=scene["settings"].get("spectrogram"),
        ticks=time_ticks(recording["seconds"]),
        frequencies=_frequencies(scene["settings"].get("spectrogram")),
        clock=clock,
        numbers=numbers,
        styles=Markup("\n".join(_static(name) for name in ("site/site.css", "site/player.css", "scene_page.css"))),
        script=Markup("\n".join(_static(name) for name in ("site/player.js", "scene_page.js"))),
    )
    page = folder / PAGE
    partial = folder / f".{PAGE}.partial"
    partial.write_text(html, encoding="utf-8", errors="replace")
    partial.replace(page)
    return page


def _rows(scene: Mapping[str, Any]) -> tuple[Row, ...]:
    seconds = scene["recording"]["seconds"]
    entries = {entry["mid"]: entry for entry in scene["classes"]}
    tracks = {mid: f"class-{number}" for number, mid in enumerate(entries, 1)}
    roots = forest(list(entries))
    above: dict[str, list[str]] = {mid: [] for mid in entries}
    for root in roots:
        for place in root.walk():
            for child in place.below:
                above[child.mid].append(entries[place.mid]["name"])

    def row(place: Place) -> Row:
        entry = entries[place.mid]
        spans = [(span["start"], span["end"]) for span in entry["spans"]]
        drawn = steps(entry["activity"], spans, step_seconds=scene["activity_seconds"], seconds=seconds)
        return Row(
            entry,
            tracks[place.mid],
            place.first,
            tuple(above[place.mid]),
            tuple(map(row, place.below)),
            tuple(runs(drawn, seconds=seconds)),
            sum(end - start for start, end in spans),
        )

    return tuple(map(row, roots))


def _levels(scene: Mapping[str, Any]) -> dict[str, float]:
    """How loud each file is played, at most 1, so that files written softer sound at their true level."""
    holders = [scene["recording"], *scene["classes"]]
    gains = {one["audio"]: one.get("gain", 1.0) for one in holders if one["audio"]}
    if scene["residual"]:
        gains[scene["residual"]] = scene.get("residual_gain", 1.0)
    least = min(gains.values())
    return {path: least / gain for path, gain in gains.items()}


def _named(paths: Sequence[str | None]) -> list[str]:
    return list(dict.fromkeys(path for path in paths if path is not None))


def _weight(media: Media) -> dict[str, str]:
    return {
        "embedded": numbers.decimal(media.embedded / 1e6, 1) + "\N{NO-BREAK SPACE}MB",
        "files": numbers.decimal(media.audio_bytes / 1e6, 1) + "\N{NO-BREAK SPACE}MB",
    }


def _frequencies(scale: Mapping[str, Any] | None) -> list[tuple[float, str]]:
    """Place (0 at the bottom to 1) and label of the marks of the frequency axis, on the mel scale of HTK."""
    if scale is None or scale["scale"] != "mel":
        return []
    top = math.log1p(scale["top_hz"] / 700)
    return [
        (
            math.log1p(hz / 700) / top,
            f"{hz // 1000}\N{NO-BREAK SPACE}kHz" if hz >= 1000 else f"{hz}\N{NO-BREAK SPACE}Hz",
        )
        for hz in _TICK_HZ
        if hz < 0.95 * scale["top_hz"]
    ]


def _static(name: str) -> str:
    return resources.files("leaderboard").joinpath("static", name).read_text(encoding="utf-8")
