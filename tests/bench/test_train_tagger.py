"""Training a tagger: it learns, it resumes exactly, mixtures hold what their clips hold, thresholds lie well."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

import training_kit
from bench.audio import FileSignal
from bench.train import train
from bench.training.checkpoints import MODEL, STATE
from bench.training.clips import TrainingClip, open_data
from bench.training.errors import TrainError
from bench.training.journal import LOG, read
from bench.training.publish import publish
from bench.training.settings import TrainConfig, compose
from bench.training.store import ClipStore
from bench.training.tagging.augment import Augment, coloured, cut
from bench.training.tagging.batches import TagBatches, TagDrawing
from bench.training.tagging.figures import figures
from bench.training.tagging.labels import Truth, declared, nameable
from bench.training.tagging.listening import Heard, pairs, singles
from bench.training.tagging.thresholds import HIGHEST, LOWEST, best_threshold
from bench.training.tagging.training import TaggerTraining
from ontology import Ontology, Target
from separators.uss.checkpoint import load_separator
from taggers.mini.checkpoint import load
from taggers.mini.network import MiniNet
from taggers.mini.tagger import MiniTagger
from training_kit import RATE, sound, weights, write_clips

ONTOLOGY = Ontology.audioset()
RAIN, SINE, DOG = (ONTOLOGY[name].mid for name in ("Rain", "Sine wave", "Dog"))
TINY = {"channels": [4, 4, 8, 8, 8], "warm_up": 2, "precision": "float32", "lr": 1e-2}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kinds of sound, four clips each, and two clips of something that has no name."""
    root = write_clips(tmp_path_factory.mktemp("data") / "clips")
    rows = [(path.relative_to(root).as_posix(), path.parent.name) for path in sorted(root.glob("*/*.wav"))]
    for number in range(2):
        hum = 0.1 * np.sign(np.sin(2 * np.pi * (60 + number) * np.arange(19_200) / RATE))
        soundfile.write(root / f"hum{number}.wav", hum, RATE)
        rows.append((f"hum{number}.wav", ""))
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "labels", "licence"), *((*row, f"CC0, {row[0]}") for row in rows)])
    return root


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(root: Path, out: Path, **changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "data": {"clips": root}, "out": out, "steps": 4, "batch": 6, "segment_seconds": 0.5, "checkpoint_every": 100,
        "log_every": 1, "validate_every": None, "held_out": 0.0, "clip_gradient": None, "model": TINY,
        "augment": {"time_mask_frames": 4},
    }  # fmt: skip
    return TrainConfig.model_validate(settings | changes)


def losses(out: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if k != "seconds_per_step"} for r in read(out / LOG) if r["kind"] == "loss"]


def batches(root: Path, *, spectrogram: Any = lambda heard: heard[:, :, None], **changes: Any) -> TagBatches:
    found = open_data("clips", root, {}, unlabelled=True).clips
    augment = Augment.model_validate(
        {"time_masks": 0, "band_masks": 0, "equaliser_db": 0, "noise_share": 0, "silence_share": 0} | changes
    )
    drawing = TagDrawing(
        batch=24, samples=RATE // 2, sample_rate=RATE, seed=1, level_db=(-20, -20), energy_share=0.3, augment=augment
    )
    store = ClipStore(found, sample_rate=RATE, memory_bytes=1e8)
    return TagBatches(found, store, classes=(DOG, RAIN, SINE), spectrogram=spectrogram, drawing=drawing)


# Learning


