"""Labelled clips to train on: AudioSet as downloaded, a folder of clips, or the sources of any data set here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench import data, plugins
from bench.audio import Derived, EnergyMatched, FileSignal
from bench.datasets.base import Dataset, DatasetError, DatasetInfo
from bench.datasets.layout import AUDIO_SUFFIXES, inside, read_csv, subfolders
from bench.datasets.uss_pairs import clip_id, read_lines
from bench.scene import Scene, Signal
from bench.training.errors import TrainError
from ontology import Ontology, Target

CLIPS: Final = "clips"
"""``data.clips``: a folder of clips in folders named after classes, or a table of them."""
AUDIOSET: Final = "audioset"
RENDERED: Final = "rendered"
"""``data.rendered``: a folder that :mod:`bench.datasets.rendered` made, or ``auto`` to make it where it is missing."""
_AUTO: Final = Path("auto")
_HELD_OUT_TABLE: Final = "held_out.csv"
_SUFFIXES: Final = (*AUDIO_SUFFIXES, ".mp3")
_AUDIOSET_SPLITS: Final = ("balanced_train", "unbalanced_train")
_ALL: Final = "all"
_LICENCE_FILES: Final = ("LICENSE*", "LICENCE*", "ATTRIBUTION*", "*/LICENSE*", "*/LICENCE*")
_LICENCE_BYTES: Final = 4_000_000
"""A longer file is no list of licences."""


@dataclass(frozen=True)
class TrainingClip:
    """One clip with all classes that it is labelled with; none where nothing that has a name here sounds in it."""

    name: str
    signal: Signal
    labels: tuple[Target, ...]
    recording: str
    """What it was cut from: clips of one recording are not independent."""
    credit: str | None = None
    """Its licence or attribution, in the words of the data set."""

    @property
    def mids(self) -> tuple[str, ...]:
        """Mids of all its classes."""
        return tuple(dict.fromkeys(mid for label in self.labels for mid in label.mids))


@dataclass(frozen=True)
class TrainingData:
    """Clips to train on; scenes of other recordings to validate on and to test on, empty where there are none.

    ``tested`` are the clips that a tagger is tested on.
    """

    name: str
    clips: tuple[TrainingClip, ...]
    info: DatasetInfo
    splits: tuple[str, ...]
    validation: tuple[Scene, ...] = ()
    test: tuple[Scene, ...] = ()
    test_split: str | None = None
    tested: tuple[TrainingClip, ...] = ()
    absent: int = 0
    """Clips that are listed and not there."""


def open_data(
    name: str,
    folder: Path,
    options: Mapping[str, Any],
    *,
    unlabelled: bool = False,
    tell: Callable[[str], None] | None = None,
) -> TrainingData:
    """The clips of the data set ``name`` at ``folder``.

    ``clips``, ``audioset`` and ``rendered`` are read here; any other name is a data set plug-in, whose
    ``example_splits`` are trained on, whose default split is for the test, and a further one, where there is one, for
    validation.

    Args:
        name: the data set.
        folder: where it lies; ``auto`` makes the rendered clips in their default folder.
        options: ``options.NAME.*``.
        unlabelled: keep clips without a class, which a tagger learns to be silent on. Separators have no use for
            them: rendered ones are left out, and a table of one's own must label all of its clips.
        tell: is told how far making the rendered clips is.

    Raises:
        TrainError: there is nothing to train on; the message names the folder and the remedy.
        bench.datasets.base.DatasetError: the data set cannot be opened.
    """
    folder = folder.expanduser()
    if name == CLIPS:
        opened = _folder_data(folder, options, unlabelled=unlabelled)
    elif name == RENDERED:
        opened = _rendered_data(folder, options, unlabelled=unlabelled, tell=tell)
    elif name == AUDIOSET:
        opened = _audioset_data(folder, options)
    else:
        opened = _plugin_data(name, folder, options)
    there, tested = (
        tuple(clip for clip in clips if (path := _path(clip.signal)) is None or path.is_file())
        for clips in (opened.clips, opened.tested)
    )
    if not there:
        raise TrainError(f"data.{name}: not one of the {len(opened.clips)} clips under {folder} is there; fetch them")
    return replace(opened, clips=there, tested=tested, absent=len(opened.clips) - len(there))


def _plugin_data(name: str, folder: Path, options: Mapping[str, Any]) -> TrainingData:
    kind = data.dataset_class(name)
    given = dict(options)
    train = tuple(_listed(given.pop("train", kind.example_splits)))
    said = given.pop("validation", None)
    test = given.pop("split", kind.default_split)
    if not train:
        raise TrainError(f"data.{name}: it has no split to train on; say options.{name}.train=[SPLIT]")
    others = [split for split in kind.splits if split not in (*train, test, _ALL)]
    validation = said or (others[0] if others else None)
    if test in train or validation in (*train, test):
        raise TrainError(f"data.{name}: splits to train on, to validate on and to test on must differ")
    found = data.find_folder(name, {plugins.option_name(name): folder})

    def opened(split: str) -> Dataset:
        return data.construct(name, found, {**given, "split": split})

    scenes = [scene for split in train for scene in opened(split).scenes()]
    clips = tuple(sources(scenes, found))
    if not clips:
        raise TrainError(f"{found}: no source of {', '.join(train)} is labelled with a class")

    def wanted(split: str | None, *, said: bool) -> tuple[Scene, ...]:
        try:
            return () if split is None else tuple(opened(split).scenes())
        except DatasetError:
            if said:
                raise
            return ()  # the split was not downloaded

    tested = wanted(test, said="split" in options)
    return TrainingData(
        kind.name,
        _credited(clips, found),
        kind.info,
        train,
        validation=wanted(validation, said=said is not None),
        test=tested,
        test_split=test if tested else None,
        tested=tuple(sources(tested, found)),
    )


def _listed(value: Any) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


def sources(scenes: Iterable[Scene], root: Path) -> Iterator[TrainingClip]:
    """Each labelled source of ``scenes`` once, at its own level; a file is named by its path below ``root``."""
    seen: set[tuple[str, Signal]] = set()
    for scene in scenes:
        for place, source in enumerate(scene.sources):
            signal = source.signal.signal if isinstance(source.signal, EnergyMatched) else source.signal
            if source.mids and (source.label, signal) not in seen:
                seen.add((source.label, signal))
                path = _path(signal)
                name = _inside(path, root) if path else f"{scene.id}/{place}"
                yield TrainingClip(name, signal, (Target(source.label, source.mids),), source.recording)


def _inside(path: Path, root: Path) -> str:
    """The path from the data set's folder on: stems of different songs share their file names."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def one_label_per_class(sources: Sequence[TrainingData]) -> list[TrainingData]:
    """The sources with one label for each class, so that none is drawn more often for having several.

    Stems of one instrument are labelled apart ("S00 Guitar", "S01 Guitar"), and data sets name classes as they like;
    what is asked of the separator is the same. Where labels differ, the class is named as in the ontology.
    """
    named: dict[tuple[str, ...], set[str]] = {}
    for label in (label for source in sources for clip in source.clips for label in clip.labels):
        named.setdefault(label.mids, set()).add(label.label)
    ontology = Ontology.audioset()
    common = {
        mids: Target(labels.pop() if len(labels) == 1 else ", ".join(ontology[mid].name for mid in mids), mids)
        for mids, labels in named.items()
    }

    def relabelled(clip: TrainingClip) -> TrainingClip:
        return replace(clip, labels=tuple(dict.fromkeys(common[label.mids] for label in clip.labels)))

    return [replace(source, clips=tuple(map(relabelled, source.clips))) for source in sources]


