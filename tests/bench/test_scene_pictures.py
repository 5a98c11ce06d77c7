"""Pictures of a scene tree: where things stand in them, on one colour scale, without holding a recording in memory."""

from __future__ import annotations

import re
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from matplotlib import colormaps
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.image import imread

from bench.analysis import chart, pictures
from bench.analysis.pictures import add_pictures, mel_power
from bench.analysis.tree import ClassEntry, RecordingEntry, SceneTree, Span, read_scene
from ontology import Ontology

RATE = 16_000
ONTO = Ontology.audioset()


def write(path: Path, audio: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, subtype="PCM_24")
    return path


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def class_entry(name: str, **more: object) -> ClassEntry:
    node = ONTO[name]
    facts = {
        "mid": node.mid, "name": name, "depth": node.depth, "parents": tuple(p.mid for p in node.parents),
        "status": "detected", "confidence": 0.9, "spans": (Span(start=0.0, end=1.0),), "activity": (0.9, None, 0.1),
    }  # fmt: skip
    return ClassEntry(**facts | more)  # type: ignore[arg-type]


def scene(folder: Path, mixture: np.ndarray, classes: dict[str, np.ndarray | None]) -> SceneTree:
    write(folder / "audio" / "recording.flac", mixture)
    entries = []
    for name, audio in classes.items():
        path = f"audio/{ONTO[name].row}.flac"
        if audio is not None:
            write(folder / path, audio)
        entries.append(class_entry(name, **({} if audio is None else {"status": "extracted", "audio": path})))
    return SceneTree(
        recording=RecordingEntry(
            name="a.wav", sha256="0" * 64, sample_rate=RATE, channels=1, samples=len(mixture),
            seconds=len(mixture) / RATE, audio="audio/recording.flac",
        ),
        tagger="panns-sed", separators=("hpss",), settings={"threshold": 0.2}, ontology="1" * 64,
        activity_seconds=len(mixture) / RATE / 3, classes=tuple(entries),
    )  # fmt: skip


def levels(path: Path) -> np.ndarray:
    """Level of each pixel as a step of the colour scale, from the bottom row upwards."""
    scale = colormaps["magma"](np.linspace(0, 1, pictures._COLOURS), bytes=True)[:, :3].astype(int)
    picture = np.rint(imread(path)[::-1, :, :3] * 255).astype(int)
    distance = np.abs(picture[:, :, None] - scale).sum(axis=-1)
    assert distance.min(axis=-1).max() == 0, "a colour that is none of the scale"
    return distance.argmin(axis=-1)


@pytest.mark.parametrize(("rate", "hz"), [(8_000, 3_000.0), (16_000, 440.0), (44_100, 440.0), (96_000, 12_000.0)])
def test_a_tone_is_loudest_in_its_own_band(tmp_path: Path, rate: int, hz: float) -> None:
    top = min(16_000.0, rate / 2)
    power = mel_power(write(tmp_path / "tone.flac", tone(hz, 2.0, rate), rate), top=top)
    centres = librosa.mel_frequencies(98, fmin=0.0, fmax=top, htk=True)[1:-1]
    assert np.all(np.abs(power[:, 5:-5].argmax(axis=0) - np.abs(centres - hz).argmin()) <= 1)


def test_a_click_stands_at_its_time(tmp_path: Path) -> None:
    audio = np.zeros(RATE * 12)
    audio[RATE * 9] = 1.0
    power = mel_power(write(tmp_path / "click.flac", audio), top=8_000.0)
    assert power.shape == (96, 720)
    assert power.sum(axis=0).argmax() == pytest.approx(720 * 9 / 12, abs=1)


def test_reading_in_blocks_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "noise.flac", np.random.default_rng(0).normal(0, 0.1, (RATE * 3 + 77, 2)))
    whole = mel_power(path, top=8_000.0)
    monkeypatch.setattr(pictures, "_BLOCK_FRAMES", 7)
    np.testing.assert_allclose(mel_power(path, top=8_000.0), whole, rtol=1e-9)


def test_power_is_the_mean_over_channels_so_that_opposite_phases_do_not_vanish(tmp_path: Path) -> None:
    mono = tone(440, 1.0)
    one = mel_power(write(tmp_path / "mono.flac", mono), top=8_000.0)
    other = mel_power(write(tmp_path / "opposite.flac", np.stack([mono, -mono], axis=1)), top=8_000.0)
    np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 10, 400, 5_000])
def test_a_very_short_recording_has_a_picture(tmp_path: Path, samples: int) -> None:
    power = mel_power(write(tmp_path / "short.flac", np.full(samples, 0.25)), top=8_000.0)
    assert np.isfinite(power).all()
    assert (power.sum(axis=0) > 0).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [1, 20, 100, 1_000, 4_000])
