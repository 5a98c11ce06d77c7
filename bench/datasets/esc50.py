"""ESC-50 and ESC-10: environmental sounds of 5 s, two at a time at 0 dB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.audio import FileSignal, Fitted, Mono, Resampled
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import find_layouts, inside, read_csv
from bench.datasets.pairs import Clip, Pair, matched, no_kin, pair_scene
from bench.datasets.soundness import file_problems
from bench.scene import Scene, Signal
from ontology import Ontology, Target
from ontology.labelmaps import label_map

RATE = 44_100
LENGTH = 5 * RATE

_TABLES = ("esc50.csv", "esc10.csv")


class Esc50(Dataset):
    """Each clip of a fold in one scene with one other; both are sources and targets.

    Two clips of a scene have different categories, neither of which is or lies above the other in the ontology, and
    come from different Freesound recordings (``src_file``). Clips are mono and cut or padded to 220,500 samples at
    44.1 kHz, as ESC-50's own wav files are (ESC-10's ogg files run from 3.6 to 7.2 s); the second is scaled to the
    energy of the first. An absent file leaves its scene in the list, and reading it raises a ``SceneError`` that
    names the file.

    Any one fold would do for a test, as the published folds share no recording. Fold 4 is the default: it is held out
    by convention here, and folds 1 to 3 serve training.

    Args:
        root: holds ``meta/esc50.csv`` and ``audio/*.wav`` (ESC-50), or ``meta/esc10.csv``, whose ``filename`` column
            has paths under the root (ESC-10).
        split: ``"fold1"`` to ``"fold5"``, or ``"all"``, paired within the whole set.
    """

    name = "esc50"
    info = DatasetInfo(
        title="ESC-50 and ESC-10",
        licence="ESC-50: CC BY-NC 3.0; ESC-10: CC BY 3.0",
        citation="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
        url="https://github.com/karolpiczak/ESC-50",
        how_to_get="Clone github.com/karolpiczak/ESC-50, or unpack its master.zip: meta/esc50.csv beside audio/*.wav",
    )
    splits = ("fold1", "fold2", "fold3", "fold4", "fold5", "all")
    default_split = "fold4"
    example_splits = ("fold1", "fold2", "fold3")
    metrics = ("sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "leakage@1")
    columns = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
    caveat = "Eight clips per class and fold: what is said of one class rests on few recordings."

    def __init__(self, root: Path, *, split: str | None = None) -> None:
        super().__init__(root, split=split)
        table = _table(self.root)
        if table is None:
            raise DatasetError(f"{self.root}: no meta/esc50.csv and no meta/esc10.csv. {self.info.how_to_get}")
        self._table = table
        self._targets = label_map(self.name)

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        return find_layouts(root, lambda folder: _table(folder) is not None)

    def scenes(self) -> Iterator[Scene]:
        clips = self._clips()
        if not any(self._path(clip).is_file() for clip in clips):
            raise DatasetError(
                f"{self.root}: not one of the {len(clips)} clips of {self.split} is there. {self.info.how_to_get}"
            )
        pairs = matched(clips, admissible=no_kin(Ontology.audioset()), seed=f"{self.name} {self.split} 1")
        alone = len(clips) - 2 * len(pairs)
        notes = (f"{alone} of {len(clips)} clips find no partner of another kind and are left out",) if alone else ()
        for pair in pairs:
            yield self._scene(pair, notes)

    def verify(self) -> Iterator[Problem]:
        try:
            clips = self._clips()
        except DatasetError as error:
            yield self.unreadable(self._table, error)
            return
        for clip in clips:
            path = self._path(clip)
            yield from file_problems(path, rates=(RATE,), remedy=f"take {path.name} from the published archive anew")

    def examples(self, target: Target, *, whole: bool = False) -> Iterator[Signal]:
        # The folds that serve as examples are scored where all are.
        return iter(()) if self.split == "all" else super().examples(target, whole=whole)

    def _clips(self) -> list[Clip]:
        rows = read_csv(self._table, columns=("filename", "fold", "category", "src_file"))
        unknown = sorted({row["category"] for row in rows} - set(self._targets))
        if unknown:
            raise DatasetError(f"{self._table}: unknown category {', '.join(unknown)}; fetch the published table anew")
        clips = [
            Clip(row["filename"], row["category"], self._targets[row["category"]].mids, f"freesound:{row['src_file']}")
            for row in rows
            if self.split in ("all", f"fold{row['fold']}")
        ]
        if not clips:
            raise DatasetError(f"{self._table}: no clip of {self.split}; choose another split, or fetch the whole set")
        for clip in clips:
            self._path(clip)  # refuses a name that leaves the folder, before any scene is made
        return clips

    def _scene(self, pair: Pair, notes: tuple[str, ...]) -> Scene:
        first, second = (self._signal(clip) for clip in pair.clips)
        return pair_scene(
            pair,
            (first, second),
            id="+".join(Path(clip.name).stem for clip in pair.clips),
            dataset=self.name,
            split=self.split,
            targets=[self._targets[clip.label] for clip in pair.clips],
            notes=notes,
        )

    def _signal(self, clip: Clip) -> Signal:
        return Fitted(Resampled(Mono(FileSignal(self._path(clip))), RATE), LENGTH)

    def _path(self, clip: Clip) -> Path:
        # ESC-50's table has bare names, ESC-10's has paths.
        folder = self.root / "audio" if self._table.name == "esc50.csv" else self.root
        return inside(folder, clip.name, source=self._table)


def _table(root: Path) -> Path | None:
    return next((table for name in _TABLES if (table := root / "meta" / name).is_file()), None)
