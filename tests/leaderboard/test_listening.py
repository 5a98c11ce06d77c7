"""The listening test of a scene: what is shown, what the player is told, and that nothing stale or hostile gets in."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import excerpt_kit
from excerpt_kit import CONTENT, RATE
from leaderboard import build
from leaderboard.listening import HEADROOM_DB, LEAST_LUFS, MOST_GAIN_DB, TARGET_LUFS, curve, matched_gains
from reports.excerpts import Sound, Track, excerpt_folder, short_hash
from reports.results import ResultsError

SEPARATORS = {"irm": ("oracle", 13.9), "hpss": ("primitive", 3.1), "<b>loud</b>": ("my-family", 6.0)}
SCENE = "Artist - Song 1"
PICTURE = b"\x89PNG\r\n\x1a\n picture"


class Element(dict[str, str]):
    """A start tag: its name and attributes."""

    def __init__(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        super().__init__((name, value or "") for name, value in attributes)
        self.tag = tag


class Document(HTMLParser):
    """The start tags and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, kind: str = "") -> list[Element]:
        return [one for one in self.elements if one.tag == tag and (not kind or kind in one.get("class", "").split())]


def sound_file(folder: Path, seed: int, *, level: float = 0.1, gain: float = 1.0) -> Track:
    """Noise of so much amplitude as a track of the folder, written softer by ``gain``."""
    signal = level * np.random.default_rng(seed).uniform(-1, 1, 2 * RATE)
    name = short_hash(f"{seed} {level} {gain}")
    soundfile.write(folder / f"{name}.flac", signal * gain, RATE, subtype="PCM_16")
    (folder / f"{name}.png").write_bytes(PICTURE)
    return Track(file=name, gain=gain, picture=name, peak=level, loudness=20 * math.log10(level) - 5)


def sounding(folder: Path, of: str, place: int) -> Track:
    """A loud mixture, and estimates that are louder still and lie in their files at half their level."""
    if of == "mixture":
        return sound_file(folder, 9, level=0.4)
    if of == "reference":
        return sound_file(folder, place)
    return sound_file(folder, 10 * list(SEPARATORS).index(of) + place + 20, level=1.6, gain=0.5)


def write_excerpt(results: Path, *, keys: dict[str, str] | None = None, content: str = CONTENT) -> Path:
    """An excerpt of one scene with the estimates of every separator of two of its targets."""
    return excerpt_kit.write_excerpt(results, "musdb18", SCENE, list(SEPARATORS), sounding, keys=keys, content=content)


@pytest.fixture
def results(tmp_path: Path, make_writer: Callable[..., Any]) -> Path:
    writer = make_writer(tmp_path / "results", separators=SEPARATORS)
    scenes = {f"Artist - Song {number}": (("vocals", "drums"), (f"song-{number}",)) for number in (1, 2)}
    writer.dataset("musdb18", scenes, title="MUSDB18")
    return writer.finish()


def page_of(results: Path, number: int = 1) -> Path:
    build(results, results.parent / "site")
    (page,) = (results.parent / "site").glob(f"scenes/*/artist-song-{number}-*.html")
    return page


def test_every_sound_of_the_page_is_there_as_a_file_and_as_a_script_and_none_is_loaded_unasked(results: Path) -> None:
    write_excerpt(results)
    page = page_of(results)
    document = Document(page)
    sounds = document.all("audio")
    assert len(sounds) == 2 * (2 + len(SEPARATORS))
    for sound in sounds:
        assert sound["preload"] == "none"
        file = page.parent / sound["src"]
        script = file.with_suffix(".js").read_text()
        name, data = re.fullmatch(r'stemtreeAudio\("([0-9a-f]{16})","([A-Za-z0-9+/=]+)"\);\n', script).groups()  # type: ignore[union-attr]
        assert (name, base64.b64decode(data)) == (file.stem, file.read_bytes())
    pictures = document.all("img", "spectrogram")
    assert len(pictures) == len(sounds) + 2 * len(SEPARATORS)  # residuals
    assert all((page.parent / picture["src"]).read_bytes() == PICTURE for picture in pictures)
    assert {picture["loading"] for picture in pictures} == {"lazy"}
    assert "CC BY-NC 4.0" in document.text
    assert "0:12.5" in document.text


def test_oracles_come_first_and_each_name_has_its_own_score_and_curve(results: Path) -> None:
    write_excerpt(results)
    document = Document(page_of(results))
    names = [button["data-name"] for button in document.all("button", "solo")]
    assert names[:8] == [
        "Mixture", "Reference", "irm", "irm, residual",
        "<b>loud</b>", "<b>loud</b>, residual", "hpss", "hpss, residual",
    ]  # fmt: skip
    assert not document.all("b")
    assert document.text.count("SDRi") >= 3
    curves = [one["aria-label"] for one in document.all("svg", "curve")]
    assert curves[0] == "SDR of irm by second: 3.0, exact"
    assert curves[3] == "SDR of irm by second: 3.0, silent"


