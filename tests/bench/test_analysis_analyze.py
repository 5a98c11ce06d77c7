"""From a recording to a folder: the scene tree, its audio, and what becomes of failures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from analysis_kit import ONTO, echo, noise, separator
from bench.analysis.analyze import analyze
from bench.analysis.dispatch import Named, prepare
from bench.analysis.flac import FlacWriter
from bench.analysis.settings import AnalysisSettings
from bench.analysis.tree import ClassEntry, SceneTree, read_scene
from bench.hashing import file_sha256
from ontology import Ontology
from separators.base import Query
from taggers.base import Annotation, Event, TagContext, Tagger, Tags
from taggers.labels import Labels

RATE = 8000
SPEECH, GUITAR = (ONTO[name].mid for name in ("Speech", "Guitar"))
ANNOTATION = Annotation((Event(SPEECH, 0.0, 3.0), Event(GUITAR, 2.0, 6.0)))
HALF = separator(lambda mixture, queries: 0.5 * echo(mixture, queries), name="half")


class Clipwise(Tagger):
    """Speech in the first segment and nothing else, as the 527 labelled classes."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        clipwise = torch.zeros((len(waveforms), 527))
        index = ONTO["Speech"].index
        assert index is not None
        for row, start in enumerate(context.starts):
            clipwise[row, index] = 0.9 if start == 0 else 0.0
        rows = ONTO.roll_up(clipwise)
        return Tags(probabilities=rows, known=~torch.isnan(rows).any(dim=0), clipwise=clipwise)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, noise(2, 8 * RATE).T.numpy(), RATE, subtype="PCM_24")
    return path


def run(clip: Path, *separators: Named, out: str = "out", **given: Any) -> SceneTree:
    options = {"tagger": Labels(), "annotation": ANNOTATION} | given
    return analyze(clip, out=clip.parent / out, separators=separators, **options)


def audio(folder: Path, path: str | None) -> torch.Tensor:
    assert path is not None
    return torch.from_numpy(soundfile.read(folder / path, dtype="float64", always_2d=True)[0].T)


def by_name(tree: SceneTree) -> dict[str, ClassEntry]:
    return {entry.name: entry for entry in tree.classes}


def test_the_folder_holds_a_valid_tree_with_one_flac_per_class(clip: Path) -> None:
    tree = run(clip, separator(echo), tagger_name="labels")
    out = clip.parent / "out"
    assert read_scene(out) == tree
    assert tree.recording.sha256 == file_sha256(clip)
    assert (tree.tagger, tree.separators, tree.ontology) == ("labels", ("probe",), Ontology.audioset().version)
    rows = [ONTO[entry.mid].row for entry in tree.classes]
    assert rows == sorted(rows)
    assert {"Human sounds", "Speech", "Music", "Musical instrument"} <= by_name(tree).keys()
    mixture = audio(out, tree.recording.audio)
    for entry in tree.classes:
        assert entry.status == "extracted"
        assert entry.parents == tuple(parent.mid for parent in ONTO[entry.mid].parents)
        (span,) = entry.spans
        inside = slice(round(span.start * RATE), round(span.end * RATE))
        assert torch.equal(audio(out, entry.audio)[:, inside], mixture[:, inside])
    speech = by_name(tree)["Speech"]
    assert (speech.spans[0].start, speech.spans[0].end) == pytest.approx((0.0, 3.0))
    assert speech.confidence == 1
    assert speech.activity[0] == 1
    assert speech.activity[-1] == 0
    assert len(speech.activity) * tree.activity_seconds == pytest.approx(8.0)
    assert speech.level_db == pytest.approx(-4.26, abs=0.1)  # 3 of 8 s
    assert sorted(path.name for path in out.iterdir()) == ["audio", "scene.json"]


