from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.metrics.bss_eval import bss_eval_v4
from bench.metrics.museval_json import MEASURES, MusevalError, TrackScores, read_museval, track_scores, write_museval

RATE = 4000


@pytest.fixture
def museval(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # museval asks for musdb, which wants ffmpeg at import, only to read data sets.
    monkeypatch.setitem(sys.modules, "musdb", ModuleType("musdb"))
    return pytest.importorskip("museval")


def signals(seconds: float = 3.5) -> tuple[np.ndarray, np.ndarray]:
    s = np.random.default_rng(0).standard_normal((2, 2, int(seconds * RATE)))
    e = s + 0.3 * s[::-1] + 0.1 * np.random.default_rng(1).standard_normal(s.shape)
    s[0, :, :RATE] = 0
    return e, s


def small() -> TrackScores:
    values = {"SDR": [1.0, math.nan, 3.123456789], "SIR": [math.inf, 2.0, 4.0], "SAR": [1.0] * 3, "ISR": [math.nan] * 3}
    return TrackScores({"vocals": values, "drums": {measure: [0.0] * 3 for measure in MEASURES}})


def test_a_track_is_scored_in_frames_of_a_second() -> None:
    e, s = signals()
    scores = track_scores(["vocals", "drums"], e, s, sample_rate=RATE)
    found = bss_eval_v4(e, s, window=RATE)
    assert list(scores.frames) == ["vocals", "drums"]
    for measure, ratio in (("SDR", found.sdr), ("ISR", found.isr), ("SIR", found.sir), ("SAR", found.sar)):
        np.testing.assert_array_equal(scores.frames["drums"][measure], ratio[1].tolist())
    assert math.isnan(scores.frames["drums"]["SDR"][0])
    assert len(scores.frames["drums"]["SDR"]) == 3


def test_what_is_written_is_read_again_rounded_and_without_infinities(tmp_path: Path) -> None:
    write_museval(tmp_path / "a.json", small())
    read = read_museval(tmp_path / "a.json")
    assert (read.window, read.hop) == (1.0, 1.0)
    np.testing.assert_array_equal(read.frames["vocals"]["SDR"], [1.0, math.nan, 3.12346])
    np.testing.assert_array_equal(read.frames["vocals"]["SIR"], [math.nan, 2.0, 4.0])
    write_museval(tmp_path / "b.json", read)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_medians_pass_over_frames_without_a_finite_value() -> None:
    medians = small().medians()
    assert medians["vocals"] == {"SDR": pytest.approx(2.0617, abs=1e-4), "SIR": 3.0, "SAR": 1.0, "ISR": None}


def test_windows_and_hops_are_read(tmp_path: Path) -> None:
    scores = TrackScores(small().frames, window=2.0, hop=0.5)
    write_museval(tmp_path / "a.json", scores)
    read = read_museval(tmp_path / "a.json")
    assert (read.window, read.hop) == (2.0, 0.5)


def test_museval_reads_what_is_written(tmp_path: Path, museval: ModuleType) -> None:
    e, s = signals()
    (tmp_path / "test").mkdir()
    scores = track_scores(["vocals", "drums"], e, s, sample_rate=RATE)
    write_museval(tmp_path / "test" / "Song.json", scores)
    store = museval.EvalStore()
    store.add_eval_dir(tmp_path)
    found = store.agg_frames_scores()
    for target, medians in scores.medians().items():
        for measure, value in medians.items():
            assert found["Song", target, measure] == pytest.approx(value, abs=1e-5)


def test_what_museval_writes_is_read(tmp_path: Path, museval: ModuleType) -> None:
    e, s = signals()
    theirs = museval.TrackStore(track_name="Song")
    columns = museval.evaluate(s.transpose(0, 2, 1), e.transpose(0, 2, 1), win=RATE, hop=RATE)
    for place, target in enumerate(("vocals", "drums")):
        values = dict(zip(("SDR", "ISR", "SIR", "SAR"), (column[place].tolist() for column in columns), strict=True))
        theirs.add_target(target, values)
    theirs.save(tmp_path / "Song.json")
    read, own = read_museval(tmp_path / "Song.json"), track_scores(["vocals", "drums"], e, s, sample_rate=RATE)
    for target in ("vocals", "drums"):
        for measure in MEASURES:
            np.testing.assert_allclose(read.frames[target][measure], own.frames[target][measure], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda content: content.pop("targets"), "targets"),
        (lambda content: content.update(targets=[]), "targets"),
        (lambda content: content["targets"][1].update(name="vocals"), "'vocals' stands there twice"),
        (lambda content: content["targets"][0].pop("frames"), r"targets\.0\.frames"),
        (lambda content: content["targets"][0]["frames"][2]["metrics"].update(SDR="5 dB"), r"frames\.2\.metrics\.SDR"),
        (lambda content: content["targets"][0]["frames"][2].update(duration=0), r"frames\.2\.duration"),
        (lambda content: content["targets"][0]["frames"][2].update(duration=2.0), "one window"),
        (lambda content: content["targets"][0]["frames"][2].update(time=9.0), "one window and one hop"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, change: object, named: str) -> None:
    path = tmp_path / "Song.json"
    write_museval(path, small())
    content = json.loads(path.read_text())
    change(content)  # type: ignore[operator]
    path.write_text(json.dumps(content))
    with pytest.raises(MusevalError, match=named) as raised:
        read_museval(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "Song.json").write_text("{")
    for name in ("Song.json", "absent.json"):
        with pytest.raises(MusevalError, match=name):
            read_museval(tmp_path / name)


def test_names_that_do_not_fit_the_sources_are_refused() -> None:
    e, s = signals()
    for names in (["vocals"], ["vocals", "vocals"]):
        with pytest.raises(ValueError, match="2 different names"):
            track_scores(names, e, s, sample_rate=RATE)


def test_a_target_without_a_measure_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vocals"):
        write_museval(tmp_path / "Song.json", TrackScores({"vocals": {"SDR": [1.0]}}))
