"""Read figures that were computed elsewhere: museval's folders of JSON files, and tables of any origin as CSV."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

Better = Literal["higher", "lower", "neither"]

REQUIRED: Final = ("separator", "dataset", "split", "scene", "target", "metric", "value")
OPTIONAL: Final = ("unit", "better")
"""Of the metric: dB, and one of higher, lower, neither. Wanted only for metrics that are not known here."""

MUSEVAL_METRICS: Final = {measure: f"{measure.lower()}_bsseval_v4@1" for measure in ("SDR", "ISR", "SIR", "SAR")}
"""What museval's measures are called here: medians over frames of one second."""

NO_VALUE: Final = "the source gives no value"
NO_FRAME: Final = "no frame has a value in the source"

_METRIC_ID: Final = re.compile(r"[a-z][a-z0-9_]*@[1-9][0-9]*(\+[0-9a-f]{8})?")
_SPLITS: Final = ("test", "train", "valid")


class SourceError(ValueError):
    """A source of figures cannot be imported; the message names file, line or field, and the remedy."""


@dataclass(frozen=True)
class Figure:
    """One figure of one system on one target; ``value`` is finite, or None with a ``reason``."""

    separator: str
    dataset: str
    split: str
    scene: str
    target: str
    metric: str
    value: float | None
    reason: str | None
    unit: str | None = None
    better: Better | None = None
    called: str = ""
    """What the source calls the metric."""
    where: str = ""
    """File and line, for messages."""


@dataclass(frozen=True)
class Reading:
    """How to read a source: what holds for all of it, and what its columns and metrics are called.

    ``constants`` gives fields (``separator``, ``dataset``, ``split``, ``unit``, ``better`` ...) that are the same all
    over; ``columns`` the column of a field where it has another name; ``metrics`` the id of a metric that the source
    calls otherwise.
    """

    constants: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = (*REQUIRED, *OPTIONAL)
        for name in (*self.columns, *self.constants):
            if name not in known:
                raise SourceError(f"no field {name!r}; there are {', '.join(known)}")
        for name in self.columns:
            if name in self.constants:
                raise SourceError(f"{name} is given as column {self.columns[name]!r} and as {self.constants[name]!r}")