def test_every_band_of_a_recording_at_a_low_rate_holds_a_bin(tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40 * rate)
    power = mel_power(write(tmp_path / "slow.flac", noise, rate), top=rate / 2)
    assert (power.sum(axis=1) > 0).all()


def test_memory_does_not_grow_with_the_channels(tmp_path: Path) -> None:
    peaks = []
    for channels in (1, 8):
        path = write(tmp_path / f"{channels}.flac", np.zeros((RATE * 40, channels)))
        tracemalloc.start()
        mel_power(path, top=8_000.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_classes_share_the_mixtures_colours(tmp_path: Path) -> None:
    mixture = tone(1_000, 2.0)
    tree = scene(tmp_path, mixture, {"Music": mixture, "Guitar": mixture / 10, "Piano": np.zeros_like(mixture)})
    tree = add_pictures(tmp_path, tree)
    assert tree.recording.spectrogram is not None
    whole = levels(tmp_path / tree.recording.spectrogram)
    music, guitar, piano = (levels(tmp_path / str(entry.spectrogram)) for entry in tree.classes)
    np.testing.assert_array_equal(music, whole)
    assert whole.max() == pictures._COLOURS - 1
    assert whole.max() - guitar.max() == pytest.approx(20 / 80 * (pictures._COLOURS - 1), abs=1)
    assert piano.max() == 0


def test_a_file_that_was_written_softer_has_the_colours_of_its_true_level(tmp_path: Path) -> None:
    mixture = tone(1_000, 2.0)
    tree = scene(tmp_path, mixture, {"Music": mixture / 2})
    softer = tree.classes[0].model_copy(update={"gain": 0.5})
    tree = add_pictures(tmp_path, tree.model_copy(update={"classes": (softer,)}))
    assert tree.recording.spectrogram is not None
    np.testing.assert_array_equal(
        levels(tmp_path / str(tree.classes[0].spectrogram)), levels(tmp_path / tree.recording.spectrogram)
    )


def test_a_silent_recording_is_dark(tmp_path: Path) -> None:
    tree = add_pictures(tmp_path, scene(tmp_path, np.zeros(RATE), {"Music": np.zeros(RATE)}))
    assert levels(tmp_path / str(tree.recording.spectrogram)).max() == 0


def test_scene_json_names_the_pictures_and_their_axes(tmp_path: Path) -> None:
    tree = add_pictures(tmp_path, scene(tmp_path, tone(440, 1.0), {"Music": tone(440, 1.0), "Hiss": None}))
    assert read_scene(tmp_path) == tree
    assert tree.settings["threshold"] == 0.2
    assert tree.settings["spectrogram"]["top_hz"] == 8_000
    assert [entry.spectrogram is None for entry in tree.classes] == [False, True]


def test_the_chart_names_each_class_once_in_the_order_of_the_tree_in_both_themes(tmp_path: Path) -> None:
    names = ("Bicycle", "Musical instrument", "Bicycle bell", "Bell")
    tree = add_pictures(tmp_path, scene(tmp_path, tone(440, 1.0), dict.fromkeys(names)))
    svg = (tmp_path / str(tree.chart)).read_text(encoding="utf-8")
    texts = [node.text.strip() for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text") if node.text]
    shown = [text for text in texts if text in names]
    assert shown[::-1] == ["Bicycle", "Bicycle bell", "Musical instrument", "Bell"]
    dark = re.search(r"prefers-color-scheme: dark\)\{(.*?)\}\}</style>", svg)
    assert dark is not None
    recoloured = set(re.findall(r': (#\w{6})"', dark.group(1)))
    inks = set(re.findall(r"(?:fill|stroke): (#\w{6})", svg.replace(dark.group(0), "")))
    assert inks <= recoloured | {"#000000"}
    assert (tmp_path / "activity.png").is_file()


def test_a_tall_chart_takes_the_memory_of_one_and_stays_within_what_viewers_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[object, ...]] = []
    make = RendererAgg.__init__

    def counted(self: RendererAgg, *size: float) -> None:
        made.append(size)
        make(self, *size)

    monkeypatch.setattr(RendererAgg, "__init__", counted)
    monkeypatch.setattr(chart, "_TALLEST", 900)
    tree = scene(tmp_path, tone(440, 1.0), {node.name: None for node in ONTO.at_depth(2)})
    add_pictures(tmp_path, tree)
    assert len(made) < 10, "each renderer holds a whole picture: there must not be one per class"
    assert imread(tmp_path / "activity.png").shape[0] == pytest.approx(900, abs=1)
