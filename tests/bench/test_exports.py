from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.exports import export_museval
from bench.external import EstimatesError
from bench.imports import import_results
from bench.metrics.museval_json import read_museval
from bench.score import score_files
from harness_kit import write_musdb
from reports.results import Results

RATE = 8000
SONG = "Band 0 - Song"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A song of 3.5 s, and estimates of two of its stems."""
    root = write_musdb(tmp_path / "musdb", songs=1, seconds=3.5)
    (tmp_path / "estimates" / SONG).mkdir(parents=True)
    mixture, _ = soundfile.read(root / "test" / SONG / "mixture.wav", always_2d=True)
    for stem in ("vocals", "bass"):
        audio, _ = soundfile.read(root / "test" / SONG / f"{stem}.wav", always_2d=True)
        estimate = 0.8 * audio + 0.1 * mixture
        soundfile.write(tmp_path / "estimates" / SONG / f"{stem}.wav", estimate, RATE, subtype="FLOAT")
    return root, tmp_path / "estimates"


def test_what_is_exported_comes_in_again_as_what_scoring_the_files_gives(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    root, estimates = folders
    (path,) = export_museval("musdb18", root=root, estimates=estimates, out=tmp_path / "museval")
    assert path == tmp_path / "museval" / "test" / f"{SONG}.json"
    read = read_museval(path)
    assert list(read.frames) == ["vocals", "bass"]
    assert len(read.frames["vocals"]["SIR"]) == 3
    import_results(tmp_path / "museval", format="museval", results=tmp_path / "imported")
    score_files("musdb18", root=root, estimates=estimates, name="files", results=tmp_path / "scored")
    for target in ("vocals", "bass"):
        values = [
            Results(tmp_path / folder).rows().filter(target=target, metric="sdr_bsseval_v4@1")["value"].item()
            for folder in ("imported", "scored")
        ]
        assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_short_estimates_are_padded_at_the_end(folders: tuple[Path, Path], tmp_path: Path) -> None:
    root, estimates = folders
    path = estimates / SONG / "bass.wav"
    audio, _ = soundfile.read(path)
    soundfile.write(path, audio[: 2 * RATE], RATE, subtype="FLOAT")
    (written,) = export_museval("musdb18", root=root, estimates=estimates, out=tmp_path / "museval")
    frames = read_museval(written).frames["bass"]["SDR"]
    assert np.isfinite(frames[:2]).all()
    assert np.isnan(frames[2])


def test_what_cannot_be_exported_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    root, estimates = folders
    out = tmp_path / "museval"
    soundfile.write(estimates / SONG / "bass.wav", np.zeros((RATE, 2)), 2 * RATE)
    with pytest.raises(EstimatesError, match=r"bass\.wav: 16000 Hz, 2 channels, but the mixture .* has 8000 Hz"):
        export_museval("musdb18", root=root, estimates=estimates, out=out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EstimatesError, match="no file matches a scene"):
        export_museval("musdb18", root=root, estimates=tmp_path / "empty", out=out)
    with pytest.raises(EstimatesError, match="absent"):
        export_museval("musdb18", root=tmp_path / "absent", estimates=estimates, out=out)
