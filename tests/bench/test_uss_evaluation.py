"""USS from the harness and the command line: every way of asking, on scenes of a data set and on a recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch
from click.testing import CliRunner

import bench
import uss_kit as kit
from bench.cli import main
from bench.datasets import base
from bench.datasets.esc50 import Esc50
from bench.datasets.musdb18 import Musdb18
from ontology import Ontology, Target
from ontology.labelmaps import label_map
from separators.adapt import extract
from separators.base import Context, Query
from taggers import examples as taggers_examples

CATEGORIES = {"dog": "Bark", "rain": "Rain", "sneezing": "Sneeze", "helicopter": "Helicopter"}
PER_FOLD = 3
CHUNKS = 3
"""Of 2 s in a clip of 5 s."""


@pytest.fixture(scope="module")
def esc50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folds 1 to 4, with more clips of each class in the training folds than a query usually carries."""
    root = tmp_path_factory.mktemp("esc50")
    (root / "audio").mkdir()
    (root / "meta").mkdir()
    lines = ["filename,fold,target,category,src_file"]
    for fold in range(1, 5):
        for place, category in enumerate(CATEGORIES):
            for take in range(PER_FOLD if fold < 4 else 1):
                source = 1000 * fold + 100 * place + take
                name = f"{fold}-{source}-A-{place}.wav"
                lines.append(f"{name},{fold},{place},{category},{source}")
                rng = np.random.default_rng(source)
                soundfile.write(root / "audio" / name, rng.normal(scale=0.02 + 0.03 * place, size=5 * 44_100), 44_100)
    (root / "meta" / "esc50.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def ear() -> Iterator[kit.Ear]:
    with kit.ears() as ear:
        yield ear


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    kit.write_checkpoint(folder / "soft.safetensors")
    kit.write_checkpoint(folder / "labels.safetensors", query="labels")
    return folder


def evaluate(name: str, root: Path, options: dict[str, object], **more: object) -> pl.DataFrame:
    return bench.evaluate(
        name, "esc50", root=root, options={name: options, "esc50": {"split": "fold4"}}, metrics=["sdri@1"],
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_papers_protocol_encodes_every_training_clip_once(
    esc50: Path, checkpoints: Path, ear: kit.Ear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path))
    asked: list[int] = []
    own = taggers_examples.encode_examples

    def counted(net: object, clips: object, **options: object) -> taggers_examples.Encoded:
        encoded = own(net, clips, **options)  # type: ignore[arg-type]
        asked.append(len(encoded.clips))
        return encoded

    monkeypatch.setattr("separators.uss.separator.encode_examples", counted)
    rows = evaluate("uss", esc50, {"checkpoint": str(checkpoints / "soft.safetensors")})
    assert rows.height == 4
    assert set(rows["status"]) == {"ok"}
    assert asked == [3 * PER_FOLD] * 4
    assert ear.segments == 4 * 3 * PER_FOLD * CHUNKS


def test_examples_are_cut_short_unless_all_of_them_are_wanted(esc50: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LONGEST_EXAMPLE", 1.5)
    dataset = Esc50(esc50, split="fold4")
    bark = label_map("esc50")["dog"]
    assert {clip.seconds for clip in dataset.examples(bark)} == {1.5}
    assert {clip.seconds for clip in dataset.examples(bark, whole=True)} == {5.0}
    monkeypatch.setattr(Esc50, "example_seconds", 2.0)
    assert {clip.seconds for clip in dataset.examples(bark, whole=True)} == {2.0}


def test_a_data_set_may_cut_the_silence_out_of_whole_examples(tmp_path: Path) -> None:
    song = tmp_path / "train" / "a song"
    song.mkdir(parents=True)
    (tmp_path / "test").mkdir()
    voice = np.zeros((3 * 44_100, 2))
    voice[44_100 : 2 * 44_100] = 0.5
    for stem in ("mixture", "vocals", "drums", "bass", "other"):
        soundfile.write(song / f"{stem}.wav", 0.0 * voice if stem == "drums" else voice, 44_100)
    dataset = Musdb18(tmp_path)
    (vocals,) = dataset.examples(label_map("musdb18")["vocals"], whole=True)
    assert (vocals.sample_rate, vocals.channels) == (32_000, 1)
    assert vocals.seconds == pytest.approx(1.0, abs=0.11)
    assert vocals.read().abs().mean() == pytest.approx(0.5, abs=0.05)
    (drums,) = dataset.examples(label_map("musdb18")["drums"], whole=True)
    assert drums.samples == 0
    (cut,) = dataset.examples(label_map("musdb18")["vocals"])
    assert (cut.sample_rate, cut.channels, cut.seconds) == (44_100, 2, 3.0)


def test_queries_from_the_true_source_are_another_separator_that_is_told_the_answer(
    esc50: Path, checkpoints: Path, ear: kit.Ear, tmp_path: Path
) -> None:
    options = {"checkpoint": str(checkpoints / "soft.safetensors")}
    averaged = evaluate("uss", esc50, options, results=tmp_path)
    told = evaluate("uss-oracle", esc50, options, results=tmp_path)
    assert set(told["status"]) == {"ok"}
    assert not np.allclose(averaged["value"].to_numpy(), told["value"].to_numpy(), atol=1e-3)
    from reports.results import Results

    store = Results(tmp_path)
    entries = pl.concat(store.entries(run.run) for run in store.runs())
    assert dict(entries.select("separator", "oracle").unique().iter_rows()) == {"uss": False, "uss-oracle": True}


def test_classes_labels_and_saved_queries_run_on_the_same_scenes(
    esc50: Path, checkpoints: Path, ear: kit.Ear, tmp_path: Path
) -> None:
    soft = str(checkpoints / "soft.safetensors")
    for category, name in CATEGORIES.items():
        clips = [
            str(path) for path in sorted((esc50 / "audio").glob(f"[123]-*-{list(CATEGORIES).index(category)}.wav"))
        ]
        out = tmp_path / "queries" / f"{category}.safetensors"
        done = CliRunner().invoke(
            main, ["query", "make", "--class", name, "--out", str(out), "--checkpoint", soft, *clips]
        )
        assert done.exit_code == 0, done.output
        assert f"{name}, at_soft, from {3 * PER_FOLD} clips" in done.output
    saved = evaluate("uss-query", esc50, {"checkpoint": soft, "queries": str(tmp_path / "queries")})
    averaged = evaluate("uss", esc50, {"checkpoint": soft})
    assert set(saved["status"]) == {"ok"}
    # The same clips.
    np.testing.assert_allclose(saved["value"].to_numpy(), averaged["value"].to_numpy(), atol=0.02)
    assert set(evaluate("uss-classes", esc50, {"checkpoint": soft})["status"]) == {"ok"}
    by_labels = evaluate("uss-labels", esc50, {"checkpoint": str(checkpoints / "labels.safetensors")})
    reasons = {row["target"]: row["reason"] for row in by_labels.iter_rows(named=True)}
    assert reasons["dog"] is None
    assert "was not among the classes of its training" in reasons["rain"]


def test_without_weights_every_cell_says_what_is_missing(esc50: Path, tmp_path: Path) -> None:
    rows = evaluate("uss", esc50, {"checkpoint": str(tmp_path / "absent.ckpt")})
    assert set(rows["status"]) == {"skip"}
    assert all("no weights at" in reason and "https://" in reason for reason in rows["reason"])


def analysed(audio: Path, out: Path, *arguments: str) -> dict[str, dict[str, object]]:
    done = CliRunner().invoke(main, ["analyze", str(audio), "--out", str(out), *arguments, "--json"])
    assert done.exit_code == 0, done.output
    scene = json.loads((out / "scene.json").read_text())
    return {entry["name"]: entry for entry in scene["classes"]}


def test_a_recording_is_analysed_by_depths_by_classes_and_by_saved_queries(
    checkpoints: Path, ear: kit.Ear, tmp_path: Path
) -> None:
    soft = str(checkpoints / "soft.safetensors")
    audio = tmp_path / "street.wav"
    soundfile.write(audio, np.random.default_rng(0).normal(scale=0.1, size=(2 * 32_000, 2)), 32_000)
    labels = tmp_path / "labels.csv"
    labels.write_text("start,end,class\n0,1.5,Dog\n")
    by_class = ("--separator", "uss-classes", "--option", f"uss-classes.checkpoint={soft}")

    named = analysed(audio, tmp_path / "named", *by_class, "--classes", "Dog", "Music")
    assert {name: entry["status"] for name, entry in named.items()} == {"Dog": "extracted", "Music": "extracted"}
    walked = analysed(audio, tmp_path / "walked", *by_class, "--labels", str(labels), "--depths", "1", "2")
    animal = Ontology.audioset()["Animal"]
    assert walked["Animal"]["status"] == "extracted"
    assert {entry["depth"] for entry in walked.values()} == {animal.depth, animal.depth + 1}

    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.random.default_rng(1).normal(scale=0.1, size=32_000), 32_000)
    query = str(tmp_path / "queries" / "cat.safetensors")
    made = CliRunner().invoke(
        main, ["query", "make", "--class", "Cat", "--out", query, "--checkpoint", soft, str(clip)]
    )
    assert made.exit_code == 0, made.output
    queried = analysed(
        audio, tmp_path / "queried", "--queries", str(tmp_path / "queries"), "--option", f"uss-query.checkpoint={soft}"
    )
    assert {name: (entry["status"], entry["separator"]) for name, entry in queried.items()} == {
        "Cat": ("extracted", "uss-query")
    }


def test_the_preset_uss_with_compat_separates_as_the_whole_recording_is(checkpoints: Path, tmp_path: Path) -> None:
    soft = str(checkpoints / "soft.safetensors")
    rng = np.random.default_rng(5)
    level = np.repeat(rng.uniform(0.02, 0.3, 4), 2 * 32_000)[: 7 * 32_000]
    soundfile.write(tmp_path / "street.wav", rng.uniform(-1, 1, len(level)) * level, 32_000, subtype="FLOAT")
    tree = bench.analyze(
        tmp_path / "street.wav", out=tmp_path / "out", tagger="uss_kit:Hears", separators=["uss_kit:CheapClasses"],
        preset="uss", settings={"depths": [1]}, options={"CheapClasses": {"checkpoint": soft, "compat": True}},
    )  # fmt: skip
    written = {entry.mid: entry.audio for entry in tree.classes if entry.audio}
    assert 0 < len(written) <= 7
    audio, _ = soundfile.read(tmp_path / "street.wav", dtype="float32")
    queries = tuple(Query(Target(Ontology.audioset()[mid].name, (mid,))) for mid in written)
    separator = kit.CheapClasses(checkpoint=soft, compat=True)
    whole = extract(separator, torch.from_numpy(audio)[None], 32_000, queries, context=Context()).audio
    for estimate, path in zip(whole, written.values(), strict=True):
        heard, _ = soundfile.read(tmp_path / "out" / path)
        np.testing.assert_allclose(heard, estimate[0].numpy(), atol=2e-6)
    assert not (whole.abs().amax(dim=(1, 2)) == 0).any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--class", "Dgo", "--out", "q.safetensors", "clip.wav"], "the nearest are 'Dog'"),
        (["--class", "Dog", "--out", "q.npy", "clip.wav"], "ends on .safetensors"),
        (["--class", "Dog", "--out", "q.safetensors", "absent.wav"], "absent.wav"),
        (["--class", "Dog", "--out", "q.safetensors", "silent.wav"], "silent.wav: no example clip is louder"),
        (["--class", "Dog", "--out", "there.safetensors", "clip.wav"], "--force replaces it"),
    ],
)
def test_a_query_that_cannot_be_made_is_one_line(
    arguments: list[str], said: str, checkpoints: Path, ear: kit.Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("clip.wav", np.full(4_000, 0.1), 32_000)
    soundfile.write("silent.wav", np.zeros(4_000), 32_000)
    Path("there.safetensors").write_bytes(b"")
    done = CliRunner().invoke(
        main, ["query", "make", "--checkpoint", str(checkpoints / "soft.safetensors"), *arguments]
    )
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert not Path("q.safetensors").exists()


def test_queries_are_for_the_separator_that_takes_them(tmp_path: Path) -> None:
    audio = tmp_path / "street.wav"
    soundfile.write(audio, np.full(4_000, 0.1), 32_000)
    done = CliRunner().invoke(
        main, ["analyze", str(audio), "--out", str(tmp_path / "out"), "--separator", "hpss", "--queries", str(tmp_path)]
    )
    assert done.exit_code == 2
    assert "--queries is for uss-query" in done.output