def test_the_loss_falls_and_clips_that_were_left_out_are_told_apart(clips: Path, tmp_path: Path) -> None:
    root = tmp_path / "clips"
    shutil.copytree(clips, root)
    out = tmp_path / "out"
    easy = {"sources": [1.0], "time_masks": 0, "band_masks": 0, "equaliser_db": 1.0}
    model = TINY | {"average": 0.8, "channels": [8, 8, 16, 16, 16]}
    report = train(
        "tagger", config(root, out, steps=60, held_out=0.4, validate_every=30, batch=12, model=model, augment=easy)
    )
    found = [record["loss"] for record in losses(out)]
    assert sum(found[-10:]) < 0.6 * sum(found[:10])
    checks = [record for record in read(out / LOG) if record["kind"] == "validation"]
    assert [record["step"] for record in checks] == [30, 60]
    assert checks[-1]["accuracy"] >= 0.75
    assert any("average precision" in block for block in report.lines())
    assert (out / "curve.svg").read_text().startswith("<?xml")


def test_stop_resume_and_finish_equals_an_uninterrupted_run_bit_for_bit(clips: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train("tagger", config(clips, whole, steps=5))
    assert not train("tagger", config(clips, parts, steps=5, until=2)).finished
    torch.manual_seed(99)  # what happens between the two must not matter
    assert train("tagger", config(clips, parts, steps=5, resume=True)).finished
    one, other = weights(whole / MODEL), weights(parts / MODEL)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert losses(whole) == losses(parts)
    a, b = (torch.load(out / "checkpoints/step-00000005" / STATE, weights_only=True) for out in (whole, parts))
    assert a["learning"]["averaged"] == b["learning"]["averaged"] == 5
    assert all(torch.equal(value, b["learning"]["model"][name]) for name, value in a["learning"]["model"].items())
    spent = [record for record in read(parts / LOG) if record["kind"] == "time"]
    assert len(spent) == 2
    assert all(record["cpu_seconds"] > 0 for record in spent)


def test_what_is_saved_is_the_running_mean_of_weights_and_statistics(tmp_path: Path) -> None:
    settings = TaggerTraining.settings_type.model_validate(TINY | {"average": 0.75})
    made = TaggerTraining(settings, classes=(DOG, RAIN), thresholds={}, steps=9, device=torch.device("cpu"))
    optimiser = made.optimiser()
    expected: dict[str, torch.Tensor] = {}
    for step in range(3):
        made(
            torch.randn(4, 50, 64, generator=torch.Generator().manual_seed(step)), torch.eye(2).repeat(2, 1)
        ).backward()
        optimiser.step()
        now = {name: value.clone() for name, value in made.model.state_dict().items() if value.is_floating_point()}
        expected = {name: 0.75 * expected[name] + 0.25 * now[name] for name in now} if expected else now
    made.save(tmp_path / "model.safetensors", step=3)
    saved = load(tmp_path / "model.safetensors")[0].state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(saved[name], value, msg=name)
    assert not torch.equal(saved["classify.weight"], made.model.state_dict()["classify.weight"])
    heard = made.probabilities(torch.randn(2, 8000, generator=torch.Generator().manual_seed(5)))
    torch.testing.assert_close(
        heard, load(tmp_path / "model.safetensors")[0].hear(made.spectrogram(
            torch.randn(2, 8000, generator=torch.Generator().manual_seed(5)))).clipwise,
    )  # fmt: skip


# Batches


def test_a_mixture_is_labelled_with_the_union_of_its_clips(clips: Path) -> None:
    made = batches(clips, sources=(0, 0, 1.0), gain_db=(0, 0), other_db=(-20, -20))
    try:
        for step in range(3):
            batch = made.at(step)
            kinds = batch.labels.sum(dim=1)
            assert kinds.min() >= 1
            assert kinds.max() == 3
            power = batch.spectrograms[:, :, 0].square().mean(dim=1) / 0.01
            full = kinds == 3  # three independent sounds, each at -20 dBFS
            assert power[full].tolist() == pytest.approx([3.0] * int(full.sum()), abs=0.5)
            # Negatives are drawn like a fourth class, so that some mixtures of three have two labels.
            assert (kinds == 2).any()
    finally:
        made.close()


def test_a_batch_hangs_on_its_step_alone_and_holds_silence_and_clips_of_no_class(clips: Path) -> None:
    one, two = batches(clips, sources=(1.0,), silence_share=0.2), batches(clips, sources=(1.0,), silence_share=0.2)
    try:
        made = {step: one.at(step) for step in (0, 1, 2)}
        again = two.at(2)
        assert torch.equal(again.spectrograms, made[2].spectrograms)
        assert torch.equal(again.labels, made[2].labels)
        labels = torch.cat([batch.labels for batch in made.values()])
        loud = torch.cat([batch.spectrograms for batch in made.values()]).abs().amax(dim=(1, 2)) > 0
        assert (~loud).any()
        assert not labels[~loud].any()
        assert (loud & ~labels.any(dim=1)).any()
        counts = labels.sum(dim=0)
        assert counts.max() <= counts.min() + 8
    finally:
        one.close()
        two.close()


def test_a_cut_is_as_long_as_asked_wherever_it_comes_from() -> None:
    random = np.random.default_rng(0)
    how = Augment(speed_share=1.0)
    for length in (100, 4000, 8000, 8100, 20_000):
        tone = torch.sin(torch.arange(length) / 10)
        for _ in range(5):
            made = cut(tone, 8000, how=how, sample_rate=RATE, energy_share=0.3, random=random)
            assert made.shape == (8000,)
            assert made.isfinite().all()
            assert 0 < made.abs().max() <= 1.0
    still = cut(torch.ones(500), 8000, how=Augment(speed_share=0), sample_rate=RATE, energy_share=0.3, random=random)
    assert float(still.sum()) == 500


def test_masks_hide_behind_the_mean_and_the_equaliser_moves_bands_alike() -> None:
    spectrograms = torch.randn(3, 60, 64, generator=torch.Generator().manual_seed(0))
    randoms = [np.random.default_rng(n) for n in range(3)]
    masked = coloured(spectrograms, Augment(equaliser_db=0), randoms)
    means = spectrograms.mean(dim=(1, 2), keepdim=True).expand_as(masked)
    assert torch.equal(torch.where(masked == spectrograms, spectrograms, means), masked)
    equalised = coloured(
        spectrograms, Augment(time_masks=0, band_masks=0), [np.random.default_rng(n) for n in range(3)]
    )
    moved = equalised - spectrograms
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), atol=1e-5, rtol=0)
    assert 1 < float(moved.abs().max()) <= 6 + 1e-5