def _path(signal: Signal) -> Path | None:
    while isinstance(signal, Derived):
        signal = signal.signal
    return signal.path if isinstance(signal, FileSignal) else None


def _rendered_data(
    folder: Path, options: Mapping[str, Any], *, unlabelled: bool, tell: Callable[[str], None] | None
) -> TrainingData:
    """``train.csv`` is trained on and ``held_out.csv`` tested on, both with all classes or those of ``classes``."""
    from bench.datasets import rendered

    given = dict(options)
    classes = given.pop("classes", None)
    if given:
        raise TrainError(f"options.{RENDERED}: no option {', '.join(given)}; there is classes")
    root = rendered.make(rendered.default_folder(), progress=tell) if folder == _AUTO else folder
    table = root / "train.csv"
    if not table.is_file():
        raise TrainError(f"{root}: no train.csv in it; say data.{RENDERED}=auto to make the rendered clips")
    clips, held_out = (
        tuple(clip for clip in tabled(path, unlabelled=True) if clip.labels or unlabelled)
        for path in (table, root / _HELD_OUT_TABLE)
    )
    if classes is not None:
        clips, held_out = (_of_classes(each, _listed(classes), table) for each in (clips, held_out))
    licence = "; ".join(sorted({clip.credit for clip in clips if clip.credit}))
    info = DatasetInfo("Rendered instruments, speech and noises", licence, "none", "none", "made by stemtree")
    return TrainingData(RENDERED, clips, info, ("train",), test_split="held_out", tested=held_out)


