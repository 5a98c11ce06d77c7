"""What is measured of the models that come along, on made-up clips and untrained weights."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from sklearn.metrics import average_precision_score

from bench.metrics.energy import sdri
from bench.shipped import __main__ as command
from bench.shipped import blind, separation, speed
from bench.shipped.card import into_card
from bench.shipped.clips import Clip, mixtures, silence, table_clips
from bench.shipped.detection import confusion, detection
from bench.shipped.figures import ShippedError
from bench.shipped.harness import Models
from bench.shipped.hearing import Heard, _truth, hear, open_ear
from bench.shipped.parts import BetterPart
from bench.shipped.scaling import scaling
from bench.shipped.separation import crossed_figures, crossed_rows
from bench.shipped.spot import held_out_pairs, spot_separator
from ontology import Ontology, Target
from separators.base import Context, Query
from separators.hpss import HPSS
from separators.uss import mini
from separators.uss.checkpoint import save_separator
from separators.uss.description import Description as SeparatorDescription
from taggers.mini import tagger as mini_tagger
from taggers.mini.checkpoint import Description, save
from taggers.mini.network import MiniNet

RATE = 32_000
ONTO = Ontology.audioset()
CATEGORIES = {"dog": "Bark", "rain": "Rain", "rooster": "Chicken, rooster", "sneezing": "Sneeze"}
CLASSES = tuple(ONTO[name].mid for name in (*CATEGORIES.values(), "Speech", "Guitar"))


def clip(name: str, *labels: str, seconds: float = 0.2, seed: int = 0) -> Clip:
    audio = torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))
    return Clip(name, tuple(ONTO[label].mid for label in labels), (f"recording {name}",), audio)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Small networks with fresh weights, and a card of each where theirs are read."""
    torch.manual_seed(0)
    paths = {name: tmp_path / f"{name}.safetensors" for name in ("tagger", "another", "separator")}
    thresholds = dict.fromkeys(CLASSES, 0.99) | dict.fromkeys(CLASSES[:2], 0.4)  # fresh weights say 0.5 of everything
    for name in ("tagger", "another"):
        described = Description(classes=CLASSES, channels=(4, 4, 4, 4, 8), thresholds=thresholds, step=0)
        save(paths[name], MiniNet(CLASSES, channels=(4, 4, 4, 4, 8)), described)
    made = SeparatorDescription(
        condition_size=527, channels=(2, 2, 3, 4, 4, 5, 5), window=256, hop=128, query="at_soft",
        query_net="mini-tagger", query_scaled=True, classes=CLASSES, step=0,
    )  # fmt: skip
    save_separator(paths["separator"], made.build(), made)
    for module, name, family in ((mini_tagger, "mini-tagger", "tagger"), (mini, "mini-uss", "separator")):
        card = tmp_path / f"{name}.yaml"
        content = paths[family].read_bytes()
        file = {"url": "x", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "licence": "MIT"}
        facts = {"name": name, "family": family, "summary": "small", "licence": "MIT", "weights": [file]}
        told = {"card": facts, "settings": {"a": 1}, "figures": {"test": 1, "tagger": 2}}
        card.write_text(yaml.safe_dump(told))
        monkeypatch.setattr(module, "CARD", card)
    return paths