@pytest.mark.parametrize("consistent", ["none", "partition"])
def test_the_partition_and_the_residual_add_up_to_the_mixture(clip: Path, consistent: str) -> None:
    tree = run(clip, HALF, settings=AnalysisSettings(consistent=consistent))  # type: ignore[arg-type]
    out = clip.parent / "out"
    members = [entry for entry in tree.classes if entry.in_partition]
    assert [entry.name for entry in members] == ["Speech", "Plucked string instrument"]
    residual, mixture = audio(out, tree.residual), audio(out, tree.recording.audio)
    total = residual + sum(audio(out, entry.audio) for entry in members)
    torch.testing.assert_close(total, mixture, atol=2**-23, rtol=0)
    # Nobody is active in the last second, and the residual keeps the mixture.
    assert torch.equal(residual[:, 7 * RATE :], mixture[:, 7 * RATE :])
    inside = torch.cat(
        [residual[:, round(a * RATE) : round(b * RATE)] for a, b in [(0, 1.8), (2.2, 2.8), (3.2, 5.8)]], 1
    )
    loud = float(inside.abs().max())
    assert loud < 1e-5 if consistent == "partition" else loud > 0.01


def test_classes_nobody_takes_are_listed_with_the_reason_and_those_that_fail_with_theirs(clip: Path) -> None:
    def fails(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        raise RuntimeError("out of ideas")

    tree = run(clip, separator(fails, name="failing", classes=("Speech",)), separator(echo, classes=("Music",)))
    entries = by_name(tree)
    assert entries["Speech"].status == "failed"
    assert entries["Speech"].reason == "failing failed in separation: RuntimeError: out of ideas"
    assert entries["Human sounds"].status == "detected"
    assert "failing: 'Human sounds'" in (entries["Human sounds"].reason or "")
    assert entries["Music"].status == "extracted"
    assert not entries["Speech"].in_partition
    kept = {path.name for path in (clip.parent / "out" / "audio").iterdir()}
    named = {Path(entry.audio).name for entry in tree.classes if entry.audio}
    assert kept == named | {"recording.flac", "residual.flac"}


def test_a_class_that_fails_late_leaves_no_file(clip: Path) -> None:
    calls = 0

    def fails_later(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return echo(mixture, queries) if calls == 1 else mixture.new_full((len(queries), *mixture.shape), torch.nan)

    settings = AnalysisSettings(classes=("Speech",), block_seconds=2.0, block_fade_seconds=0.5)
    tree = run(clip, separator(fails_later), settings=settings)
    assert by_name(tree)["Speech"].status == "failed"
    assert "in the block from 1.9 s" in (by_name(tree)["Speech"].reason or "")
    assert {path.name for path in (clip.parent / "out" / "audio").iterdir()} == {"recording.flac", "residual.flac"}
    residual, mixture = (audio(clip.parent / "out", path) for path in (tree.residual, tree.recording.audio))
    assert torch.equal(residual, mixture)


def test_an_estimate_beyond_full_scale_is_stored_lower_by_a_stated_level(clip: Path) -> None:
    loud = separator(lambda mixture, queries: 8 * echo(mixture, queries))
    tree = run(clip, loud, settings=AnalysisSettings(classes=("Speech",)))
    path = by_name(tree)["Speech"].audio
    assert [note for note in tree.notes if str(path) in note and " dB below its true level" in note]
    assert by_name(tree)["Speech"].level_db == pytest.approx(-4.26 + 18.06, abs=0.1)
    out = clip.parent / "out"
    gain = by_name(tree)["Speech"].gain
    assert f"{-20 * math.log10(gain):.2f} dB below" in tree.notes[0]
    mixture = audio(out, tree.recording.audio)
    torch.testing.assert_close(
        audio(out, path)[:, : 3 * RATE], 8 * gain * mixture[:, : 3 * RATE], atol=2**-22, rtol=0
    )  # fmt: skip


def test_each_file_says_its_gain_so_that_parts_and_residual_add_up_to_a_recording_beyond_full_scale(
    tmp_path: Path,
) -> None:
    signal = noise(2, 2 * RATE, level=0.8)
    soundfile.write(tmp_path / "hot.wav", signal.T.numpy(), RATE, subtype="FLOAT")
    loud = separator(lambda mixture, queries: -3 * echo(mixture, queries))
    tree = run(tmp_path / "hot.wav", loud, tagger=None, settings=AnalysisSettings(classes=("Guitar",)))
    out, (guitar,) = tmp_path / "out", tree.classes
    assert guitar.in_partition
    assert guitar.gain < tree.recording.gain < 1
    assert tree.residual_gain < tree.recording.gain
    mixture = audio(out, tree.recording.audio) / tree.recording.gain
    torch.testing.assert_close(mixture, signal.double(), atol=1e-6, rtol=0)
    parts = audio(out, guitar.audio) / guitar.gain + audio(out, tree.residual) / tree.residual_gain
    torch.testing.assert_close(parts, mixture, atol=1e-5, rtol=0)


def test_what_the_tagger_cannot_tell_and_what_could_not_be_had_stand_in_the_notes(clip: Path) -> None:
    settings = AnalysisSettings(classes=("Speech", "Male speech, man speaking"))
    tree = run(clip, HALF, settings=settings, notes=("x: gone",))
    assert tree.notes[0] == "x: gone"
    assert "cannot tell 1 of the classes asked for, at some times or at all: Male speech, man speaking" in tree.notes[1]


class Hears(Tagger):
    """Speech and a guitar with a score of 0.3 throughout, with calibrated thresholds, and nothing else at all."""

    def tag(self, waveforms: torch.Tensor, *, context: TagContext) -> Tags:
        rows = torch.full((len(waveforms), len(ONTO)), torch.nan)
        for name in ("Speech", "Guitar"):
            rows[:, [node.row for node in ONTO.ancestors(name, include_self=True)]] = 0.3
        return Tags(probabilities=rows, known=~torch.isnan(rows).any(dim=0))

    def thresholds(self) -> torch.Tensor:
        return torch.full((len(ONTO),), 0.5)


def test_many_classes_that_the_tagger_cannot_tell_are_counted_and_those_that_it_tells_named(clip: Path) -> None:
    (note,) = (note for note in run(clip, HALF, tagger=Hears(), tagger_name="few").notes if "cannot tell" in note)
    asked = [node for node in ONTO if node.depth in (1, 2, 3)]
    told = {node.mid for name in ("Speech", "Guitar") for node in ONTO.ancestors(name, include_self=True)}
    count = sum(node.mid not in told for node in asked)
    assert f"few cannot tell {count} of the classes asked for" in note
    assert "it tells Speech; Guitar, and the classes above these" in note
    assert "stemtree card" not in note  # it has none
    assert len(note) < 300


def test_a_threshold_that_was_set_comes_before_calibrated_ones(clip: Path) -> None:
    assert not run(clip, HALF, tagger=Hears()).classes
    names = by_name(run(clip, HALF, tagger=Hears(), settings=AnalysisSettings(threshold=0.2)))
    assert {"Speech", "Music"} <= names.keys()


@pytest.mark.parametrize("threshold", [None, 0.2])
def test_the_settings_of_a_scene_name_the_threshold_that_acted(clip: Path, threshold: float | None) -> None:
    given = {} if threshold is None else {"threshold": threshold}
    tree = run(clip, HALF, tagger=Hears(), settings=AnalysisSettings(depths=(1,), **given))  # type: ignore[arg-type]
    assert tree.settings["threshold"] == (threshold or "calibrated, by the tagger")


def test_without_a_tagger_the_classes_asked_for_are_active_throughout(clip: Path) -> None:
    tree = run(clip, separator(echo), tagger=None, settings=AnalysisSettings(classes=("Hiss",)))
    (entry,) = tree.classes
    assert (entry.name, entry.confidence, entry.activity) == ("Hiss", None, ())
    assert [(span.start, span.end) for span in entry.spans] == [(0.0, 8.0)]
    assert tree.tagger == "none"


def test_the_uss_preset_writes_no_estimate_that_stays_at_zero(clip: Path) -> None:
    negative = separator(lambda mixture, queries: -echo(mixture, queries).abs(), classes=("Speech",))
    tree = run(clip, negative, separator(echo), tagger=Clipwise(), settings=AnalysisSettings.uss())
    speech = by_name(tree)["Speech"]
    assert (speech.status, speech.audio) == ("detected", None)
    assert "1e-06" in (speech.reason or "")
    human = by_name(tree)["Human sounds"]
    estimate, mixture = (audio(clip.parent / "out", path) for path in (human.audio, tree.recording.audio))
    assert torch.equal(estimate[:, : 2 * RATE], mixture[:, : 2 * RATE])
    assert not estimate[:, 2 * RATE :].any()


def test_an_analysis_that_is_broken_off_leaves_the_earlier_one_as_it_was(clip: Path) -> None:
    before = run(clip, HALF)

    def interrupted(mixture: torch.Tensor, queries: tuple[Query, ...]) -> torch.Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(clip, separator(interrupted))
    out = clip.parent / "out"
    assert read_scene(out) == before
    assert sorted(path.name for path in out.iterdir()) == ["audio", "scene.json"]
    assert all((out / entry.audio).is_file() for entry in before.classes if entry.audio)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, OSError("no space left")])
