"""Any directory of mixtures and stems: one folder per scene, the file names are the labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar, Final

from bench.audio import FileSignal, Fitted, Sum, Unusable
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import AUDIO_SUFFIXES, find_layouts, read_csv, subfolders
from bench.datasets.verify import scene_problems
from bench.scene import Scene, SceneError, SceneTarget, Signal, Source
from bench.stems import beside
from ontology import Ontology
from ontology.targets import Target

_SUFFIXES: Final = (*AUDIO_SUFFIXES, ".mp3")
_MIXTURE: Final = "mixture"
_LABELS: Final = "labels.csv"
_ALL: Final = "all"
_NO_SOUND: Final = "holds no sound file (wav, flac, ogg or mp3), nor do the folders in it"


class Folder(Dataset):
    """A folder with scenes: ``SCENE/mixture.wav`` and any other sound file beside it as a source.

    The folder may itself be the one scene, hold scenes, or hold splits that hold scenes; in the last case ``split``
    names one of them (by default all). Without a file ``mixture`` the mixture is the sum of the stems, and the scene
    says so. A source's label is its file name without the suffix. Its classes come from ``labels.csv`` in the folder
    (columns ``stem``, ``class``: a label or a path such as ``scene/bass.wav``, and a name or mid of AudioSet, several
    parted by ``;``); a label that is a class name of AudioSet, in any case, needs no line there.

    A scene without sources, or whose files do not fit together, raises when it is used.
    """

    name = "folder"
    info = DatasetInfo(
        title="Folder",
        licence="that of the recordings",
        citation="none",
        url="none",
        how_to_get="Lay each scene out as ROOT/SCENE/mixture.wav with its sources beside it (wav, flac, ogg or mp3)",
    )
    splits: ClassVar[tuple[str, ...]] = (_ALL,)
    default_split = _ALL
    metrics = ("sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "leakage@1")
    columns = ("sdri@1/class-median-mean", "sdrg@1/class-median-mean", "si_sdri@1/class-median-mean")
    caveat: ClassVar[str | None] = "Each scene counts as one independent recording."

    def __init__(self, root: Path, *, split: str | None = None) -> None:
        # Which splits there are depends on the folder; the base class judges by what is set here.
        self.splits = (_ALL, *_split_folders(Path(root)))  # type: ignore[misc]
        super().__init__(root, split=split)

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        if _scene_folders(root):
            return [root]
        return find_layouts(root, lambda folder: any(_mixtures(scene) for _, scene in _scene_folders(folder)))

    def scenes(self) -> Iterator[Scene]:
        """The scenes by split and name. Only headers are read."""
        folders = self._chosen()
        if not folders:
            raise DatasetError(f"folder: {self.root} {_NO_SOUND}. {self.info.how_to_get}")
        for split, folder in folders:
            yield self._scene(split, folder)

    def verify(self) -> Iterator[Problem]:
        if not self._chosen():
            yield Problem(self.root, _NO_SOUND, self.info.how_to_get)
            return
        yield from scene_problems(self.scenes())
        files = [path for _, folder in self._chosen() for path in _audio_in(folder)]
        known = {path.stem for path in files} | {path.relative_to(self.root).as_posix() for path in files}
        for key in sorted(self._classes.keys() - known):
            yield Problem(self.root / _LABELS, f"names {key!r}, but there is no such stem", "mend or remove that line")

    def _chosen(self) -> list[tuple[str, Path]]:
        return [(split, folder) for split, folder in _scene_folders(self.root) if self.split in (split, _ALL)]

    def _scene(self, split: str, folder: Path) -> Scene:
        name = folder.relative_to(self.root).as_posix() if folder != self.root else folder.resolve().name
        paths = _audio_in(folder)
        mixtures = _mixtures(folder)
        stems = [path for path in paths if path not in mixtures]
        recording = f"{self.root.resolve().name}/{name}"
        notes: list[str] = []
        mixture: Signal
        if not stems:
            mixture = Unusable(folder, "holds a mixture but no sources", "lay its sources beside it")
        elif len(mixtures) > 1:
            mixture = Unusable(mixtures[1], f"is a second mixture beside {mixtures[0].name}", "remove one of them")
        elif mixtures:
            mixture = FileSignal(mixtures[0])
        else:
            mixture = _sum(stems)
            notes.append("there is no mixture file: the mixture is the sum of the stems")
        sources = []
        for path in stems:
            stem, done = self._stem(path, mixture, mixture_path=mixtures[0] if mixtures else stems[0])
            notes += done
            sources.append(Source(path.stem, self._mids(path), stem, recording=recording))
        return Scene(
            id=name,
            dataset=self.name,
            split=split,
            mixture=mixture,
            sources=tuple(sources),
            targets=tuple(
                SceneTarget(Target(source.label, source.mids), (index,)) for index, source in enumerate(sources)
            ),
            recordings=(recording,),
            notes=tuple(notes),
        )

    def _stem(self, path: Path, mixture: Signal, *, mixture_path: Path) -> tuple[Signal, tuple[str, ...]]:
        twin = next((other for other in _audio_in(path.parent) if other.stem == path.stem), path)
        if twin != path:
            return Unusable(path, f"has the label of {twin.name}", "rename or remove one of them"), ()
        return beside(mixture, FileSignal(path), mixture_path=mixture_path, stem_path=path)

    def _mids(self, path: Path) -> tuple[str, ...]:
        for key in (path.relative_to(self.root).as_posix(), path.stem):
            if key in self._classes:
                return self._classes[key]
        mid = _class_names().get(path.stem.casefold())
        return (mid,) if mid else ()

    @cached_property
    def _classes(self) -> dict[str, tuple[str, ...]]:
        """What ``labels.csv`` says: mids by label or path."""
        table = self.root / _LABELS
        if not table.is_file():
            return {}
        classes = {}
        for row in read_csv(table, columns=("stem", "class")):
            names = [name.strip() for name in row["class"].split(";") if name.strip()]
            classes[row["stem"].strip()] = tuple(_mid(name, table=table, stem=row["stem"]) for name in names)
        return classes


def _mid(name: str, *, table: Path, stem: str) -> str:
    try:
        return _class_names().get(name.casefold()) or Ontology.audioset()[name].mid
    except KeyError as error:
        raise DatasetError(f"{table}: column 'class' of {stem!r}: {error.args[0]}") from error


@cache
def _class_names() -> dict[str, str]:
    """Mids by class name in lower case."""
    return {node.name.casefold(): node.mid for node in Ontology.audioset()}


def _sum(stems: list[Path]) -> Signal:
    """The sum of the stems, the shorter ones padded; the first one sets rate and channels."""
    signals: list[Signal] = [FileSignal(path) for path in stems]
    try:
        length = max(signal.samples for signal in signals)
    except SceneError:
        return Sum(tuple(signals))  # raises again, naming the file, when it is used
    first = Fitted(signals[0], length)
    paired = zip(signals, stems, strict=True)
    fitted = (beside(first, signal, mixture_path=stems[0], stem_path=path) for signal, path in paired)
    return Sum(tuple(part for part, _ in fitted))


def _audio_in(folder: Path) -> list[Path]:
    """Sound files directly in a folder, by name, hidden ones left out; none where it cannot be listed."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    except OSError:
        return []


def _mixtures(folder: Path) -> list[Path]:
    return [path for path in _audio_in(folder) if path.stem == _MIXTURE]


def _scene_folders(root: Path) -> list[tuple[str, Path]]:
    """The scenes in ``root``, each with the split it lies in."""
    if _audio_in(root):
        return [(_ALL, root)]
    direct = [(_ALL, folder) for folder in subfolders(root) if _audio_in(folder)]
    nested = [(split, scene) for split in _split_folders(root) for scene in subfolders(root / split)]
    return direct + [(split, scene) for split, scene in nested if _audio_in(scene)]


def _split_folders(root: Path) -> tuple[str, ...]:
    """Folders that hold no sound themselves but folders that do."""
    if _audio_in(root):
        return ()
    return tuple(
        folder.name
        for folder in subfolders(root)
        if not _audio_in(folder) and any(_audio_in(scene) for scene in subfolders(folder))
    )
