"""Analyse a recording: what sounds in it, and the audio of each class, written to a folder."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch

from bench.analysis.consistency import partition_of
from bench.analysis.dispatch import Choice, Named, dispatch, target_of
from bench.analysis.extract import Ask, Extraction, Partition
from bench.analysis.flac import MOST_CHANNELS, MOST_HZ, FlacWriter
from bench.analysis.recording import Recording, open_recording
from bench.analysis.settings import USS_WRITE_ABOVE, AnalysisSettings
from bench.analysis.tree import SCENE_FILE, ClassEntry, RecordingEntry, SceneTree, Span
from bench.analysis.untold import untold
from bench.analysis.walk import Detection, Heard, detect, force
from bench.progress import spinner, track
from ontology import Node, Ontology
from separators.base import Context
from taggers.base import Annotation, TagContext, Tagger
from taggers.timeline import tag_recording

AUDIO_FOLDER = "audio"
_GIVEN = frozenset({"spans"})
"""Fields of a query that an analysis fills in."""
_MOST_OPEN: Final = 64
"""Files that stay open while a recording is separated: systems allow 256 or more, and classes are up to 632."""


@dataclass
class _Work:
    """One analysis under way: what was heard, who extracts it, and the files being written."""

    recording: Recording
    heard: Heard
    choices: tuple[Choice, ...]
    partition: frozenset[str]
    """Mids of the classes that divide what was heard among them."""
    settings: AnalysisSettings
    scratch: Path
    open_files: ExitStack

    @property
    def asked(self) -> list[tuple[Detection, Named]]:
        """The detections that a separator takes."""
        pairs = zip(self.heard.detections, self.choices, strict=True)
        return [(detection, choice.chosen) for detection, choice in pairs if choice.chosen is not None]


def analyze(
    source: Path | str | Recording,
    *,
    out: Path | str,
    separators: Sequence[Named],
    tagger: Tagger | None = None,
    tagger_name: str | None = None,
    settings: AnalysisSettings | None = None,
    annotation: Annotation | None = None,
    device: torch.device | None = None,
    notes: Sequence[str] = (),
) -> SceneTree:
    """Find the classes that sound in a recording, extract each, and write ``scene.json`` and the audio to a folder.

    Neither the recording nor an estimate is ever held in memory as a whole. Everything is written under a temporary
    name first: an analysis that is broken off leaves the folder, and an earlier analysis in it, as they were.

    Args:
        source: path of a recording, or one that is open.
        out: folder; an earlier analysis in it is replaced.
        separators: in order of preference.
        tagger: None takes every class that the settings ask for as active from beginning to end.
        tagger_name: how it stands in ``scene.json``; None takes its class's name.
        settings: None takes the defaults.
        annotation: what is known to sound, for taggers that need it.
        device: None takes the CPU.
        notes: what a reader must know besides, such as separators that could not be had.

    Returns:
        The scene tree as it was written.

    Raises:
        SceneError: the recording cannot be opened or decoded.
        ValueError: the tagger needs an annotation and got none, ``out`` has audio that is no analysis's, or the
            recording has more channels than a FLAC file holds.
    """
    settings, device = settings or AnalysisSettings(), device or torch.device("cpu")
    if tagger is not None and tagger.needs_annotation and annotation is None:
        raise ValueError(f"tagger {tagger_name or type(tagger).__name__} is told what sounds: it needs an annotation")
    listener = (tagger_name or type(tagger).__name__) if tagger is not None else "none"
    has_card = tagger is not None and tagger_name is not None and tagger.card() is not None
    thresholds = _thresholds(tagger, settings)
    out = Path(out)
    _check_out(out, source)
    with _opened(source) as recording, _scratch(out) as scratch, ExitStack() as open_files:
        _check_layout(recording)
        heard = _hear(recording, tagger, settings, thresholds, annotation, device)
        targets = [target_of(detection.node) for detection in heard.detections]
        choices = dispatch(targets, separators, given=_GIVEN)
        partition = frozenset(node.mid for node in partition_of(heard, settings))
        work = _Work(recording, heard, choices, partition, settings, scratch, open_files)
        failures, writers = _extract(work, Context(seed=settings.seed, device=device))
        entries = _entries(work, failures, writers)
        mixture, residual = _write_rest(work, entries, writers)
        tree = SceneTree(
            recording=RecordingEntry(
                name=recording.name,
                sha256=recording.sha256,
                sample_rate=recording.sample_rate,
                channels=recording.channels,
                samples=recording.samples,
                seconds=recording.seconds,
                audio=_place(mixture),
                gain=mixture.gain,
            ),
            tagger=listener,
            separators=tuple(named.name for named in separators),
            settings=_said(settings, thresholds),
            ontology=Ontology.audioset().version,
            activity_seconds=heard.step_seconds,
            classes=tuple(_with_level(entry, writers, mixture) for entry in entries),
            residual=_place(residual),
            residual_gain=residual.gain,
            notes=(
                *notes,
                *untold(heard, listener, card=has_card),
                *_notes(work, [*writers.values(), mixture, residual]),
            ),
        )
        _publish(scratch, out, tree)
    return tree


def _check_out(out: Path, source: Path | str | Recording) -> None:
    audio = out / AUDIO_FOLDER
    if audio.exists() and not (out / SCENE_FILE).is_file():
        raise ValueError(f"{audio} is there, but no {SCENE_FILE}: it is no earlier analysis; name another folder")
    if not isinstance(source, Recording) and Path(source).resolve().is_relative_to(audio.resolve()):
        raise ValueError(f"{source} would be replaced by its own analysis; name another folder than {out}")


def _check_layout(recording: Recording) -> None:
    if recording.channels > MOST_CHANNELS or recording.sample_rate > MOST_HZ:
        raise ValueError(
            f"{recording.name}: {recording.channels} channels at {recording.sample_rate} Hz, and FLAC holds up to "
            f"{MOST_CHANNELS} at up to {MOST_HZ} Hz; mix or resample it first"
        )


@contextmanager
def _opened(source: Path | str | Recording) -> Iterator[Recording]:
    if isinstance(source, Recording):
        yield source
    else:
        with open_recording(Path(source)) as recording:
            yield recording


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside the result, on the same disk, gone when all is done or broken off."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as name:
            scratch = Path(name)
            (scratch / AUDIO_FOLDER).mkdir()
            yield scratch
    finally:
        if is_new and not any(out.iterdir()):
            out.rmdir()


def _hear(
    recording: Recording,
    tagger: Tagger | None,
    settings: AnalysisSettings,
    thresholds: torch.Tensor | None,
    annotation: Annotation | None,
    device: torch.device,
) -> Heard:
    if tagger is None:
        return force(recording.seconds, settings)
    with spinner("listening") as tell:
        timeline = tag_recording(
            tagger,
            recording.read,
            sample_rate=recording.sample_rate,
            samples=recording.samples,
            segment_seconds=settings.segment_seconds,
            hop_seconds=settings.hop_seconds,
            batch=settings.batch,
            context=TagContext(seed=settings.seed, device=device, annotation=annotation),
            progress=lambda done, total: tell(f"{done} of {total} segments"),
        )
    return detect(timeline, settings, thresholds=thresholds)


def _thresholds(tagger: Tagger | None, settings: AnalysisSettings) -> torch.Tensor | None:
    """The tagger's calibrated thresholds, unless somebody set one, which comes first, or the rules of uss hold."""
    if tagger is None or "threshold" in settings.model_fields_set or settings.rules == "uss":
        return None
    return tagger.thresholds()