@pytest.fixture
def esc(tmp_path: Path) -> Path:
    """Clips of four classes in two folds, as ESC-10 lays them out."""
    root = tmp_path / "esc"
    (root / "meta").mkdir(parents=True)
    (root / "audio").mkdir()
    rows = []
    for fold in (1, 4):
        for number, category in enumerate(CATEGORIES):
            name = f"audio/{fold}-{number}.ogg"
            random = np.random.default_rng([fold, number])
            tone = np.sin(np.arange(2 * 44_100) * 0.02 * (number + 1)) * random.uniform(0.1, 0.3)
            soundfile.write(root / name, tone + 0.01 * random.standard_normal(len(tone)), 44_100)
            rows.append([name, fold, category, f"{fold}{number}"])
    with (root / "meta" / "esc10.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["filename", "fold", "category", "src_file"], *rows])
    return root


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """Tables of clips as the rendered ones have them."""
    root = tmp_path / "rendered"
    (root / "audio").mkdir(parents=True)
    tables = {"held_out": ["Guitar", "Speech"], "songs": ["Guitar;Speech"], "unknown": [""], "noise": ["", ""]}
    for table, every in tables.items():
        rows = []
        for number, labels in enumerate(every):
            path = f"audio/{table}-{number}.wav"
            audio = 0.1 * np.random.default_rng(number).standard_normal(RATE)
            soundfile.write(root / path, audio, RATE)
            rows.append([path, labels, f"{table} {number}", "MIT"])
        with (root / f"{table}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", "labels", "recording", "licence"], *rows])
    return root


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.shipped", *map(str, arguments)])
    command.main()


# Clips


def test_mixtures_have_two_kinds_at_one_level_and_each_clip_meets_four_others() -> None:
    clips = [clip(f"{label} {number}", label, seed=number) for label in CATEGORIES.values() for number in range(3)]
    made = mixtures(clips)
    assert len({one.name for one in made}) == len(made) == 12 * 4
    assert all(len(set(one.mids)) == 2 and len(set(one.recordings)) == 2 for one in made)
    first, second = (next(c for c in clips if c.name == name) for name in made[0].name.split("+"))
    levelled = [c.audio * 0.1 / c.audio.square().mean().sqrt() for c in (first, second)]
    torch.testing.assert_close(made[0].audio, levelled[0] + levelled[1])
    assert [one.name for one in mixtures(clips)] == [one.name for one in made]


def test_kin_are_never_mixed() -> None:
    assert mixtures([clip("a", "Dog"), clip("b", "Bark"), clip("c", "Animal")]) == []


def test_a_label_that_is_no_class_is_told_with_its_table(rendered: Path) -> None:
    table = rendered / "held_out.csv"
    table.write_text(table.read_text().replace("Guitar", "Guitarr"))
    with pytest.raises(ShippedError, match=r"held_out\.csv.*Guitar"):
        table_clips(rendered, "held_out")


# What a tagger says


def test_classes_above_a_label_are_there_and_those_below_it_unknown() -> None:
    names = ("Music", "Guitar", "Acoustic guitar", "Dog")
    assert _truth((ONTO["Guitar"].mid,), [ONTO[name].mid for name in names]).tolist() == [1, 1, -1, 0]


def test_a_clip_is_heard_alike_alone_and_among_others_of_other_lengths(weights: dict[str, Path]) -> None:
    ear = open_ear(weights["tagger"])
    clips = [clip("a", "Rain", seconds=1.0), clip("b", "Bark", seconds=0.7), clip("c", "Rain", seconds=1.0, seed=2)]
    whole = hear(ear, clips)
    for place, one in enumerate(clips):
        np.testing.assert_allclose(hear(ear, [one]).probabilities[0], whole.probabilities[place], atol=1e-5)
    assert whole.truth[:, whole.classes.index(ONTO["Rain"].mid)].tolist() == [1, 0, 1]


def heard(probabilities: np.ndarray, truth: np.ndarray, names: tuple[str, ...]) -> Heard:
    clips = [clip(str(place), *(name for name, one in zip(names, row, strict=True) if one == 1), seconds=0.01)
             for place, row in enumerate(truth)]  # fmt: skip
    return Heard(tuple(clips), tuple(ONTO[name].mid for name in names), probabilities, truth.astype(np.int8))


