"""Listening excerpts of a run: which scenes, which stretch, what is written, and that nothing is separated for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bench.config import ConfigError, compose
from bench.excerpts import busiest
from bench.loudness import integrated_loudness, k_weighting
from bench.run import RunReport, run
from harness_kit import RATE, write_musdb, write_plugins
from reports.excerpts import CellExcerpt, SceneExcerpt, Track, read_excerpt
from reports.results import Results, ResultsError

GOOD = "kit_plugins:Good"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_plugins(tmp_path)
    write_musdb(tmp_path / "musdb", songs=3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(workplace: Path, *overrides: str, separators: str = "[half]", name: str = "a") -> RunReport:
    fixed = (f"data.musdb18={workplace / 'musdb'}", f"results={workplace / 'results'}", "executor=inline")
    return run(
        compose(
            [f"separators={separators}", "datasets=[musdb18]", "metrics=[sdri@1]", *fixed, f"run={name}", *overrides]
        )
    )


def folders(workplace: Path) -> list[Path]:
    return sorted((workplace / "results").glob("audio/excerpts/*/*"))


def cells(folder: Path) -> list[CellExcerpt]:
    found = [read_excerpt(path, CellExcerpt) for path in sorted(folder.glob("*.json")) if path.name != "scene.json"]
    return [cell for cell in found if cell]


def heard(folder: Path, track: Track) -> np.ndarray:
    return soundfile.read(folder / f"{track.file}.flac", always_2d=True)[0].T / track.gain


def test_nothing_of_a_data_set_with_a_licence_is_written_unless_asked_for(workplace: Path) -> None:
    start(workplace)
    assert not folders(workplace)


def test_all_writes_mixture_references_and_estimates_of_scenes_spread_over_the_data_set(workplace: Path) -> None:
    start(workplace, "excerpts=all", "excerpts.scenes=2", "excerpts.separators=half", separators="[half,mixture]")
    scenes = [read_excerpt(folder / "scene.json", SceneExcerpt) for folder in folders(workplace)]
    assert [scene.scene for scene in scenes if scene] == ["Band 0 - Song", "Band 1 - Song"]
    for folder, scene in zip(folders(workplace), scenes, strict=True):
        assert scene is not None
        song = workplace / "musdb" / "test" / scene.scene
        true = soundfile.read(song / "mixture.wav", always_2d=True)[0].T
        assert np.abs(heard(folder, scene.mixture) - true).max() < 2e-4
        assert [one.target for one in scene.references] == ["vocals", "drums", "bass", "other"]
        bass = soundfile.read(song / "bass.wav", always_2d=True)[0].T
        assert np.abs(heard(folder, scene.references[2].track) - bass).max() < 2e-4
        (cell,) = cells(folder)
        assert (cell.separator, [one.index for one in cell.estimates]) == ("half", [0, 1, 2, 3])
        assert np.abs(heard(folder, cell.estimates[0].track) - true / 2).max() < 2e-4
        names = {track.file for track in (scene.mixture, *(one.track for one in scene.references))}
        assert {path.stem for path in folder.glob("*.flac")} == names | {
            cell.estimates[0].track.file
        }  # equal: one file
        pictures = {one.residual.picture for one in cell.estimates} | {scene.mixture.picture}
        assert all((folder / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_levels_are_those_of_the_signals_and_the_framewise_sdr_is_that_of_the_metric(workplace: Path) -> None:
    start(workplace, "excerpts=all", "limit=1", separators="[mixture]")
    (folder,) = folders(workplace)
    scene = read_excerpt(folder / "scene.json", SceneExcerpt)
    (cell,) = cells(folder)
    assert scene is not None
    mixture = heard(folder, scene.mixture)
    for estimate, reference in zip(cell.estimates, scene.references, strict=True):
        true = heard(folder, reference.track)
        ratio = 10 * np.log10(np.square(true).sum() / np.square(true - mixture).sum())
        assert estimate.frames == (pytest.approx(ratio, abs=0.05),)
        assert (estimate.residual.peak, estimate.residual.loudness) == (0, None)
    assert scene.mixture.peak == pytest.approx(np.abs(mixture).max(), abs=1e-4)
    assert scene.mixture.loudness == pytest.approx(integrated_loudness(mixture, RATE), abs=0.01)


def test_an_estimate_that_would_clip_is_written_softer_and_says_so(workplace: Path) -> None:
    start(workplace, "excerpts=all", "limit=1", "options.Good.gain=20", separators=f"[{GOOD}]")
    (folder,) = folders(workplace)
    (cell,) = cells(folder)
    scene = read_excerpt(folder / "scene.json", SceneExcerpt)
    assert scene is not None
    track = cell.estimates[0].track
    assert track.gain < 1 < track.peak
    assert np.abs(heard(folder, track) - 20 * heard(folder, scene.mixture)).max() < 20 * 2e-4


def test_what_is_not_finite_is_left_out_and_its_cell_stands(workplace: Path) -> None:
    report = start(workplace, "excerpts=all", "limit=1", separators="[kit_plugins:NotANumber]")
    assert report.counts == {"nan": 1}
    assert [cell.estimates for cell in cells(folders(workplace)[0])] == [()]


def test_an_excerpt_changes_no_key_and_separates_nothing_again(workplace: Path) -> None:
    keys = Results(workplace / "results")
    start(workplace, "limit=1", "estimates=keep", separators=f"[{GOOD}]", name="kept")
    report = start(workplace, "limit=1", "excerpts=all", separators=f"[{GOOD}]", name="heard")
    assert report.reused == 1
    assert not any("no listening excerpt" in remark for remark in report.remarks)
    assert (workplace / "calls.txt").read_text().count("call") == 1
    assert set(keys.run_cells("kept")["key"]) == set(keys.run_cells("heard")["key"])
    assert len(cells(folders(workplace)[0])) == 1


def test_cells_that_are_done_and_kept_nothing_are_counted(workplace: Path) -> None:
    start(workplace, "limit=1", name="first")
    report = start(workplace, "limit=1", "excerpts=all", name="second")
    assert report.reused == 1
    assert report.remarks[-1].startswith("no listening excerpt of 1 cells")
    assert start(workplace, "limit=1", name="third").remarks == ()


def test_a_second_run_leaves_an_excerpt_as_it_is(workplace: Path) -> None:
    start(workplace, "limit=1", "excerpts=all", name="first")
    before = {path: path.stat().st_mtime_ns for path in folders(workplace)[0].iterdir()}
    (licence,) = start(workplace, "limit=1", "excerpts=all", name="second").remarks
    assert "is yours to see to" in licence
    assert before == {path: path.stat().st_mtime_ns for path in folders(workplace)[0].iterdir()}


def test_an_excerpt_that_no_run_wrote_is_refused_by_file_and_field(workplace: Path) -> None:
    start(workplace, "limit=1", "excerpts=all", name="first")
    path = folders(workplace)[0] / "scene.json"
    said = json.loads(path.read_text())
    said["mixture"]["file"] = "../../../secret"
    path.write_text(json.dumps(said))
    with pytest.raises(ResultsError, match=r"scene\.json: mixture\.file: "):
        start(workplace, "limit=1", "excerpts=all", name="second")


def test_a_misspelt_choice_names_the_field() -> None:
    with pytest.raises(ConfigError, match=r"excerpts\.of"):
        compose(["separators=[half]", "datasets=[mini]", "excerpts=some"])


def test_the_stretch_is_where_most_targets_sound_and_the_earliest_of_equals() -> None:
    references = torch.zeros(2, 1, 30 * RATE)
    references[0, 0, 5 * RATE :] = 0.5
    references[1, 0, 18 * RATE : 25 * RATE] = 0.001  # soft beside the other, and sounds all the same
    assert busiest(references, sample_rate=RATE, seconds=10) == (15 * RATE, 10 * RATE)
    assert busiest(references[:, :, : 4 * RATE], sample_rate=RATE, seconds=10) == (0, 4 * RATE)
    assert busiest(torch.zeros(1, 1, 20 * RATE), sample_rate=RATE, seconds=10) == (0, 10 * RATE)


def test_the_weighting_is_that_of_the_recommendation_at_48_khz() -> None:
    """Tables 1 and 2 of ITU-R BS.1770-5."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    highpass = [1, -2, 1, 1, -1.99004745483398, 0.99007225036621]
    assert np.abs(k_weighting(48_000) - [shelf, highpass]).max() < 1e-8


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_full_sine_at_997_hz_has_the_loudness_of_the_recommendation(rate: int) -> None:
    sine = np.sin(2 * np.pi * 997 * np.arange(2 * rate) / rate)[None]
    assert integrated_loudness(sine, rate) == pytest.approx(-3.01, abs=0.05)
    assert integrated_loudness(np.concatenate([sine, sine]), rate) == pytest.approx(0.0, abs=0.05)


def test_pauses_do_not_lower_the_loudness_and_silence_has_none() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 5 * RATE))
    pauses = np.concatenate([noise, np.zeros((1, 5 * RATE)), 1e-3 * noise], axis=1)
    assert integrated_loudness(pauses, RATE) == pytest.approx(integrated_loudness(noise, RATE), abs=0.3)
    assert integrated_loudness(np.zeros((2, RATE)), RATE) is None
    assert integrated_loudness(np.zeros((2, 0)), RATE) is None
    short = integrated_loudness(noise[:, : RATE // 10], RATE)
    assert short == pytest.approx(integrated_loudness(noise, RATE), abs=1.0)