def _said(settings: AnalysisSettings, thresholds: torch.Tensor | None) -> dict[str, Any]:
    """Settings as they are told: where calibrated thresholds stand in for ``threshold``, no number that never acted."""
    told = settings.model_dump(mode="json")
    return told if thresholds is None else told | {"threshold": "calibrated, by the tagger"}


def _extract(work: _Work, context: Context) -> tuple[dict[str, str], dict[str, FlacWriter]]:
    """Extract all that somebody takes: why a class failed, and the files of the others, both by mid."""
    asked = work.asked
    asks = [Ask(target_of(detection.node), detection.spans, named) for detection, named in asked]
    extraction = Extraction(
        work.recording.read,
        work.recording.samples,
        work.recording.sample_rate,
        asks,
        work.settings,
        context,
        _consistent(work) if work.settings.consistent == "partition" else None,
    )
    nodes = [detection.node for detection, _ in asked]
    writers: dict[str, FlacWriter] = {}
    for index in track(range(len(extraction.blocks)), total=len(extraction.blocks), label="separating"):
        for place, audio in extraction.run(index):
            node = nodes[place]
            if node.mid not in writers:
                writers[node.mid] = _writer(work, _file_name(node), stays_open=len(writers) < _MOST_OPEN)
            writers[node.mid].write(audio)
    failures = {nodes[place].mid: reason for place, reason in extraction.failures.items()}
    for mid in failures.keys() & writers.keys():
        writers.pop(mid).discard()
    for writer in writers.values():
        writer.close()
    return failures, writers


def _consistent(work: _Work) -> Partition:
    extracted = {detection.node.mid: place for place, (detection, _) in enumerate(work.asked)}
    unheld: list[tuple[float, float]] = []
    for detection in work.heard.detections:
        if detection.node.mid in work.partition and detection.node.mid not in extracted:
            unheld += detection.spans
    members = frozenset(place for mid, place in extracted.items() if mid in work.partition)
    return Partition(members, tuple(unheld))