def test_of_a_label_of_several_classes_those_that_audioset_labels_are_learnt() -> None:
    unlabelled = next(node.mid for node in ONTOLOGY if node.index is None)
    clip = TrainingClip("a", FileSignal(Path("a.wav")), (Target("both", (unlabelled, RAIN)),), "a")
    assert declared([clip]) == (RAIN,)
    assert nameable([clip]) == ((clip,), ())


def test_a_class_sounds_where_one_below_it_does() -> None:
    bark = ONTOLOGY["Bark"].mid
    assert Truth((DOG, bark, RAIN)).of((bark,)).tolist() == [1, 1, 0]
    assert Truth((DOG, bark, RAIN)).of((DOG,)).tolist() == [1, 0, 0]
    assert Truth((DOG, bark, RAIN)).of(()).tolist() == [0, 0, 0]


# Judging


def test_pairs_are_of_two_kinds_at_0_db_and_hang_on_names_alone(clips: Path) -> None:
    found = open_data("clips", clips, {}, unlabelled=True).clips
    store = ClipStore(found, sample_rate=RATE, memory_bytes=1e8)
    made = list(pairs(found, store))
    assert len(made) == 48
    for item in made:
        assert item.mids[0] != item.mids[1]
        assert () not in item.mids
        levels = [float(part.square().mean().sqrt()) for part in item.parts]
        assert levels == pytest.approx([0.1, 0.1], rel=1e-3)
    turned = found[::-1]
    again = pairs(turned, ClipStore(turned, sample_rate=RATE, memory_bytes=1e8))
    assert [item.name for item in again] == [item.name for item in made]
    assert len(list(singles(found, store))) == 14