def test_the_player_takes_the_estimate_from_the_mixture_at_their_true_levels(results: Path) -> None:
    write_excerpt(results)
    document = Document(page_of(results))
    parts = {button["data-name"]: button["data-parts"].split() for button in document.all("button", "solo")}
    (mixture,), (estimate,) = parts["Mixture"], parts["irm"]
    assert mixture.endswith(":1.0")
    assert estimate.endswith(":2.0")  # its file is written at half its level
    assert parts["irm, residual"] == [mixture, estimate.replace(":", ":-")]


def test_no_voice_clips_at_its_own_level_and_all_share_one_factor(results: Path) -> None:
    write_excerpt(results)
    levels = {float(button["data-level"]) for button in Document(page_of(results)).all("button", "solo")}
    assert levels == {1 / 1.6}


def test_estimates_of_another_key_and_scenes_of_other_content_are_not_shown(results: Path) -> None:
    write_excerpt(results, keys={"hpss": "of an earlier version"})
    names = {button["data-name"] for button in Document(page_of(results)).all("button", "solo")}
    assert names == {"Mixture", "Reference", "irm", "irm, residual", "<b>loud</b>", "<b>loud</b>, residual"}
    assert not Document(page_of(results, 2)).all("audio")
    for path in excerpt_folder(results, "musdb18", SCENE, CONTENT).iterdir():
        path.unlink()
    write_excerpt(results, content="d" * 64)
    assert not Document(page_of(results)).all("audio")


def test_without_excerpts_there_is_nothing_to_load(results: Path) -> None:
    page = page_of(results)
    assert not Document(page).all("audio")
    assert "listening" not in page.read_text()
    assert not (results.parent / "site" / "audio").exists()


def test_a_picture_that_was_not_drawn_is_left_out_and_the_sound_stays(results: Path) -> None:
    folder = write_excerpt(results)
    for path in folder.glob("*.png"):
        path.unlink()
    document = Document(page_of(results))
    assert len(document.all("audio")) == 10
    assert not document.all("img")


def test_a_file_that_no_run_wrote_is_refused_by_name(results: Path) -> None:
    folder = write_excerpt(results)
    (folder / "scene.json").write_text('{"version": 1, "mixture": {"file": "../../../etc/passwd"}}')
    with pytest.raises(ResultsError, match=r"scene\.json: "):
        page_of(results)


def test_the_sounds_go_when_the_excerpt_goes(results: Path) -> None:
    folder = write_excerpt(results)
    page_of(results)
    assert list((results.parent / "site" / "audio").rglob("*.flac"))
    for path in folder.iterdir():
        path.unlink()
    page_of(results)
    assert not list((results.parent / "site").rglob("*.flac"))


levels = st.floats(-69, 3)
crests = st.floats(3, 40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(levels, crests), min_size=1, max_size=6), st.booleans())
def test_matched_sounds_are_equally_loud_or_say_by_how_much_not_and_never_clip(
    drawn: list[tuple[float, float]], silent: bool
) -> None:
    sounds = [
        Sound(loudness=loudness, peak=10 ** ((loudness + crest) / 20), picture=f"{place:016x}")
        for place, (loudness, crest) in enumerate(drawn)
    ]
    if silent:
        sounds.append(Sound(loudness=None, peak=0.0, picture="f" * 16))
    gains = matched_gains(sounds)
    reached = []
    for sound in sounds:
        gain, missing = gains[sound]
        if sound.loudness is None:
            assert (gain, missing) == (0, 0)
            continue
        assert gain <= MOST_GAIN_DB
        assert 20 * math.log10(sound.peak) + gain <= HEADROOM_DB + 1e-9
        assert missing >= 0
        reached.append(sound.loudness + gain + missing)
    assert max(reached) - min(reached) < 1e-9
    assert LEAST_LUFS - 1e-9 <= reached[0] <= TARGET_LUFS + 1e-9


def test_a_curve_has_gaps_where_there_is_no_value_and_ends_at_its_bounds() -> None:
    assert (
        curve([0.0, None, "exact", -50.0], low=-10, high=10, seconds=5.0)
        == "M0.0 50.0H200.0M400.0 0.0H600.0V100.0H800.0"
    )
    assert curve([5.0], low=-10, high=10, seconds=0.5) == "M0.0 25.0H1000.0"