def test_detection_agrees_with_counts_by_hand_and_leaves_out_what_nobody_can_tell() -> None:
    names = ("Rain", "Bark", "Speech")
    random = np.random.default_rng(1)
    truth = np.stack([random.integers(0, 2, 30), random.integers(-1, 2, 30), np.zeros(30, dtype=int)], axis=1)
    one, other = (heard(random.random((30, 3)), truth, names) for _ in range(2))
    found = detection([one, other], name="made")
    for name, place in (("Rain", 0), ("Bark", 1)):
        known = truth[:, place] != -1
        expected = [average_precision_score(truth[known, place], h.probabilities[known, place]) for h in (one, other)]
        row = found["classes"][name]
        assert row["ap"]["value"] == pytest.approx(np.mean(expected))
        assert row["ap"]["low"] <= row["ap"]["value"] <= row["ap"]["high"]
        said = one.probabilities[known, place] >= 0.5
        true = truth[known, place] == 1
        assert row["precision"] == pytest.approx((said & true).sum() / said.sum())
        assert row["recall"] == pytest.approx((said & true).sum() / true.sum())
        assert row["f1"]["value"] == pytest.approx(2 * (said & true).sum() / (said.sum() + true.sum()))
    assert "ap" not in found["classes"]["Speech"]
    assert found["classes"]["Speech"]["false_alarms"] == (one.probabilities[:, 2] >= 0.5).sum()
    alarms = [((h.probabilities >= 0.5) & (truth == 0)).sum() / 30 for h in (one, other)]
    assert found["false_alarms"]["value"] == pytest.approx(np.mean(alarms))
    assert found["false_alarms"]["by_seed"] == pytest.approx(alarms)
    assert found["false_alarms"]["standard_deviation"] == pytest.approx(np.std(alarms, ddof=1))


def test_what_thresholds_decide_is_only_of_trainings_that_have_thresholds() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 2, (20, 2))
    one, other = (heard(random.random((20, 2)), truth, ("Rain", "Bark")) for _ in range(2))
    found = detection([one, replace(other, calibrated=False)], name="made")
    alone = detection([one], name="made")
    assert len(found["map"]["by_seed"]) == 2
    for name in ("f1", "false_alarms"):
        assert found[name]["by_seed"] == alone[name]["by_seed"] == [found[name]["value"]]


def test_confusion_has_every_declared_class_and_counts_the_deepest_of_equals() -> None:
    names = ("Acoustic guitar", "Guitar", "Rain")  # deepest first, as an ear has them
    truth = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]])
    said = np.array([[0.9, 0.9, 0.1], [0.2, 0.8, 0.5], [0.1, 0.1, 0.7]])
    found = confusion([heard(said, truth, names)], name="made")
    assert set(found["said"]) == set(names)
    table = {
        label: {name: count for name, count in zip(found["said"], row, strict=True) if count}
        for label, row in zip(found["labels"], found["counts"], strict=True)
    }
    assert table == {"Acoustic guitar": {"Acoustic guitar": 1}, "Rain": {"Guitar": 1, "Rain": 1}}
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)