def test_mean_average_precision_is_that_of_scikit_learn_over_classes_that_some_items_hold_and_others_do_not() -> None:
    random = np.random.default_rng(0)
    truth = np.stack([*random.integers(0, 2, (2, 30)), np.ones(30, dtype=int), np.zeros(30, dtype=int)], axis=1)
    scores = random.integers(0, 9, (30, 4)) / 9
    heard = Heard((DOG, RAIN, SINE, ONTOLOGY["Speech"].mid), truth=truth.astype(np.float32), probabilities=scores)
    heard.names, heard.recordings = [str(n) for n in range(30)], [(str(n // 2),) for n in range(30)]
    made = figures(heard, intervals=True)
    expected = [average_precision_score(truth[:, place], scores[:, place]) for place in (0, 1)]
    assert list(made.classes.values()) == pytest.approx(expected)
    assert made.mean_average_precision == pytest.approx(np.mean(expected))
    assert made.interval is not None
    assert (made.interval.low or 1) < np.mean(expected) < (made.interval.high or 0)


@given(seed=st.integers(0, 2**31), items=st.integers(2, 40), levels=st.integers(2, 60))
def test_no_threshold_has_a_higher_f1_and_the_chosen_one_is_in_the_middle(seed: int, items: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, items).astype(float)
    truth[0] = 1
    scores = random.integers(0, levels + 1, items) / levels

    def f1(threshold: float) -> float:
        claimed = scores > threshold
        return 2 * float(truth[claimed].sum()) / float(claimed.sum() + truth.sum())

    chosen = best_threshold(truth, scores)
    edges = np.unique([LOWEST, *scores[(scores > LOWEST) & (scores < HIGHEST)], HIGHEST])
    middles = (edges[1:] + edges[:-1]) / 2
    best = [np.isclose(f1(middle), max(map(f1, middles))) for middle in middles]
    assert f1(chosen) == pytest.approx(max(map(f1, middles)))
    place = int(np.searchsorted(edges, chosen, side="right")) - 1
    low = high = min(place, len(middles) - 1)
    if np.isclose(chosen, edges[low], atol=1e-6) and low and best[low - 1]:
        low = high = low - 1
    while low and best[low - 1]:
        low -= 1
    while high + 1 < len(best) and best[high + 1]:
        high += 1
    assert chosen == pytest.approx((edges[low] + edges[high + 1]) / 2, abs=1e-5)


def test_thresholds_sit_in_the_middle_of_the_best_plateau() -> None:
    assert best_threshold(np.array([0, 0, 1.0, 1]), np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)
    assert best_threshold(np.array([1.0, 1]), np.array([0.99, 0.97])) == pytest.approx((LOWEST + HIGHEST) / 2)
    assert best_threshold(np.array([0, 1.0]), np.array([0.02, 0.03])) == pytest.approx((LOWEST + HIGHEST) / 2)


# Calibrating, testing, publishing


def write_folds(root: Path) -> Path:
    """ESC-10's layout: four folds of two clips of three categories."""
    (root / "meta").mkdir(parents=True)
    rows = [("filename", "fold", "category", "src_file")]
    for fold in range(1, 5):
        for kind, category in (("Dog", "dog"), ("Rain", "rain"), ("Sine wave", "helicopter")):
            for take in range(2):
                name = f"audio/{fold}-{category}-{take}.wav"
                (root / "audio").mkdir(exist_ok=True)
                soundfile.write(root / name, sound(kind, 10 * fold + take, 2.5), RATE, subtype="FLOAT")
                rows.append((name, str(fold), category, f"{fold}{take}{category}"))
    with (root / "meta" / "esc10.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


def test_one_command_calibrates_trains_tests_and_publishes_and_does_nothing_twice(clips: Path, tmp_path: Path) -> None:
    root, out, target = write_folds(tmp_path / "esc"), tmp_path / "out", tmp_path / "mini" / "my-tagger.safetensors"
    told: list[str] = []
    (root / "audio" / "4-dog-1.wav").write_bytes(b"no sound")
    changes: dict[str, Any] = {"data": {"esc50": root, "clips": clips}, "steps": 3, "calibrate": 3, "publish": target}
    half = train("tagger", config(root, out, until=2, **changes))
    assert (half.done, half.finished, half.out) == (2, False, out / "calibration")
    report = train("tagger", config(root, out, resume=True, **changes), say=told.append)
    assert (report.finished, report.out) == (True, out)
    calibration = json.loads((out / "calibration" / "thresholds.json").read_text())
    module, description, _ = load(out / MODEL)
    assert description.thresholds == calibration["thresholds"]
    assert set(description.thresholds) == set(description.classes)
    assert all(LOWEST <= value <= HIGHEST for value in description.thresholds.values())
    # The calibration's network has seen nothing of fold 3, the final one all but fold 4.
    cards = [yaml.safe_load((folder / "card.yaml").read_text()) for folder in (out / "calibration", out)]
    folds = [{Path(clip["name"]).name[0] for clip in card["sources"][0]["clips"]} for card in cards]
    assert folds == [{"1", "2"}, {"1", "2", "3"}]
    tested = json.loads((out / "test.json").read_text())
    assert tested["esc50 fold4"]["single"]["items"] == 5
    assert [note for note in report.notes if note in told and "4-dog-1.wav" in note]
    assert tested["esc50 fold4"]["single"]["interval"]["low"] is not None
    # Published: half the bytes, nearly the same probabilities, a card without folders of this machine.
    published = load(target)[0]
    heard = torch.from_numpy(sound("Rain", 3)).float()[None]
    torch.testing.assert_close(published.hear(published.spectrogram(heard)).clipwise,
                               module.hear(module.spectrogram(heard)).clipwise, atol=5e-3, rtol=0)  # fmt: skip
    assert {value.dtype for value in weights(target).values() if value.is_floating_point()} == {torch.float16}
    card = yaml.safe_load(target.with_suffix(".yaml").read_text())
    assert str(tmp_path) not in target.with_suffix(".yaml").read_text()
    assert card["card"]["name"] == "my-tagger"
    assert card["card"]["weights"][0]["size"] == target.stat().st_size
    assert card["training"]["seconds"]["cpu"] > 0
    assert card["training"]["calibration_seconds"]["wall"] > 0
    assert card["training"]["machine"]["torch"] == torch.__version__
    assert card["classes"] == list(description.classes)
    credits = {group["credit"] for source in card["sources"] for group in source["clips"] if "credit" in group}
    assert "CC0, hum0.wav" in credits
    assert MiniTagger(checkpoint=target).thresholds() is not None
    before = (out / "calibration" / LOG).read_text()
    card["limits"] = ["knows three sounds"]
    card["figures"]["speed"] = 0.1
    target.with_suffix(".yaml").write_text(yaml.safe_dump(card))
    assert train("tagger", config(root, out, resume=True, **changes)).finished
    assert (out / "calibration" / LOG).read_text() == before
    again = yaml.safe_load(target.with_suffix(".yaml").read_text())
    assert (again["limits"], again["figures"]["speed"]) == (["knows three sounds"], 0.1)
    assert again["figures"]["test"] == card["figures"]["test"]
    again["card"]["weights"][0] |= {"sha256": "0" * 64, "licence": "CC0"}
    again["card"] |= {"summary": "trained by stemtree 0 for 9 steps on nothing", "notes": "written by hand"}
    target.with_suffix(".yaml").write_text(yaml.safe_dump(again))
    publish(out, target)
    anew = yaml.safe_load(target.with_suffix(".yaml").read_text())
    assert set(anew["figures"]) == {"test"}
    assert anew["card"]["weights"][0]["licence"] == "CC0"
    assert (anew["card"]["summary"], anew["card"]["notes"]) == (card["card"]["summary"], "written by hand")
    with pytest.raises(TrainError, match=r"thresholds\.json: was made with steps=3, not 4"):
        train("tagger", config(root, out, resume=True, **changes | {"steps": 4}))


def test_a_separator_is_published_by_the_same_setting(clips: Path, tmp_path: Path) -> None:
    out, target = tmp_path / "out", tmp_path / "small.safetensors"
    train("uss", training_kit.config(write_clips(tmp_path / "clips"), out, steps=2, publish=target))
    condition = torch.zeros(1, 527)
    whole, half = (load_separator(path)(torch.ones(1, 8000) / 8, condition) for path in (out / MODEL, target))
    torch.testing.assert_close(half, whole, atol=1e-3, rtol=0)
    card = yaml.safe_load(target.with_suffix(".yaml").read_text())
    assert (card["card"]["family"], card["training"]["steps"]) == ("uss", 2)
    assert sorted(card["classes"]) == sorted([SINE, RAIN, DOG])


def test_rendered_clips_are_read_by_table_and_negatives_only_serve_a_tagger(clips: Path, tmp_path: Path) -> None:
    root = tmp_path / "rendered"
    shutil.copytree(clips, root)
    lines = (root / "labels.csv").read_text().splitlines(keepends=True)
    (root / "labels.csv").unlink()
    (root / "train.csv").write_text("".join(lines[:1] + lines[2:]))
    (root / "held_out.csv").write_text("".join(lines[:2]))
    tagged = open_data("rendered", root, {}, unlabelled=True)
    separated = open_data("rendered", root, {})
    assert (len(tagged.clips), len(separated.clips), len(tagged.tested)) == (13, 11, 1)
    assert all(clip.labels for clip in separated.clips)
    rain = open_data("rendered", root, {"classes": ["Rain"]})
    assert {label.label for clip in rain.clips for label in clip.labels} == {"Rain"}
    assert 0 < len(rain.clips) < len(separated.clips)
    with pytest.raises(TrainError, match="no class"):
        open_data("rendered", root, {"classes": ["Rian"]})
    with pytest.raises(TrainError, match="no option voices; there is classes"):
        open_data("rendered", root, {"voices": 3})
    with pytest.raises(TrainError, match=r"no train\.csv in it"):
        open_data("rendered", clips, {})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"anchor": "random"}, "anchor: plays no part in training a tagger"),
        ({"level_db": None}, "level_db=null"),
        ({"augment": {"sources": [0.5, 0.1]}}, "augment.sources: probabilities add up to 1, not 0.6"),
        ({"augment": {"sources": [0.3333333, 0.6666666]}}, "add up to 1, not 0.9999999"),
        ({"augment": {"souces": [1.0]}}, "augment.souces"),
        ({"model": {"channels": [1, 2]}}, "model: channels are 5 positive numbers"),
        ({"calibrate": 7}, "calibrate=7: no such split is trained on; there are none"),
        ({"resume": True}, "no checkpoint to go on from"),
    ],
)
def test_what_a_tagger_cannot_be_trained_with_is_said_in_one_line(
    changes: dict[str, Any], why: str, clips: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainError, match=why) as caught:
        train("tagger", config(clips, tmp_path / "out", **changes))
    assert "\n" not in str(caught.value)


def test_what_only_a_tagger_is_told_is_refused_for_a_separator(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="calibrate: plays no part in training a separator"):
        train("uss", config(clips, tmp_path / "out", calibrate=3, augment={}, model={}))


def test_the_preset_mini_is_the_recipe(tmp_path: Path) -> None:
    made = compose(["preset=mini", "data.rendered=auto", "out=o", "calibrate=3", "augment.gain_db=[0,0]"])
    assert (made.batch, made.segment_seconds, made.level_db, made.clip_gradient) == (24, 4.0, (-20, -20), None)
    assert (made.calibrate, made.augment) == (3, {"gain_db": [0, 0]})
    assert TaggerTraining.settings_type().lr == 2e-3
    assert MiniNet((DOG,)).classify.out_channels == 1
