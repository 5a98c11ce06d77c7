"""Runs of training: they learn, they resume exactly, they stop when asked, and they say what is wrong in one line."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner

from bench.cli import main
from bench.config import ConfigError
from bench.train import train
from bench.training.checkpoints import MODEL, STATE
from bench.training.errors import TrainError
from bench.training.journal import LOG, table
from bench.training.scores import Score, summary
from bench.training.settings import compose
from bench.training.trial import gains
from separators.uss.checkpoint import describe_checkpoint, load_separator
from separators.uss.nets import open_checkpoint, open_query_net
from separators.uss.training import UssSettings
from taggers.mini.tagger import load_mini
from training_kit import RATE, TINY, config, weights, write_clips, write_tagger


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def records(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (out / LOG).read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "seconds_per_step"} for line in lines if line["kind"] == kind]


# Learning


def test_the_loss_falls_and_validation_is_noted_as_it_goes(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", per_kind=10)
    out = tmp_path / "out"
    report = train("uss", config(root, out, steps=40, held_out=0.3, validate_every=20, model=TINY | {"lr": 2e-2}))
    losses = [record["loss"] for record in records(out, "loss")]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    assert report.finished
    assert report.validation is not None
    assert [record["step"] for record in records(out, "validation")] == [20, 40]
    last = records(out, "validation")[-1]
    assert (last["sdri"], last["pairs"]) == (pytest.approx(report.validation.whole.sdri), 4)
    assert last["half"] == pytest.approx(3.01, abs=0.02)
    assert (out / "curve.svg").read_text().startswith("<?xml")


# Resuming


@pytest.mark.parametrize("changes", [{}, {"interferers": "any", "anchor": "random", "level_db": None}])
def test_stop_resume_and_finish_equals_an_uninterrupted_run_bit_for_bit(
    changes: dict[str, Any], clips: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train("uss", config(clips, whole, steps=5, **changes))
    half = train("uss", config(clips, parts, steps=5, until=2, **changes))
    assert (half.done, half.finished) == (2, False)
    torch.manual_seed(99)  # what happens between the two must not matter
    assert train("uss", config(clips, parts, steps=5, resume=True, **changes)).finished
    one, other = weights(whole / MODEL), weights(parts / MODEL)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert records(whole, "loss") == records(parts, "loss")
    states = [torch.load(out / "checkpoints/step-00000005" / STATE, weights_only=True) for out in (whole, parts)]
    for a, b in zip(*(state["optimiser"]["state"].values() for state in states), strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_interruption_ends_the_step_and_leaves_a_checkpoint_to_go_on_from(clips: Path, tmp_path: Path) -> None:
    def interrupt(message: str) -> None:
        if message.startswith("step 2 "):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    report = train("uss", config(clips, tmp_path / "out"), tell=interrupt)
    assert report.done == 2
    assert signal.getsignal(signal.SIGINT) is before
    description = describe_checkpoint(tmp_path / "out" / MODEL)
    assert description is not None
    assert description.step == 2
    assert train("uss", config(clips, tmp_path / "out", resume=True)).finished


def test_a_checkpoint_is_there_whole_or_not_at_all_and_the_last_few_are_kept(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train("uss", config(clips, out, steps=4, until=3, checkpoint_every=1, keep=2))
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-00000002", "step-00000003"]

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bench.training.checkpoints.torch.save", full)
        with pytest.raises(OSError, match="No space left"):
            train("uss", config(clips, out, steps=4, checkpoint_every=1, keep=2, resume=True))
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-00000002", "step-00000003"]
    assert train("uss", config(clips, out, steps=4, checkpoint_every=1, keep=2, resume=True)).finished


def test_a_run_that_was_killed_before_its_newest_model_was_published_publishes_it_when_resumed(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train("uss", config(clips, out, steps=2))
    (out / MODEL).unlink()  # as if killed between the checkpoint and its copy
    report = train("uss", config(clips, out, steps=2, resume=True))
    assert report.checkpoint.read_bytes() == (out / "checkpoints/step-00000002" / MODEL).read_bytes()


def test_a_run_is_only_resumed_under_the_same_settings_from_the_same_clips_and_an_undamaged_file(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(TrainError, match="no checkpoint to go on from"):
        train("uss", config(clips, out, resume=True))
    train("uss", config(clips, out, until=1))
    with pytest.raises(TrainError, match="holds a run already; say resume=true"):
        train("uss", config(clips, out))
    with pytest.raises(TrainError, match="batch=6, not 7"):
        train("uss", config(clips, out, batch=7, resume=True))
    other = tmp_path / "clips"
    shutil.copytree(clips, other)
    (other / "Dog" / "0.wav").unlink()
    with pytest.raises(TrainError, match="on other clips"):
        train("uss", config(other, out, resume=True))
    state = out / "checkpoints" / "step-00000001" / STATE
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(TrainError, match=rf"{STATE}: cannot be read"):
        train("uss", config(clips, out, resume=True))


# What a run leaves


def test_the_checkpoint_describes_its_network_and_the_card_its_clips(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = train("uss", config(clips, out, steps=2))
    description = describe_checkpoint(report.checkpoint)
    assert description is not None
    assert (description.window, description.hop, description.query, description.step) == (256, 128, "labels", 2)
    assert description.classes == ("/m/0bt9lr", "/m/06mb1", "/m/01v_m0")
    model = load_separator(report.checkpoint)
    assert model(torch.zeros(1, 8000), torch.zeros(1, 527)).shape == (1, 8000)
    card = yaml.safe_load((out / "card.yaml").read_text())
    assert card["card"]["family"] == "uss"
    assert len(card["sources"][0]["clips"]) == 12


def test_what_the_small_tagger_hears_conditions_a_run_and_the_checkpoint_says_so(clips: Path, tmp_path: Path) -> None:
    tagger = write_tagger(tmp_path / "tagger.safetensors", "Rain", "Sine wave")
    changes = {"query": "at_soft", "query_tagger": "mini-tagger", "query_checkpoint": tagger,
               "query_scaled": True, "query_masked": True}  # fmt: skip
    said: list[str] = []
    report = train("uss", config(clips, tmp_path / "out", steps=2, **changes), say=said.append)
    assert any("left out, for want of a label to ask by: Dog" in line for line in said)
    opened = open_checkpoint(report.checkpoint)
    assert opened.description is not None
    assert opened.description.classes == ("/m/06mb1", "/m/01v_m0")
    net = open_query_net(opened, tagger, condition_size=527)
    assert net.name == "at_soft+scaled"
    assert opened.description.query_sha256 == net.weights_sha256() == load_mini(tagger).sha256
    write_tagger(tmp_path / "other.safetensors", "Rain")
    with pytest.raises(ValueError, match="trained with a query net whose weights have the SHA-256"):
        open_query_net(opened, tmp_path / "other.safetensors", condition_size=527)


def test_gains_are_paired_and_their_intervals_hold_the_figure() -> None:
    scores = [
        Score(str(i), "ab"[i % 2], (f"r{i}",), sdri=5 + i / 100, sdrg=1.0, wrong=math.nan if i else 1.0, half=i / 100)
        for i in range(40)
    ]
    found = {gain.name: gain for gain in gains(scores)}
    half = found["SDRi over half the mixture"]
    # Every pair gains the same 5 dB, so that resampling changes nothing.
    assert half.value == pytest.approx(5)
    assert (half.interval.low, half.interval.high) == pytest.approx((5, 5))
    assert found["SDRi of the right class over the wrong one"].value == pytest.approx(4)
    assert found["SDRi of the right class over the wrong one"].interval.low is None
    lines = summary(scores).classes
    assert [(line.label, line.pairs, line.wrong) for line in lines] == [("a", 20, 1.0), ("b", 20, None)]


# The command and its settings


@pytest.mark.parametrize(
    ("preset", "want"),
    [
        ("published", {"lr": 1e-3, "amsgrad": True, "schedule": "constant_warm_up", "precision": "float32"}),
        ("small", {"channels": [8, 8, 16, 32, 64, 96, 96], "window": 1024, "hop": 512, "schedule": "cosine"}),
        ("default", {"schedule": "cosine", "precision": "auto", "amsgrad": False}),
    ],
)
def test_presets_parse_and_can_be_overridden(preset: str, want: dict[str, Any]) -> None:
    made = compose([f"preset={preset}", "data.esc50=a folder, [1]", "out=o", "model.weight_decay=0.5", "batch=12"])
    assert made.model == made.model | want | {"weight_decay": 0.5}
    assert (made.batch, made.data) == (12, {"esc50": Path("a folder, [1]")})


def test_the_preset_published_is_the_recipe_of_the_public_code_field_by_field() -> None:
    made = compose(["preset=published", "data.audioset=x", "out=o"])
    data = {"query": "at_soft", "anchor": "framewise", "tagger": "panns-sed", "segment_seconds": 2.0, "mix_num": 2,
            "interferers": "any", "level_db": None, "batch": 16, "seed": 1234}  # fmt: skip
    run = {"steps": 1_000_000, "clip_gradient": None, "checkpoint_every": 100_000, "validate_every": 20_000}
    assert {name: getattr(made, name) for name in data | run} == data | run
    assert UssSettings.model_validate(made.model) == UssSettings(
        channels=(32, 32, 64, 128, 256, 384, 384), window=2048, hop=320, level=None, lr=1e-3, betas=(0.9, 0.999),
        eps=1e-8, weight_decay=0.0, amsgrad=True, schedule="constant_warm_up", warm_up=10_000, precision="float32",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["preset=tiny"], "no preset named 'tiny'; there are default, mini, mini-uss, published, small"),
        (["stesp=3"], "did you mean steps"),
        (["data.clips=x"], "out: name the folder"),
        (["out=x"], "data: name what to train on"),
        (["out=x", "data.clips=x", "batch=1"], "batch: "),
        (["out=x", "data.clips=x", "device=tpu"], "device=tpu: say cpu, cuda, cuda:N or mps"),
        (["out=x", "data.clips=x", "mix_num=40"], "no so many sources"),
        (["out=x", "data.clips=x", "level_db=[0,-3]"], "the lower bound comes first"),
        (["steps"], "is no override"),
        (["out=x", "data.clips=x", "query_scaled=true"], "query_scaled=True: asks of probabilities"),
        (["out=x", "data.clips=x", "query=embedding", "query_tagger=mini-tagger"], "say query=at_soft"),
        (["out=x", "data.clips=x", "query=at_soft", "query_tagger=panns"], "query_tagger: "),
    ],
)
def test_unfit_settings_are_refused_in_one_line(overrides: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why.replace("[", r"\[")) as caught:
        compose(overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": {"chanels": [1]}}, "model.chanels: "),
        ({"model": {"betas": [0.9, 1.0]}}, "model.betas.1: "),
        ({"model": {"window": 100}}, "window 100: a multiple of 128"),
        ({"model": {"channels": [1, 2]}}, "7 positive numbers"),
        ({"device": "cuda"}, "device=cuda: torch finds no CUDA device"),
        ({"data": {"clips": Path("nowhere")}}, "nowhere: no such folder or table"),
        ({"anchor": "framewise", "tagger": "no-such"}, "tagger=no-such: "),
        ({"mix_num": 6}, "no item of the batch can be mixed with 5 of another kind"),
        ({"query": "at_soft", "query_checkpoint": Path("nowhere.pth")}, "nowhere.pth"),
        (
            {"query": "at_soft", "query_tagger": "mini-tagger", "query_checkpoint": Path("nowhere.safetensors")},
            "nowhere.safetensors",
        ),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    changes: dict[str, Any], why: str, clips: Path, tmp_path: Path
) -> None:
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises((TrainError, RuntimeError), match=why) as caught:
        train("uss", config(clips, tmp_path / "out", **changes))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_clips_of_one_kind_cannot_be_mixed_unless_told(clips: Path, tmp_path: Path) -> None:
    only = tmp_path / "only"
    shutil.copytree(clips / "Dog", only / "Dog")
    shutil.copytree(clips / "Dog", only / "Bark")
    with pytest.raises(TrainError, match="Bark: every clip holds it, or a class above or below it"):
        train("uss", config(only, tmp_path / "out"))
    assert train("uss", config(only, tmp_path / "out", steps=1, interferers="any")).finished


def test_a_loss_that_is_not_finite_ends_the_run_and_the_last_checkpoint_stands(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train("uss", config(clips, out, until=2))
    nothing = SimpleNamespace(of=lambda segments, targets: torch.full((len(targets), 527), torch.nan))
    nothing.name, nothing.size, nothing.sha256 = "labels", 527, None
    nothing.asks = lambda target: True
    monkeypatch.setattr("bench.train._conditions", lambda config, device: nothing)
    with pytest.raises(TrainError, match="step 3: the loss is nan"):
        train("uss", config(clips, out, resume=True))
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000002"]


def test_a_gradient_that_is_not_finite_ends_the_run_before_it_spoils_the_weights(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.training.launch.Alone.backward", lambda self, loss: (loss * math.inf).backward())
    out = tmp_path / "out"
    with pytest.raises(TrainError, match="step 1: the gradient is "):
        train("uss", config(clips, out, steps=1, checkpoint_every=1))
    assert not (out / MODEL).exists()


def test_the_log_is_json_where_a_figure_is_not_defined() -> None:
    made = Score("s", "Dog", ("r",), sdri=1.0, sdrg=2.0, wrong=math.nan, half=3.0)
    assert json.loads(json.dumps(made.plain(), allow_nan=False)) == {
        "scene": "s", "label": "Dog", "recordings": ["r"], "sdri": 1.0, "sdrg": 2.0, "wrong": None, "half": 3.0,
    }  # fmt: skip


def test_half_the_mixture_stands_beside_what_was_learnt() -> None:
    made = summary([Score("s", "Dog", ("r",), sdri=4.25, sdrg=1.5, wrong=math.nan, half=3.01)])
    head, *lines = table(made).splitlines()
    assert head.split() == ["class", "pairs", "SDRi", "of", "half", "SDRg", "wrong", "class"]
    assert [line.split() for line in lines] == [[name, "1", "4.25", "3.01", "1.50", "-"] for name in ("Dog", "all")]


def test_the_command_stops_goes_on_and_prints_where_the_checkpoint_is(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "a run"
    sizes = [f"model.{name}={json.dumps(value)}".replace('"', "") for name, value in TINY.items()]
    overrides = [f"data.clips={clips}", f"out={out}", "steps=3", "batch=6", "segment_seconds=0.25", *sizes]
    runner = CliRunner()
    stopped = runner.invoke(main, ["train", "uss", *overrides, "until=1"])
    assert stopped.exit_code == 0, stopped.output
    assert "stopped after step 1 of 3; go on with: stemtree train uss" in stopped.stderr
    assert stopped.stderr.rstrip().endswith("resume=true")
    done = runner.invoke(main, ["train", "uss", *overrides, "resume=true"])
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith(str(out / MODEL))
    again = runner.invoke(main, ["train", "uss", *overrides])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "holds a run already" in again.stderr
    unknown = runner.invoke(main, ["train", "usss"])
    assert (unknown.exit_code, unknown.stderr) == (2, "stemtree: no family 'usss' can be trained; did you mean uss?\n")


def test_the_kit_is_at_the_rate_of_the_family() -> None:
    from separators.uss.training import UssTraining

    assert UssTraining.sample_rate == RATE