def test_trainings_of_different_classes_are_not_judged_together(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    less = CLASSES[:2]
    save(
        weights["another"],
        MiniNet(less, channels=(4, 4, 4, 4, 8)),
        Description(classes=less, channels=(4, 4, 4, 4, 8), step=0),
    )
    with pytest.raises(SystemExit):
        run(
            monkeypatch,
            "--tagger",
            weights["tagger"],
            weights["another"],
            "--only",
            "tagger",
            "--out",
            tmp_path / "out",
        )
    assert "declares other classes" in capsys.readouterr().err


# What a separator gives


def test_a_wrong_query_is_held_against_the_source_it_was_not_asked_for() -> None:
    random = torch.Generator().manual_seed(0)
    sources = [torch.randn(1, 400, generator=random) for _ in range(2)]
    mixture = sources[0] + sources[1]
    estimates = torch.stack([source + 0.1 * torch.randn(1, 400, generator=random) for source in sources])
    rows = crossed_rows("a", ["Rain", "Bark"], estimates, sources, mixture)
    assert [row["sdri_right"] for row in rows] == pytest.approx(
        [float(sdri(estimates[place], sources[place], mixture)) for place in (0, 1)]
    )
    assert rows[0]["sdri_wrong"] == pytest.approx(float(sdri(estimates[1], sources[0], mixture)))
    found = crossed_figures([*rows, *({**row, "scene": "b"} for row in rows)], {"a": ["1", "2"], "b": ["3", "4"]})
    for metric in ("sdri", "sdrg"):
        distance = np.mean([row[f"{metric}_right"] - row[f"{metric}_wrong"] for row in rows])
        assert found[f"{metric}_right_over_wrong"]["value"] == pytest.approx(distance)
    assert found["classes"]["Rain"]["sdri"]["value"] == pytest.approx(rows[0]["sdri_wrong"])


def test_the_better_part_is_the_one_with_the_smaller_error() -> None:
    time = torch.arange(RATE) / RATE
    tone, clicks = torch.sin(2765 * time)[None], torch.zeros(1, RATE)
    clicks[0, ::4000] = 5.0
    context = Context(sample_rate=RATE)
    parts = HPSS().split(tone + clicks, context=context)
    queries = tuple(Query(Target("it", (ONTO["Rain"].mid,)), reference=one) for one in (tone, clicks))
    found = BetterPart().separate(tone + clicks, queries, context=context)
    torch.testing.assert_close(found, torch.stack([parts["harmonic"], parts["percussive"]]))


def test_a_recording_is_as_long_as_asked_for_and_sounds_throughout() -> None:
    audio = speed.recording([clip(str(place), "Rain", seconds=0.7, seed=place) for place in range(4)], 5)
    assert audio.shape == (5 * RATE,)
    assert audio.reshape(50, -1).square().mean(dim=1).min() > 0.5 * 2 * 0.1**2


# Cards and runs


def test_a_card_gets_its_own_figures_rounded_and_keeps_the_rest(weights: dict[str, Path], tmp_path: Path) -> None:
    card = tmp_path / "mini-tagger.yaml"
    made = {"weights": {"mini-tagger": hashlib.sha256(weights["tagger"].read_bytes()).hexdigest()}}
    figures = {"tagger": {"map": {"value": 0.98765, "clips": 3}}, "separator": {"x": 1.0},
               "spot": {"tagger": {"a": 0.12345}, "separator": {}}, "absent": {}, "made": made}  # fmt: skip
    into_card(figures, card)
    content = yaml.safe_load(card.read_text())
    assert content["figures"] == {"test": 1, "tagger": {"map": {"value": 0.988, "clips": 3}}, "spot": {"a": 0.123}}
    assert content["card"]["name"] == "mini-tagger"
    assert content["settings"] == {"a": 1}
    made["weights"]["mini-tagger"] = "another"
    with pytest.raises(ShippedError, match="the figures are of another"):
        into_card(figures, card)
    card.write_text(yaml.safe_dump({"card": {"name": "panns"}}))
    with pytest.raises(ShippedError, match="panns"):
        into_card(figures, card)


def test_runs_are_tabled_from_fewest_clips_up(tmp_path: Path) -> None:
    outcome = {"mean_average_precision": 0.9, "interval": {"low": 0.8, "high": 0.95, "note": None}}
    for name, clips in (("large", 3), ("small", 1)):
        folder = tmp_path / name
        folder.mkdir()
        card = {
            "card": {"family": "tagger", "parameters": 9},
            "settings": {"steps": 5},
            "sources": [{"clips": [{}] * clips}],
        }
        (folder / "card.yaml").write_text(yaml.safe_dump(card))
        (folder / "test.json").write_text(json.dumps({"esc50 fold4": {"single": outcome, "pair": outcome}}))
    rows = scaling([tmp_path / "large", tmp_path / "small"])
    assert [(row["run"], row["clips"]) for row in rows] == [("small", 1), ("large", 3)]
    assert rows[0]["test"]["esc50 fold4: mAP, single clips"] == {"value": 0.9, "low": 0.8, "high": 0.95}

    (tmp_path / "small" / "test.json").unlink()
    score = {"label": "Rain", "sdri": 6.0, "sdrg": 2.0}
    scores = [score, {**score, "sdri": 8.0, "sdrg": None}, {"label": "Bark", "sdri": 1.0, "sdrg": 4.0}]
    log = tmp_path / "small" / "log.jsonl"
    log.write_text(json.dumps({"step": 5, "kind": "test", "split": "esc50 fold4", "scores": scores}) + "\n")
    (row,) = scaling([tmp_path / "small"])
    assert row["test"]["esc50 fold4: SDRi"]["value"] == pytest.approx((7 + 1) / 2)
    assert row["test"]["esc50 fold4: SDRg"]["value"] == pytest.approx((2 + 4) / 2)
    log.write_text("")
    with pytest.raises(ShippedError, match="was not tested"):
        scaling([tmp_path / "small"])


# The command


def test_the_tagger_is_measured_on_every_set_and_tables_and_pictures_are_written(
    weights: dict[str, Path], esc: Path, rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    models = ("--tagger", weights["tagger"], weights["another"], "--only", "tagger")
    card = tmp_path / "mini-tagger.yaml"
    run(monkeypatch, "--esc50", esc, "--rendered", rendered, "--out", out, *models, "--card", card)
    figures = json.loads((out / "figures.json").read_text())
    assert figures["absent"] == {}
    sets = {"fold4_single": 4, "fold4_mixtures": 12, "held_out": 2, "songs": 1, "unknown": 1, "noise": 2, "silence": 4}
    assert {name: figures["tagger"][name]["clips"] for name in sets} == sets
    assert len(figures["tagger"]["fold4_single"]["map"]["by_seed"]) == 2
    assert set(figures["tagger"]["fold4_single"]["classes"]) >= set(CATEGORIES.values())
    assert "map" not in figures["tagger"]["noise"]
    text = (out / "figures.md").read_text()
    assert "ESC fold 4, two clips at 0 dB" in text
    for picture in ("confusion.svg", "by_class.svg"):
        assert "Sneeze" in (out / picture).read_text()
    assert yaml.safe_load(card.read_text())["figures"]["tagger"]["songs"]["clips"] == 1


def test_without_real_clips_the_tagger_is_measured_on_rendered_ones_and_nothing_empty_is_drawn(
    weights: dict[str, Path], rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "--rendered", rendered, "--out", out, "--tagger", weights["tagger"], "--only", "tagger")
    assert sorted(path.name for path in out.iterdir()) == ["figures.json", "figures.md"]
    figures = json.loads((out / "figures.json").read_text())
    assert figures["absent"] == {"tagger, ESC fold 4": "no folder given (--esc50)"}
    assert figures["tagger"]["songs"]["clips"] == 1


def test_what_cannot_be_measured_is_told_in_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "no.safetensors"
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--out", tmp_path / "out", "--tagger", absent, "--only", "tagger,blind,voicebank,speed")
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert any(str(absent) in line for line in lines)
    assert sum("no folder given" in line for line in lines) == 3
    assert not (tmp_path / "out").exists()


def test_the_separator_is_measured_beside_the_others_and_with_the_wrong_query(
    weights: dict[str, Path], esc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "--esc50", esc, "--out", out, "--tagger", weights["tagger"], "--separator", weights["separator"],
        "--only", "separator")  # fmt: skip
    separator = json.loads((out / "figures.json").read_text())["separator"]
    assert separator["scenes"] == 2
    measured = {name: one["sdri"]["value"] for name, one in separator["separators"].items() if "sdri" in one}
    assert measured["mixture"] == pytest.approx(0, abs=1e-9)
    assert measured["irm"] > measured["hpss, better part"]
    assert separator["separators"]["hpss"]["note"]
    wrong = separator["wrong_query"]
    assert wrong["sdri"]["value"] + wrong["sdri_right_over_wrong"]["value"] == pytest.approx(
        measured["mini-uss"], abs=1e-6
    )
    assert "mini-uss, wrong query" in (out / "by_class.svg").read_text()


def test_a_mixture_with_a_class_that_is_refused_has_no_wrong_query(
    weights: dict[str, Path], esc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tuple(mid for mid in CLASSES if mid != ONTO["Sneeze"].mid)
    made = SeparatorDescription(
        condition_size=527, channels=(2, 2, 3, 4, 4, 5, 5), window=256, hop=128, query="at_soft",
        query_net="mini-tagger", query_scaled=True, classes=known, step=0,
    )  # fmt: skip
    save_separator(weights["separator"], made.build(), made)
    monkeypatch.setattr(separation, "OTHERS", ("mixture",))
    found = separation.separation(esc, Models(weights["tagger"], weights["separator"]))
    assert found["wrong_query"]["left_out"] == 1
    assert len(found["wrong_query"]["classes"]) == 2
    assert found["separators"]["mini-uss"]["sdri"]["skipped"] == 1


def test_blind_scenes_and_speed_are_measured(
    weights: dict[str, Path], esc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blind, "SCENES", 2)
    monkeypatch.setattr(speed, "TAGGED_SECONDS", 4)
    monkeypatch.setattr(speed, "SEPARATED_SECONDS", (2,))
    out = tmp_path / "out"
    run(monkeypatch, "--esc50", esc, "--out", out, "--tagger", weights["tagger"], "--separator", weights["separator"],
        "--only", "blind,speed")  # fmt: skip
    figures = json.loads((out / "figures.json").read_text())
    assert figures["absent"] == {}
    names = {
        f"{tagger}+{separator}" for tagger in ("mini-tagger", "labels") for separator in ("mini-uss", "half", "irm")
    }
    assert set(figures["blind"]["systems"]) == names
    for depth in ("d1", "d2", "d3"):
        assert figures["blind"]["detection"][depth]["true_positives"] >= 0
        assert figures["blind"]["ours_over_labels_half"][depth]["scenes"] > 0
    assert figures["speed"]["tagging"]["real_time_factor"] > 0
    assert figures["speed"]["hierarchy"][0]["classes"] >= 0


def test_speech_in_noise_is_held_against_the_noisy_input(
    weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    for kind, noise in (("clean", 0.0), ("noisy", 0.05)):
        folder = tmp_path / "speech" / f"{kind}_testset_wav"
        folder.mkdir(parents=True)
        for number in range(2):
            tone = 0.2 * np.sin(np.arange(16_000) * 0.05 * (number + 1))
            soundfile.write(folder / f"p232_00{number}.wav", tone + noise * random.standard_normal(16_000), 16_000)
    out = tmp_path / "out"
    run(monkeypatch, "--voicebank", tmp_path / "speech", "--out", out, "--tagger", weights["tagger"],
        "--separator", weights["separator"], "--only", "voicebank")  # fmt: skip
    found = json.loads((out / "figures.json").read_text())["voicebank"]
    assert found["utterances"] == 2
    for metric in ("ssnr@1", "si_sdri@1"):
        sides = {name: one["value"] for name, one in found[metric].items()}
        assert sides["difference"] == pytest.approx(sides["mini-uss"] - sides["noisy"])
    assert found["si_sdri@1"]["noisy"]["value"] == pytest.approx(0, abs=1e-9)
    assert all(0 <= found["heard"][side]["speech"] <= 2 for side in ("noisy", "clean"))


def test_few_held_out_clips_are_a_figure_that_moves_with_the_weights(weights: dict[str, Path]) -> None:
    clips = [clip(name, name, seconds=1.0, seed=place) for place, name in enumerate((*CATEGORIES.values(), "Rain"))]
    pairs = held_out_pairs({"held_out": clips})
    assert sorted(one.name for pair in pairs for one in pair) == sorted(CATEGORIES.values())
    separator = mini.MiniUss(checkpoint=str(weights["separator"]), query_net=str(weights["tagger"]), dtype="float32")
    found = spot_separator(separator, pairs)
    assert found["mixtures"] == 2
    assert found == spot_separator(separator, pairs)
    assert all(np.isfinite(value) for value in found.values())


def test_silence_is_quiet() -> None:
    levels = [float(one.audio.square().mean().sqrt()) for one in silence()]
    assert levels[0] == 0
    assert max(levels) < 10 ** (-69 / 20)
