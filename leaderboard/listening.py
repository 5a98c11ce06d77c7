"""What a scene can be listened to by: its excerpt, loudness-matched, with a curve of every estimate over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from leaderboard import numbers
from leaderboard.clock import clock, time_ticks
from leaderboard.context import Site
from leaderboard.paths import slug
from reports.excerpts import (
    EXCERPTS,
    SCENE_FILE,
    CellExcerpt,
    SceneExcerpt,
    Sound,
    Track,
    cell_file,
    excerpt_folder,
    read_excerpt,
)
from reports.figures import KINDS, Kind
from reports.tables import Board

TARGET_LUFS: Final = -20.0
"""Matched tracks are at most so loud: where speech and music of ordinary peaks have room."""
LEAST_LUFS: Final = -30.0
"""They are not made softer than this for the sake of one with high peaks."""
HEADROOM_DB: Final = -1.0
"""Greatest peak of a matched track, in dB of full scale."""
MOST_GAIN_DB: Final = 20.0
"""A nearly silent track is not blown up to the others' loudness: one would hear its rounding."""
_LOWEST_DB: Final = -20.0
"""Curves end here: what is worse is as bad."""
Frame = float | Literal["exact"] | None


@dataclass(frozen=True)
class Voice:
    """One sound that the player plays: files that are added up, at the level that it has, or matched to the others."""

    id: str
    parts: tuple[tuple[str, float], ...]
    """Files, and the weight that makes their samples those of the signal."""
    level: float
    """Factor at which no voice of the page clips, the same for all."""
    matched: float
    """Factor at which it is as loud as the others of its target."""
    softer: str | None
    """By how many dB it stays softer than the others when matched."""
    picture: str | None
    """Address of its spectrogram, from the folder of the site."""


@dataclass(frozen=True)
class Take:
    """A line of the listening test."""

    name: str
    href: str | None
    kind: Kind | None
    """None for the mixture and the reference."""
    score: str | None
    voice: Voice
    audio: str
    """Address of its file, from the folder of the site."""
    residual: Voice | None = None
    frames: tuple[str, ...] = ()
    """SDR of each second as text."""
    curve: str | None = None
    """The same as a path in a box of 1000 by 100."""


@dataclass(frozen=True)
class TargetTakes:
    """Everything that can be heard of one target."""

    label: str
    metric: str | None
    """Heading of the score beside the names."""
    takes: tuple[Take, ...]
    low: float
    high: float
    """Bounds of the curves in dB."""
    seconds: tuple[str, ...]
    """Headings of the frames."""

    @property
    def zero(self) -> float:
        """Height of 0 dB in the box of the curves."""
        return 100 * (1 - (0 - self.low) / (self.high - self.low))

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return f"{numbers.decimal(self.low, 0)} to {numbers.decimal(self.high, 0)} dB"


@dataclass(frozen=True)
class Listening:
    """The listening test of a scene."""

    excerpt: SceneExcerpt
    folder: str
    """Address of the folder of its sounds, from the folder of the site."""
    targets: tuple[TargetTakes, ...]
    ticks: tuple[tuple[float, str], ...]
    clock = staticmethod(clock)


@dataclass(frozen=True)
class Heard:
    """The excerpt of a scene, and what each separator that is shown made of it."""

    source: Path
    """Folder of the results in which it lies."""
    address: str
    """Folder of the site in which it is to lie."""
    excerpt: SceneExcerpt
    cells: dict[str, CellExcerpt]

    def sounds(self) -> Iterator[Sound]:
        """Everything that has a picture; tracks have a file too."""
        yield self.excerpt.mixture
        yield from (reference.track for reference in self.excerpt.references)
        for cell in self.cells.values():
            for estimate in cell.estimates:
                yield estimate.track
                yield estimate.residual

    def file(self, name: str, suffix: str) -> Path | None:
        """A file of the excerpt, None where a run was cut short before it was made."""
        path = self.source / f"{name}.{suffix}"
        return path if path.is_file() else None