def read_csv(path: Path, reading: Reading) -> list[Figure]:
    """The figures of a table with a header line and one figure per line, values as ``12.5``, ``nan`` or empty.

    Columns are those of :data:`REQUIRED` and :data:`OPTIONAL`, in any order, under these names or those that
    ``reading.columns`` says; those given in ``reading.constants`` may be absent, and other columns are passed over.

    Raises:
        SourceError: a column is missing, a field is empty or wrong, or a figure stands there twice.
    """
    figures: list[Figure] = []
    seen: dict[tuple[str, ...], str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            places = _places(path, reader.fieldnames or (), reading)
            for row in reader:
                where = f"{path}:{reader.line_num}"
                figure = _figure(row, places, reading, where)
                figures.append(figure)
                key = (
                    figure.separator, figure.dataset, figure.split, figure.scene, figure.target, figure.metric
                )  # fmt: skip
                if key in seen:
                    raise SourceError(f"{where}: {' / '.join(key)} stands already at {seen[key]}; keep one of them")
                seen[key] = where
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error
    if not figures:
        raise SourceError(f"{path}: no line under the header; nothing to import")
    return figures


def read_museval_folder(source: Path, reading: Reading) -> list[Figure]:
    """The figures of museval's files, ``SPLIT/TRACK.json`` under a folder, or one of them.

    The scene is the file's name; the split, unless ``reading`` says it, the folder that it lies in. The median over the
    frames with a finite value is the figure, as ``museval.EvalStore`` takes it.

    Raises:
        SourceError: nothing is there, a file is not museval's, its frames are not of one second, or a split cannot be
            told.
    """
    from bench.metrics.museval_json import MusevalError, read_museval

    if reading.columns or reading.metrics:
        raise SourceError("columns and metrics can be named for CSV alone: museval's files have fixed ones")
    paths = [source] if source.is_file() else sorted(source.rglob("*.json"))
    if not paths:
        raise SourceError(f"{source}: no JSON file here; museval writes SPLIT/TRACK.json")
    name = reading.constants.get("separator") or source.name.removesuffix(".json")
    figures = []
    for path in paths:
        split = reading.constants.get("split") or path.parent.name
        if "split" not in reading.constants and split not in _SPLITS:
            raise SourceError(f"{path}: its folder is none of {', '.join(_SPLITS)}; say --split")
        try:
            scores = read_museval(path)
        except MusevalError as error:
            raise SourceError(str(error)) from error
        if (scores.window, scores.hop) != (1.0, 1.0):
            what = f"frames of {scores.window:g} s every {scores.hop:g} s"
            raise SourceError(f"{path}: {what} are another metric than {MUSEVAL_METRICS['SDR']}; import them as CSV")
        for target, medians in scores.medians().items():
            for measure, value in medians.items():
                figures.append(
                    Figure(
                        separator=name,
                        dataset=reading.constants.get("dataset", "musdb18"),
                        split=split,
                        scene=path.name.removesuffix(".json"),
                        target=target,
                        metric=MUSEVAL_METRICS[measure],
                        value=value,
                        reason=None if value is not None else NO_FRAME,
                        called=measure,
                        where=str(path),
                    )
                )
    return figures


def _places(path: Path, header: Sequence[str], reading: Reading) -> dict[str, str]:
    """The column of each field that has one."""
    places = {}
    for name in (*REQUIRED, *OPTIONAL):
        column = reading.columns.get(name, name)
        if name in reading.constants:
            continue
        if column in header:
            places[name] = column
        elif name in REQUIRED or name in reading.columns:
            remedy = f"say --map {name}=COLUMN" + (f", or --{_OPTION[name]}" if name in _OPTION else "")
            raise SourceError(f"{path}: no column {column!r} among {', '.join(header) or 'none'}; {remedy}")
    return places


_OPTION: Final = {"separator": "name", "dataset": "dataset", "split": "split"}


def _figure(row: Mapping[str, str | None], places: Mapping[str, str], reading: Reading, where: str) -> Figure:
    said = {name: (row[column] or "").strip() for name, column in places.items()} | dict(reading.constants)
    for name in REQUIRED:
        if name != "value" and not said[name]:
            raise SourceError(f"{where}: {places[name]} is empty; fill it in or remove the line")
    metric = reading.metrics.get(said["metric"], said["metric"])
    if not _METRIC_ID.fullmatch(metric):
        remedy = f"say which definition it is: --metric {metric}=NAME@VERSION, or write the id into the table"
        raise SourceError(f"{where}: metric {metric!r} is no id such as sdr_bsseval_v4@1; {remedy}")
    better = said.get("better") or None
    if better is not None and better not in get_args(Better):
        raise SourceError(f"{where}: better is {better!r}; write {', '.join(get_args(Better))}")
    value, reason = _value(said["value"], where, places.get("value", "value"))
    names = {name: said[name] for name in ("separator", "dataset", "split", "scene", "target")}
    return Figure(
        **names,
        metric=metric,
        value=value,
        reason=reason,
        unit=said.get("unit"),
        better=better,  # type: ignore[arg-type]
        called=said["metric"],
        where=where,
    )


def _value(text: str, where: str, column: str) -> tuple[float | None, str | None]:
    if not text:
        return None, NO_VALUE
    try:
        value = float(text)
    except ValueError:
        remedy = "write a number with a decimal point, or nothing where there is no value"
        raise SourceError(f"{where}: {column} is {text!r}; {remedy}") from None
    if math.isnan(value):
        return None, NO_VALUE
    if math.isinf(value):
        return None, f"infinite: the source gives {value:+}, which no average can hold"
    return value, None


def by_cell(figures: Sequence[Figure]) -> Iterator[tuple[tuple[str, str, str, str], list[Figure]]]:
    """Figures by (dataset, split, separator, scene), in the order in which these come first."""
    cells: dict[tuple[str, str, str, str], list[Figure]] = {}
    for figure in figures:
        cells.setdefault((figure.dataset, figure.split, figure.separator, figure.scene), []).append(figure)
    yield from cells.items()
