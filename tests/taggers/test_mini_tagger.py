"""The small tagger with weights drawn at random: what it makes of thresholds, short and broken input, bad files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ontology import Ontology
from taggers.base import TagContext, Unavailable
from taggers.mini.checkpoint import Description, load, save
from taggers.mini.network import MiniNet
from taggers.mini.tagger import MiniTagger

ONTO = Ontology.audioset()
KNOWN = tuple(ONTO[name].mid for name in ("Dog", "Cat", "Piano", "Speech"))
CHANNELS = (4, 4, 4, 4, 8)


def write(path: Path, **changes: object) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        module = MiniNet(KNOWN, channels=CHANNELS)
    described = Description.model_validate({"classes": KNOWN, "channels": CHANNELS, "step": 0} | changes)
    save(path, module, described)
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> MiniTagger:
    return MiniTagger(checkpoint=write(tmp_path_factory.mktemp("mini") / "plain.safetensors"))


def noise(samples: int, batch: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(0))


def row(name: str) -> int:
    return ONTO[name].row


def test_what_it_cannot_tell_is_unknown_and_what_lies_above_is_the_highest_below(plain: MiniTagger) -> None:
    tags = plain.tag(noise(64_000), context=TagContext())
    told = {node.mid for mid in KNOWN for node in ONTO.ancestors(mid, include_self=True)}
    assert {node.mid for node in ONTO if tags.known[node.row]} == told
    for values in (tags.probabilities, tags.framewise):
        assert values is not None
        assert torch.equal(~torch.isnan(values), tags.known.expand_as(values))
        animals = values[..., [row("Dog"), row("Cat")]]
        assert torch.equal(values[..., row("Animal")], animals.amax(dim=-1))
    assert plain.thresholds() is None


def test_a_class_reaches_a_half_exactly_where_its_probability_reaches_its_threshold(
    plain: MiniTagger, tmp_path: Path
) -> None:
    heard = plain.tag(noise(64_000), context=TagContext()).probabilities[0]
    thresholds = dict.fromkeys(KNOWN, 0.3)
    thresholds[KNOWN[0]] = float(heard[row("Dog")])
    path = write(tmp_path / "calibrated.safetensors", thresholds=thresholds)
    calibrated = MiniTagger(checkpoint=path)
    found = calibrated.tag(noise(64_000), context=TagContext()).probabilities[0]
    assert float(found[row("Dog")]) == pytest.approx(0.5, abs=1e-5)
    odds = math.log(float(heard[row("Cat")]) / (1 - float(heard[row("Cat")]))) - math.log(0.3 / 0.7)
    assert float(found[row("Cat")]) == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-5)
    known = calibrated.tag(noise(64_000), context=TagContext()).known
    thresholds_told = calibrated.thresholds()
    assert thresholds_told is not None
    assert torch.equal(thresholds_told[known], torch.full((int(known.sum()),), 0.5))
    assert torch.isnan(thresholds_told[~known]).all()


@pytest.mark.parametrize("samples", [1, 2_560, 64_000, 64_001])
def test_frames_are_80_ms_of_inputs_of_any_length_and_silence_is_heard(plain: MiniTagger, samples: int) -> None:
    for waveforms in (noise(samples), torch.zeros(1, samples)):
        tags = plain.tag(waveforms, context=TagContext())
        assert tags.framewise is not None
        assert tags.framewise.shape == (len(waveforms), max(1, round(samples / 2_560)), len(ONTO))
        assert torch.isfinite(tags.probabilities[:, tags.known]).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_segment_that_is_not_finite_is_unknown_and_not_silent(plain: MiniTagger, value: float) -> None:
    waveforms = noise(64_000)
    whole = plain.tag(waveforms, context=TagContext()).probabilities[1]
    waveforms[0, 100] = value
    tags = plain.tag(waveforms, context=TagContext())
    assert torch.isnan(tags.probabilities[0]).all()
    torch.testing.assert_close(tags.probabilities[1], whole, equal_nan=True)


def test_waveforms_of_another_shape_or_kind_are_refused(plain: MiniTagger) -> None:
    for waveforms in (noise(64_000)[0], noise(64_000).double()):
        with pytest.raises(ValueError, match=r"float32 \(batch, samples\)"):
            plain.tag(waveforms, context=TagContext())


def test_weights_in_half_precision_are_those_of_the_file_rounded(tmp_path: Path) -> None:
    path = write(tmp_path / "whole.safetensors")
    module, described, sha256 = load(path)
    save(tmp_path / "half.safetensors", module, described, half=True)
    halved, same, other = load(tmp_path / "half.safetensors")
    assert (same, other != sha256) == (described, True)
    for name, value in halved.state_dict().items():
        wanted = module.state_dict()[name]
        assert torch.equal(value, wanted.half().float() if wanted.is_floating_point() else wanted), name


def test_files_that_are_no_checkpoint_of_it_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no weights at .*nowhere\.safetensors: give the path"):
        MiniTagger(checkpoint=tmp_path / "nowhere.safetensors")
    path = write(tmp_path / "one.safetensors")
    state, described = safetensors.torch.load_file(path), load(path)[1].model_dump_json()
    for name, metadata, why in (
        ("undescribed", None, "does not describe its network"),
        ("partly", described.replace('"thresholds":{}', '"thresholds":{"/m/0bt9lr":0.4}'), "of all classes"),
        ("unknown", described.replace("/m/0bt9lr", "/m/none"), "none"),
        ("wider", described.replace("[4,4,4,4,8]", "[4,4,4,8,8]"), "of another shape"),
    ):
        bad = tmp_path / f"{name}.safetensors"
        safetensors.torch.save_file(state, bad, None if metadata is None else {"stemtree": metadata})
        with pytest.raises(ValueError, match=why) as caught:
            MiniTagger(checkpoint=bad)
        assert str(bad) in str(caught.value)
