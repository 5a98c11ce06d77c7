"""What trains ResUNet30: loss, optimiser, schedules; and checkpoints of our own, which describe their network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ontology import Ontology
from separators.uss.checkpoint import describe_checkpoint, load_separator, save_separator
from separators.uss.description import Description
from separators.uss.label_query import label_condition
from separators.uss.model import ResUNet30
from separators.uss.training import UssSettings, UssTraining, precision_on, rate_factor
from taggers.query_nets import class_mask

TINY = (2, 3, 4, 5, 6, 7, 8)
SIZES = {"channels": TINY, "window": 256, "hop": 128}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def training(**settings: object) -> UssTraining:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UssTraining(
            UssSettings.model_validate(SIZES | {"precision": "float32"} | settings),
            condition_size=527,
            query="labels",
            query_sha256=None,
            classes=("/m/05tny_", "/m/06mb1"),
            segment_seconds=0.25,
            steps=100,
            device=torch.device("cpu"),
        )


def description(**changes: object) -> Description:
    return Description.model_validate(
        {**SIZES, "condition_size": 5, "query": "embedding", "classes": ["/m/06mb1"], "step": 7, "level": 0.1} | changes
    )


# Sizes


@pytest.mark.parametrize(("window", "hop", "samples"), [(1024, 512, 6000), (256, 128, 4001), (2048, 320, 5000)])
def test_a_network_of_other_windows_passes_the_mixture_where_its_mask_is_open(
    window: int, hop: int, samples: int
) -> None:
    model = ResUNet30(5, channels=TINY, window=window, hop=hop)
    mixture = model.analyse(noise(2, samples))
    assert mixture.magnitude.shape == (2, samples // hop + 1, window // 2 + 1)
    maps = model.network(mixture.magnitude, model.film(torch.rand(2, 5)))
    assert maps.shape == (2, 3, samples // hop + 1, window // 2)
    through = torch.tensor([30.0, 30.0, 0.0])[None, :, None, None].expand(maps.shape)
    lost = noise(2, samples) - model.synthesise(mixture, through, samples)
    assert lost.square().mean() < 0.02 * noise(2, samples).square().mean()  # the bin at the Nyquist frequency


def test_with_a_level_the_network_answers_alike_at_any_loudness() -> None:
    model = ResUNet30(5, channels=TINY, window=256, hop=128, level=0.1).eval()
    waveform, condition = noise(2, 6000), torch.rand(2, 5)
    with torch.inference_mode():
        estimate = model(waveform, condition)
        for gain in (0.01, 3.0):
            torch.testing.assert_close(model(gain * waveform, condition), gain * estimate, atol=1e-6, rtol=1e-3)
        assert model(torch.zeros(1, 6000), condition[:1]).abs().max() == 0


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ({"window": 1000}, "multiple of 128"),
        ({"hop": 1500}, "at most half a window"),
        ({"channels": (1, 2)}, "7 positive numbers"),
        ({"channels": (0, *TINY[1:])}, "7 positive numbers"),
        ({"level": 0.0}, "level 0.0"),
    ],
)
def test_sizes_out_of_range_are_refused(sizes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ResUNet30(5, **sizes)  # type: ignore[arg-type]


# Optimising


@pytest.mark.parametrize(
    ("schedule", "step", "factor"),
    [
        ("constant_warm_up", 0, 0.001), ("constant_warm_up", 9_999, 0.001), ("constant_warm_up", 10_000, 0.01),
        ("constant_warm_up", 29_999, 0.1), ("constant_warm_up", 30_000, 1.0), ("constant_warm_up", 5_000_000, 1.0),
        ("linear_warm_up", 0, 0.0), ("linear_warm_up", 2_500, 0.25), ("linear_warm_up", 10_000, 1.0),
        ("linear_warm_up", 999_999, 1.0), ("linear_warm_up", 2_000_000, 0.81),
        ("cosine", 4_999, 0.5), ("cosine", 9_999, 1.0), ("cosine", 10_000, 1.0), ("cosine", 55_000, 0.5),
        ("cosine", 100_000, 0.0),
    ],
)  # fmt: skip
def test_schedules(schedule: str, step: int, factor: float) -> None:
    found = rate_factor(schedule, step, warm_up=10_000, steps=100_000)  # type: ignore[arg-type]
    assert found == pytest.approx(factor, abs=1e-12)


def test_everything_that_is_applied_learns_and_nothing_else_is_in_the_optimiser() -> None:
    made = training()
    conditions = torch.stack([label_condition(["Rain"]), label_condition(["Bark"])])
    loss = made(noise(2, 4000), conditions, noise(2, 4000, seed=1))
    loss.backward()
    learning = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    idle = {name for name, _ in made.named_parameters()} - learning
    assert len(idle) == 24
    assert all("decoder_block" in name and ("bn2" in name or "beta2" in name) for name in idle)
    assert len(made.optimiser().param_groups[0]["params"]) == len(learning)
    assert made.parameter_count == sum(p.numel() for n, p in made.named_parameters() if n in learning)


def test_the_loss_is_the_mean_absolute_error_of_the_estimate() -> None:
    made = training().eval()
    mixture, target, condition = noise(2, 4000), noise(2, 4000, seed=1), label_condition(["Rain"])[None].expand(2, -1)
    estimate = made.separate(mixture, condition)
    assert not made.training
    torch.testing.assert_close(estimate, made.model(mixture, condition))
    wanted = float((estimate - target).abs().mean())
    assert float(made(mixture, condition, target).detach()) == pytest.approx(wanted, rel=1e-5)


def test_the_published_optimiser_is_the_default() -> None:
    group = training().optimiser().param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (1e-3, (0.9, 0.999), 1e-8)
    assert (group["weight_decay"], group["amsgrad"]) == (0, True)
    assert training().rate(0) == pytest.approx(1e-6)


def test_labels_are_told_apart_from_the_first_step_on() -> None:
    model = training().model
    rain, bark = (model.film(label_condition([name])[None]) for name in ("Rain", "Bark"))
    bound = (6 / (2 + TINY[-1])) ** 0.5
    spread = (rain["conv_block7a->conv_block1->beta1"] - bark["conv_block7a->conv_block1->beta1"]).abs().mean()
    assert spread > bound / 4


def test_bfloat16_is_near_float32_and_only_taken_where_it_is_there() -> None:
    exact, coarse = training(precision="float32"), training(precision="bfloat16")
    assert coarse.dtype == torch.bfloat16
    mixture, condition = noise(2, 4000), label_condition(["Rain"])[None]
    one, other = (made.separate(mixture, condition) for made in (exact, coarse))
    assert 0 < (one - other).square().mean() < 1e-3 * one.square().mean()
    assert precision_on("float32", torch.device("cpu")) == torch.float32
    assert precision_on("auto", torch.device("mps")) == torch.float32


# Labels as conditions


def test_labels_mark_what_lies_at_or_below_a_class_and_was_trained() -> None:
    ontology = Ontology.audioset()
    assert torch.equal(label_condition(["Dog"]), class_mask(["Dog"]).float())
    animal = label_condition(["Animal"], trained=["Bark", "Rain"])
    assert animal.nonzero().flatten().tolist() == [ontology["Bark"].index]
    for mids, trained, why in (
        (["Oboe"], None, "Oboe has no label"),
        (["Speech"], ["Bark"], "Speech was not among the classes of its training"),
        ([], None, "no class"),
    ):
        with pytest.raises(ValueError, match=why):
            label_condition(mids, trained=trained)


# Checkpoints


def test_a_checkpoint_of_our_own_builds_its_network_without_being_told(tmp_path: Path) -> None:
    made = description()
    model = made.build()
    save_separator(tmp_path / "own.safetensors", model, made)
    assert describe_checkpoint(tmp_path / "own.safetensors") == made
    loaded = load_separator(tmp_path / "own.safetensors")
    assert (loaded.channels, loaded.window, loaded.hop, loaded.level) == (TINY, 256, 128, 0.1)
    assert not loaded.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())
    torch.save(ResUNet30(5, channels=TINY).state_dict(), tmp_path / "bare.pth")
    assert describe_checkpoint(tmp_path / "bare.pth") is None
    with pytest.raises(ValueError, match=r"ends on \.safetensors"):
        save_separator(tmp_path / "own.pth", model, made)


def test_a_checkpoint_that_is_not_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    state = {name: value.clone() for name, value in description().build().state_dict().items()}
    save_file(state, path)
    with pytest.raises(ValueError, match=r"odd\.safetensors: does not describe its network"):
        load_separator(path)
    save_file(state, path, {"stemtree": description().model_dump_json().replace("hop", "hopp")})
    with pytest.raises(ValueError, match=r"odd\.safetensors: .*hopp"):
        load_separator(path)
    save_file(state, path, {"stemtree": description(window=1000).model_dump_json()})
    with pytest.raises(ValueError, match=r"odd\.safetensors: window 1000"):
        load_separator(path)
    del state["base.pre_conv.weight"]
    save_file(state, path, {"stemtree": description().model_dump_json()})
    with pytest.raises(ValueError, match=r"odd\.safetensors.*missing: base\.pre_conv\.weight"):
        load_separator(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"odd\.safetensors: cannot be read"):
        load_separator(path)


def test_a_trained_network_is_saved_and_restored(tmp_path: Path) -> None:
    made, other = training(), training()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1)
    made.save(tmp_path / "m.safetensors", step=12)
    found = describe_checkpoint(tmp_path / "m.safetensors")
    assert found is not None
    assert (found.step, found.query, found.classes) == (12, "labels", ("/m/05tny_", "/m/06mb1"))
    other.restore(tmp_path / "m.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), other.state_dict().values(), strict=True))