def _of_classes(clips: Sequence[TrainingClip], names: Sequence[str], table: Path) -> tuple[TrainingClip, ...]:
    """The clips in which nothing but classes of those names sounds."""
    wanted = {_target(name, table).label for name in names}
    return tuple(clip for clip in clips if wanted.issuperset(label.label for label in clip.labels))


def _folder_data(root: Path, options: Mapping[str, Any], *, unlabelled: bool) -> TrainingData:
    """``ROOT/CLASS/CLIP.wav``, or a table (``ROOT`` itself, or ``ROOT/labels.csv``) with the columns path and labels.

    A class is named by a name or mid of AudioSet, in a table several of them parted by ``;``. Optional columns are
    ``recording`` and ``licence``.
    """
    if options:
        raise TrainError(f"options.clips: {', '.join(options)}: a folder of clips has no options")
    table = root if root.is_file() else root / "labels.csv"
    clips = list(tabled(table, unlabelled=unlabelled) if table.is_file() else _by_folder(root))
    if not clips:
        raise TrainError(
            f"{root}: no clip in it; lay them out as {CLIPS}/CLASS/CLIP.wav (wav, flac, ogg or mp3), CLASS a name or "
            "mid of AudioSet, or name a table with the columns path and labels"
        )
    info = DatasetInfo("Folder of clips", "that of the clips", "none", "none", "")
    return TrainingData(CLIPS, _credited(clips, table.parent), info, ())


def tabled(table: Path, *, unlabelled: bool) -> Iterator[TrainingClip]:
    """The clips that a table lists.

    Its columns are ``path``, from its own folder on, ``labels``, parted by ``;``, and, where it has them, ``recording``
    and ``licence``.

    Raises:
        TrainError: a label is no class of AudioSet, or a clip has none and ``unlabelled`` is False.
        bench.datasets.base.DatasetError: the table cannot be read, or names a path outside its folder.
    """
    for row in read_csv(table, columns=("path", "labels")):
        labels = tuple(_target(name.strip(), table) for name in row["labels"].split(";") if name.strip())
        if not labels and not unlabelled:
            raise TrainError(f"{table}: {row['path']} has no label; name its classes, parted by ';'")
        path = inside(table.parent, row["path"], source=table)
        recording = row.get("recording") or row["path"]
        yield TrainingClip(row["path"], FileSignal(path), labels, recording, row.get("licence") or None)


def _by_folder(root: Path) -> Iterator[TrainingClip]:
    if not root.is_dir():
        raise TrainError(f"{root}: no such folder or table")
    for folder in subfolders(root):
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        for path in files:
            name = f"{folder.name}/{path.name}"
            yield TrainingClip(name, FileSignal(path), (_target(folder.name, folder),), name)


def _target(name: str, source: Path) -> Target:
    try:
        node = Ontology.audioset()[name]
    except KeyError as error:
        raise TrainError(f"{source}: {error.args[0]}") from error
    return Target(node.name, (node.mid,))


