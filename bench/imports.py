"""Put figures that were computed elsewhere into a results folder, beside what was computed here, and marked as such."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from bench import plugins
from bench.provenance import provenance
from bench.reported import NO_VALUE, Figure, Reading, SourceError, by_cell, read_csv, read_museval_folder
from bench.run import metric_entry
from ontology import Ontology
from ontology.labelmaps import label_map
from ontology.targets import Target
from reports.results import Results
from reports.schema import DatasetEntry, Manifest, MetricEntry

Format = Literal["museval", "csv"]

FAMILY: Final = "imported"
IMPORT: Final = "import"
"""Stands in a run's configuration where its figures were computed elsewhere."""
PROTOCOL: Final = "query"

_AGGREGATIONS: Final = ("class-median-mean", "class-mean-mean", "mean", "median")


@dataclass(frozen=True)
class Imported:
    """What an import did: its runs, one per data set and split, and how much came in."""

    runs: tuple[str, ...]
    separators: tuple[str, ...]
    cells: int
    figures: int
    without_value: int


def import_results(
    source: Path,
    *,
    format: Format,
    results: Path,
    reading: Reading | None = None,
    oracles: Collection[str] = (),
    run: str | None = None,
) -> Imported:
    """Read figures and write them into a results folder, as separators of the family ``imported``.

    Importing the same source again changes nothing but the time. The newest import of a separator on a scene stands
    for all of its figures there.

    Args:
        source: a CSV file, or museval's folder or file.
        format: ``"museval"`` or ``"csv"``.
        results: the results folder.
        reading: what the source does not say itself, or says otherwise.
        oracles: separators that were given the references; they become the family ``oracle``, which takes no rank.
        run: name of the run; the time unless said. Where there are several data sets or splits, theirs are added.

    Raises:
        SourceError: the source cannot be read or lacks an oracle, a metric is not known here and the source does not
            say its unit and direction, or a separator of that name has been run here.
    """
    if not source.exists():
        raise SourceError(f"{source}: no such file or folder")
    reading = reading or Reading()
    figures = read_csv(source, reading) if format == "csv" else read_museval_folder(source, reading)
    separators = tuple(dict.fromkeys(figure.separator for figure in figures))
    for oracle in oracles:
        if oracle not in separators:
            raise SourceError(f"{source}: no separator {oracle!r} to be an oracle; it has {', '.join(separators)}")
    store = Results(results)
    manifests = store.runs()
    _refuse_namesakes(figures, store, manifests)
    metrics = _metric_entries(figures, store.metrics(), source)
    folder = _Folder.of(store, manifests)
    name = run or f"import-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}"
    about = {"format": format, "source": source.name, "sha256": _fingerprint(source)}
    by_split: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        by_split.setdefault((figure.dataset, figure.split), []).append(figure)
    store.write_metrics(metrics)
    runs = []
    for (dataset, split), part in by_split.items():
        own = name if len(by_split) == 1 else re.sub(r"[^A-Za-z0-9._-]", "_", f"{name}-{dataset}-{split}")
        _write(store, own, part, folder, metrics, about, frozenset(oracles))
        runs.append(own)
    return Imported(
        runs=tuple(runs),
        separators=separators,
        cells=sum(1 for _ in by_cell(figures)),
        figures=len(figures),
        without_value=sum(figure.value is None for figure in figures),
    )


@dataclass
class _Folder:
    """What the results folder knows already of data sets, and of where targets stand in their scenes."""

    entries: dict[tuple[str, str], DatasetEntry]
    places: dict[tuple[str, str, str], dict[str, int]]

    @classmethod
    def of(cls, store: Results, manifests: Sequence[Manifest]) -> _Folder:
        entries = {(name, entry.split): entry for each in manifests for name, entry in each.datasets.items()}
        places: dict[tuple[str, str, str], dict[str, int]] = {}
        for dataset, split, scene, targets in store.scenes().select("dataset", "split", "scene", "targets").iter_rows():
            places[dataset, split, scene] = {label: at for at, label in reversed(list(enumerate(targets)))}
        cells = [store.entries(each.run) for each in manifests]
        if cells:
            known = pl.concat(cells).select("key", "dataset", "split", "scene").unique()
            scored = store.scores().select("key", "target", "index").join(known, on="key")
            columns = ("dataset", "split", "scene", "target", "index")
            for dataset, split, scene, label, at in scored.select(columns).unique().sort(columns).iter_rows():
                places.setdefault((dataset, split, scene), {}).setdefault(label, at)
        return cls(entries, places)

    def place(self, figure: Figure) -> int:
        """Where the figure's target stands in its scene: behind the others, where it is new to it."""
        key = (figure.dataset, figure.split, figure.scene)
        if key not in self.places:
            self.places[key] = {label: at for at, label in enumerate(_labels(figure.dataset))}
        known = self.places[key]
        return known.setdefault(figure.target, max(known.values(), default=-1) + 1)


def _write(
    store: Results,
    run: str,
    figures: Sequence[Figure],
    folder: _Folder,
    metrics: Mapping[str, MetricEntry],
    about: Mapping[str, str],
    oracles: frozenset[str],
) -> None:
    """Write one data set and split: scores, cells, and the manifest last of all."""
    dataset, split = figures[0].dataset, figures[0].split
    entries: list[dict[str, str]] = []
    cells: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for (_, _, separator, scene), own in by_cell(figures):
        key = _key(own)
        family = "oracle" if separator in oracles else FAMILY
        place = {"separator": separator, "family": family, "dataset": dataset, "split": split, "scene": scene}
        entries.append({"key": key, **place, "protocol": PROTOCOL, "variant": FAMILY})
        cells.append(_cell(key, run, own, about["source"]))
        scores.extend(_score(key, figure, folder.place(figure)) for figure in own)
    store.write_cells(cells, scores)
    entry = _dataset_entry(figures, folder.entries.get((dataset, split)), metrics, about)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(
        run=run,
        state="finished",
        started=now,
        finished=now,
        configuration={"protocol": PROTOCOL, "figures": "reported elsewhere, not computed here", IMPORT: dict(about)},
        provenance=provenance(),
        datasets={dataset: entry},
        counts=dict(Counter(cell["status"] for cell in cells)),
    )
    store.write_manifest(manifest, pl.DataFrame(entries))


