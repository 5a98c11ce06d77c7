"""Draw blind scenes from the single sources of a data set.

Of the scenes 20 % are empty, 20 % have two sources of one class (from different recordings) among 2 to 5, and the rest
1 to 5 sources of different classes, none of which is or lies above another's. Classes are drawn evenly, then a source
of the class. Each is put whole where it fits, else a part of it that sounds, at an even onset and at an RMS of
-30 dBFS ± 10 dB where it sounds; lower where a peak would pass -6 dBFS, which files and players clip once a few
sources meet. Pink noise at -50 dBFS lies under all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from bench.blind.activity import Activity, activity
from bench.blind.manifest import BlindScene, Manifest, PassedOver, PlacedSource, Why
from bench.blind.singles import Single, excerpt, singles
from bench.data import OpenedDataset
from bench.datasets.base import DatasetError
from bench.datasets.pairs import Admissible, Clip, no_kin
from bench.scene import SceneError
from ontology import Ontology

COUNT: Final = 100
SECONDS: Final = 10.0
MOST_SOURCES: Final = 5
EMPTY: Final = 0.2
"""Share of the scenes without sources."""
DOUBLED: Final = 0.2
"""Share of the scenes with two sources of one class."""
LEVEL_DBFS: Final = -30.0
LEVEL_RANGE_DB: Final = 10.0
HIGHEST_PEAK_DBFS: Final = -6.0
BED_DBFS: Final = -50.0
SHORTEST_PART: Final = 0.5
"""Of a source that is longer than the scene, a part between this share of the scene and all of it is taken."""
PART_TRIES: Final = 20
PART_DBFS: Final = -50.0
"""A part of a longer source sounds where at least half of it is active, at this RMS or above: quieter, it is bleed."""

RATES_READ: Final = 100
"""So many headers tell the rate of a data set."""
_SEE: Final = "see `stemtree data verify`"

T = TypeVar("T")


def draw(
    opened: OpenedDataset,
    *,
    count: int = COUNT,
    seed: int = 0,
    seconds: float = SECONDS,
    progress: Callable[[str], None] | None = None,
) -> Manifest:
    """Draw ``count`` scenes of ``seconds``; equal data and options give an equal manifest on every machine.

    The audio of the sources that are drawn is read, to know when and how loud they sound. One that is absent, broken or
    silent is passed over for another of its class, and listed in the manifest. Where a data set has fewer classes, or
    no class with two recordings, its scenes have fewer sources, or no two of one class.

    Args:
        opened: the data set, with all of its scenes.
        count: number of scenes, at least 1.
        seed: another one gives other scenes.
        seconds: length of each scene.
        progress: told which scene is being drawn.

    Raises:
        DatasetError: the data set has no single source with a class that can be read, or an option is out of range.
    """
    if count < 1 or not 0 < seconds <= 3600:
        asked = f"{count} scenes of {seconds} s"
        raise DatasetError(f"{opened.name}: cannot draw {asked}; ask for at least one, of at most 3600 s")
    stock = singles(opened)
    if not stock:
        raise DatasetError(
            f"{opened.name}: none of its sources has a class; give them some (a folder's in its labels.csv)"
        )
    where = f"{opened.name} {opened.dataset.split} {seed}"
    drawer = _Drawer(stock, seconds, _common_rate(opened.name, stock))
    plan = _shuffled(_plan(count), _random(where))
    scenes = []
    for number, (sources, doubled) in enumerate(plan):
        id = f"scene{number:04d}"
        if progress:
            progress(f"drawing scene {number + 1} of {count}")
        scenes.append(BlindScene(id=id, sources=drawer.scene(_random(f"{where} {id}"), sources, doubled=doubled)))
    if not any(scene.sources for scene in scenes) and any(sources for sources, _ in plan):
        raise DatasetError(f"{opened.name}: not one of its {len(stock)} single sources can be read and sounds; {_SEE}")
    passed_over = [PassedOver(scene=s, source=place, why=why) for (s, place), why in sorted(drawer.useless.items())]
    return Manifest(
        dataset=opened.name,
        split=opened.dataset.split,
        seed=seed,
        seconds=seconds,
        sample_rate=drawer.sample_rate,
        bed_dbfs=BED_DBFS,
        scenes=tuple(scenes),
        passed_over=tuple(passed_over),
    )


def _plan(count: int) -> list[tuple[int, bool]]:
    """How many sources each scene gets, and whether two of them are of one class."""
    empty, doubled = round(EMPTY * count), round(DOUBLED * count)
    pairs = [(2 + number % (MOST_SOURCES - 1), True) for number in range(doubled)]
    plain = [(1 + number % MOST_SOURCES, False) for number in range(count - empty - doubled)]
    return [(0, False)] * empty + pairs + plain


@dataclass
class _Drawer:
    """Draws the sources of one scene after the other, and remembers which cannot be used."""

    stock: Sequence[Single]
    seconds: float
    sample_rate: int
    useless: dict[tuple[str, int], Why] = field(default_factory=dict)
    kin: Admissible = field(default_factory=lambda: no_kin(Ontology.audioset()))

    def __post_init__(self) -> None:
        self.classes: dict[tuple[str, ...], list[Single]] = {}
        for single in self.stock:
            self.classes.setdefault(single.mids, []).append(single)
        self.samples = round(self.seconds * self.sample_rate)

    def scene(self, random: Random, count: int, *, doubled: bool) -> tuple[PlacedSource, ...]:
        chosen: dict[Single, PlacedSource] = {}
        if doubled:
            for mids in _shuffled(self.classes, random):
                if len({single.recording for single in self.classes[mids]}) < 2:
                    continue
                pair = self._take(self.classes[mids], 2, (), random)
                if len(pair) == 2:
                    chosen.update(pair)
                    break
        for mids in _shuffled(self.classes, random):
            if len(chosen) >= count:
                break
            if all(self._differ(self.classes[mids][0], other) for other in chosen):
                chosen.update(self._take(self.classes[mids], 1, chosen, random))
        return tuple(sorted(chosen.values(), key=lambda source: (source.onset, source.scene, source.source)))

    def _take(
        self, pool: Sequence[Single], count: int, beside: Iterable[Single], random: Random
    ) -> dict[Single, PlacedSource]:
        """``count`` sources of the pool, or as many as can be had, that are independent of each other and of others."""
        taken: dict[Single, PlacedSource] = {}
        for single in _shuffled(pool, random):
            if len(taken) == count:
                break
            if all(_independent(single, other) for other in (*taken, *beside)):
                placed = self._place(single, random)
                if placed:
                    taken[single] = placed
        return taken

    def _differ(self, a: Single, b: Single) -> bool:
        """Whether neither's class is or lies above the other's."""
        first, second = (Clip(name, " ".join(one.mids), one.mids, name) for name, one in (("a", a), ("b", b)))
        return self.kin(first, second)

    def _place(self, single: Single, random: Random) -> PlacedSource | None:
        """The single put somewhere in a scene; None where it cannot be read or is silent."""
        key = single.scene, single.place
        if key in self.useless:
            return None
        try:
            part = self._part(single, random)
        except SceneError:
            self.useless[key] = "unreadable"
            return None
        if part is None:
            self.useless[key] = "silent"
            return None
        start, length, placed, sounding = part
        onset = int(random.random() * (max(0, self.samples - placed) + 1))
        wanted = LEVEL_DBFS + LEVEL_RANGE_DB * (2 * random.random() - 1)
        gain = round(min(wanted - sounding.level_db, HIGHEST_PEAK_DBFS - sounding.peak_db), 2)
        spans = ((onset + begin, min(onset + end, self.samples)) for begin, end in sounding.spans)
        return PlacedSource(
            scene=single.scene,
            source=single.place,
            recording=single.recording,
            label=single.label,
            mids=single.mids,
            may_contain=single.may_contain,
            start=start,
            length=length,
            onset=onset,
            gain_db=gain,
            level_db=round(sounding.level_db + gain, 2),
            spans=tuple(span for span in spans if span[0] < span[1]),
        )

    def _part(self, single: Single, random: Random) -> tuple[int, int, int, Activity] | None:
        """Start and length in the source's own samples, length in the scene's, and where that part sounds."""
        whole, longest = single.signal.samples, int(self.seconds * single.signal.sample_rate)
        if whole <= longest:
            placed, sounding = self._heard(single, 0, whole)
            return (0, whole, placed, sounding) if sounding else None
        for _ in range(PART_TRIES):
            length = int(longest * (SHORTEST_PART + (1 - SHORTEST_PART) * random.random()))
            start = int(random.random() * (whole - length + 1))
            placed, sounding = self._heard(single, start, length)
            if sounding and sounding.level_db >= PART_DBFS and sounding.samples >= placed / 2:
                return start, length, placed, sounding
        return None

    def _heard(self, single: Single, start: int, length: int) -> tuple[int, Activity | None]:
        signal = excerpt(single.signal, start=start, length=length, sample_rate=self.sample_rate)
        audio = signal.read()
        return audio.shape[1], activity(audio, self.sample_rate)


def _independent(a: Single, b: Single) -> bool:
    """Whether two sources may stand in one scene: from two recordings, or different stems of one song."""
    return a.recording != b.recording or (a.scene == b.scene and a.mids != b.mids)


def _common_rate(name: str, stock: Sequence[Single]) -> int:
    """The rate in Hz of most sources, by the first of them that can be read; the higher one of two."""
    rates: Counter[int] = Counter()
    for single in stock:
        try:
            rates[single.signal.sample_rate] += 1
        except SceneError:
            continue  # listed as unreadable when it is drawn
        if rates.total() == RATES_READ:
            break
    if not rates:
        raise DatasetError(f"{name}: not one of its {len(stock)} single sources can be read; {_SEE}")
    return max(rates, key=lambda rate: (rates[rate], rate))


def _random(name: str) -> Random:
    return Random(int.from_bytes(hashlib.sha256(name.encode()).digest()))


def _shuffled(items: Iterable[T], random: Random) -> list[T]:
    # Python promises that random() stays as it is, and promises nothing of shuffle().
    return [item for _, _, item in sorted((random.random(), place, item) for place, item in enumerate(items))]