def _file_name(node: Node) -> str:
    plain = "".join(letter if letter.isalnum() else "-" for letter in node.name.lower())
    return f"{node.row:03d}-{'-'.join(filter(None, plain.split('-')))}.flac"


def _writer(work: _Work, name: str, *, stays_open: bool = True) -> FlacWriter:
    rate, channels = work.recording.sample_rate, work.recording.channels
    path = work.scratch / AUDIO_FOLDER / name
    writer = FlacWriter(path, sample_rate=rate, channels=channels, stays_open=stays_open)
    work.open_files.callback(writer.release)
    return writer


def _place(writer: FlacWriter) -> str:
    return f"{AUDIO_FOLDER}/{writer.path.name}"


def _entries(work: _Work, failures: dict[str, str], writers: dict[str, FlacWriter]) -> list[ClassEntry]:
    """What became of each detection; the level of its audio is not known yet."""
    entries = []
    for detection, choice in zip(work.heard.detections, work.choices, strict=True):
        node = detection.node
        writer = writers.get(node.mid)
        reason = failures.get(node.mid) or choice.reason
        if writer and work.settings.rules == "uss" and writer.highest <= USS_WRITE_ABOVE:
            writer, reason = None, f"under the rules of uss: no sample of its estimate exceeds {USS_WRITE_ABOVE:g}"
            writers.pop(node.mid).discard()
        entries.append(
            ClassEntry(
                mid=node.mid,
                name=node.name,
                depth=node.depth,
                parents=tuple(parent.mid for parent in node.parents),
                status="extracted" if writer else "failed" if node.mid in failures else "detected",
                reason=None if writer else reason,
                confidence=detection.confidence,
                spans=tuple(Span(start=start, end=end) for start, end in detection.spans),
                activity=() if detection.activity is None else _plain(detection.activity),
                separator=choice.chosen.name if choice.chosen else None,
                audio=_place(writer) if writer else None,
                gain=writer.gain if writer else 1.0,
                in_partition=writer is not None and node.mid in work.partition,
            )
        )
    return entries


def _plain(scores: np.ndarray) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(score) else round(score, 4) for score in scores.tolist())


def _write_rest(
    work: _Work, entries: Sequence[ClassEntry], writers: dict[str, FlacWriter]
) -> tuple[FlacWriter, FlacWriter]:
    """Write the recording, and what the files of the partition leave of it."""
    recording = work.recording
    mixture, residual = _writer(work, "recording.flac"), _writer(work, "residual.flac")
    members = [writers[entry.mid] for entry in entries if entry.in_partition]
    length = max(round(work.settings.block_seconds * recording.sample_rate), 1)
    starts = range(0, recording.samples, length)
    for start in track(starts, total=len(starts), label="residual"):
        audio = recording.read(start, min(start + length, recording.samples))
        mixture.write(audio)
        rest = audio.double()
        for writer in members:  # opened one at a time, as they may be hundreds
            part, _ = soundfile.read(writer.path, audio.shape[1], start, dtype="float64", always_2d=True)
            rest -= torch.from_numpy(part.T) / writer.gain
        residual.write(rest.float())
    mixture.close()
    residual.close()
    return mixture, residual


def _with_level(entry: ClassEntry, writers: dict[str, FlacWriter], mixture: FlacWriter) -> ClassEntry:
    energy = writers[entry.mid].energy if entry.audio else 0.0
    if not energy or not mixture.energy:
        return entry
    return entry.model_copy(update={"level_db": 10 * math.log10(energy / mixture.energy)})


def _notes(work: _Work, writers: Sequence[FlacWriter]) -> Iterator[str]:
    for writer in writers:
        if writer.gain != 1:
            level = -20 * math.log10(writer.gain)
            yield f"{_place(writer)} is {level:.2f} dB below its true level, as its peak exceeds full scale"
    if work.settings.rules == "uss":
        yield "classes were chosen by their level in the tree of the rules of uss, which may differ from their depth"


def _publish(scratch: Path, out: Path, tree: SceneTree) -> None:
    """Put the result in the place of an earlier one; ``scene.json`` goes first and comes last."""
    finished = scratch / SCENE_FILE
    finished.write_text(tree.model_dump_json(indent=1), encoding="utf-8")
    (out / SCENE_FILE).unlink(missing_ok=True)
    shutil.rmtree(out / AUDIO_FOLDER, ignore_errors=True)
    (scratch / AUDIO_FOLDER).replace(out / AUDIO_FOLDER)
    finished.replace(out / SCENE_FILE)