def heard(site: Site, board: Board, scene: str, content: str | None) -> Heard | None:
    """What can be heard of a scene: of each separator the very estimates that its shown scores were taken on.

    Raises:
        ResultsError: a file of the excerpt is not what a run writes.
    """
    if content is None or board.blind or not (site.results.folder / EXCERPTS).is_dir():
        return None
    source = excerpt_folder(site.results.folder, board.dataset, scene, content)
    excerpt = read_excerpt(source / SCENE_FILE, SceneExcerpt)
    if excerpt is None:
        return None
    keys = board.cells.filter(pl.col("scene") == scene).select("separator", "key").unique().sort("separator")
    cells = {name: read_excerpt(cell_file(source, key), CellExcerpt) for name, key in keys.iter_rows()}
    return Heard(
        source=source,
        address=f"audio/{slug(site.board_name(board))}/{slug(scene)}",
        excerpt=excerpt,
        cells={name: cell for name, cell in cells.items() if cell and cell.estimates},
    )


def listening(site: Site, board: Board, scene: dict[str, Any]) -> Listening | None:
    """The listening test of a scene, a row of ``board.scenes``; None where no run kept an excerpt of it."""
    found = heard(site, board, scene["scene"], scene["content"])
    if found is None:
        return None
    scores = _Scores(site, board, scene["scene"])
    level = 1 / max(1.0, *(sound.peak for sound in found.sounds()))
    targets = [
        _target(site, found, scores, place, reference.index, reference.target, level)
        for place, reference in enumerate(found.excerpt.references)
    ]
    return Listening(
        excerpt=found.excerpt,
        folder=found.address,
        targets=tuple(targets),
        ticks=tuple(time_ticks(found.excerpt.seconds)),
    )


class _Scores:
    """Values of a scene in the metric that stands beside the names: SDRi where there is one, else the first."""

    def __init__(self, site: Site, board: Board, scene: str) -> None:
        metrics = board.entry.metrics
        self.metric = next((name for name in metrics if name.startswith("sdri@")), next(iter(metrics), None))
        self.entry = site.metric(self.metric) if self.metric else None
        rows = board.outcomes.filter((pl.col("scene") == scene) & (pl.col("metric") == self.metric))
        self._values = {
            (name, index): value for name, index, value in rows.select("separator", "index", "value").iter_rows()
        }

    def text(self, separator: str, index: int) -> str | None:
        value = self._values.get((separator, index))
        if value is None or self.entry is None:
            return None
        return f"{numbers.measure(value, self.entry.unit)} {self.entry.unit}".strip()

    def rank(self, separator: str, index: int) -> float:
        value = self._values.get((separator, index))
        sign = 1 if self.entry and self.entry.better == "lower" else -1
        return math.inf if value is None else sign * value


