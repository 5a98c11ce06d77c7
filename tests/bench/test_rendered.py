from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from bench.cli import main
from bench.datasets import rendered
from bench.datasets.base import DatasetError
from bench.datasets.mini import soundfont
from bench.datasets.mini.compose import Note
from bench.datasets.mini.extras import RenderingError
from bench.datasets.mini.speech import Utterance
from bench.datasets.rendered import build, instruments, noises, playing, songs, speech
from bench.datasets.rendered.clip import SAMPLE_RATE, Clip, recorded
from ontology import Ontology

FEW = 0.001
"""One clip of each kind."""


def rows(folder: Path, split: str) -> list[dict[str, str]]:
    with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def every_row(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for split in rendered.SPLITS:
        yield from ((split, row) for row in rows(folder, split))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("pretty_midi", "tinysoundfont", "espeakng_loader"):
        pytest.importorskip(package)
    return rendered.make(tmp_path_factory.mktemp("rendered") / "few", share=FEW)


@dataclass
class Plan:
    """All clips of the whole set with what would have been played and spoken for them; nothing sounds."""

    clips: dict[str, list[Clip]] = field(default_factory=dict)
    played: dict[str, list[tuple[int, bool, list[Note]]]] = field(default_factory=dict)
    spoken: dict[str, list[Utterance]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def plan() -> Plan:
    made = Plan()
    with pytest.MonkeyPatch.context() as patch:
        for split in ("train", "held_out", "songs", "unknown"):
            played = made.played.setdefault(split, [])
            spoken = made.spoken.setdefault(split, [])

            def render(
                notes: Sequence[Note], program: int, seconds: float, *, drum: bool, played: list = played
            ) -> np.ndarray:
                played.append((program, drum, list(notes)))
                return np.ones((1, 2))  # what is played counts here, not how it sounds

            def speak(utterances: Sequence[Utterance], rate: int, spoken: list = spoken) -> list[np.ndarray]:
                spoken.extend(utterances)
                return [np.ones(1) for _ in utterances]

            patch.setattr(soundfont, "render", render)
            patch.setattr(speech, "speak", speak)
            for module in (playing, songs, speech):
                patch.setattr(module, "recorded", lambda audio, *_args, **_options: audio)
            recipes = (speech.clips, playing.clips, songs.clips)
            made.clips[split] = [clip for recipe in recipes for clip in recipe(split, 1.0)]
    return made


# What is written


def test_a_fresh_process_makes_the_same_bytes(few: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from bench.datasets import rendered; "
    code += f"rendered.make(Path(sys.argv[1]), share={FEW})"
    environment = os.environ | {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], check=True, env=environment, timeout=120)
    assert contents(tmp_path / "again") == contents(few)


def test_every_class_is_in_the_ontology_by_its_display_name() -> None:
    ontology = Ontology.audioset()
    assert [ontology[name].name for name in rendered.CLASSES] == list(rendered.CLASSES)
    assert len(set(rendered.CLASSES)) == 12


def test_tables_name_declared_classes_only_and_clips_that_are_there(few: Path) -> None:
    listed = list(every_row(few))
    for _, row in listed:
        assert tuple(row) == ("path", "labels", "recording", "licence")
        assert all(label in rendered.CLASSES for label in row["labels"].split(";") if label)
        assert row["recording"]
        assert row["licence"]
    paths = [row["path"] for _, row in listed]
    assert len(set(paths)) == len(paths)
    assert set(paths) == {path.relative_to(few).as_posix() for path in few.rglob("*.flac")}


def test_even_the_smallest_share_has_every_class_to_train_on_and_clips_of_none(few: Path) -> None:
    labels = {label for row in rows(few, "train") for label in row["labels"].split(";")}
    assert labels == {*rendered.CLASSES, ""}


def test_unknown_clips_have_no_labels(few: Path) -> None:
    assert [row["path"] for row in rows(few, "unknown") if row["labels"]] == []


def test_noise_is_labelled_where_it_is_white_or_pink_alone(few: Path) -> None:
    assert {row["labels"] for row in rows(few, "noise")} == {"", noises.WHITE, noises.PINK}


def test_clips_are_16_bit_mono_at_32_khz_below_full_scale_and_only_silence_is_silent(few: Path) -> None:
    for split, row in every_row(few):
        info = soundfile.info(few / row["path"])
        assert (info.subtype, info.channels, info.samplerate) == ("PCM_16", 1, SAMPLE_RATE)
        assert 1.9 < info.duration < 8.1
        audio, _ = soundfile.read(few / row["path"])
        peak = 20 * np.log10(max(np.abs(audio).max(), 1e-9))
        if row["recording"].startswith("silence"):
            assert not audio.any()
        elif row["recording"].startswith("faint"):
            assert -70 < peak < -50, row["path"]
        else:
            assert -20 < peak < -1, (split, row["path"])


def slope(audio: np.ndarray) -> float:
    """Decibels per octave between 100 Hz and 10 kHz."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequencies = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    edges = np.geomspace(100, 10_000, 13)
    bands = [power[(frequencies >= a) & (frequencies < b)].mean() for a, b in pairwise(edges)]
    return float(np.polyfit(np.log2(edges[:-1]), 10 * np.log10(bands), 1)[0])


@pytest.mark.parametrize(("kind", "decibels"), [("white noise", 0.0), ("pink noise", -3.0), ("brown noise", -6.0)])
def test_noise_falls_by_octaves_as_its_colour_says(few: Path, kind: str, decibels: float) -> None:
    row = next(row for row in rows(few, "noise") if row["recording"].startswith(kind))
    assert slope(soundfile.read(few / row["path"])[0]) == pytest.approx(decibels, abs=0.7)


def test_the_manifest_says_what_it_was_made_with_and_from(few: Path) -> None:
    manifest = json.loads((few / "rendered.json").read_text(encoding="utf-8"))
    assert manifest["version"] == rendered.VERSION
    assert {"tinysoundfont", "espeakng-loader", "TimGM6mb.sf2"} <= set(manifest["made_with"])
    assert set(manifest["tables"]) == {f"{split}.csv" for split in rendered.SPLITS}
    assert {row["licence"] for _, row in every_row(few)} == set(manifest["licences"])


# What is held out


def test_no_program_is_both_trained_on_and_held_out(plan: Plan) -> None:
    trained = {(program, drum) for program, drum, _ in plan.played["train"]}
    for split in ("held_out", "songs", "unknown"):
        assert {(program, drum) for program, drum, _ in plan.played[split]} & trained == set()
    assert {label for clip in plan.clips["songs"] for label in clip.labels} == set(instruments.INSTRUMENT_CLASSES)


def test_no_voice_variant_or_sentence_is_both_trained_on_and_held_out(plan: Plan) -> None:
    def parts(utterances: Sequence[Utterance]) -> list[set[str]]:
        languages, variants = zip(*(utterance.voice.split("+") for utterance in utterances), strict=True)
        words = {utterance.text.split(". ")[0].split("? ")[0] for utterance in utterances}
        return [set(languages), set(variants), words]

    trained, held = parts(plan.spoken["train"]), parts(plan.spoken["held_out"])
    assert [ours & theirs for ours, theirs in zip(trained, held, strict=True)] == [set(), set(), set()]
    assert len(held[0]) == 4
    assert len({utterance.voice for utterance in plan.spoken["train"]}) > 80


def test_every_class_that_is_played_is_held_out_with_twenty_clips_and_trained_on_with_eighty(plan: Plan) -> None:
    for split, count in (("train", 80), ("held_out", 20)):
        found = [clip.labels for clip in plan.clips[split]]
        assert {label: found.count((label,)) for label in instruments.INSTRUMENT_CLASSES} == dict.fromkeys(
            instruments.INSTRUMENT_CLASSES, count
        )


def test_no_undeclared_instrument_is_a_program_of_a_declared_class() -> None:
    declared = {one.program for one in instruments.DECLARED if not one.drum}
    assert declared & {one.program for one in instruments.UNDECLARED} == set()


def test_instruments_play_within_their_range_and_begin_within_the_clip(plan: Plan) -> None:
    ranges = {(one.program, one.drum): one for one in (*instruments.DECLARED, *instruments.UNDECLARED)}
    for program, drum, notes in (call for calls in plan.played.values() for call in calls):
        player = ranges[program, drum]
        assert {note.pitch for note in notes if not player.low <= note.pitch <= player.high} == set()
        assert min(note.start for note in notes) < 2.0
        assert all(note.end > note.start >= 0 and 0 < note.velocity < 128 for note in notes)


def test_songs_have_two_to_four_classes_and_a_part_for_each(plan: Plan) -> None:
    assert len({clip.recording for clip in plan.clips["songs"]}) == 8
    counts = [len(clip.labels) for clip in plan.clips["songs"]]
    assert set(counts) <= {2, 3, 4}
    assert sum(counts) == len(plan.played["songs"])


def test_recorded_keeps_the_pitch_within_a_half_of_a_semitone() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    for seed in range(5):
        heard = recorded(tone, 44_100, np.random.default_rng(seed))
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 8 * len(heard)))
        found = np.argmax(spectrum) * SAMPLE_RATE / (8 * len(heard))
        assert abs(1200 * np.log2(found / 440)) < 45


# Whole or not at all


def test_a_whole_one_is_left_as_it_is(few: Path) -> None:
    before = (few / "rendered.json").stat().st_mtime_ns
    rendered.make(few, share=FEW)
    assert (few / "rendered.json").stat().st_mtime_ns == before


def test_one_with_a_missing_clip_or_another_share_or_a_changed_table_is_not_whole(few: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(few, copy)
    assert build._whole(copy, FEW)
    assert not build._whole(copy, 1.0)
    next(copy.rglob("*.flac")).unlink()
    assert not build._whole(copy, FEW)
    shutil.copytree(few, copy, dirs_exist_ok=True)
    with (copy / "train.csv").open("a", encoding="utf-8") as table:
        table.write("more.flac,Speech,x,y\n")
    assert not build._whole(copy, FEW)


def failing_noise(_split: str, _share: float) -> Iterator[Clip]:
    raise OSError("no space left")
    yield


def test_a_maker_that_fails_leaves_nothing_and_keeps_what_was_there(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    shutil.copytree(few, old)
    next(old.rglob("*.flac")).unlink()
    before = contents(old)
    monkeypatch.setattr(build, "_RECIPES", (failing_noise,))
    for folder in (old, tmp_path / "new"):
        with pytest.raises(DatasetError, match="no space left"):
            rendered.make(folder, share=FEW)
    assert contents(old) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(("package", "told"), [("pretty_midi", "not installed: pretty_midi"), (None, "did not speak")])
def test_a_package_that_is_absent_or_fails_is_told_under_the_name_of_the_data_set(
    package: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speechless(_split: str, _share: float) -> Iterator[Clip]:
        raise RenderingError("espeak-ng did not speak")
        yield

    if package is not None:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(build, "_RECIPES", (speechless,))
    monkeypatch.setattr(build.extras, "check", build.extras.check if package else lambda: None)
    with pytest.raises(DatasetError, match=f"^rendered: .*{told}"):
        rendered.make(tmp_path / "new", share=FEW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["get", "rendered"], ["verify", "rendered", "--root", "."]])
def test_it_is_neither_fetched_nor_verified_but_made(command: list[str]) -> None:
    done = CliRunner().invoke(main, ["data", *command])
    assert done.exit_code == 2
    assert "stemtree data make rendered" in done.stderr


def test_a_folder_that_holds_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(DatasetError, match="holds something else"):
        rendered.make(tmp_path, share=FEW)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "dear"


def test_the_command_makes_it_and_says_where_each_table_is(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered, "make", functools.partial(rendered.make, share=FEW))
    result = CliRunner().invoke(main, ["data", "make", "rendered", "--out", str(few)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.splitlines() == [f"{split}\t{few / f'{split}.csv'}" for split in rendered.SPLITS]
