"""``stemtree analyze``: from a recording to a page, and one line for whatever cannot be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import bench
from bench.analysis.tree import ClassEntry, RecordingEntry, SceneTree, read_scene
from bench.cli import main
from bench.commands_analyze import _spread
from ontology import Ontology

RATE = 8_000
ONTO = Ontology.audioset()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of a steady tone, with clicks."""
    time = np.arange(2 * RATE) / RATE
    audio = 0.2 * np.sin(2 * np.pi * 440 * time)
    audio[:: RATE // 4] += 0.7
    path = tmp_path / "tone & <b>clicks.wav"
    soundfile.write(path, audio, RATE)
    return path


def analyze(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["analyze", *map(str, arguments)])


def test_a_recording_becomes_a_folder_with_a_page(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = analyze(recording, "--out", out, "--separator", "hpss", "--classes", "Guitar", "Percussion", "Music")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert Path(lines[-1]) == (out / "index.html").resolve()
    assert lines[-2] == "3 classes: 2 extracted, 1 not extracted"
    tree = read_scene(out)
    assert tree.tagger == "none"
    made: list[RecordingEntry | ClassEntry] = [tree.recording, *tree.classes]
    files = [f for one in made for f in (one.audio, one.spectrogram)] + [tree.chart, tree.residual]
    assert sum(file is not None for file in files) == 8
    assert all((out / file).is_file() for file in files if file)
    assert "tone &amp; &lt;b&gt;clicks.wav" in (out / "index.html").read_text(encoding="utf-8")


def test_json_is_the_scene_and_nothing_else(recording: Path, tmp_path: Path) -> None:
    done = analyze(recording, "--out", tmp_path / "out", "--classes", "Guitar", "--json")
    assert SceneTree.model_validate(json.loads(done.stdout)) == read_scene(tmp_path / "out")


def test_labels_say_what_sounds_and_when(recording: Path, tmp_path: Path) -> None:
    labels = tmp_path / "events.csv"
    labels.write_text("start,end,class\n0.5,1.5,Guitar\n")
    done = analyze(recording, "--out", tmp_path / "out", "--labels", labels, "--depths", "1,2", "4")
    assert done.exit_code == 0, done.stderr
    found = {entry.name: entry for entry in read_scene(tmp_path / "out").classes}
    assert set(found) == {"Music", "Musical instrument", "Guitar"}
    assert found["Guitar"].spans[0].start == pytest.approx(0.5, abs=0.3)
    assert found["Guitar"].spans[-1].end == pytest.approx(1.5, abs=0.3)


def test_options_reach_the_separator(recording: Path, tmp_path: Path) -> None:
    for kernel in (3, 31):
        done = analyze(
            recording, "--out", tmp_path / str(kernel), "--separator", "hpss", "--classes", "Percussion",
            "--option", f"hpss.kernel={kernel}",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
    one, other = (read_scene(tmp_path / str(kernel)).classes[0].level_db for kernel in (3, 31))
    assert one != other


def test_an_earlier_analysis_is_replaced_only_when_told(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert analyze(recording, "--out", out, "--classes", "Guitar").exit_code == 0
    before = (out / "scene.json").read_bytes()
    refused = analyze(recording, "--out", out, "--classes", "Percussion")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert (out / "scene.json").read_bytes() == before
    assert analyze(recording, "--out", out, "--classes", "Percussion", "--force").exit_code == 0
    stems = {Path(entry.audio or "").stem for entry in read_scene(out).classes} | {"recording", "residual"}
    assert {path.stem for path in (out / "spectrograms").iterdir()} == stems


def test_a_folder_of_other_files_is_left_alone(recording: Path, tmp_path: Path) -> None:
    done = analyze(recording, "--out", tmp_path, "--classes", "Guitar", "--force")
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == [recording]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--classes", "Guitarr"], "'Guitar'"),
        (["--classes", "Guitar", "--separator", "irm"], "oracle"),
        (["--classes", "Guitar", "--separator", "hps"], "did you mean"),
        (["--classes", "Guitar", "--option", "hpss.kernal=3"], "kernel"),
        (["--classes", "Guitar", "--option", "nmf.kernel=3"], "there are mini-uss, repet-sim, hpss"),
        (["--classes", "Guitar", "--option", "kernel=3"], "NAME.KEY=VALUE"),
        (["--classes", "Guitar", "--threshold", "2"], "threshold"),
        (["--classes", "Guitar", "--depths", "1"], "exclude each other"),
        (["--depths", "one"], "whole numbers"),
        (["--depths", "9"], "between 1 and 6"),
        (["--tagger", "labels"], "--labels CSV"),
        (["--labels", "none.csv"], "none.csv: cannot be read"),
        (["--tagger", "panns-sedd"], "did you mean panns-sed"),
        (["--preset", "uss"], "--tagger mini-tagger"),
        (["--preset", "uss", "--labels", "none.csv"], "--preset uss goes by probabilities"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_folder(
    recording: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = analyze(recording, "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("stemtree: ")
    assert said in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, b"", b"no audio at all"])
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    done = analyze(path, "--out", tmp_path / "out", "--classes", "Guitar")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "broken.wav" in line


def test_a_folder_in_the_place_of_a_recording_is_called_one(tmp_path: Path) -> None:
    done = analyze(tmp_path, "--out", tmp_path / "out", "--classes", "Guitar")
    assert done.exit_code == 2
    assert done.stderr == f"stemtree: {tmp_path} is a folder; name one recording\n"


def test_what_no_flac_holds_is_one_line(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros((100, 9)), RATE)
    done = analyze(tmp_path / "wide.wav", "--out", tmp_path / "out", "--classes", "Guitar")
    assert done.exit_code == 2
    assert done.stderr.startswith("stemtree: wide.wav: 9 channels")


def test_events_after_the_end_are_told(recording: Path, tmp_path: Path) -> None:
    labels = tmp_path / "events.csv"
    labels.write_text("start,end,class\n0,1,Guitar\n2000,3000,Dog\n")
    done = analyze(recording, "--out", tmp_path / "out", "--labels", labels, "--depths", "4")
    said = "1 of 2 annotated events begin after the recording ends, at 2.0 s"
    assert said in done.stderr
    assert said in read_scene(tmp_path / "out").notes[-1]
    assert said in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_name_that_is_not_utf_8_is_one_line(recording: Path, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        recording.rename(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    done = analyze(path, "--out", tmp_path / "out", "--classes", "Guitar")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "UTF-8; rename it" in line


def test_control_characters_in_a_name_stay_out_of_the_terminal(recording: Path, tmp_path: Path) -> None:
    path = recording.rename(tmp_path / "\x1b[31mred\n<b>.wav")
    done = analyze(path, "--out", tmp_path / "out", "--classes", "Guitar", "--separator", "hpss")
    assert done.exit_code == 0, done.stderr
    assert "\x1b" not in done.output
    assert read_scene(tmp_path / "out").recording.name == path.name


def test_taggers_can_be_listed() -> None:
    done = CliRunner().invoke(main, ["list", "taggers"])
    assert {"labels", "panns", "panns-sed"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_several_values_may_follow_one_option() -> None:
    given = [
        "a.wav",
        "--depths",
        "1",
        "2,3",
        "b",
        "--classes",
        "Chicken, rooster",
        "Guitar",
        "--json",
        "--out",
        "x",
        "y",
    ]
    assert list(_spread(given)) == [
        "a.wav", "--depths", "1", "--depths", "2,3", "b", "--classes", "Chicken, rooster", "--classes", "Guitar",
        "--json", "--out", "x", "y",
    ]  # fmt: skip


def test_the_same_from_a_notebook(recording: Path, tmp_path: Path) -> None:
    tree = bench.analyze(recording, out=tmp_path / "out", settings={"classes": ("Guitar",)}, separators=["hpss"])
    assert tree == read_scene(tmp_path / "out")
    assert tree.classes[0].mid == ONTO["Guitar"].mid


def test_help_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom bench.cli import main\nmain(['analyze', '--help'])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--consistent" in done.stdout