def _target(site: Site, found: Heard, scores: _Scores, place: int, index: int, label: str, level: float) -> TargetTakes:
    mixture = found.excerpt.mixture
    reference = next(one.track for one in found.excerpt.references if one.index == index)
    made = [(name, one) for name, cell in found.cells.items() for one in cell.estimates if one.index == index]
    made.sort(key=lambda pair: (KINDS.index(site.kind(pair[0])), scores.rank(pair[0], index), pair[0]))
    gains = matched_gains([mixture, reference, *(one.track for _, one in made), *(one.residual for _, one in made)])

    def voice(name: str, sound: Sound, parts: tuple[tuple[str, float], ...]) -> Voice:
        decibels, missing = gains[sound]
        picture = found.address + f"/{sound.picture}.png" if found.file(sound.picture, "png") else None
        softer = f"{numbers.decimal(missing, 0)} dB" if missing >= 0.5 else None
        return Voice(f"t{place}-{name}", parts, level, 10 ** (decibels / 20), softer, picture)

    def plain(name: str, title: str, track: Track) -> Take:
        return Take(title, None, None, None, voice(name, track, _parts(track)), f"{found.address}/{track.file}.flac")

    low, high = _bounds([frame for _, one in made for frame in one.frames])
    takes = [plain("mixture", "Mixture", mixture), plain("reference", "Reference", reference)]
    for number, (name, one) in enumerate(made, 1):
        subtracted = (*_parts(mixture), *((file, -weight) for file, weight in _parts(one.track)))
        takes.append(
            Take(
                name=name,
                href=site.separator_href(name),
                kind=site.kind(name),
                score=scores.text(name, index),
                voice=voice(f"e{number}", one.track, _parts(one.track)),
                audio=f"{found.address}/{one.track.file}.flac",
                residual=voice(f"e{number}-residual", one.residual, subtracted),
                frames=tuple(map(_say, one.frames)),
                curve=curve(one.frames, low=low, high=high, seconds=found.excerpt.seconds),
            )
        )
    count = max((len(one.frames) for _, one in made), default=0)
    seconds = tuple(f"{second}\N{EN DASH}{second + 1} s" for second in range(count))
    return TargetTakes(label, scores.entry.title if scores.entry else None, tuple(takes), low, high, seconds)


def _parts(track: Track) -> tuple[tuple[str, float], ...]:
    return ((track.file, 1 / track.gain),)


def matched_gains(sounds: Sequence[Sound]) -> dict[Sound, tuple[float, float]]:
    """Gain in dB at which each sound is as loud as the others, and by how many dB it stays softer all the same.

    All are brought to the greatest loudness from -30 to -20 LUFS at which none of them clips. One that would clip even
    at -30 LUFS stays softer, as does one that would have to be raised by more than 20 dB.
    """
    rooms = [
        (sound.loudness, HEADROOM_DB - 20 * math.log10(sound.peak) + sound.loudness)
        for sound in sounds
        if sound.loudness is not None and sound.peak > 0
    ]
    goal = TARGET_LUFS
    for loudness, room in sorted(rooms, reverse=True):
        if loudness >= goal - MOST_GAIN_DB:
            goal = max(min(goal, room), LEAST_LUFS)
    found = {}
    for sound in sounds:
        if sound.loudness is None or sound.peak == 0:
            found[sound] = (0.0, 0.0)
            continue
        wanted = goal - sound.loudness
        gain = min(wanted, MOST_GAIN_DB, HEADROOM_DB - 20 * math.log10(sound.peak))
        found[sound] = (gain, wanted - gain)
    return found


def _bounds(frames: Sequence[Frame]) -> tuple[float, float]:
    """Bounds of curves in whole 5 dB, with 0 dB inside."""
    values = [frame for frame in frames if isinstance(frame, float)]
    low = max(_LOWEST_DB, min([0.0, *values]))
    return 5 * math.floor(low / 5), max(5 * math.ceil(max([0.0, *values]) / 5), 5)


def curve(frames: Sequence[Frame], *, low: float, high: float, seconds: float) -> str:
    """The values of frames of one second as steps in a box of 1000 by 100; a gap where there is none.

    Args:
        frames: dB; ``exact`` is drawn at the top, and what is under ``low`` at the bottom.
        low: lower bound of the box in dB.
        high: upper bound.
        seconds: length of what it is drawn under; a shorter signal than one second is one frame.
    """
    path, drawing = "", False
    for number, frame in enumerate(frames):
        if frame is None:
            drawing = False
            continue
        value = high if frame == "exact" else min(max(frame, low), high)
        height = 100 * (high - value) / (high - low)
        left, right = (1000 * min(second / seconds, 1) for second in (number, number + 1))
        path += f"V{height:.1f}" if drawing else f"M{left:.1f} {height:.1f}"
        path += f"H{right:.1f}"
        drawing = True
    return path


def _say(frame: Frame) -> str:
    if frame is None:
        return "silent"
    return "exact" if frame == "exact" else numbers.decimal(frame, 1)