def test_an_analysis_that_is_broken_off_in_a_later_block_leaves_no_folder_and_no_open_file(
    clip: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    write, calls = FlacWriter.write, 0

    def breaks_off(self: FlacWriter, audio: torch.Tensor) -> None:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise raised
        write(self, audio)

    monkeypatch.setattr(FlacWriter, "write", breaks_off)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises((KeyboardInterrupt, OSError)) as caught:
        run(clip, HALF, settings=AnalysisSettings(depths=(1, 2, 3), block_seconds=2.0, block_fade_seconds=0.5))
    assert calls > 8
    assert caught.tb is not None  # its frames, and what they hold, are still there
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert not (clip.parent / "out").exists()


def test_more_classes_than_files_may_be_open_are_written_all_the_same(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soundfile.write(tmp_path / "short.wav", noise(1, 800).T.numpy(), RATE, subtype="PCM_16")
    classes = tuple(node.mid for node in ONTO if node.depth == 3)[:120]
    settings = AnalysisSettings(classes=classes, block_seconds=0.06, block_fade_seconds=0.01)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    try:
        tree = run(tmp_path / "short.wav", separator(echo), tagger=None, annotation=None, settings=settings)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    out = tmp_path / "out"
    mixture = audio(out, tree.recording.audio)
    assert len(tree.classes) == 120
    assert all(torch.equal(audio(out, entry.audio), mixture) for entry in tree.classes)
    total = mixture * sum(entry.in_partition for entry in tree.classes)
    torch.testing.assert_close(audio(out, tree.residual) / tree.residual_gain, mixture - total, atol=1e-4, rtol=0)


def test_an_earlier_analysis_is_replaced_and_anybody_else_s_audio_is_not(clip: Path) -> None:
    run(clip, HALF)
    tree = run(clip, HALF, settings=AnalysisSettings(classes=("Speech",)))
    assert len(list((clip.parent / "out" / "audio").iterdir())) == 3
    with pytest.raises(ValueError, match="its own analysis"):
        run(clip.parent / "out" / tree.recording.audio, HALF, out="..")
    (clip.parent / "mine" / "audio").mkdir(parents=True)
    with pytest.raises(ValueError, match="no earlier analysis"):
        run(clip, HALF, out="mine")


def test_an_oracle_tagger_without_an_annotation_is_refused_before_any_work(clip: Path) -> None:
    with pytest.raises(ValueError, match="needs an annotation"):
        run(clip, HALF, annotation=None)
    assert not (clip.parent / "out").exists()


def test_real_primitives_extract_what_they_declare(clip: Path) -> None:
    ready, _ = prepare(["hpss"])
    tree = run(clip, *ready)
    assert by_name(tree)["Plucked string instrument"].separator == "hpss"
    assert by_name(tree)["Speech"].status == "detected"


def test_a_recording_with_more_channels_than_flac_holds_is_refused_by_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "many.wav", noise(9, 100).T.numpy(), RATE)
    with pytest.raises(ValueError, match=r"many\.wav: 9 channels"):
        run(tmp_path / "many.wav", HALF)


@pytest.mark.parametrize("samples", [1, 80, 1001])
@pytest.mark.parametrize("consistent", ["none", "partition"])
def test_the_shortest_recordings_are_analysed_too(tmp_path: Path, samples: int, consistent: str) -> None:
    soundfile.write(tmp_path / "short.wav", noise(1, samples).T.numpy(), RATE, subtype="PCM_16")
    annotation = Annotation((Event(SPEECH, 0.0, samples / RATE),))
    settings = AnalysisSettings(consistent=consistent)  # type: ignore[arg-type]
    tree = run(tmp_path / "short.wav", separator(echo), annotation=annotation, settings=settings)
    estimate, mixture = (
        audio(tmp_path / "out", path) for path in (by_name(tree)["Speech"].audio, tree.recording.audio)
    )
    assert estimate.shape == (1, samples)
    assert torch.equal(estimate, mixture)
