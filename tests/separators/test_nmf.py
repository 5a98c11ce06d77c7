"""Supervised NMF: templates from examples, the residual, and what is defined at the edges."""

from __future__ import annotations

import warnings

import pytest
import torch

from ontology.targets import Target
from separators.adapt import extract
from separators.base import Context, Estimates, Query
from separators.nmf import SupervisedNMF

RATE = 8000


def tone(frequency: float, seconds: float, *, phase: float = 0.0) -> torch.Tensor:
    time = torch.arange(int(seconds * RATE)) / RATE
    envelope = 0.6 + 0.4 * torch.sin(2 * torch.pi * 3 * time + phase)
    return (envelope * torch.sin(2 * torch.pi * frequency * time + phase))[None]


def sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    error = (reference.double() - estimate.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error))


def separate(mixture: torch.Tensor, *asked: Query, seed: int = 0, **options: int) -> Estimates:
    small = {"templates_per_class": 4, "free_templates": 4, "iterations": 60, **options}
    return extract(SupervisedNMF(**small), mixture, RATE, asked, context=Context(seed=seed))


LOW = Query(Target("low"), examples=(tone(300, 1.0, phase=1.0),))
HIGH = Query(Target("high"), examples=(tone(1700, 1.0, phase=2.0), tone(1700, 0.5)))


def test_classes_are_told_apart_by_their_examples() -> None:
    low, high = tone(300, 2.0), tone(1700, 2.0)
    found = separate(low + high, HIGH, LOW)
    assert sdr(high, found.audio[0]) > 20
    assert sdr(low, found.audio[1]) > 20


def test_what_no_class_explains_is_the_residual() -> None:
    low, high = tone(300, 2.0), tone(1700, 2.0)
    found = separate(low + high, LOW)
    assert found.residual is not None
    assert sdr(low, found.audio[0]) > 20
    assert sdr(high, found.residual) > 20


def test_without_free_templates_the_class_takes_all() -> None:
    mixture = tone(300, 1.0) + tone(1700, 1.0)
    found = separate(mixture, LOW, free_templates=0)
    assert found.residual is not None
    assert sdr(mixture, found.audio[0]) > 30


@pytest.mark.parametrize("samples", [1, 700, 4001])
@pytest.mark.parametrize("channels", [1, 2])
def test_estimates_and_residual_add_up_to_the_mixture(samples: int, channels: int) -> None:
    mixture = torch.randn((channels, samples), generator=torch.Generator().manual_seed(0))
    found = separate(mixture, LOW, HIGH)
    assert found.residual is not None
    assert torch.allclose(found.audio.sum(dim=0) + found.residual, mixture, atol=1e-5)


def test_the_seed_decides_every_bit() -> None:
    mixture = tone(300, 0.5) + tone(1700, 0.5)
    assert torch.equal(separate(mixture, LOW, seed=1).audio, separate(mixture, LOW, seed=1).audio)
    assert not torch.equal(separate(mixture, LOW, seed=1).audio, separate(mixture, LOW, seed=2).audio)


def test_a_target_asked_for_twice_gets_the_same_estimate_twice() -> None:
    mixture = tone(300, 0.5) + tone(1700, 0.5)
    twice, once = separate(mixture, LOW, HIGH, LOW), separate(mixture, LOW, HIGH)
    assert torch.equal(twice.audio, once.audio[[0, 1, 0]])


@pytest.mark.parametrize("mixture", [torch.zeros(2, 3000), tone(300, 0.3), torch.ones(1, 1)])
@pytest.mark.parametrize("example", [torch.zeros(1, 2000), torch.ones(1, 1), tone(300, 0.2).expand(2, -1)])
def test_silent_and_tiny_recordings_and_examples_are_defined_without_warnings(
    mixture: torch.Tensor, example: torch.Tensor
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = separate(mixture, Query(Target("a"), examples=(example,)), iterations=5)
    assert found.audio.isfinite().all()
    if not mixture.any():
        assert not found.audio.any()


def test_no_query_leaves_all_to_the_residual() -> None:
    mixture = tone(300, 0.2)
    found = separate(mixture)
    assert found.audio.shape == (0, *mixture.shape)
    assert found.residual is not None
    assert torch.equal(found.residual, mixture)


def test_a_query_without_examples_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SupervisedNMF needs 'examples' to find 'dog'"):
        separate(tone(300, 0.2), Query(Target("dog")))


@pytest.mark.parametrize("option", [{"templates_per_class": 0}, {"free_templates": -1}, {"iterations": 0}])
def test_an_option_out_of_range_is_refused_by_nmf(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        SupervisedNMF(**option)


def test_templates_are_learnt_once_from_the_same_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.decomposition

    fitted = []
    learn = sklearn.decomposition.NMF.fit
    monkeypatch.setattr(
        sklearn.decomposition.NMF, "fit", lambda self, frames: fitted.append(len(frames)) or learn(self, frames)
    )
    generator = torch.Generator().manual_seed(0)
    mixture, first, second = (torch.rand((1, 4000), generator=generator) for _ in range(3))
    separator = SupervisedNMF(iterations=3)
    context = Context(sample_rate=8000)

    def ask(example: torch.Tensor) -> torch.Tensor:
        return separator.separate(mixture, (Query(Target("a"), examples=(example,)),), context=context).audio

    once, again, other = ask(first), ask(first.clone()), ask(second)
    assert len(fitted) == 2
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