def _cell(key: str, run: str, figures: Sequence[Figure], source: str) -> dict[str, Any]:
    return {
        "key": key,
        "run": run,
        "status": "ok",
        "metrics": sorted({figure.metric for figure in figures}),
        "attempts": 1,
        "notes": [f"reported figures, imported from {source}"],
    }


def _score(key: str, figure: Figure, place: int) -> dict[str, Any]:
    target = _target(figure.dataset, figure.target)
    ontology = Ontology.audioset()
    return {
        "key": key,
        "index": place,
        "target": figure.target,
        "mids": list(target.mids),
        "depth": min((ontology[mid].depth for mid in target.mids), default=None),
        "metric": figure.metric,
        "value": figure.value,
        "status": "ok" if figure.value is not None else "nan",
        "reason": figure.reason,
    }


def _refuse_namesakes(figures: Iterable[Figure], store: Results, manifests: Iterable[Manifest]) -> None:
    """A reported figure must not take the place of one that was computed here."""
    run_here = {
        pair
        for manifest in manifests
        if IMPORT not in manifest.configuration
        for pair in store.entries(manifest.run).select("separator", "dataset").unique().iter_rows()
    }
    for figure in figures:
        if (figure.separator, figure.dataset) in run_here:
            raise SourceError(
                f"{figure.where}: separator {figure.separator!r} has been run here on {figure.dataset}, and reported "
                "figures would hide what was computed; give it another name (--name, or in the table)"
            )


def _metric_entries(
    figures: Iterable[Figure], known: Mapping[str, MetricEntry], source: Path
) -> dict[str, MetricEntry]:
    """Definitions of the metrics that come in: those installed or known to the folder, others as reported."""
    installed = plugins.names("metrics")
    entries: dict[str, MetricEntry] = {}
    for figure in figures:
        if figure.metric not in entries:
            if figure.metric in installed:
                entries[figure.metric] = metric_entry(plugins.load("metrics", figure.metric))
            else:
                entries[figure.metric] = known.get(figure.metric) or _reported_entry(figure, source)
        entry = entries[figure.metric]
        for what, given, stands in (("unit", figure.unit, entry.unit), ("better", figure.better, entry.better)):
            if given is not None and given != stands:
                raise SourceError(
                    f"{figure.where}: {what} of {figure.metric} is {given!r}, but it stands as {stands!r} here; "
                    "give the figures another metric, or mend the unit"
                )
    return entries


def _reported_entry(figure: Figure, source: Path) -> MetricEntry:
    if figure.unit is None or figure.better is None:
        raise SourceError(
            f"{figure.where}: metric {figure.metric} is not known here; say its unit and which way is better "
            "(--unit dB --better higher, or columns of these names)"
        )
    return MetricEntry(
        title=f"{figure.called} (reported)",
        unit=figure.unit,
        better=figure.better,
        definition=f"As reported by {source.name}; not computed here.",
        undefined=NO_VALUE,
        aggregations=_AGGREGATIONS,
    )


def _dataset_entry(
    figures: Sequence[Figure], known: DatasetEntry | None, metrics: Mapping[str, MetricEntry], about: Mapping[str, str]
) -> DatasetEntry:
    """What is known of the data set, with a column for each metric that comes in."""
    dataset, split = figures[0].dataset, figures[0].split
    own = tuple(dict.fromkeys(figure.metric for figure in figures))
    scenes = {figure.scene for figure in figures}
    if known is None:
        installed = plugins.names("datasets")
        kind = plugins.load("datasets", dataset) if dataset in installed else None
        known = DatasetEntry(
            title=kind.info.title if kind else dataset,
            split=split,
            licence=kind.info.licence if kind else "not stated by the source",
            citation=kind.info.citation if kind else f"reported by {about['source']}",
            url=kind.info.url if kind else "",
            columns=(),
            metrics=(),
            caveat=kind.caveat if kind else None,
            scenes=0,
            version=_sha256(sorted(scenes)),
        )
    shown = {column.partition("/")[0] for column in known.columns}
    columns = tuple(f"{metric}/{metrics[metric].aggregations[0]}" for metric in own if metric not in shown)
    return known.model_copy(
        update={
            "columns": (*known.columns, *columns),
            "metrics": tuple(dict.fromkeys((*known.metrics, *own))),
            "scenes": max(known.scenes, len(scenes)),
        }
    )


def _target(dataset: str, label: str) -> Target:
    return _labels(dataset).get(label, Target(label))


def _labels(dataset: str) -> Mapping[str, Target]:
    """The data set's own labels with their classes, none where it is not known here."""
    try:
        return label_map(dataset)
    except KeyError:
        return {}


def _key(figures: Sequence[Figure]) -> str:
    first = figures[0]
    said = sorted((figure.target, figure.metric, str(figure.value), str(figure.reason)) for figure in figures)
    return _sha256([FAMILY, first.separator, first.dataset, first.split, first.scene, said])


def _fingerprint(source: Path) -> str:
    """Hash over the names and contents of the source's files."""
    files = [source] if source.is_file() else sorted(source.rglob("*.json"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sha256(described: object) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()
