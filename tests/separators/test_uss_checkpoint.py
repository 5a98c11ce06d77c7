"""Checkpoints of ResUNet30: the published layout with all that training left in it, and every way to be wrong."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

import uss_float64 as plain
from separators.uss.checkpoint import load_separator

TRANSFORMS = {
    "base.stft.conv_real.weight": (1025, 1, 2048),
    "base.stft.conv_imag.weight": (1025, 1, 2048),
    "base.istft.ola_window": (2048,),
    "base.istft.conv_real.weight": (2048, 2048, 1),
    "base.istft.conv_imag.weight": (2048, 2048, 1),
}


def cnn14(prefix: str, entries: int) -> dict[str, torch.Tensor]:
    """Entries of the taggers that training keeps beside the separator; one number stands for each tensor."""
    return {f"{prefix}.conv_block{i}.bn1.weight": torch.zeros(1).expand(2048, 512) for i in range(entries)}


def lightning(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """A checkpoint as Lightning writes it: all 501 entries, the optimiser, the schedule and the loops."""
    separator = {f"ss_model.{name}": value for name, value in state.items()}
    separator |= {f"ss_model.{name}": torch.zeros(1).expand(shape) for name, shape in TRANSFORMS.items()}
    moments = {
        i: {"step": torch.tensor(1e6), **{k: torch.zeros(3) for k in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")}}
        for i in range(4)
    }
    return {
        "epoch": 0,
        "global_step": 1_000_000,
        "pytorch-lightning_version": "1.9.4",
        "state_dict": collections.OrderedDict(
            separator | cnn14("anchor_segment_detector.sed_model", 85) | cnn14("query_net.base", 84)
        ),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {},
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 1e-3, "amsgrad": True, "params": [0, 1]}]}],
        "lr_schedulers": [{"base_lrs": [0.001], "last_epoch": 1_000_000, "lr_lambdas": [None]}],
    }


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return plain.fixed_weights(527)


@pytest.mark.parametrize("size", [527, 2048])
def test_a_lightning_checkpoint_fills_the_network_and_the_rest_of_it_is_left(size: int, tmp_path: Path) -> None:
    state = plain.fixed_weights(size)
    content = lightning(state)
    assert len(content["state_dict"]) == 501
    torch.save(content, tmp_path / "full.ckpt")
    model = load_separator(tmp_path / "full.ckpt")
    assert model.condition_size == size
    assert not model.training
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_bare_state_dict_loads_with_and_without_the_transforms_and_in_the_old_format(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "bare.pth"
    for content, zipped in (
        (state, True),
        (state | {name: torch.zeros(1).expand(shape) for name, shape in TRANSFORMS.items()}, True),
        ({"state_dict": {f"ss_model.{name}": value for name, value in state.items()}}, False),
        ({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}, True),
    ):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        loaded = load_separator(path).state_dict()
        assert all(torch.equal(loaded[name], v) for name, v in state.items() if not name.endswith("tracked"))


@pytest.mark.parametrize(
    "key",
    ["base.encoder_block3.conv_block1.shortcut.bias", "film.decoder_block2->beta2.weight", "base.bn0.running_var"],
)
def test_a_missing_or_mis_shaped_tensor_is_named(key: str, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "short.ckpt"
    torch.save(lightning({name: value for name, value in state.items() if name != key}), path)
    with pytest.raises(ValueError, match=r"short\.ckpt.*missing: ") as caught:
        load_separator(path)
    assert key in str(caught.value)
    torch.save(lightning({**state, key: state[key][:-1]}), path)
    with pytest.raises(ValueError, match=r"short\.ckpt.*of another shape: ") as caught:
        load_separator(path)
    assert f"{key} {tuple(state[key][:-1].shape)}, not {tuple(state[key].shape)}" in str(caught.value)


def test_one_layer_made_for_other_conditions_is_named_and_no_other(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "mixed.ckpt"
    key = next(name for name in state if name.startswith("film.") and name.endswith(".weight"))
    torch.save(lightning({**state, key: torch.zeros(len(state[key]), 2048)}), path)
    with pytest.raises(ValueError, match=r"mixed\.ckpt") as caught:
        load_separator(path)
    told = f"of another shape: {key} ({len(state[key])}, 2048), not ({len(state[key])}, 527)"
    assert str(caught.value).endswith(told)


def test_an_unknown_tensor_a_value_that_is_not_finite_and_another_transform_are_named(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "odd.ckpt"
    for content, why in (
        ({**state, "film.encoder_block1->conv_block1->gamma1.weight": torch.zeros(32, 527)}, "unexpected.*gamma1"),
        ({**state, "base.bn0.bias": torch.full((1025,), torch.nan)}, r"not finite: base\.bn0\.bias"),
        ({**state, "base.stft.conv_real.weight": torch.zeros(513, 1, 1024)}, "another spectrogram"),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=rf"odd\.ckpt.*{why}"):
            load_separator(path)


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"fc.weight": torch.zeros(527, 2048)}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth"):
        load_separator(tmp_path / "other.pth")


class Harm:
    """What a hostile file could hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("harm was done",)


def test_a_file_with_code_in_it_is_refused_and_nothing_runs(
    state: dict[str, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"base.bn0.bias": state["base.bn0.bias"]}
    torch.save({"state_dict": small, "hyper_parameters": Harm()}, tmp_path / "harm.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Harm(), protocol=2))
    for name in ("harm.ckpt", "plain.ckpt"):
        with pytest.raises(ValueError, match="weights_only=True"):
            load_separator(tmp_path / name)
    assert "harm" not in capsys.readouterr().out


def test_a_cut_off_file_is_refused_by_name(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"base.bn0.bias": state["base.bn0.bias"]}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.ckpt"):
        load_separator(path)
