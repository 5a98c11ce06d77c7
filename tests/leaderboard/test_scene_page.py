"""The page of a recording: one file, nothing from elsewhere, every class in its places, hostile names as text."""

from __future__ import annotations

import base64
import copy
import io
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from leaderboard.folder import SiteError
from leaderboard.scene_page import build_scene_page
from ontology import Ontology

ONTO = Ontology.audioset()
RATE, SECONDS = 16_000, 1.5
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
VOID = frozenset({"meta", "link", "img", "input", "br"})
HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>.wav"


class Page(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.buried: list[str] = []
        """What takes the focus inside elements that screen readers pass over."""
        self._open: list[str] = []
        self._hidden: list[bool] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in VOID:
            return
        self._open.append(tag)
        self._hidden.append(dict(attrs).get("aria-hidden") == "true" or self._hidden[-1:] == [True])
        if self._hidden[-1] and tag in ("a", "button", "summary", "audio"):
            self.buried.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            self._hidden.pop()
            if self._open.pop() == tag:
                break

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open[-1:]):
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and all(a.get(k.rstrip("_")) == v for k, v in wanted.items())]


def sound(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(RATE * SECONDS), 2))
    soundfile.write(path, noise, RATE)


def entry(name: str, folder: Path | None, **more: Any) -> dict[str, Any]:
    node = ONTO[name]
    made: dict[str, Any] = {
        "mid": node.mid, "name": name, "depth": node.depth, "parents": [parent.mid for parent in node.parents],
        "status": "detected", "reason": "no separator takes it", "confidence": 0.75,
        "spans": [{"start": 0.0, "end": 1.0}], "activity": [0.9, 0.2, None], "separator": None, "audio": None,
        "spectrogram": None, "level_db": None, "in_partition": False,
    }  # fmt: skip
    if folder is not None:
        stem = f"{node.row:03d} {name.lower()}#1"
        sound(folder / "audio" / f"{stem}.flac", node.row)
        (folder / "spectrograms" / f"{stem}.png").write_bytes(PNG)
        made |= {
            "status": "extracted", "reason": None, "separator": "hpss", "level_db": -6.25,
            "audio": f"audio/{stem}.flac", "spectrogram": f"spectrograms/{stem}.png",
        }  # fmt: skip
    return made | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spectrograms").mkdir()
    for number, name in enumerate(("recording", "residual")):
        sound(tmp_path / "audio" / f"{name}.flac", number)
        (tmp_path / "spectrograms" / f"{name}.png").write_bytes(PNG)
    (tmp_path / "activity.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return tmp_path


@pytest.fixture
def scene(folder: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "recording": {
            "name": HOSTILE, "sha256": "0" * 64, "sample_rate": RATE, "channels": 2, "samples": round(RATE * SECONDS),
            "seconds": SECONDS, "audio": "audio/recording.flac", "spectrogram": "spectrograms/recording.png",
        },
        "tagger": "panns-sed", "separators": ["hpss", HOSTILE],
        "settings": {
            "threshold": 0.2, "note": HOSTILE,
            "spectrogram": {"scale": "mel", "top_hz": 8000.0, "floor_db": -80.0, "colours": "magma"},
        },
        "ontology": "1" * 64, "activity_seconds": 0.5,
        "classes": [
            entry("Musical instrument", folder),
            entry("Bell", folder),
            entry("Bicycle", folder, status="failed", reason=f"hpss: {HOSTILE}", audio=None, spectrogram=None),
            entry("Bicycle bell", folder),
            entry("Hiss", None, confidence=None),
        ],
        "residual": "audio/residual.flac", "residual_spectrogram": "spectrograms/residual.png",
        "chart": "activity.svg", "notes": [HOSTILE],
    }  # fmt: skip


def addresses(page: Page) -> list[str]:
    return [
        a[k] or "" for _, a in page.elements for k in ("src", "href", "srcset", "poster", "data", "action") if k in a
    ]


def test_the_page_needs_nothing_but_itself(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    for address in addresses(page):
        # Links to the exact files are a service; nothing is loaded from them.
        assert address.startswith(("data:", "#")) or (folder / unquote(address)).is_file() or address == "scene.json"
    loaded = [a.get("src") or "" for t, a in page.elements if t in ("img", "audio", "script", "link", "iframe")]
    assert all(address.startswith("data:") or not address for address in loaded)
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text


def test_names_from_outside_are_text_everywhere(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    plain = Page(build_scene_page(folder, json.loads(json.dumps(scene).replace(json.dumps(HOSTILE)[1:-1], "harmless"))))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.text.count(HOSTILE) == plain.text.count("harmless") > 4


def test_a_class_with_two_parents_stands_under_both_with_one_player(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    assert page.text.count("Bicycle bell") > 2
    track = next(a["id"] for a in page.all("audio") if a["data-name"] == "Bicycle bell")
    assert track is not None
    solos = [a for a in page.all("button") if a.get("data-solo") == track.removesuffix("-audio")]
    assert len(solos) == 2
    assert len(page.all("a", href=f"#{track.removesuffix('-audio')}")) == 1
    assert len({a["id"] for _, a in page.elements if "id" in a}) == sum("id" in a for _, a in page.elements)


def test_without_javascript_every_track_has_a_player_and_nothing_is_folded(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    names = [a["data-name"] for a in page.all("audio") if "controls" in a]
    assert names == ["Mixture", "Musical instrument", "Bell", "Bicycle bell", "Residual"]
    folds = [a for t, a in page.elements if t == "details" and "class" not in a][:-1]  # the last one holds the settings
    assert folds
    assert all("open" in a for a in folds)


def test_a_file_that_was_written_softer_makes_the_others_play_softer(folder: Path, scene: dict[str, Any]) -> None:
    scene["classes"][1]["gain"] = 0.5
    scene["recording"]["gain"] = 1.0
    page = Page(build_scene_page(folder, scene))
    levels = {a["data-name"]: float(str(a["data-level"])) for a in page.all("audio") if "controls" in a}
    assert levels == {"Mixture": 0.5, "Musical instrument": 0.5, "Bell": 1.0, "Bicycle bell": 0.5, "Residual": 0.5}


def test_nothing_that_takes_the_focus_is_hidden_from_screen_readers(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    assert page.all("button", id="unfold")
    assert page.buried == []


def test_a_chart_wider_than_the_window_scrolls_by_keyboard(folder: Path, scene: dict[str, Any]) -> None:
    (figure,) = Page(build_scene_page(folder, scene)).all("figure")
    assert figure["tabindex"] == "0"
    assert figure["aria-label"]


def test_what_has_no_audio_says_why(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    assert f"hpss: {HOSTILE}" in page.text
    assert "no separator takes it" in page.text
    assert "3 classes extracted, 1 not extracted, 1 failed" in page.text


def test_listening_copies_are_as_long_as_the_files_to_the_sample(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene))
    for audio in page.all("audio"):
        kind, _, data = (audio["src"] or "").partition(";base64,")
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
        assert (kind, rate, len(samples)) == ("data:audio/mpeg", RATE, round(RATE * SECONDS))


def test_beyond_the_budget_audio_is_linked_and_pictures_stay(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene, budget=10_000))
    sources = [a["src"] or "" for a in page.all("audio")]
    assert all((folder / unquote(source)).is_file() and "#" not in source for source in sources)
    assert all((a["src"] or "").startswith("data:") for a in page.all("img"))
    assert next(a for t, a in page.elements if t == "main")["data-inside"] == "no"
    assert "keep them together" in page.text


def test_within_the_smallest_budget_pictures_are_linked_too(folder: Path, scene: dict[str, Any]) -> None:
    page = Page(build_scene_page(folder, scene, budget=0))
    pictures = [a["src"] or "" for a in page.all("img", class_="spectrogram")]
    assert pictures
    assert all((folder / unquote(source)).is_file() for source in pictures)


@pytest.mark.parametrize("path", ["../secret.flac", "/etc/hostname", "audio/none.flac"])
def test_a_path_out_of_the_folder_or_to_nothing_is_refused(folder: Path, scene: dict[str, Any], path: str) -> None:
    sound(folder.parent / "secret.flac", 9)
    changed = copy.deepcopy(scene)
    changed["residual"] = path
    with pytest.raises(SiteError, match="analyse the recording again"):
        build_scene_page(folder, changed)


def test_a_recording_in_which_nothing_was_found_has_a_page(folder: Path, scene: dict[str, Any]) -> None:
    bare = scene | {"classes": [], "residual": None, "residual_spectrogram": None, "chart": None, "notes": []}
    page = Page(build_scene_page(folder, bare))
    assert "no class was found" in page.text
    assert [a["data-name"] for a in page.all("audio")] == ["Mixture"]


def test_the_page_is_built_without_torch(folder: Path, scene: dict[str, Any]) -> None:
    (folder / "scene.json").write_text(json.dumps(scene))
    code = (
        "import sys, json, pathlib; sys.modules['torch'] = None\n"
        "from leaderboard.scene_page import build_scene_page\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "build_scene_page(folder, json.loads((folder / 'scene.json').read_text()))\n"
        "assert not any(name.split('.')[0] == 'bench' for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