def _audioset_data(root: Path, options: Mapping[str, Any]) -> TrainingData:
    """``SPLIT_segments.csv`` (or in ``metadata``) with clips named ``ID``, ``YID`` or ``ID_START_END`` in a folder."""
    given = dict(options)
    splits = tuple(_listed(given.pop("train", _AUDIOSET_SPLITS)))
    if given:
        raise TrainError(f"options.audioset: no option {', '.join(given)} in training; there is train")
    clips: dict[str, TrainingClip] = {}
    used = []
    for split in splits:
        tables = (root / folder / f"{split}_segments.csv" for folder in (".", "metadata"))
        table = next((path for path in tables if path.is_file()), None)
        if table is not None:
            used.append(split)
            files = _audioset_files(root, split)
            clips |= {clip.name: clip for clip in _audioset_clips(table, files)}
    if not used:
        names = " or ".join(f"{split}_segments.csv" for split in splits)
        raise TrainError(f"{root}: no {names}, nor in metadata; fetch the segment lists of AudioSet")
    if not clips:
        raise TrainError(
            f"{root}: no clip of {', '.join(used)} is there; lay them out as audios/SPLIT_segments/YID.wav"
        )
    tested = _audioset_eval(root)
    info = data.dataset_class(AUDIOSET).info
    return TrainingData(
        AUDIOSET, tuple(clips.values()), info, tuple(used), test=tested, test_split="eval" if tested else None
    )


def _audioset_eval(root: Path) -> tuple[Scene, ...]:
    try:
        return tuple(data.construct(AUDIOSET, root, {"split": "eval", "material": "clips"}).scenes())
    except DatasetError:
        return ()  # the evaluation set was not downloaded


def _audioset_clips(table: Path, files: Mapping[str, Path]) -> Iterator[TrainingClip]:
    ontology = Ontology.audioset()
    for row in read_lines(table):
        if len(row) != 4:
            raise TrainError(f'{table}: {",".join(row)!r} is not ID, start, end, "mid,mid"; fetch it anew')
        id, mids = row[0], sorted(set(row[3].split(",")))
        if unknown := [mid for mid in mids if mid not in ontology]:
            raise TrainError(f"{table}: AudioSet has no class {unknown[0]!r}; fetch it anew")
        if id in files:
            labels = tuple(Target(ontology[mid].name, (mid,)) for mid in mids)
            yield TrainingClip(id, FileSignal(files[id]), labels, id)


def _audioset_files(root: Path, split: str) -> dict[str, Path]:
    """Clips by id in the first folder that has any; clips of very large splits may lie one folder deeper."""
    named = f"{split}_segments"
    for folder in (f"audios/{named}", f"audio/{named}", named, split, "audios", "audio", "clips", "."):
        found: dict[str, Path] = {}
        for pattern in ("*", "*/*") if folder != "." else ("*",):
            for path in sorted((root / folder).glob(pattern)):
                id = clip_id(path.stem)
                if id and path.suffix in _SUFFIXES:
                    found.setdefault(id, path)
        if found:
            return found
    return {}


def _credited(clips: Sequence[TrainingClip], root: Path) -> tuple[TrainingClip, ...]:
    """The clips with what licence files of the data set say of them by file name."""
    lines = [line for path in _licence_files(root) for line in path.read_text("utf-8", "replace").splitlines()]
    by_name: dict[str, str] = {}
    wanted = {Path(clip.name).name for clip in clips}
    for line in lines:
        for word in line.replace("[", " ").replace("]", " ").replace(",", " ").split():
            if word in wanted:
                by_name.setdefault(word, " ".join(line.split()).strip("-* "))
    return tuple(replace(clip, credit=clip.credit or by_name.get(Path(clip.name).name)) for clip in clips)


def _licence_files(root: Path) -> list[Path]:
    found = {path for pattern in _LICENCE_FILES for path in root.glob(pattern)}
    return sorted(path for path in found if path.is_file() and path.stat().st_size <= _LICENCE_BYTES)


def content_key(clips: Sequence[TrainingClip]) -> str:
    """SHA-256 over names and labels of the clips in their order: a run is only resumed on the same ones."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update("\t".join((clip.name, clip.recording, *clip.mids)).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()
